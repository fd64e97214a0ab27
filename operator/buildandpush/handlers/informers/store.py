"""The newest known version of each object, from the watches. Decisions take it as a hint, never as proof of absence.

The operator puts objects here that it wrote itself, so that the next decision sees them before the watch does.

Versions only grow, except when etcd is restored from an older snapshot. Then everything in memory is about a state that
never was, so the operator starts anew: see `Store.relapsed`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from buildandpush.api import meta
from buildandpush.api.status import MAX_REBUILD
from buildandpush.core.build.world import Resource
from buildandpush.core.facts import Owner
from buildandpush.core.pod.observation import PodObservation, observe_pod
from buildandpush.core.run.unreadable import read_status
from buildandpush.handlers.informers.kept import Fact, Kept, Mark, keep, uid_of, version_of
from buildandpush.handlers.objects import POD_KIND, Key, Object, Place, key_of, place_of

T = TypeVar("T")

_log = structlog.get_logger(__name__)


def find_older(listed: Mapping[Place, int], version: int, before: Mapping[Place, int]) -> tuple[Place, int, int] | None:
    """An object that is older in a list than it was known `before` the list: its place, both versions; None if none is.

    `listed` has the versions of the list's objects, `version` is the list's own. An object that stands in no list was
    deleted at or before that.
    """
    for place, known in before.items():
        found = listed.get(place, version)
        if found < known:
            return place, known, found
    return None


@dataclass(frozen=True, slots=True)
class _PodEntry:
    version: int
    namespace: str
    owner: Key | None
    pod: PodObservation


class Store:
    """The newest known resources of ours and their pods."""

    def __init__(self) -> None:
        self._resources: dict[Key, Kept] = {}
        self._by_namespace: dict[tuple[str, str], dict[Key, None]] = {}
        """The resources of a kind, by kind and namespace."""
        self._by_mark: dict[Fact, dict[tuple[str, Mark], dict[Key, None]]] = {fact: {} for fact in Fact}
        """The builds that a fact holds for, by namespace and what it says."""
        self._former: dict[Key, set[str]] = {}
        """The uids of connectors that are gone, until somebody takes them."""
        self._pods: dict[Place, _PodEntry] = {}
        self._pods_by_owner: dict[Place, dict[str, PodObservation]] = {}
        """By the namespace and the uid of the resource. A pod of another namespace may name any uid as its owner's."""
        self._live: set[Place] = set()
        """Build pods that have not ended."""
        self.maps_users = False
        """Whether the API server has been seen to keep a pod's user namespace."""
        self.relapsed = asyncio.Event()
        """Set once versions are known to have gone back, as they do when etcd is restored from an older snapshot."""

    def put(self, kind: str, body: Object) -> bool:
        """Store a resource unless this version or a newer one is known. Says if it was news."""
        key = key_of(kind, body)
        known = self._resources.get(key)
        if known is not None and version_of(body) <= known.version:
            return False
        self._keep(key, keep(kind, body))
        return True

    def put_answer(self, kind: str, body: Object, before: Object | None) -> bool:
        """Take in the API server's answer to a read of one resource. `before` is what was known when it was asked. Says
        if it was news.

        Such an answer is never older than `before`, unless versions went back.
        """
        key = key_of(kind, body)
        known = self._resources.get(key)
        went_back = before is not None and version_of(body) < version_of(before)
        if before is None or known is None or not went_back or known.version != version_of(before):
            return self.put(kind, body)
        self._keep(key, keep(kind, body))
        self.note_relapse(kind, place_of(body), version_of(before), version_of(body))
        return True

    def note_relapse(self, kind: str, place: Place, known: int, found: int) -> None:
        """Versions went back. Logged once, since the operator starts anew."""
        if not self.relapsed.is_set():
            _log.error("store.relapsed", kind=kind, namespace=place[0], name=place[1], known=known, found=found)
        self.relapsed.set()

    def version(self, kind: str, place: Place) -> int:
        """The known version of an object; 0 if it is not known."""
        known = self._pods.get(place) if kind == POD_KIND else self._resources.get(Key(kind, *place))
        return known.version if known is not None else 0

    def versions(self, kind: str, namespace: str | None) -> dict[Place, int]:
        """The known versions of a kind, in one namespace or in all."""
        if kind == POD_KIND:
            return {place: entry.version for place, entry in self._pods.items() if namespace in (None, place[0])}
        return {(key.namespace, key.name): self._resources[key].version for key in self.keys(kind, namespace)}

    def drop(self, kind: str, body: Object) -> Key:
        """Remove a deleted resource. A new resource of the same name stays."""
        key = key_of(kind, body)
        known = self._resources.get(key)
        if known is not None and known.uid == uid_of(body):
            self._forget(key)
        self._note_former(key, uid_of(body))  # this event may be the only one of it
        return key

    def take_former(self, key: Key) -> set[str]:
        """The uids of the connectors that had this name and are gone, each given out once."""
        return self._former.pop(key, set())

    def _note_former(self, key: Key, uid: str) -> None:
        if key.kind == meta.CONNECTOR_KIND:
            self._former.setdefault(key, set()).add(uid)

    def get(self, key: Key) -> Object | None:
        """The newest known version, without what nobody reads of it: see `keep`."""
        known = self._resources.get(key)
        return known.unpack() if known is not None else None

    def keys(self, kind: str, namespace: str | None) -> tuple[Key, ...]:
        """The known resources of a kind, in one namespace or in all."""
        if namespace is not None:
            return tuple(self._by_namespace.get((kind, namespace), ()))
        return tuple(key for (one, _), keys in self._by_namespace.items() if one == kind for key in keys)

    def find(self, namespace: str, *mark: str) -> tuple[Key, ...]:
        """The builds of a namespace that a fact holds for: the fact, then what it says."""
        return tuple(self._by_mark[Fact(mark[0])].get((namespace, mark), ()))

    def find_dependents(self, key: Key) -> tuple[Key, ...]:
        """The builds that may wait for a connector, or have failed for it; of another kind none."""
        return self.find(key.namespace, Fact.CONNECTOR, key.name) if key.kind == meta.CONNECTOR_KIND else ()

    def has_flux(self, kind: str, namespace: str | None) -> bool:
        """Whether a build of this namespace, or of any, names a Flux object of this kind."""
        return any(mark[1] == kind and namespace in (None, place) for place, mark in self._by_mark[Fact.FLUX])

    def find_pusher(self, owner: Owner, repository: str) -> str | None:
        """Another resource of the owner's namespace that pushes to the repository and has not come to its end."""
        others = self.find(owner.namespace, Fact.PUSHES, repository)
        return next((key.name for key in others if key.name != owner.name), None)

    def _keep(self, key: Key, kept: Kept) -> None:
        """Keep a resource in the place of what is known of it."""
        known = self._resources.get(key)
        if known is not None and known.uid != kept.uid:
            self._note_former(key, known.uid)
        before = known.marks if known is not None else ()
        if before != kept.marks:
            self._unmark(key, before)
            for mark in kept.marks:
                self._by_mark[Fact(mark[0])].setdefault((key.namespace, mark), {})[key] = None
        self._by_namespace.setdefault((key.kind, key.namespace), {})[key] = None
        self._resources[key] = kept

    def _forget(self, key: Key) -> None:
        known = self._resources.pop(key)
        self._note_former(key, known.uid)
        self._unmark(key, known.marks)
        _take_out(self._by_namespace, (key.kind, key.namespace), key)

    def _unmark(self, key: Key, marks: Iterable[Mark]) -> None:
        for mark in marks:
            _take_out(self._by_mark[Fact(mark[0])], (key.namespace, mark), key)

    def put_pod(self, body: Object) -> Key | None:
        """Store a pod unless this version or a newer one is known. Returns the key of its resource if it was news."""
        place = place_of(body)
        known = self._pods.get(place)
        if known is not None and known.version >= version_of(body):
            return None
        entry = _PodEntry(version_of(body), place[0], _owner_key(body), observe_pod(body))
        self._forget_pod(place)
        self._pods[place] = entry
        self._pods_by_owner.setdefault((place[0], entry.pod.owner_uid), {})[entry.pod.name] = entry.pod
        if not entry.pod.ended and not entry.pod.reads_back:
            self._live.add(place)
        return entry.owner

    def drop_pod(self, body: Object) -> Key | None:
        """Remove a deleted pod. A new pod of the same name stays."""
        place = place_of(body)
        known = self._pods.get(place)
        if known is not None and known.pod.uid == uid_of(body):
            self._forget_pod(place)
        return _owner_key(body)

    def find_pod(self, body: Object) -> PodObservation | None:
        """What is known of this pod; None if nothing is."""
        known = self._pods.get(place_of(body))
        return known.pod if known is not None and known.pod.uid == uid_of(body) else None

    def pods_of(self, namespace: str, owner_uid: str) -> dict[str, PodObservation]:
        """The pods of one resource, by name."""
        return dict(self._pods_by_owner.get((namespace, owner_uid), {}))

    def live_pods(self) -> list[tuple[str, PodObservation]]:
        """The build pods that have not ended, with their namespaces."""
        return [(place[0], self._pods[place].pod) for place in self._live]

    def find_node(self, namespace: str, pod: str) -> str:
        """The node that a pod is known to be on; empty for none."""
        entry = self._pods.get((namespace, pod))
        return entry.pod.node if entry is not None else ""

    def put_any(self, kind: str, body: Object) -> Key | None:
        """Store a resource or a pod. Returns the key that is to be looked at, if it was news."""
        if kind == POD_KIND:
            return self.put_pod(body)
        return key_of(kind, body) if self.put(kind, body) else None

    def drop_unlisted(self, kind: str, listed: Iterable[Place], version: int, namespace: str | None) -> set[Key]:
        """Remove what does not stand in a list of this version, of one namespace or of all. Returns the keys to look
        at. What is newer than the list stays: it may have come later."""
        known = self.versions(kind, namespace)
        for place in listed:
            known.pop(place, None)
        gone = [place for place, one in known.items() if one <= version]
        if kind == POD_KIND:
            owners = {self._pods[place].owner for place in gone}
            for place in gone:
                self._forget_pod(place)
            return {owner for owner in owners if owner is not None}
        keys = {Key(kind, *place) for place in gone}
        for key in keys:
            self._forget(key)
        return keys

    def _forget_pod(self, place: Place) -> None:
        self._live.discard(place)
        entry = self._pods.pop(place, None)
        if entry is None:
            return
        owner = (place[0], entry.pod.owner_uid)
        siblings = self._pods_by_owner.get(owner, {})
        siblings.pop(entry.pod.name, None)
        if not siblings:
            self._pods_by_owner.pop(owner, None)


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


def _take_out(index: dict[T, dict[Key, None]], at: T, key: Key) -> None:
    keys = index.get(at, {})
    keys.pop(key, None)
    if not keys:
        index.pop(at, None)


def _owner_key(body: Object) -> Key | None:
    for reference in body["metadata"].get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") == meta.BUILD_KIND:
            return Key(meta.BUILD_KIND, body["metadata"]["namespace"], reference["name"])
    return None
