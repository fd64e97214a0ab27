"""The newest known version of each object, from the watches. Decisions take it as a hint, never as proof of absence.

The operator puts objects here that it wrote itself, so that the next decision sees them before the watch does.

Versions only grow, except when etcd is restored from an older snapshot. Then everything in memory is about a state that
never was, so the operator starts anew: see `Store.relapsed`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from buildandpush.api import meta
from buildandpush.api.status import MAX_REBUILD
from buildandpush.clients.kubernetes import Listing
from buildandpush.core.build.world import Resource
from buildandpush.core.facts import Owner
from buildandpush.core.pod.observation import PodObservation, observe_pod
from buildandpush.core.run.unreadable import read_status

Object = Mapping[str, Any]
Place = tuple[str, str]
"""Namespace and name."""

POD_KIND: Final = "Pod"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Key:
    """Names one resource of ours."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def key_of(kind: str, body: Object) -> Key:
    """The key of an object of ours."""
    return Key(kind, body["metadata"]["namespace"], body["metadata"]["name"])


def find_older(listing: Listing, before: Mapping[Place, int]) -> tuple[Place, int, int] | None:
    """An object that is older in a list than it was known `before` the list: its place, both versions; None if none is.

    An object that stands in no list was deleted at or before the list's own version.
    """
    listed = {_place(body): version_of(body) for body in listing.items}
    for place, known in before.items():
        found = listed.get(place, int(listing.resource_version))
        if found < known:
            return place, known, found
    return None


def version_of(body: Object) -> int:
    """An object's resourceVersion; larger is newer.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"""
    return int(body["metadata"].get("resourceVersion") or 0)


@dataclass(frozen=True)
class _PodEntry:
    version: int
    namespace: str
    owner: Key | None
    pod: PodObservation


