"""Finds the addresses of hosts that users name, in threads of its own.

A lookup holds its thread until DNS has answered or given up, even once nobody waits for it any more. In the threads
that the event loop lends to everybody, hosts that DNS says nothing of would soon hold up all others.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from buildandpush.clients.recent import Recent

THREADS: Final = 128
"""Requests to hosts that nobody knows to be quick take 64 places for 20 s each. So a lookup may take 40 s."""
_SECONDS: Final = 30.0
"""How long a lookup waits for a thread and for DNS. A request has given up by then."""
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Asks as the machine does. A thread is made when it is needed first."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host; raises OSError, and ValueError for what is no name."""
        # Without addresses of a kind that this machine has none of.
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        async with asyncio.timeout(_SECONDS):
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host, host=str(place[0]), port=int(place[1]), family=kind, proto=protocol, flags=_NUMERIC
            )
            for kind, _, protocol, _, place in found
        ]

    async def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class WatchedResolver(AbstractResolver):
    """Remembers which hosts were found inside the cluster's network.

    Whoever names a host owns its DNS. It could lead a connection inside, and say what is public to the question of what
    users may be told of that connection.
    """

    def __init__(self, resolver: AbstractResolver, is_public: Callable[[str], bool]) -> None:
        self._resolver = resolver
        self._is_public = is_public
        self._inside: Recent[str, bool] = Recent()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host; raises OSError, and ValueError for what is no name."""
        found = await self._resolver.resolve(host, port, family)
        if not all(self._is_public(str(one["host"])) for one in found):
            self.note_inside(host)
        return found

    def note_inside(self, host: str) -> None:
        """Remember that a host was found inside, also by who looks up hosts otherwise."""
        self._inside.put(_key(host), True)

    def was_inside(self, host: str) -> bool:
        """Whether a host was ever found at an address that is not public."""
        return self._inside.get(_key(host)) is not None

    async def close(self) -> None:
        """Begin nothing more."""
        await self._resolver.close()


def _key(host: str) -> str:
    """The same for each way to write a name."""
    return host.lower().rstrip(".")
