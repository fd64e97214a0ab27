"""Logins of builds: reads connectors and their Secrets, and keeps the docker config Secrets of pods fresh."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.connector import LoginStatus
from buildandpush.api.meta import CONNECTOR_PLURAL
from buildandpush.api.reasons import Reason
from buildandpush.api.urls import AZURE_REPOS
from buildandpush.clients.azure.identity import IdentityLogins
from buildandpush.clients.azure.ledger import LoginLedger
from buildandpush.clients.azure.secrets import LoginSecrets
from buildandpush.clients.errors import KubernetesError, NotFoundError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Object
from buildandpush.clients.recent import Recent
from buildandpush.core.azure.connector import Check, LoggedIn, parse_connector
from buildandpush.core.azure.credential import (
    Connector,
    Resolved,
    UserPassword,
    check_allowed,
    describe_identity,
    find_secret,
    inputs_of,
    read_credential,
)
from buildandpush.core.azure.errors import LoginError
from buildandpush.core.azure.login import (
    Credentials,
    RegistryAccess,
    RegistryToken,
    build_login_secret,
    check_registry,
    describe_login,
    is_ours,
    login_version,
    owners_of,
    plan_access,
    read_login_secret,
)
from buildandpush.core.azure.service import SERVICES
from buildandpush.core.facts import Inputs, LoginNeed, LoginSecretRef, Waiting
from buildandpush.core.settings import LoginSettings

_MAX_KNOWN: Final = 4096
_PASSWORD_LIFE: Final = timedelta(hours=2)
"""How long a login with a password is kept for a build that may come; at half of it the password is looked at again."""
_RENEWAL_WAIT: Final = timedelta(seconds=30)
"""How long until a login that is overdue is tried again."""


class Logins:
    """All logins. Builds with the same needs share one."""

    def __init__(
        self,
        client: KubernetesClient,
        identities: IdentityLogins,
        settings: LoginSettings,
        clock: Callable[[], datetime],
        on_change: Callable[[str, str], None] = lambda namespace, connector: None,
    ) -> None:
        """`on_change` is called with a connector whose logins changed, so that its status can tell of them."""
        self._client = client
        self._secrets = LoginSecrets(client, clock)
        self._identities = identities
        self._settings = settings
        self._clock = clock
        self._known: dict[tuple[str, tuple[LoginNeed, ...]], LoginSecretRef] = {}
        self._ledger = LoginLedger(on_change)
        self._passwords: Recent[tuple[str, str], bool] = Recent()
        """Whether a connector, by namespace and name, logs in with a password, which nobody outside is asked about."""

    async def ensure_login(
        self, namespace: str, needs: tuple[LoginNeed, ...], *, renewal: bool = False
    ) -> LoginSecretRef | Waiting:
        """A login Secret that build pods can mount, created or renewed if needed; or what it waits for."""
        if not needs:
            return LoginSecretRef(None)
        known = self._known.get((namespace, needs))
        if renewal and known is not None and (known.renew_at is None or self._clock() < known.renew_at):
            return known
        opened = await self._open(namespace, [need.connector for need in needs])
        if isinstance(opened, Waiting):
            return opened
        accesses = plan_access(needs, {name: resolved.connector for name, resolved in opened.items()})
        if isinstance(accesses, Waiting):
            return accesses
        login = await self._ensure(namespace, accesses, {item.connector.uid: item for item in opened.values()})
        if isinstance(login, LoginSecretRef):
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()  # only a shortcut: what is needed of it comes back
            self._known[namespace, needs] = login
        return login

    def is_at_hand(self, namespace: str, needs: tuple[LoginNeed, ...]) -> bool:
        """Whether `ensure_login` asks no one but the API server: Entra ID and registries may take long to answer."""
        known = self._known.get((namespace, needs))
        if known is not None and (known.renew_at is None or self._clock() < known.renew_at):
            return True
        return all(self._passwords.get((namespace, need.connector)) for need in needs)

    async def find_credentials(self, namespace: str, connector_ref: str, host: str) -> Credentials | Waiting:
        """The credentials that the operator itself uses for a host."""
        opened = await self._open(namespace, [connector_ref])
        if isinstance(opened, Waiting):
            return opened
        resolved = opened[connector_ref]
        refused = check_registry(resolved.connector, host)
        if refused is not None:
            return refused
        try:
            login = await self._log_in(resolved, host, None)
        except LoginError as error:
            return _waiting(error)
        return Credentials((host,), login.username, login.password, resolved.connector.spec.ca_bundle or "")

    async def fetch_git_token(self, namespace: str, connector_ref: str) -> str | Waiting:
        """The token that the operator itself reads Azure Repos with."""
        opened = await self._open(namespace, [connector_ref])
        if isinstance(opened, Waiting):
            return opened
        resolved = opened[connector_ref]
        need = LoginNeed(connector_ref, service=AZURE_REPOS)
        accesses = plan_access((need,), {connector_ref: resolved.connector})
        if isinstance(accesses, Waiting):
            return accesses
        try:
            return (await self._identities.fetch_service_token(resolved, SERVICES[AZURE_REPOS])).password
        except LoginError as error:
            return _waiting(error)

    async def resolve(self, namespace: str, connector_ref: str) -> Resolved | Waiting:
        """A connector with its credential, or what it waits for."""
        opened = await self._open(namespace, [connector_ref])
        return opened if isinstance(opened, Waiting) else opened[connector_ref]

    async def find_inputs(self, namespace: str, connector_refs: Sequence[str]) -> Inputs:
        """The Secrets of connectors with digests of the values that they use. Empty if one of them cannot be read."""
        opened = await self._open(namespace, connector_refs)
        if isinstance(opened, Waiting):
            return Inputs()
        return Inputs(inputs_of(opened.values()))

    async def check(self, connector: Connector) -> Check:
        """Whether the connector can log in: to Entra ID, and to every registry that it names."""
        resolved = await self._resolve(connector)
        if isinstance(resolved, Waiting):
            return resolved
        identity = describe_identity(connector.spec, resolved.credential)
        registries = tuple(connector.spec.registries or ())
        if isinstance(resolved.credential, UserPassword):
            return LoggedIn(identity, registries, checked=False)
        try:
            if not registries:
                await self._identities.check_token(resolved)
            for host in registries:
                refused = check_registry(connector, host)
                if refused is not None:
                    return refused
                await self._identities.log_in(resolved, host)
        except LoginError as error:
            return error.problem
        uid = connector.uid
        return LoggedIn(identity, self._identities.hosts_of(uid), expires_at=self._identities.end_of(uid))

    def logins_of(self, connector_uid: str) -> dict[str, LoginStatus]:
        """The logins made since the start, by the name of their Secret."""
        return self._ledger.of(connector_uid)

    async def forget(self, namespace: str, name: str, uid: str) -> None:
        """Drop what is known of a connector that is gone."""
        self._ledger.forget(uid)
        for key in [
            key for key in self._known if key[0] == namespace and any(need.connector == name for need in key[1])
        ]:
            del self._known[key]
        self._passwords.pop((namespace, name))
        await self._identities.forget(uid)

    async def remove_login(self, connector: Connector, name: str) -> bool:
        """Delete one of our login Secrets if all its logins have ended. Returns whether it is gone."""
        if self._ledger.lives(connector.uid, name, self._clock()):
            return False  # it may just be on its way to the API server
        gone = await self._secrets.remove(connector, name)
        if gone and not self._ledger.lives(connector.uid, name, self._clock()):
            self._ledger.drop(connector.uid, name)
        return gone

    # ---- the steps

    async def _open(self, namespace: str, names: Sequence[str]) -> dict[str, Resolved] | Waiting:
        opened: dict[str, Resolved] = {}
        for name in dict.fromkeys(names):
            try:
                raw = await self._client.read_custom(CONNECTOR_PLURAL, namespace, name)
            except NotFoundError:
                return Waiting(Reason.CONNECTOR_MISSING, f"AzureConnector {name!r} in namespace {namespace!r}")
            connector = parse_connector(raw)
            resolved = connector if isinstance(connector, Waiting) else await self._resolve(connector)
            if isinstance(resolved, Waiting):
                return resolved
            opened[name] = resolved
        return opened

    async def _resolve(self, connector: Connector) -> Resolved | Waiting:
        refused = check_allowed(connector, self._settings)
        if refused is not None:
            return refused
        name, secret = find_secret(connector.spec), None
        if name is not None:
            try:
                secret = await self._client.read_secret(connector.namespace, name)
            except NotFoundError:
                secret = None
        resolved = read_credential(connector, secret)
        by_password = isinstance(resolved, Resolved) and isinstance(resolved.credential, UserPassword)
        self._passwords.put((connector.namespace, connector.name), by_password)
        return resolved

    async def _ensure(
        self, namespace: str, accesses: tuple[RegistryAccess, ...], opened: dict[str, Resolved]
    ) -> LoginSecretRef | Waiting:
        shape = build_login_secret(namespace, accesses, ())
        name = shape["metadata"]["name"]
        full = self._ledger.find_full(name, opened)
        if full is not None:
            return full
        existing = await self._secrets.read(shape)
        if existing is not None and not is_ours(existing, owners_of(shape)):
            return _taken(shape)
        logins = await self._log_in_all(accesses, opened, read_login_secret(existing) if existing is not None else {})
        if isinstance(logins, Waiting):
            return logins
        wanted = build_login_secret(namespace, accesses, logins)
        # Again, since others may have been made meanwhile, and noted before it is made, so that they count this one.
        full = self._ledger.find_full(name, opened)
        if full is not None:
            return full
        self._ledger.note(name, opened, logins)
        try:
            written = await self._secrets.write(wanted, existing)
        except KubernetesError:
            if existing is None:  # such as a quota on Secrets: there is none, so none counts
                self._drop(name, opened)
            raise
        if not is_ours(written, owners_of(wanted)):
            self._drop(name, opened)
            return _taken(wanted)
        described = describe_login(wanted, accesses, opened.values())
        return replace(described, renew_at=self._renew_at(logins))

    def _drop(self, name: str, connector_uids: Iterable[str]) -> None:
        for uid in connector_uids:
            self._ledger.drop(uid, name)

    async def _log_in_all(
        self, accesses: tuple[RegistryAccess, ...], opened: dict[str, Resolved], kept: dict[str, RegistryToken]
    ) -> list[RegistryToken] | Waiting:
        """A login for each host. An optional login that fails is left out, but one that still works is kept."""
        logins: list[RegistryToken] = []
        for access in accesses:
            resolved, old = opened[access.connector.uid], kept.get(access.host)
            try:
                logins.append(await self._pod_login(access, resolved, old))
            except LoginError as error:
                if access.required:
                    return _waiting(error)
                if old is not None and old.lives(login_version(resolved, access.repositories), self._clock()):
                    logins.append(old)
        return logins

    async def _pod_login(self, access: RegistryAccess, resolved: Resolved, kept: RegistryToken | None) -> RegistryToken:
        """The login of build pods to a host; raises LoginError."""
        if access.service:
            return await self._identities.fetch_service_token(resolved, access.service, kept)
        if isinstance(resolved.credential, UserPassword):
            return await self._log_in(resolved, access.host, kept)
        scoped, now = login_version(resolved, access.repositories), self._clock()
        token = kept if kept is not None and kept.is_access_token else None
        if token is not None and token.is_fresh(scoped, now):
            return token
        try:
            self._identities.recall_refusal(access, resolved)
            login = await self._log_in(resolved, access.host, kept)
            return await self._identities.authorize_push(access, resolved, login)
        except LoginError as error:
            if token is None or not error.problem.temporary or not token.lives(scoped, now):
                raise
            return token

    async def _log_in(self, resolved: Resolved, host: str, kept: RegistryToken | None) -> RegistryToken:
        credential = resolved.credential
        if not isinstance(credential, UserPassword):
            return await self._identities.log_in(resolved, host, kept)
        version, now = login_version(resolved), self._clock()
        if kept is not None and kept.expires_at is not None and kept.is_fresh(version, now):
            return kept
        return RegistryToken(host, credential.username, credential.password, version, now, now + _PASSWORD_LIFE)

    def _renew_at(self, logins: Sequence[RegistryToken]) -> datetime | None:
        """When the first login is due for renewal. A renewal that failed is tried again later."""
        due = min((login.renew_at for login in logins if login.renew_at is not None), default=None)
        return due and max(due, self._clock() + _RENEWAL_WAIT)


def _waiting(error: LoginError) -> Waiting:
    return Waiting(error.problem.reason, error.problem.detail, error.problem.remedy)


def _taken(secret: Object) -> Waiting:
    return Waiting(Reason.NAME_COLLISION, f"Secret {secret['metadata']['name']!r} was not made by the operator")
