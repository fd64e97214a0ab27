"""Tokens of Entra ID for a connector's identity, by azure-identity."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)
from cryptography.exceptions import UnsupportedAlgorithm

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.outside import ODD_ANSWERS, ONE_TRY, Outside
from buildandpush.clients.shared import Shared
from buildandpush.clients.traffic.circuits import find_distrust
from buildandpush.clients.traffic.pauses import Pauses, read_pause_of
from buildandpush.core.azure.cloud import find_cloud
from buildandpush.core.azure.credential import (
    ClientCertificate,
    ClientSecret,
    Connector,
    Credential,
    FederatedIdentity,
    NodeIdentity,
    Resolved,
    secrets_of,
)
from buildandpush.core.azure.errors import (
    LoginError,
    LoginProblem,
    classify_entra,
    classify_node,
    clip_foreign,
    distrusts_entra,
)
from buildandpush.core.azure.login import login_version
from buildandpush.core.foreign import admit

ASSERTION_AUDIENCE: Final = "api://AzureADTokenExchange"
ASSERTION_SECONDS: Final = 540.0
"""How long a service account's token is shown to Entra ID: until a minute before its end."""
_TIMEOUT_SECONDS: Final = 30.0


@dataclass
class _Assertion:
    """The service account's token. azure-identity asks for it in a call that cannot await."""

    value: str = ""
    until: float = 0.0
    """By the client's clock."""


@dataclass(frozen=True)
class _HeldCredential:
    version: str
    credential: AsyncTokenCredential
    assertion: _Assertion


