"""Azure as the operator asks it for logins, in memory: it counts, and refuses what it is told to refuse."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.identity import IdentityLogins
from buildandpush.clients.azure.logins import Logins
from buildandpush.clients.azure.resource_manager import LinkFinder
from buildandpush.core.azure.credential import Connector, Resolved
from buildandpush.core.azure.errors import LoginError, LoginProblem
from buildandpush.core.facts import Links
from buildandpush.core.run.questions import AskLinks
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
class FakeGateway:
    """What Entra ID and the registries answer."""

    life: timedelta = timedelta(hours=3)
    actions: tuple[str, ...] = ("pull", "push", "metadata_read")
    refuse: Callable[[str, str], LoginProblem | None] = lambda step, host: None
    clock: Callable[[], datetime] = lambda: NOW
    forgotten: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    accesses: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    async def fetch_token(self, connector: Connector, resolved: Resolved, audience: str) -> str:
        self.tokens.append(audience)
        self._check("token", audience)
        return f"entra-token-{len(self.tokens)}"

    async def exchange(self, connector: Connector, resolved: Resolved, host: str, token: str) -> str:
        self.exchanges.append((connector.name, host))
        self._check("exchange", host)
        return make_token(self.life, at=self.clock(), n=len(self.exchanges))

    async def fetch_access_token(
        self, connector: Connector, host: str, refresh_token: str, repositories: tuple[str, ...]
    ) -> str:
        self.accesses.append((host, repositories))
        self._check("access", host)
        entries = [{"type": "repository", "name": name, "actions": list(self.actions)} for name in repositories]
        life = min(self.life, timedelta(minutes=75))
        return make_token(life, at=self.clock(), access=entries, n=len(self.accesses))

    async def forget(self, connector_uid: str) -> None:
        self.forgotten.append(connector_uid)

    def _check(self, step: str, host: str) -> None:
        problem = self.refuse(step, host)
        if problem is not None:
            raise LoginError(problem)


@dataclass
class FakeLinks:
    """What the resource manager answers."""

    links: Links = field(default_factory=lambda: Links(Reason.REGISTRY_NOT_LISTED, "none"))
    asked: list[AskLinks] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    async def find_links(self, connector: Connector, resolved: Resolved, question: AskLinks) -> Links:
        self.asked.append(question)
        return self.links

    def forget(self, connector_uid: str) -> None:
        self.forgotten.append(connector_uid)


def make_sources(
    client: Any,
    registry: Any,
    clock: Callable[[], datetime],
    gateway: FakeGateway | None = None,
    links: LinkFinder | None = None,
) -> Sources:
    """Whom a reconciler asks, with Azure in memory."""
    gateway = gateway or FakeGateway()
    gateway.clock = clock
    logins = Logins(client, IdentityLogins(gateway, clock), SETTINGS, clock)
    return Sources(client, logins, registry, links or FakeLinks())
