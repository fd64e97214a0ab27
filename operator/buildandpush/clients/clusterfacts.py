"""What the cluster says of namespaces and priority classes, for the order of builds that wait.

Both are rights over the whole cluster, so the installer decides if the operator has them. Without a right the operator
goes without the fact.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

import structlog

from buildandpush.api import meta
from buildandpush.clients.errors import KubernetesError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Object
from buildandpush.clients.recent import Recent

_log = structlog.get_logger(__name__)

KEPT_SECONDS: Final = 60.0
KEPT_REFUSED_SECONDS: Final = 600.0
"""How long until the operator tries again what the API server does not let it read."""
_SHOWN: Final = 40
_NUMBER: Final = re.compile(r"[0-9]{1,6}")


class ClusterFacts:
    """Reads with the operator's own rights, each object once a minute at most."""

    def __init__(
        self, client: KubernetesClient, clock: Callable[[], float], *, namespaces: bool, priorities: bool
    ) -> None:
        """`clock` counts seconds. The others say what the installer lets the operator read."""
        self._client = client
        self._clock = clock
        self._namespaces = namespaces
        self._priorities = priorities
        self._known: Recent[str, tuple[float, int | None]] = Recent()
        """By path: until when it holds, and what was found."""

    async def find_limit(self, namespace: str) -> int | None:
        """How many builds a namespace allows itself at once, by its annotation; None if it does not say. Raises
        UnavailableError."""
        if not self._namespaces:
            return None
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}"
        return await self._find(path, partial(_read_limit, namespace=namespace))

    async def find_priority(self, name: str) -> int:
        """The value of a priority class; 0 for none, or one that cannot be read. Raises UnavailableError."""
        if not self._priorities or not name:
            return 0
        path = f"/apis/scheduling.k8s.io/v1/priorityclasses/{quote(name, safe='')}"
        return await self._find(path, _read_priority) or 0

    async def _find(self, path: str, read: Callable[[Object], int | None]) -> int | None:
        """What `read` finds in the object of a path. Nothing else of it is kept: an annotation may have 256 KiB."""
        known = self._known.get(path)
        if known is not None and self._clock() < known[0]:
            return known[1]
        kept, found = KEPT_SECONDS, None
        try:
            found = read(await self._client.get(path))
        except KubernetesError as error:
            if error.status in (401, 403):
                kept = KEPT_REFUSED_SECONDS
                _log.info("limits.not_read", path=path, error=str(error))
        self._known.put(path, (self._clock() + kept, found))
        return found


def _read_limit(body: Object, *, namespace: str) -> int | None:
    text = ((body.get("metadata") or {}).get("annotations") or {}).get(meta.ANNOTATION_MAX_BUILDS) or ""
    if _NUMBER.fullmatch(text):
        return int(text)
    if text:
        _log.warning(
            "limits.not_a_number", namespace=namespace, annotation=meta.ANNOTATION_MAX_BUILDS, value=text[:_SHOWN]
        )
    return None


def _read_priority(body: Object) -> int | None:
    value = body.get("value")
    return value if isinstance(value, int) else None
