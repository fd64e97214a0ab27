"""Logins of Azure identities to registries: made once for all builds, renewed at half their life."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from buildandpush.api.reasons import Reason
from buildandpush.clients.acr import AcrClient
from buildandpush.clients.entra import EntraClient
from buildandpush.core.attempts import backoff_seconds
from buildandpush.core.azure_error import LoginError, LoginProblem
from buildandpush.core.cloud import REGISTRY_AUDIENCE
from buildandpush.core.credential import Connector, Resolved
from buildandpush.core.login import NULL_GUID, HostLogin, HostPlan, login_version
from buildandpush.core.token import read_access, read_life, scope_of


class Gateway(Protocol):
    """What Azure is asked for a login; every method raises LoginError."""

    async def fetch_token(self, connector: Connector, resolved: Resolved, audience: str, /) -> str: ...

    async def exchange(self, connector: Connector, resolved: Resolved, host: str, token: str, /) -> str: ...

    async def fetch_access_token(
        self, connector: Connector, host: str, refresh_token: str, repositories: tuple[str, ...], /
    ) -> str: ...


class AzureGateway:
    """Azure itself."""

    def __init__(self, entra: EntraClient, acr: AcrClient) -> None:
        self._entra = entra
        self._acr = acr

    async def fetch_token(self, connector: Connector, resolved: Resolved, audience: str) -> str:
        """A token of Entra ID."""
        return await self._entra.fetch_token(connector, resolved, audience)

    async def exchange(self, connector: Connector, resolved: Resolved, host: str, token: str) -> str:
        """A registry's refresh token."""
        tenant = getattr(resolved.credential, "tenant_id", None)
        return await self._acr.exchange(host, tenant, token, ca_bundle=connector.spec.ca_bundle or "")

    async def fetch_access_token(
        self, connector: Connector, host: str, refresh_token: str, repositories: tuple[str, ...]
    ) -> str:
        """A registry's access token for pushes to some repositories."""
        scopes = [scope_of(repository) for repository in repositories]
        return await self._acr.fetch_access_token(host, refresh_token, scopes, ca_bundle=connector.spec.ca_bundle or "")


@dataclass(frozen=True)
class _Failed:
    version: str
    problem: LoginProblem
    count: int
    until: datetime


_Key = tuple[str, str]
"""A connector's uid and a host."""


