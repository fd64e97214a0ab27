"""Watches the build pods. Their events are most of those that the operator gets, and only what is observed of a pod is
kept. So they come by a plain watch: kopf would make a task and several copies for each.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog

from buildandpush.clients.errors import BrokenAnswerError, KubernetesError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.core.backoff import doubled_seconds
from buildandpush.handlers.informers.kopfsession import OnWatch, name_watched

_log = structlog.get_logger(__name__)

FIRST_BACKOFF_SECONDS: Final = 1.0
LAST_BACKOFF_SECONDS: Final = 30.0
_GONE: Final = 410
"""The API server does not keep the changes since a version any more.
https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses"""

ListPods = Callable[[], Awaitable[str]]
"""Takes in the pods that there are. Returns the version of their list."""
TakePod = Callable[[str, dict[str, Any]], None]
"""Takes in a change of a pod: its type, such as DELETED, and the pod."""


class PodWatch:
    """Follows the build pods of one namespace, or of all."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str | None,
        list_pods: ListPods,
        take: TakePod,
        ready: asyncio.Event,
        on_watch: OnWatch,
    ) -> None:
        """Nothing is asked before `ready`: the first list of all has the pods already."""
        self._client = client
        self._namespace = namespace
        self._list_pods = list_pods
        self._take = take
        self._ready = ready
        self._on_status = partial(on_watch, name_watched("pods", namespace))
        self._version = ""
        """What has been heard of so far; empty if the pods have to be listed first."""
        self._failures = 0

    async def run(self) -> None:
        """Follow the pods for ever."""
        await self._ready.wait()
        seconds = 0.0
        while True:
            await asyncio.sleep(seconds)
            seconds = await self.follow()

    async def follow(self) -> float:
        """Watch the pods until the watch ends. Returns the seconds until the next time."""
        told = False
        try:
            self._version = self._version or await self._list_pods()
            async for event in self._client.watch_pods(self._namespace, self._version, self._on_status):
                told, self._failures = True, 0
                self._note(event)
        except (KubernetesError, UnavailableError) as error:
            return self._explain(error)
        return 0.0 if told else FIRST_BACKOFF_SECONDS

    def _note(self, event: dict[str, Any]) -> None:
        kind, body = event["type"], event["object"]
        self._version = body["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        try:
            self._take(kind, body)
        except Exception:  # one pod that nobody foresaw keeps no other from being told of
            _log.warning("pods.not_taken", namespace=body["metadata"].get("namespace"), exc_info=True)

    def _explain(self, error: KubernetesError | UnavailableError) -> float:
        """Log what went wrong. Returns the seconds until the next try."""
        if isinstance(error, KubernetesError | BrokenAnswerError) or self._failures:
            self._version = ""  # a list tells what is there, too, where an event cannot be read
        if isinstance(error, KubernetesError) and error.status == _GONE:
            return FIRST_BACKOFF_SECONDS
        delay = doubled_seconds(self._failures, FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS)
        self._failures += 1
        _log.warning("pods.watch_failed", namespace=self._namespace or "all", error=str(error), retry_seconds=delay)
        return delay
