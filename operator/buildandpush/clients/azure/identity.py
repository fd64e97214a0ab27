"""Logins of Azure identities to registries. All builds share a login; it is renewed at half its life."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.entra import EntraClient
from buildandpush.clients.azure.tokens import AcrClient
from buildandpush.clients.recent import Recent
from buildandpush.core.azure.cloud import REGISTRY_AUDIENCE
from buildandpush.core.azure.credential import Resolved
from buildandpush.core.azure.errors import LoginError, LoginProblem, unreachable
from buildandpush.core.azure.login import NULL_GUID, RegistryAccess, RegistryToken, login_version
from buildandpush.core.azure.service import Service
from buildandpush.core.azure.token import (
    PULL_ALL,
    has_repository_roles,
    is_token,
    pull_scope_of,
    read_access,
    read_end,
    read_life,
    scope_of,
)
from buildandpush.core.backoff import FIRST_BACKOFF_SECONDS, backoff_seconds, is_due, longest_backoff_seconds
from buildandpush.core.retryafter import LONGEST_PAUSE_SECONDS


@dataclass(frozen=True)
class _Failed:
    version: str
    problem: LoginProblem
    count: int
    until: datetime


_Key = tuple[str, str]
"""A connector's uid and a host."""


class IdentityLogins:
    """The logins of connectors with an Azure identity. One exchange serves all builds until the renewal."""

    def __init__(
        self,
        entra: EntraClient,
        acr: AcrClient,
        clock: Callable[[], datetime],
        first_backoff_seconds: int = FIRST_BACKOFF_SECONDS,
        on_login: Callable[[Reason], None] = lambda reason: None,
    ) -> None:
        """A refusal is remembered for `first_backoff_seconds`, longer each time. `on_login` is called with LoggedIn for
        a login to a registry that was made or renewed, and with the reason of one that failed."""
        self._first_backoff_seconds = first_backoff_seconds
        self._entra = entra
        self._acr = acr
        self._clock = clock
        self._on_login = on_login
        self._logins: Recent[_Key, RegistryToken] = Recent()
        self._refused: Recent[tuple[str, str, str], bool] = Recent()
        """Logins that the registry refused a push with, by uid, host and token: what an identity may do stands in the
        login itself."""
        self._failed: Recent[_Key, _Failed] = Recent()
        self._locks: Recent[_Key, asyncio.Lock] = Recent(is_idle=lambda lock: not lock.locked())
        self._allowed: Recent[tuple[str, str, str], tuple[str, str]] = Recent()
        self._named_only: Recent[_Key, bool] = Recent()
        """Registries that give tokens for named repositories only."""

    async def log_in(self, resolved: Resolved, host: str, kept: RegistryToken | None = None) -> RegistryToken:
        """The login to a host, made afresh only where it is due; raises LoginError.

        `kept` is one that an earlier process left in a login Secret. Builds that ask together wait for one exchange. A
        refusal is remembered for 10 s, three times as long each time up to 5 min, or for as long as the server asks,
        unless connector or Secret change.
        While Azure is away, a login that has not ended is good enough.
        """
        key, version = (resolved.connector.uid, host), login_version(resolved)
        async with self._lock(key):
            now = self._clock()
            known = [item for item in (self._logins.get(key), kept) if item is not None and _is_login(item)]
            for login in known:
                if login.is_fresh(version, now) and not self._refused.get((*key, login.password)):
                    return self._logins.put(key, login)
            try:
                return await self._exchange(resolved, host, version)
            except LoginError as error:
                living = next((login for login in known if login.lives(version, now)), None)
                if living is None or not error.problem.temporary:
                    raise
                return self._logins.put(key, living)

    async def _exchange(self, resolved: Resolved, host: str, version: str) -> RegistryToken:
        key, ca_bundle = (resolved.connector.uid, host), resolved.connector.spec.ca_bundle or ""
        tenant = getattr(resolved.credential, "tenant_id", None)
        self._raise_remembered(key, version)
        try:
            token = await self._entra.fetch_token(resolved, REGISTRY_AUDIENCE)
            login = self._made(host, await self._acr.exchange(host, tenant, token, ca_bundle=ca_bundle), version)
        except LoginError as error:
            self._remember(key, version, error.problem)
            raise
        self._failed.pop(key)
        self._on_login(Reason.LOGGED_IN)
        return self._logins.put(key, login)

    async def fetch_service_token(
        self, resolved: Resolved, service: Service, kept: RegistryToken | None = None
    ) -> RegistryToken:
        """A token for a service; raises LoginError. The service itself says at the fetch what it allows."""
        key, version = (resolved.connector.uid, service.host), login_version(resolved)
        async with self._lock(key):
            now = self._clock()
            if kept is not None and kept.is_fresh(version, now):
                return kept
            try:
                token = await self._fetch_token(key, version, resolved, service.audience)
            except LoginError as error:
                if kept is not None and error.problem.temporary and kept.lives(version, now):
                    return kept
                raise
        end = read_end(token) or now + read_life(token)
        # Entra ID's client gives out one token until shortly before its end. So a question at half of its life brings
        # nothing; this beginning makes the renewal due ten minutes before the end.
        return RegistryToken(service.host, "", token, version, end - timedelta(minutes=20), end, is_access_token=True)

    async def check_token(self, resolved: Resolved) -> None:
        """Whether Entra ID gives the identity a token at all; raises LoginError."""
        key, version = (resolved.connector.uid, ""), login_version(resolved)
        async with self._lock(key):
            await self._fetch_token(key, version, resolved, REGISTRY_AUDIENCE)

    async def _fetch_token(self, key: _Key, version: str, resolved: Resolved, audience: str) -> str:
        """A token of Entra ID; raises LoginError, without a request if it was refused just now."""
        self._raise_remembered(key, version)
        try:
            token = await self._entra.fetch_token(resolved, audience)
        except LoginError as error:
            self._remember(key, version, error.problem)
            raise
        self._failed.pop(key)
        return token

    def recall_refusal(self, access: RegistryAccess, resolved: Resolved) -> None:
        """Raise LoginError if the registry refused this push just now. Callers ask before they make a new login,
        because a login made too early does not know a new role either."""
        self._raise_remembered(_push_key(access), login_version(resolved))

    async def authorize_push(self, access: RegistryAccess, resolved: Resolved, login: RegistryToken) -> RegistryToken:
        """The login that build pods get, once the registry has said that it may push; raises LoginError.

        With loginScope Repository it is a token for these repositories. Else it is the login itself, asked once per
        repository and login. A cache that it may not push to costs no build.
        """
        scoped = access.connector.spec.login_scope == "Repository"
        if not access.push and not scoped:
            return login
        key, asked = _push_key(access), (access.connector.uid, access.host, " ".join(access.repositories))
        allowed = self._allowed.get(asked)
        if not scoped and allowed == (login.version, login.password):
            return login
        try:
            token = await (self._fetch_scoped(access, login) if scoped else self._fetch_access(access, login))
            made = self._made(access.host, token, login_version(resolved, access.repositories))
        except LoginError as error:
            if error.problem.temporary and allowed is not None and allowed[0] == login.version and not scoped:
                return login  # what was allowed with the login before will be with this one of the same identity
            self._remember(key, login_version(resolved), error.problem)
            if error.problem.reason is Reason.PUSH_NOT_ALLOWED:
                self._refused.put((access.connector.uid, access.host, login.password), True)
                self._allowed.pop(asked)
            raise
        self._failed.pop(key)
        self._allowed.put(asked, (login.version, login.password))
        return replace(made, is_access_token=True) if scoped else login

    async def _fetch_scoped(self, access: RegistryAccess, login: RegistryToken) -> str:
        """A token for the access's repositories. For a registry that the connector names it also pulls from all others,
        where the registry gives such tokens.

        Raises LoginError. Which base images a build pulls stands in its Dockerfile, which nobody has read yet.
        """
        key = (access.connector.uid, access.host)
        named = access.host in (access.connector.spec.registries or ())
        if named and not has_repository_roles(login.password) and not self._named_only.get(key):
            try:
                token = await self._ask_access(access, login, PULL_ALL)
            except LoginError as error:
                if error.problem.temporary:
                    raise
            else:
                _check_access(access, token)
                return token
        if not access.repositories:
            name = access.connector.name
            detail = f"{access.host} gives connector {name!r} no token that pulls from all of its repositories"
            raise LoginError(
                LoginProblem(Reason.CONNECTOR_INVALID, f"{detail}; for base images use loginScope Registry")
            )
        token = await self._fetch_access(access, login)
        if named:
            self._named_only.put(key, True)
        return token

    async def _fetch_access(self, access: RegistryAccess, login: RegistryToken) -> str:
        """A token that may push to all of its repositories; raises LoginError."""
        token = await self._ask_access(access, login)
        _check_access(access, token)
        return token

    async def _ask_access(self, access: RegistryAccess, login: RegistryToken, *more: str) -> str:
        """A token for what the identity may do of all that is asked: its repositories, and more scopes."""
        repositories = access.repositories
        scopes = [pull_scope_of(name) if access.reads_only(name) else scope_of(name) for name in repositories]
        ca_bundle = access.connector.spec.ca_bundle or ""
        try:
            return await self._acr.fetch_access_token(
                access.host, login.password, [*scopes, *more], ca_bundle=ca_bundle
            )
        except LoginError as error:
            if error.problem.reason is not Reason.PUSH_NOT_ALLOWED:
                raise
            detail = f"{access.host}/{', '.join(access.repositories)} allows it nothing"
            raise LoginError(LoginProblem(Reason.PUSH_NOT_ALLOWED, detail)) from None

    def hosts_of(self, connector_uid: str) -> tuple[str, ...]:
        """The hosts that a connector is logged in to now."""
        return tuple(sorted(login.host for login in self._living(connector_uid)))

    def end_of(self, connector_uid: str) -> datetime | None:
        """When the first of a connector's logins ends; None where there is none."""
        ends = (login.expires_at for login in self._living(connector_uid))
        return min((end for end in ends if end is not None), default=None)

    def oldest_seconds(self) -> float:
        """The age of the oldest login that has not ended; 0 where there is none."""
        now = self._clock()
        made = (login.issued_at for login in self._living() if login.issued_at is not None)
        return (now - min(made, default=now)).total_seconds()

    def _living(self, connector_uid: str | None = None) -> list[RegistryToken]:
        """The logins that have not ended, of one connector or of all."""
        now = self._clock()
        mine = [login for (uid, _), login in self._logins.items() if connector_uid in (None, uid)]
        return [login for login in mine if login.expires_at is None or login.expires_at > now]

    async def forget(self, connector_uid: str) -> None:
        """Drop what is known of a connector that is gone."""
        tables: tuple[Recent[Any, Any], ...] = (
            self._logins, self._refused, self._failed, self._locks, self._allowed, self._named_only,
        )  # fmt: skip
        for table in tables:
            table.drop(lambda key: bool(key[0] == connector_uid))
        await self._entra.forget(connector_uid)

    def _lock(self, key: _Key) -> asyncio.Lock:
        return self._locks.get(key) or self._locks.put(key, asyncio.Lock())

    def _made(self, host: str, token: str, version: str) -> RegistryToken:
        # Uses this clock and the token's life, because the registry's clock may differ.
        now, life, end = self._clock(), read_life(token), read_end(token)
        if not life or (end is not None and end <= now):
            raise LoginError(unreachable(host, "the token that it gave had ended already"))
        return RegistryToken(host, NULL_GUID, token, version, now, now + life)

    def _raise_remembered(self, key: _Key, version: str) -> None:
        failed = self._failed.get(key)
        if failed is None or failed.version != version:
            return
        longest = max(longest_backoff_seconds(self._first_backoff_seconds), LONGEST_PAUSE_SECONDS)
        if not is_due(failed.until, self._clock(), longest):
            raise LoginError(failed.problem)

    def _remember(self, key: _Key, version: str, problem: LoginProblem) -> None:
        self._on_login(problem.reason)
        before = self._failed.get(key)
        count = before.count + 1 if before is not None and before.version == version else 1
        wait = max(backoff_seconds(count, self._first_backoff_seconds), problem.retry_after_seconds)
        self._failed.put(key, _Failed(version, problem, count, self._clock() + timedelta(seconds=wait)))


def _is_login(token: RegistryToken) -> bool:
    """Whether it may be a login to a registry. Whoever may write Secrets may have put anything into that of a login."""
    return not token.is_access_token and is_token(token.password)


def _push_key(access: RegistryAccess) -> _Key:
    return access.connector.uid, f"{access.host}/{' '.join(access.repositories)}"


def _check_access(access: RegistryAccess, token: str) -> None:
    """A registry leaves out of a token what the identity may not do. If a token names no rights, the push decides."""
    allowed = read_access(token)
    if allowed is None:
        return
    for repository in access.push:
        actions = allowed.get(repository, frozenset())
        if "push" not in actions and "*" not in actions:
            detail = f"{access.host}/{repository} allows it {', '.join(sorted(actions)) or 'nothing'}"
            raise LoginError(LoginProblem(Reason.PUSH_NOT_ALLOWED, detail))
