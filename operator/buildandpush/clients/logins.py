"""Logins of builds: reads connectors and their Secrets, and keeps the docker config Secrets of pods fresh."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from buildandpush.api.connector import LoginStatus
from buildandpush.api.meta import CONNECTOR_PLURAL
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, NotFoundError
from buildandpush.clients.identity import IdentityLogins
from buildandpush.clients.kubernetes import KubernetesClient, Object
from buildandpush.core.azure_error import LoginError
from buildandpush.core.connector import Check, LoggedIn, parse_connector
from buildandpush.core.credential import (
    Connector,
    Resolved,
    UserPassword,
    check_allowed,
    describe_identity,
    find_secret,
    read_credential,
)
from buildandpush.core.login import (
    Credentials,
    HostLogin,
    HostPlan,
    build_login_secret,
    check_registry,
    describe_login,
    is_ours,
    login_version,
    plan_hosts,
    read_login_secret,
)
from buildandpush.core.manifest import Login
from buildandpush.core.settings import LoginSettings
from buildandpush.core.world import Inputs, LoginNeed, Waiting

_MAX_KNOWN: Final = 4096


@dataclass(frozen=True)
class _Session:
    """A connector with its credential."""

    connector: Connector
    resolved: Resolved


class Logins:
    """Every login there is, made once for all builds that share it."""

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
        self._identities = identities
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._known: dict[tuple[str, tuple[LoginNeed, ...]], Login] = {}
        self._made: dict[str, dict[str, LoginStatus]] = {}

    async def ensure_login(
        self, namespace: str, needs: tuple[LoginNeed, ...], *, renewal: bool = False
    ) -> Login | Waiting:
        """A login Secret that build pods can mount, made or renewed where needed; or what it waits for."""
        if not needs:
            return Login(None)
        known = self._known.get((namespace, needs))
        if renewal and known is not None and (known.renew_at is None or self._clock() < known.renew_at):
            return known
        sessions = await self._open(namespace, [need.connector for need in needs])
        if isinstance(sessions, Waiting):
            return sessions
        plans = plan_hosts(needs, {name: session.connector for name, session in sessions.items()})
        if isinstance(plans, Waiting):
            return plans
        login = await self._ensure(namespace, plans, {item.connector.uid: item for item in sessions.values()})
        if isinstance(login, Login):
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()  # only a shortcut: what is needed of it comes back
            self._known[namespace, needs] = login
        return login

    async def find_credentials(self, namespace: str, connector_ref: str, host: str) -> Credentials | Waiting:
        """What the operator itself logs in to a host with."""
        sessions = await self._open(namespace, [connector_ref])
        if isinstance(sessions, Waiting):
            return sessions
        session = sessions[connector_ref]
        refused = check_registry(session.connector, host)
        if refused is not None:
            return refused
        try:
            login = await self._log_in(session, host, None)
        except LoginError as error:
            return _waiting(error)
        return Credentials((host,), login.username, login.password, session.connector.spec.ca_bundle or "")

    async def find_session(self, namespace: str, connector_ref: str) -> tuple[Connector, Resolved] | Waiting:
        """A connector with its credential."""
        sessions = await self._open(namespace, [connector_ref])
        if isinstance(sessions, Waiting):
            return sessions
        return sessions[connector_ref].connector, sessions[connector_ref].resolved

    async def find_inputs(self, namespace: str, connector_refs: Sequence[str]) -> Inputs:
        """The Secrets of connectors with their versions; none where one cannot be read."""
        sessions = await self._open(namespace, connector_refs)
        if isinstance(sessions, Waiting):
            return Inputs()
        pairs = {pair for session in sessions.values() for pair in session.resolved.inputs}
        return Inputs(tuple(sorted(pairs)))

    async def check(self, connector: Connector) -> Check:
        """Whether the connector can log in: to Entra ID, and to every registry that it names."""
        found = await self._resolve(connector)
        if isinstance(found, Waiting):
            return found
        resolved = found.resolved
        identity = describe_identity(resolved.credential)
        registries = tuple(connector.spec.registries or ())
        if isinstance(resolved.credential, UserPassword):
            return LoggedIn(identity, registries, checked=False)
        try:
            if not registries:
                await self._identities.check_token(connector, resolved)
            for host in registries:
                refused = check_registry(connector, host)
                if refused is not None:
                    return refused
                await self._identities.log_in(connector, resolved, host)
        except LoginError as error:
            return error.problem
        return LoggedIn(identity, self._identities.hosts_of(connector.uid))

    def logins_of(self, connector_uid: str) -> dict[str, LoginStatus]:
        """The logins made since the start, by the name of their Secret."""
        return dict(self._made.get(connector_uid, {}))

    def forget(self, connector_uid: str) -> None:
        """Drop what is known of a connector that is gone."""
        self._identities.forget(connector_uid)
        self._made.pop(connector_uid, None)

    async def remove_login(self, connector: Connector, name: str) -> bool:
        """Delete a login Secret of ours in which nothing lives any more. Says whether it is gone."""
        try:
            secret = await self._client.read_secret(connector.namespace, name)
        except NotFoundError:
            return True
        metadata = secret["metadata"]
        owner = {"metadata": {"ownerReferences": [{"uid": connector.uid}]}}
        now = self._clock()
        alive = any(login.expires_at is None or now < login.expires_at for login in read_login_secret(secret).values())
        if alive or not is_ours(secret, owner):
            return False
        try:
            await self._client.delete_secret(
                connector.namespace, name, uid=metadata["uid"], version=metadata["resourceVersion"]
            )
        except NotFoundError:
            return True
        except ConflictError:
            return False  # renewed meanwhile
        self._made.get(connector.uid, {}).pop(name, None)
        return True

    # ---- the steps

    async def _open(self, namespace: str, names: Sequence[str]) -> dict[str, _Session] | Waiting:
        sessions: dict[str, _Session] = {}
        for name in dict.fromkeys(names):
            try:
                raw = await self._client.read_custom(CONNECTOR_PLURAL, namespace, name)
            except NotFoundError:
                return Waiting(Reason.CONNECTOR_MISSING, f"AzureConnector {name!r} in namespace {namespace!r}")
            connector = parse_connector(raw)
            session = connector if isinstance(connector, Waiting) else await self._resolve(connector)
            if isinstance(session, Waiting):
                return session
            sessions[name] = session
        return sessions

    async def _resolve(self, connector: Connector) -> _Session | Waiting:
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
        return resolved if isinstance(resolved, Waiting) else _Session(connector, resolved)

    async def _ensure(
        self, namespace: str, plans: tuple[HostPlan, ...], sessions: dict[str, _Session]
    ) -> Login | Waiting:
        shape = build_login_secret(namespace, plans, ())
        existing = await self._read_existing(shape)
        if existing is not None and not is_ours(existing, shape):
            return Waiting(Reason.NAME_COLLISION, f"Secret {shape['metadata']['name']!r} was not made by the operator")
        kept = read_login_secret(existing) if existing is not None else {}
        logins: list[HostLogin] = []
        for plan in plans:
            try:
                logins.append(await self._host_login(plan, sessions[plan.connector.uid], kept.get(plan.host)))
            except LoginError as error:
                if plan.required:
                    return _waiting(error)
        wanted = build_login_secret(namespace, plans, logins)
        written = await self._write(wanted, existing)
        if not is_ours(written, wanted):
            return Waiting(Reason.NAME_COLLISION, f"Secret {wanted['metadata']['name']!r} was not made by the operator")
        self._note(wanted, plans, logins)
        renew_at = min((login.renew_at for login in logins if login.renew_at is not None), default=None)
        described = describe_login(wanted, plans, [session.resolved for session in sessions.values()])
        return replace(described, renew_at=renew_at)

    async def _host_login(self, plan: HostPlan, session: _Session, kept: HostLogin | None) -> HostLogin:
        if isinstance(session.resolved.credential, UserPassword):
            return await self._log_in(session, plan.host, kept)
        scoped = login_version(session.connector, session.resolved, plan.push)
        if kept is not None and kept.is_access_token and kept.is_fresh(scoped, self._clock()):
            return kept
        login = await self._log_in(session, plan.host, kept)
        return await self._identities.authorize_push(plan, session.resolved, login)

    async def _log_in(self, session: _Session, host: str, kept: HostLogin | None) -> HostLogin:
        credential = session.resolved.credential
        if isinstance(credential, UserPassword):
            version = login_version(session.connector, session.resolved)
            return HostLogin(host, credential.username, credential.password, version)
        return await self._identities.log_in(session.connector, session.resolved, host, kept)

    async def _read_existing(self, wanted: Object) -> Object | None:
        try:
            return await self._client.read_secret(wanted["metadata"]["namespace"], wanted["metadata"]["name"])
        except NotFoundError:
            return None

    async def _write(self, wanted: Object, existing: Object | None) -> Object:
        """Create the Secret or bring the one that is ours up to date; a foreign one comes back as it is."""
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        if existing is None:
            try:
                return await self._client.create_secret(wanted)
            except ConflictError:
                existing = await self._client.read_secret(namespace, name)
        if not is_ours(existing, wanted) or existing.get("data") == wanted["data"]:
            return existing
        version = existing["metadata"]["resourceVersion"]
        # null removes keys that are no longer wanted, as a merge patch would keep them.
        gone = dict.fromkeys(set(existing.get("data") or {}) - set(wanted["data"]))
        body = {"metadata": {"resourceVersion": version}, "data": {**gone, **wanted["data"]}}
        return await self._client.patch_secret(namespace, name, body)

    def _note(self, secret: Object, plans: Sequence[HostPlan], logins: Sequence[HostLogin]) -> None:
        """Remember the login for the status of its connectors."""
        name = secret["metadata"]["name"]
        ends = min((login.expires_at for login in logins if login.expires_at is not None), default=None)
        status = LoginStatus(secret_name=name, registries=sorted(plan.host for plan in plans), expires_at=ends)
        for connector in {plan.connector.uid: plan.connector for plan in plans}.values():
            made = self._made.setdefault(connector.uid, {})
            if made.get(name) != status:
                made[name] = status
                self._on_change(connector.namespace, connector.name)


def _waiting(error: LoginError) -> Waiting:
    return Waiting(error.problem.reason, error.problem.detail, error.problem.remedy)
