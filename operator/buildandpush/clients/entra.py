"""Tokens of Entra ID for a connector's identity, by azure-identity."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, UnavailableError
from buildandpush.clients.kubernetes import KubernetesClient
from buildandpush.clients.outside import Outside
from buildandpush.core.azure_error import LoginError, LoginProblem, classify_entra, clip_foreign
from buildandpush.core.cloud import find_cloud
from buildandpush.core.credential import ClientCertificate, ClientSecret, Connector, FederatedIdentity, Resolved
from buildandpush.core.login import login_version

ASSERTION_AUDIENCE: Final = "api://AzureADTokenExchange"
_TIMEOUT_SECONDS: Final = 30.0
# The queue asks again after a time of its own; a retry here would only hold a worker.
_NO_RETRY: Final[dict[str, Any]] = {"retry_total": 0, "permit_redirects": False}


@dataclass
class _Assertion:
    """The service account's token; azure-identity asks for it by a call that cannot wait."""

    value: str = ""


@dataclass(frozen=True)
class _Held:
    version: str
    credential: AsyncTokenCredential
    assertion: _Assertion


class EntraClient:
    """Tokens by connector. azure-identity keeps a token until shortly before its end, so asking again is cheap."""

    def __init__(self, outside: Outside, kubernetes: KubernetesClient) -> None:
        self._outside = outside
        self._kubernetes = kubernetes
        self._held: dict[str, _Held] = {}

    async def fetch_token(self, connector: Connector, resolved: Resolved, audience: str) -> str:
        """A token for this audience; raises LoginError with Entra ID's own words."""
        held = await self._hold(connector, resolved)
        try:
            if isinstance(resolved.credential, FederatedIdentity):
                held.assertion.value = await self._fetch_assertion(connector, resolved.credential.service_account)
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                token = await held.credential.get_token(f"{audience}/.default")
        except HttpResponseError as error:
            raise LoginError(classify_entra(str(error.message), error.status_code)) from None
        except (AzureError, TimeoutError, OSError) as error:
            raise LoginError(classify_entra(str(error) or "no answer in time", None)) from None
        except ValueError as error:
            raise LoginError(_unusable(str(error))) from None
        except (AttributeError, KeyError, TypeError):
            # azure-identity stumbles so over answers that are not Entra ID's, such as a proxy's page.
            raise LoginError(classify_entra("the answer is not Entra ID's", None)) from None
        return token.token

    async def _hold(self, connector: Connector, resolved: Resolved) -> _Held:
        version = login_version(connector, resolved)
        held = self._held.get(connector.uid)
        if held is not None and held.version == version:
            return held
        assertion = _Assertion()
        try:
            made = _Held(version, self._make(connector, resolved, assertion), assertion)
        except ValueError as error:
            raise LoginError(_unusable(str(error))) from None
        if held is not None:
            await held.credential.close()
        self._held[connector.uid] = made
        return made

    def _make(self, connector: Connector, resolved: Resolved, assertion: _Assertion) -> AsyncTokenCredential:
        credential = resolved.credential
        # Without instance discovery no other host is asked whether the authority is a true one.
        settings: dict[str, Any] = {
            "authority": find_cloud(connector.spec).authority,
            "transport": self._outside.transport(),
            "disable_instance_discovery": True,
            **_NO_RETRY,
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
        return ManagedIdentityCredential(client_id=client_id, transport=self._outside.transport(), **_NO_RETRY)

    async def _fetch_assertion(self, connector: Connector, account: str) -> str:
        """A token of the service account, made by the API server for Entra ID alone."""
        try:
            return await self._kubernetes.create_service_account_token(
                connector.namespace, account, audience=ASSERTION_AUDIENCE
            )
        except NotFoundError:
            detail = f"service account {account!r} in namespace {connector.namespace!r} does not exist; create it"
        except UnavailableError as error:
            raise LoginError(classify_entra(f"the API server: {error}", None)) from None
        except (ConflictError, KubernetesError) as error:
            detail = f"the API server gives no token for service account {account!r}: {error.message}"
        raise LoginError(LoginProblem(Reason.LOGIN_FAILED, detail))

    async def close(self) -> None:
        """Close the credentials."""
        for held in self._held.values():
            await held.credential.close()
        self._held.clear()


def _unusable(words: str) -> LoginProblem:
    """A credential that azure-identity itself cannot use, such as a certificate that is none."""
    return LoginProblem(Reason.LOGIN_FAILED, clip_foreign(f"the credential cannot be used: {words}"))