class Store:
    """The newest known resources of ours and their pods."""

    def __init__(self) -> None:
        self._resources: dict[Key, Object] = {}
        self._pods: dict[Place, _PodEntry] = {}
        self._pods_by_owner: dict[str, dict[str, Place]] = {}
        self.relapsed = asyncio.Event()
        """Set once versions are known to have gone back, as they do when etcd is restored from an older snapshot."""

    def put(self, kind: str, body: Object) -> Key:
        """Store a resource unless a newer version is known."""
        key = key_of(kind, body)
        known = self._resources.get(key)
        if known is None or version_of(body) >= version_of(known):
            self._resources[key] = body
        return key

    def put_answer(self, kind: str, body: Object, before: Object | None) -> Key:
        """Take in the API server's answer to a read of one resource. `before` is what was known when it was asked.

        Such an answer is never older than `before`, unless versions went back.
        """
        key = key_of(kind, body)
        if before is not None and self._resources.get(key) is before and version_of(body) < version_of(before):
            self._resources[key] = body
            self.note_relapse(kind, (key.namespace, key.name), version_of(before), version_of(body))
            return key
        return self.put(kind, body)

    def note_relapse(self, kind: str, place: Place, known: int, found: int) -> None:
        """Versions went back. Logged once, since the operator starts anew."""
        if not self.relapsed.is_set():
            _log.error("store.relapsed", kind=kind, namespace=place[0], name=place[1], known=known, found=found)
        self.relapsed.set()

    def versions(self, kind: str, namespace: str | None) -> dict[Place, int]:
        """The known versions of a kind, in one namespace or in all."""
        if kind == POD_KIND:
            return {place: entry.version for place, entry in self._pods.items() if namespace in (None, place[0])}
        return {
            (key.namespace, key.name): version_of(body)
            for key, body in self._resources.items()
            if key.kind == kind and namespace in (None, key.namespace)
        }

    def drop(self, kind: str, body: Object) -> Key:
        """Remove a deleted resource. A new resource of the same name stays."""
        key = key_of(kind, body)
        known = self._resources.get(key)
        if known is not None and _uid(known) == _uid(body):
            del self._resources[key]
        return key

    def get(self, key: Key) -> Object | None:
        """The newest known version."""
        return self._resources.get(key)

    def keys(self, kind: str, namespace: str | None) -> tuple[Key, ...]:
        """The known resources of a kind, in one namespace or in all."""
        return tuple(key for key in self._resources if key.kind == kind and namespace in (None, key.namespace))

    def find_pusher(self, owner: Owner, repository: str) -> str | None:
        """Another resource of the owner's namespace that pushes to the repository and has not come to its end."""
        for key in self.keys(meta.BUILD_KIND, owner.namespace):
            body = self._resources[key]
            if key.name == owner.name or (body.get("spec") or {}).get("repository") != repository:
                continue
            status = body.get("status") or {}
            ended = any(
                item.get("type") == "Completed" and item.get("status") == "True"
                for item in status.get("conditions") or ()
            )
            if not ended or status.get("observedGeneration") != body["metadata"].get("generation"):
                return key.name
        return None

    def put_pod(self, body: Object) -> Key | None:
        """Store a pod unless a newer version is known. Returns the key of its resource."""
        place = _place(body)
        entry = _PodEntry(version_of(body), place[0], _owner_key(body), observe_pod(body))
        known = self._pods.get(place)
        if known is None or known.version <= entry.version:
            self._forget_pod(place)
            self._pods[place] = entry
            self._pods_by_owner.setdefault(entry.pod.owner_uid, {})[entry.pod.name] = place
        return entry.owner

    def drop_pod(self, body: Object) -> Key | None:
        """Remove a deleted pod. A new pod of the same name stays."""
        place = _place(body)
        known = self._pods.get(place)
        if known is not None and known.pod.uid == _uid(body):
            self._forget_pod(place)
        return _owner_key(body)

    def pods_of(self, owner_uid: str) -> dict[str, PodObservation]:
        """The pods of one resource, by name."""
        return {name: self._pods[place].pod for name, place in self._pods_by_owner.get(owner_uid, {}).items()}

    def replace(self, kind: str, listing: Listing, namespace: str | None) -> set[Key]:
        """Store a fresh list. Returns the keys that are gone or were unknown, which a watch may have missed."""
        listed = {key_of(kind, body): body for body in listing.items}
        missed = {key for key, body in listed.items() if self._is_news(key, body)}
        for body in listed.values():
            self.put(kind, body)
        for key, known in list(self._resources.items()):
            within = key.kind == kind and namespace in (None, key.namespace)
            if within and key not in listed and version_of(known) <= int(listing.resource_version):
                del self._resources[key]
                missed.add(key)
        return missed

    def _is_news(self, key: Key, body: Object) -> bool:
        known = self._resources.get(key)
        return known is None or version_of(known) < version_of(body)

    def replace_pods(self, listing: Listing, namespace: str | None) -> set[Key]:
        """Store a fresh list of pods. Returns the owners of pods that changed, came or went unseen."""
        listed = {_place(body): body for body in listing.items}
        missed: set[Key | None] = set()
        for place, body in listed.items():
            known = self._pods.get(place)
            if known is None or known.version < version_of(body):
                missed.add(self.put_pod(body))
        for place, entry in list(self._pods.items()):
            within = namespace in (None, place[0])
            if within and place not in listed and entry.version <= int(listing.resource_version):
                self._forget_pod(place)
                missed.add(entry.owner)
        return {key for key in missed if key is not None}

    def _forget_pod(self, place: Place) -> None:
        entry = self._pods.pop(place, None)
        if entry is None:
            return
        siblings = self._pods_by_owner.get(entry.pod.owner_uid, {})
        siblings.pop(entry.pod.name, None)
        if not siblings:
            self._pods_by_owner.pop(entry.pod.owner_uid, None)


def read_resource(body: Object) -> Resource:
    """A stored BuildAndPushACR as a value for decisions."""
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    status, unreadable = read_status(body.get("status") or {})
    return Resource(
        owner=Owner(metadata["namespace"], metadata["name"], metadata["uid"]),
        generation=metadata.get("generation") or 0,
        resource_version=metadata.get("resourceVersion") or "",
        deleting=bool(metadata.get("deletionTimestamp")),
        spec=body.get("spec") or {},
        status=status,
        unreadable=unreadable,
        rebuild=(annotations.get(meta.ANNOTATION_REBUILD) or "")[:MAX_REBUILD],
        cancel=annotations.get(meta.ANNOTATION_CANCEL) or "",
    )


def _place(body: Object) -> Place:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _uid(body: Object) -> str:
    return str(body["metadata"].get("uid") or "")


def _owner_key(body: Object) -> Key | None:
    for reference in body["metadata"].get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") == meta.BUILD_KIND:
            return Key(meta.BUILD_KIND, body["metadata"]["namespace"], reference["name"])
    return None
