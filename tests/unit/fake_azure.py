"""Azure as the operator asks it for logins, in memory: it counts, and refuses what it is told to refuse."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import jwt

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.entra import EntraClient
from buildandpush.clients.azure.identity import IdentityLogins
from buildandpush.clients.azure.logins import Logins
from buildandpush.clients.azure.resource_manager import ResourceManager
from buildandpush.clients.azure.tokens import AcrClient
from buildandpush.core.azure.credential import Resolved
from buildandpush.core.azure.errors import LoginError, LoginProblem
from buildandpush.core.azure.token import PULL_ALL
from buildandpush.core.backoff import FIRST_BACKOFF_SECONDS
from buildandpush.core.build.questions import AskCommit, AskLinks, AskTouched
from buildandpush.core.facts import Commit, Links, Owner, Trouble
from buildandpush.core.settings import LoginSettings
from buildandpush.handlers.answers import Sources

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "k" * 32
SETTINGS = LoginSettings(managed_identity_namespaces=("shop",))


def make_token(life: timedelta = timedelta(hours=3), *, at: datetime = NOW, **claims: Any) -> str:
    """A token as ACR's look, signed by nobody who counts."""
    issued = int(at.timestamp())
    return jwt.encode({"iat": issued, "exp": issued + int(life.total_seconds()), **claims}, KEY)


@dataclass
class FakeAzure:
    """Entra ID and the registries, in place of EntraClient and AcrClient. It takes no token that it did not give."""

    life: timedelta = timedelta(hours=3)
    actions: tuple[str, ...] = ("pull", "push", "metadata_read")
    pull_only: frozenset[str] = frozenset()
    """Repositories that nobody may push to."""
    abac: frozenset[str] = frozenset()
    """Registries with roles for repositories. They give no token for all repositories."""
    tells_abac: bool = True
    """Whether the refresh tokens of these registries say so."""
    refuse: Callable[[str, str], LoginProblem | None] = lambda step, host: None
    clock: Callable[[], datetime] = lambda: NOW
    forgotten: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    accesses: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    scopes: list[tuple[str, ...]] = field(default_factory=list)
    """Those of each access, as they were asked for."""
    pulls: list[str] = field(default_factory=list)
    """Hosts of the tokens that pull from all repositories."""
    _bearers: dict[str, Resolved] = field(default_factory=dict)
    """Whom a token of Entra ID was given to."""
    _hosts: dict[str, str] = field(default_factory=dict)
    """The registry that gave a refresh token."""

    async def fetch_token(self, resolved: Resolved, audience: str) -> str:
        self.tokens.append(audience)
        self._check("token", audience)
        token = f"entra-token-{len(self.tokens)}"
        self._bearers[token] = resolved
        return token

    async def exchange(self, host: str, tenant: str | None, token: str, *, ca_bundle: str) -> str:
        bearer = self._bearers[token]
        assert tenant == getattr(bearer.credential, "tenant_id", None), tenant
        assert ca_bundle == (bearer.connector.spec.ca_bundle or "")
        self.exchanges.append((bearer.connector.name, host))
        self._check("exchange", host)
        claims = {"aad_identity": "builds"} if host in self.abac and self.tells_abac else {}
        made = make_token(self.life, at=self.clock(), n=len(self.exchanges), **claims)
        self._hosts[made] = host
        return made

    async def fetch_access_token(self, host: str, refresh_token: str, scopes: list[str], *, ca_bundle: str) -> str:
        assert self._hosts[refresh_token] == host
        repositories = tuple(_repository_of(scope) for scope in scopes if scope != PULL_ALL)
        self.accesses.append((host, repositories))
        self.scopes.append(tuple(scopes))
        self._check("access", host)
        if PULL_ALL in scopes:
            if host in self.abac:
                raise LoginError(LoginProblem(Reason.PUSH_NOT_ALLOWED, "authentication required"))
            self.pulls.append(host)
        entries = [
            {"type": "repository", "name": name, "actions": ["pull"] if name in self.pull_only else list(self.actions)}
            for name in repositories
        ]
        life = min(self.life, timedelta(minutes=75))
        return make_token(life, at=self.clock(), access=entries, n=len(self.accesses))

    async def forget(self, connector_uid: str) -> None:
        self.forgotten.append(connector_uid)

    def _check(self, step: str, host: str) -> None:
        problem = self.refuse(step, host)
        if problem is not None:
            raise LoginError(problem)


def _repository_of(scope: str) -> str:
    """The repository of a scope for pushes, or of one for pulls; any other scope is an error."""
    kind, name, actions = scope.split(":")
    assert kind == "repository", scope
    assert actions in ("pull,push,metadata_read", "pull"), scope
    return name


@dataclass
class FakeLinks:
    """What the resource manager answers."""

    links: Links = field(default_factory=lambda: Links(Reason.REGISTRY_NOT_LISTED, "none"))
    asked: list[AskLinks] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    async def find_links(self, resolved: Resolved, question: AskLinks) -> Links:
        self.asked.append(question)
        return self.links

    def forget(self, connector_uid: str) -> None:
        self.forgotten.append(connector_uid)


@dataclass
class FakeRevisions:
    """Git servers that know every revision, and answer at once."""

    commits: dict[str, Commit | Trouble | None] = field(default_factory=dict)
    """What a revision is at, by its name."""
    touched: dict[tuple[str, str], bool | Trouble | None] = field(default_factory=dict)
    """Whether the paths differ between two commits."""
    asked: list[AskCommit | AskTouched] = field(default_factory=list)
    forgotten: list[tuple[str, str]] = field(default_factory=list)

    async def find_commit(self, owner: Owner, asked: AskCommit) -> Commit | Trouble | None:
        self.asked.append(asked)
        return self.commits[asked.at.revision]

    async def find_touched(self, owner: Owner, asked: AskTouched) -> bool | Trouble | None:
        self.asked.append(asked)
        return self.touched[asked.old, asked.new]

    def forget(self, namespace: str, name: str) -> None:
        self.forgotten.append((namespace, name))


def make_sources(
    client: Any,
    registry: Any,
    clock: Callable[[], datetime],
    azure: FakeAzure | None = None,
    links: FakeLinks | None = None,
    *,
    revisions: Any = None,
    flux: Any = None,
    first_backoff_seconds: int = FIRST_BACKOFF_SECONDS,
    on_login: Callable[[Reason], None] = lambda reason: None,
    logins_class: type[Logins] = Logins,
) -> Sources:
    """Whom a reconciler asks, with Azure in memory."""
    azure = azure or FakeAzure()
    azure.clock = clock
    entra, acr = cast("EntraClient", azure), cast("AcrClient", azure)
    identities = IdentityLogins(entra, acr, clock, first_backoff_seconds, on_login)
    logins = logins_class(client, identities, SETTINGS, clock)
    manager = cast("ResourceManager", links or FakeLinks())
    return Sources(client, logins, registry, manager, revisions or FakeRevisions(), flux)
