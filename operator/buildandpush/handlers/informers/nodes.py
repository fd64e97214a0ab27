"""Checks at intervals if all nodes can run pods in user namespaces, and passes the result on."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.core.pod.nodes import can_map_users, runs_builds

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 600.0
"""How often: nodes come and go by the hour rather than the minute."""
RETRY_SECONDS: Final = 30.0


async def all_nodes_map_users(client: KubernetesClient) -> bool:
    """Whether every node for builds can map users, since the scheduler may choose any. False without nodes."""
    found, token = False, ""
    while True:
        nodes, token = await client.read_nodes(token)
        for node in filter(runs_builds, nodes):
            if not can_map_users(node):
                return False
            found = True
        if not token:
            return found


class NodeWatch:
    """Calls `apply` with the result of each look that the API server answered."""

    def __init__(self, client: KubernetesClient, apply: Callable[[bool], None]) -> None:
        self._client = client
        self._apply = apply
        self._known: bool | None = None
        self._answered = False

    async def run(self) -> None:
        """Look at intervals, after a first look."""
        while True:
            await asyncio.sleep(LOOK_SECONDS if self._answered else RETRY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once. If the API server does not list the nodes, the previous result holds."""
        self._answered = False
        try:
            able = await all_nodes_map_users(self._client)
        except (KubernetesError, UnavailableError) as error:
            _log.warning("nodes.not_read", error=str(error))
            return
        if able != self._known:
            _log.info("nodes.user_namespaces", able=able)
        self._answered, self._known = True, able
        self._apply(able)
