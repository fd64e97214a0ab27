"""Source objects of Flux, as the API server has them. A cluster may have all, some or none of their kinds."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import BrokenAnswerError, KubernetesError, NotFoundError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Object
from buildandpush.core.facts import FluxArtifact, Waiting
from buildandpush.core.fluxobject import GROUP, PLURALS, read_artifact
from buildandpush.core.foreign import admit_line

ABSENT_SECONDS: Final = 60.0
"""For how long a kind that the cluster does not have is not looked for again."""
_MAX_WORDS: Final = 512
"""Bytes of the API server's words that a status shows."""

Place = tuple[str, str]
"""Namespace and name."""
Found = FluxArtifact | Waiting


@dataclass(frozen=True)
class Snapshot:
    """All objects of a kind, and the version of the state they were read from."""

    found: dict[Place, Found]
    version: str


class FluxClient:
    """Reads and watches the three kinds. Of an object nothing is kept but its artifact, or why there is none."""

    def __init__(self, client: KubernetesClient, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that never jump."""
        self._client = client
        self._clock = clock
        self._versions: dict[str, str] = {}
        self._absent_since: dict[str, float] = {}

    async def find_artifact(self, namespace: str, kind: str, name: str) -> Found:
        """The artifact of one object, or why there is none. Raises KubernetesError and UnavailableError."""
        version = await self.find_version(kind)
        if version is None:
            remedy = "Install Flux's source-controller, or give another kind of source. The build goes on by itself."
            return Waiting(Reason.SOURCE_NOT_READY, f"this cluster has no kind {kind} of {GROUP}", remedy)
        try:
            body = await self._client.get(f"{_path(version, kind, namespace)}/{quote(name, safe='')}")
        except NotFoundError as error:
            self._forget_gone(kind, error)
            return Waiting(Reason.SOURCE_NOT_READY, f"{kind} {name!r} does not exist in namespace {namespace!r}")
        except KubernetesError as error:
            if error.status != 403:
                raise
            words = admit_line(error.message, size=_MAX_WORDS)
            remedy = "Ask the installer to let the operator read Flux's sources. The build goes on by itself."
            return Waiting(Reason.SOURCE_NOT_READY, f"the operator may not read {kind} {name!r}: {words}", remedy)
        return read_artifact(kind, name, body)

    async def find_version(self, kind: str) -> str | None:
        """The version that the API server prefers of those that have the kind; None if it has none of them.

        Kinds came to v1 one after the other, so the group's own preferred version may lack one.
        """
        if kind in self._versions:
            return self._versions[kind]
        since = self._absent_since.get(kind)
        if since is not None and self._clock() < since + ABSENT_SECONDS:
            return None
        try:
            found = await self._look_for(kind)
        except (LookupError, TypeError, AttributeError) as error:  # some proxy's
            raise BrokenAnswerError(f"the answer says nothing of the versions of {GROUP}") from error
        if found is None:
            self._absent_since[kind] = self._clock()
            return None
        self._absent_since.pop(kind, None)
        self._versions[kind] = found
        return found

    async def _look_for(self, kind: str) -> str | None:
        for version in await self._list_versions():
            if await self._has_kind(version, kind):
                return version
        return None

    async def _has_kind(self, version: str, kind: str) -> bool:
        try:
            served = await self._client.get(f"/apis/{GROUP}/{version}")
        except NotFoundError:  # the version went meanwhile
            return False
        return any(item.get("name") == PLURALS[kind] for item in served.get("resources") or ())

    async def _list_versions(self) -> list[str]:
        """The versions of the group, the preferred one first; none where there is no Flux."""
        try:
            group = await self._client.get(f"/apis/{GROUP}")
        except NotFoundError:
            return []
        preferred = (group.get("preferredVersion") or {}).get("version")
        versions = [item["version"] for item in group.get("versions") or ()]
        return sorted(versions, key=lambda version: version != preferred)

    def _forget_gone(self, kind: str, error: NotFoundError) -> None:
        """A version that is not served any more, as after an upgrade of Flux, is answered without a reason."""
        if error.reason != "NotFound":
            self._versions.pop(kind, None)

    async def list_kind(self, kind: str, namespace: str | None) -> Snapshot | None:
        """All objects of a kind, in one namespace or in all; None where the cluster does not have the kind."""
        version = await self.find_version(kind)
        if version is None:
            return None
        try:
            listing = await self._client.list_path(_path(version, kind, namespace))
        except NotFoundError as error:
            self._forget_gone(kind, error)
            return None
        return Snapshot({_place(body): _read(kind, body) for body in listing.items}, listing.resource_version)

    async def watch_kind(
        self, kind: str, namespace: str | None, version: str
    ) -> AsyncIterator[tuple[Place, Found | None]]:
        """The objects that change after a version; None for one that is deleted. It ends within some minutes.

        Raises KubernetesError with status 410 where the version is too old.
        """
        served = self._versions.get(kind)
        if served is None:
            return
        async for event in self._client.watch_path(_path(served, kind, namespace), version):
            body = event["object"]
            yield _place(body), None if event["type"] == "DELETED" else _read(kind, body)


def _read(kind: str, body: Object) -> Found:
    return read_artifact(kind, body["metadata"]["name"], body)


def _place(body: Object) -> Place:
    metadata: dict[str, Any] = body["metadata"]
    return metadata["namespace"], metadata["name"]


def _path(version: str, kind: str, namespace: str | None) -> str:
    within = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    return f"/apis/{GROUP}/{version}/{within}{PLURALS[kind]}"
