"""How many requests a registry takes of one identity. The operator keeps below that, and waits for a moment instead.

Azure Container Registry counts the requests of each registry and identity, and answers 429 above a limit. It counts
reads, writes, deletes and lists of referrers apart. The operator only reads: manifests, configs, tags and their
metadata. Build pods write, with requests of their own. The figure is that of the tiers Basic and Standard; Premium has
about twice as many. Microsoft promises none of them, and gave 1,000 a minute for Basic in former years. So an answer
429 counts in any case: see `pauses`.
https://learn.microsoft.com/azure/container-registry/container-registry-skus
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

from buildandpush.clients.recent import Recent

READS: Final = 5000
"""Reads a minute that a registry takes of one identity."""
BURST: Final = 0.1
"""This part of a minute's requests may come at once, the others evenly. So no minute has more than the limit."""

ASKER: Final[ContextVar[str]] = ContextVar("asker", default="")
"""Which identity the requests of this task are made with: what tells it from others, and no part of it."""


def is_counted(path: str) -> bool:
    """Whether a registry counts a request to this path. A request for a token counts as none of these."""
    return path.startswith(("/v2/", "/acr/v1/"))


class Buckets:
    """A bucket of tokens for each host and identity."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._sleep = sleep
        self._due: Recent[tuple[str, str], float] = Recent()
        """When a bucket is full again."""

    def reserve(self, host: str, asker: str) -> float:
        """Take one token. Returns the seconds until it is there. Those who come later get later ones."""
        key, now = (host, asker), self._clock()
        seconds = 60 / (READS * (1 - BURST))
        burst = READS * BURST * seconds
        due = max(self._due.get(key) or now, now) + seconds
        self._due.put(key, due)
        return max(0.0, due - now - burst)

    async def wait(self, host: str, path: str) -> None:
        """Wait until a request of this task may go out."""
        seconds = self.reserve(host, ASKER.get()) if is_counted(path) else 0.0
        if seconds > 0:
            await self._sleep(seconds)
