"""How many requests a registry takes of one identity. The operator keeps below that, and waits for a moment instead.

Azure Container Registry counts reads, writes, deletes and lists of referrers of each registry and identity, and answers
429 above a limit. These are its limits of the tiers Basic and Standard; Premium has about twice as many.
https://learn.microsoft.com/azure/container-registry/container-registry-skus
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from enum import Enum
from typing import Final

from buildandpush.clients.recent import Recent

BURST: Final = 0.1
"""This part of a minute's requests may come at once, the others evenly. So no minute has more than the limit."""

ASKER: Final[ContextVar[str]] = ContextVar("asker", default="")
"""Which identity the requests of this task are made with: what tells it from others, and no part of it."""


class Kind(Enum):
    """The classes of requests, with their limits a minute."""

    READ = 5000
    WRITE = 1000
    DELETE = 500
    REFERRERS = 250


def classify_request(method: str, path: str) -> tuple[Kind, ...]:
    """What a request counts as. A list of referrers counts as a read too. A request for a token counts as none."""
    if not path.startswith(("/v2/", "/acr/v1/")):
        return ()
    if method == "DELETE":
        return (Kind.DELETE,)
    if method not in ("GET", "HEAD"):
        return (Kind.WRITE,)
    return (Kind.READ, Kind.REFERRERS) if "/referrers/" in path else (Kind.READ,)


class Buckets:
    """A bucket of tokens for each host, identity and class."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._sleep = sleep
        self._due: Recent[tuple[str, str, Kind], float] = Recent()
        """When a bucket is full again."""

    def reserve(self, host: str, asker: str, kind: Kind) -> float:
        """Take one token. Returns the seconds until it is there. Those who come later get later ones."""
        key, now = (host, asker, kind), self._clock()
        seconds = 60 / (kind.value * (1 - BURST))
        burst = kind.value * BURST * seconds
        due = max(self._due.get(key) or now, now) + seconds
        self._due.put(key, due)
        return max(0.0, due - now - burst)

    async def wait(self, method: str, host: str, path: str) -> None:
        """Wait until a request of this task may go out."""
        asker = ASKER.get()
        seconds = max((self.reserve(host, asker, kind) for kind in classify_request(method, path)), default=0.0)
        if seconds > 0:
            await self._sleep(seconds)