class EntraClient:
    """Tokens by connector. azure-identity keeps a token until shortly before its end, so a repeated call is cheap.

    It sends a request for each of those who ask before the first has its answer, such as a connector's registries. So
    they wait for that one here.
    """

    def __init__(
        self, outside: Outside, kubernetes: KubernetesClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` counts seconds."""
        self._outside = outside
        self._kubernetes = kubernetes
        self._clock = clock
        self._held: dict[str, _HeldCredential] = {}
        self._asked: Shared[tuple[str, str, str], str] = Shared()
        """By connector's uid, version of its login and audience."""
        self._pauses: Pauses[tuple[str, str], LoginProblem] = Pauses(clock)
        """By connector's uid and version of its login."""

    async def fetch_token(self, resolved: Resolved, audience: str) -> str:
        """A token for this audience; raises LoginError with Entra ID's own words."""
        key = (resolved.connector.uid, login_version(resolved))
        return await self._asked.ask((*key, audience), partial(self._ask, key, resolved, audience))

    async def _ask(self, key: tuple[str, str], resolved: Resolved, audience: str) -> str:
        """The token, unless Entra ID wants to be left alone: those who wait for an answer of others learn it here."""
        paused = self._pauses.find(key)
        if paused is not None:
            raise LoginError(replace(paused[0], retry_after_seconds=paused[1]))
        try:
            return await self._fetch(resolved, audience)
        except LoginError as error:
            self._pauses.note(key, error.problem.retry_after_seconds, error.problem)
            raise

    async def _fetch(self, resolved: Resolved, audience: str) -> str:
        held = await self._hold(resolved)
        assertion = held.assertion
        if isinstance(resolved.credential, FederatedIdentity) and self._clock() >= assertion.until:
            assertion.value = await self._fetch_assertion(resolved.connector, resolved.credential.service_account)
            assertion.until = self._clock() + ASSERTION_SECONDS
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                token = await held.credential.get_token(f"{audience}/.default")
        except (AzureError, TimeoutError, OSError, *ODD_ANSWERS) as error:
            assertion.until = 0.0
            raise LoginError(_classify(error, resolved.credential, assertion.value)) from None
        return token.token

    async def _hold(self, resolved: Resolved) -> _HeldCredential:
        uid, version = resolved.connector.uid, login_version(resolved)
        transport = await self._outside.transport()  # before the look, so that of two that come together one makes it
        held = self._held.get(uid)
        if held is not None and held.version == version:
            return held
        assertion = _Assertion()
        try:
            made = _HeldCredential(version, self._make(resolved, assertion, transport), assertion)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise LoginError(_unusable(error, resolved.credential)) from None
        self._held[uid] = made
        if held is not None:
            await held.credential.close()
        return made

    def _make(self, resolved: Resolved, assertion: _Assertion, transport: AioHttpTransport) -> AsyncTokenCredential:
        credential = resolved.credential
        # Without instance discovery, azure-identity asks no other host if the authority is genuine.
        settings: dict[str, Any] = {
            "authority": find_cloud(resolved.connector.spec).authority,
            "transport": transport,
            "disable_instance_discovery": True,
            **ONE_TRY,
        }
        if isinstance(credential, ClientSecret):
            return ClientSecretCredential(credential.tenant_id, credential.client_id, credential.secret, **settings)
        if isinstance(credential, ClientCertificate):
            return CertificateCredential(
                credential.tenant_id, credential.client_id, certificate_data=credential.pem, **settings
            )
        if isinstance(credential, FederatedIdentity):
            return ClientAssertionCredential(
                credential.tenant_id, credential.client_id, lambda: assertion.value, **settings
            )
        client_id = getattr(credential, "client_id", None)
        return ManagedIdentityCredential(client_id=client_id, transport=self._outside.node_transport(), **ONE_TRY)

    async def _fetch_assertion(self, connector: Connector, account: str) -> str:
        """A token of the service account, made by the API server for Entra ID alone."""
        try:
            return await self._kubernetes.create_service_account_token(
                connector.namespace, account, audience=ASSERTION_AUDIENCE
            )
        except NotFoundError:
            detail = f"service account {account!r} in namespace {connector.namespace!r} does not exist; create it"
        except UnavailableError as error:
            raise LoginError(classify_entra(admit(f"the API server: {error}"), None)) from None
        except (ConflictError, KubernetesError) as error:
            detail = f"the API server gives no token for service account {account!r}: {error.message}"
        raise LoginError(LoginProblem(Reason.LOGIN_FAILED, detail))

    async def forget(self, connector_uid: str) -> None:
        """Close the credential of a connector that is gone."""
        held = self._held.pop(connector_uid, None)
        if held is not None:
            await held.credential.close()

    async def close(self) -> None:
        """Close the credentials."""
        for held in self._held.values():
            await held.credential.close()
        self._held.clear()


def _classify(error: Exception, credential: Credential, assertion: str) -> LoginProblem:
    """The problem of a failed request for a token, without the secrets of the request."""
    cause = getattr(error, "inner_exception", None)
    distrust = find_distrust(cause)
    if distrust:  # not of the node's endpoint, which is asked over http
        return distrusts_entra(getattr(cause, "host", "Entra ID"), distrust)
    words = "the answer is none of a token service's"
    if isinstance(error, AzureError | TimeoutError | OSError):
        words = str(getattr(error, "message", "") or error) or "no answer in time"
    message = admit(words, [*secrets_of(credential), assertion])
    if isinstance(credential, NodeIdentity):
        # azure-identity puts its own error before the endpoint's answer, if that answer is JSON.
        cause = error.__cause__
        return replace(classify_node(message, _status_of(cause)), retry_after_seconds=read_pause_of(cause))
    return replace(classify_entra(message, _status_of(error)), retry_after_seconds=read_pause_of(error))


def _status_of(error: BaseException | None) -> int | None:
    return error.status_code if isinstance(error, HttpResponseError) else None


def _unusable(error: Exception, credential: Credential) -> LoginProblem:
    """A credential that azure-identity cannot use, such as an invalid certificate."""
    if isinstance(credential, ClientCertificate) and b"ENCRYPTED" in credential.pem:
        detail = "the private key is encrypted with a passphrase; store it without one"
    else:
        detail = f"the credential cannot be used: {admit(str(error), secrets_of(credential))}"
    return LoginProblem(Reason.LOGIN_FAILED, clip_foreign(detail))