class IdentityLogins:
    """The logins of connectors with an Azure identity. One exchange serves every build until it is due again."""

    def __init__(self, gateway: Gateway, clock: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._clock = clock
        self._logins: dict[_Key, HostLogin] = {}
        self._failed: dict[_Key, _Failed] = {}
        self._locks: dict[_Key, asyncio.Lock] = {}
        self._allowed: dict[tuple[str, str, str], str] = {}

    async def log_in(
        self, connector: Connector, resolved: Resolved, host: str, kept: HostLogin | None = None
    ) -> HostLogin:
        """The login to a host, made afresh only where it is due; raises LoginError.

        `kept` is one that an earlier process left in a login Secret. Builds that ask together wait for one exchange. A
        refusal is remembered for 10 s, doubled each time up to 5 min, unless connector or Secret change.
        """
        key, version = (connector.uid, host), login_version(connector, resolved)
        async with self._locks.setdefault(key, asyncio.Lock()):
            for login in (self._logins.get(key), kept):
                if login is not None and not login.is_access_token and login.is_fresh(version, self._clock()):
                    self._logins[key] = login
                    return login
            self._raise_remembered(key, version)
            try:
                token = await self._gateway.fetch_token(connector, resolved, REGISTRY_AUDIENCE)
                refresh_token = await self._gateway.exchange(connector, resolved, host, token)
            except LoginError as error:
                self._remember(key, version, error.problem)
                raise
            login = self._made(host, refresh_token, version)
            self._logins[key] = login
            self._failed.pop(key, None)
            return login

    async def check_token(self, connector: Connector, resolved: Resolved) -> None:
        """Whether Entra ID gives the identity a token at all; raises LoginError."""
        key, version = (connector.uid, ""), login_version(connector, resolved)
        async with self._locks.setdefault(key, asyncio.Lock()):
            self._raise_remembered(key, version)
            try:
                await self._gateway.fetch_token(connector, resolved, REGISTRY_AUDIENCE)
            except LoginError as error:
                self._remember(key, version, error.problem)
                raise
            self._failed.pop(key, None)

    async def authorize_push(self, plan: HostPlan, resolved: Resolved, login: HostLogin) -> HostLogin:
        """The login that build pods get, once the registry has said that it may push; raises LoginError.

        With loginScope Repository it is a token for these repositories; else the login itself, asked once per
        repository and login.
        """
        if not plan.push:
            return login
        scoped = plan.connector.spec.login_scope == "Repository"
        asked = (plan.connector.uid, plan.host, " ".join(plan.push))
        if not scoped and self._allowed.get(asked) == login.password:
            return login
        key, version = (plan.connector.uid, f"{plan.host}/{asked[2]}"), login.version
        self._raise_remembered(key, version)
        try:
            token = await self._gateway.fetch_access_token(plan.connector, plan.host, login.password, plan.push)
            _check_access(plan, token)
        except LoginError as error:
            problem = _as_push_problem(plan, error.problem)
            self._remember(key, version, problem)
            # What the identity may do stands in the login itself: one made afresh will know of a new role.
            self._logins.pop((plan.connector.uid, plan.host), None)
            raise LoginError(problem) from None
        self._failed.pop(key, None)
        self._allowed[asked] = login.password
        if not scoped:
            return login
        made = self._made(plan.host, token, login_version(plan.connector, resolved, plan.push))
        return HostLogin(
            made.host, made.username, made.password, made.version, made.issued_at, made.expires_at, is_access_token=True
        )

    def hosts_of(self, connector_uid: str) -> tuple[str, ...]:
        """The hosts that a connector is logged in to now."""
        now = self._clock()
        alive = (key for key, login in self._logins.items() if login.expires_at is None or login.expires_at > now)
        return tuple(sorted(host for uid, host in alive if uid == connector_uid))

    def forget(self, connector_uid: str) -> None:
        """Drop what is known of a connector that is gone."""
        tables: tuple[dict[Any, Any], ...] = (self._logins, self._failed, self._locks, self._allowed)
        for table in tables:
            for key in [key for key in table if key[0] == connector_uid]:
                del table[key]

    def _made(self, host: str, token: str, version: str) -> HostLogin:
        # By this clock and the token's life: the registry's clock may be another.
        now = self._clock()
        return HostLogin(host, NULL_GUID, token, version, now, now + read_life(token))

    def _raise_remembered(self, key: _Key, version: str) -> None:
        failed = self._failed.get(key)
        if failed is not None and failed.version == version and self._clock() < failed.until:
            raise LoginError(failed.problem)

    def _remember(self, key: _Key, version: str, problem: LoginProblem) -> None:
        before = self._failed.get(key)
        count = before.count + 1 if before is not None and before.version == version else 1
        until = self._clock() + timedelta(seconds=backoff_seconds(count))
        self._failed[key] = _Failed(version, problem, count, until)


def _as_push_problem(plan: HostPlan, problem: LoginProblem) -> LoginProblem:
    """A registry that gives no token at all for a repository refuses the push, not the login."""
    if problem.reason is not Reason.EXCHANGE_REFUSED:
        return problem
    detail = f"{plan.host}/{', '.join(plan.push)} allows it nothing"
    return LoginProblem(Reason.PUSH_NOT_ALLOWED, detail)


def _check_access(plan: HostPlan, token: str) -> None:
    """A registry leaves out of a token what the identity may not do; one that does not say is left to the push."""
    access = read_access(token)
    if access is None:
        return
    for repository in plan.push:
        actions = access.get(repository, frozenset())
        if "push" not in actions and "*" not in actions:
            detail = f"{plan.host}/{repository} allows it {', '.join(sorted(actions)) or 'nothing'}"
            raise LoginError(LoginProblem(Reason.PUSH_NOT_ALLOWED, detail))
