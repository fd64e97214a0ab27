"""Production names at an address of ours, for clients that run in the tests' own process."""

import socket
from typing import Any

from aiohttp.abc import AbstractResolver

from buildandpush.api.addresses import AddressRules, parse_networks

LOOPBACK = AddressRules(allowed=parse_networks(["127.0.0.0/8"]))
"""Rules that let a client connect to a server of a test, as to one on the internet."""


class InsideRules(AddressRules):
    """Rules that let a client connect to a server of a test, as to one inside the cluster's network."""

    def refuses(self, address: str) -> bool:
        """Nothing is refused."""
        return False


class PinnedResolver(AbstractResolver):
    """Finds every host at one address, and remembers which were looked for."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self.asked: set[str] = set()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        """The one address, whatever the port was."""
        self.asked.add(host)
        found = {"hostname": host, "host": self._address, "port": self._port}
        return [{**found, "family": socket.AF_INET, "proto": 0, "flags": socket.AI_NUMERICHOST}]

    async def close(self) -> None:
        """Nothing to close."""
