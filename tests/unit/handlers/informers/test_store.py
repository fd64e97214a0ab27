"""The store keeps the newest of what it was told, in whatever order it comes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api import meta
from buildandpush.clients.kubernetes.lists import Listing
from buildandpush.core.facts import Owner
from buildandpush.handlers.informers.kept import version_of
from buildandpush.handlers.informers.store import Store, find_older, read_resource
from buildandpush.handlers.objects import POD_KIND, Key, place_of

KIND = meta.BUILD_KIND


def resource(name: str = "web", version: int = 1, *, uid: str = "u1", namespace: str = "shop") -> dict[str, Any]:
    """A resource of ours."""
    return {"metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(version)}}


def pod(
    name: str = "p1", version: int = 1, *, uid: str = "p-u1", owner: str = "u1", namespace: str = "shop", **spec: Any
) -> dict[str, Any]:
    """A build pod."""
    body = resource(name, version, uid=uid, namespace=namespace)
    body["metadata"]["ownerReferences"] = [{"kind": KIND, "name": "web", "uid": owner, "controller": True}]
    return {**body, "spec": spec}


def key(name: str = "web", namespace: str = "shop") -> Key:
    """The key of a resource."""
    return Key(KIND, namespace, name)


def listing(version: int, *items: dict[str, Any]) -> Listing:
    """A fresh list."""
    return Listing(list(items), str(version))


def replace(store: Store, kind: str, found: Listing, namespace: str | None) -> set[Key]:
    """Take a whole list in. Returns the keys to look at."""
    news = {store.put_any(kind, body) for body in found.items}
    listed = [place_of(body) for body in found.items]
    gone = store.drop_unlisted(kind, listed, int(found.resource_version), namespace)
    return {key for key in news | gone if key is not None}


def version_in(store: Store, of: Key) -> str | None:
    """The version that is known."""
    body = store.get(of)
    return body["metadata"]["resourceVersion"] if body else None


@given(st.permutations(range(1, 7)))
def test_newest_version_wins_in_any_order(order: list[int]) -> None:
    store = Store()
    for version in order:
        store.put(KIND, resource(version=version))
    assert version_in(store, key()) == "6"


def test_versions_are_numbers_and_not_text() -> None:
    store = Store()
    store.put(KIND, resource(version=10))
    store.put(KIND, resource(version=9))
    assert version_in(store, key()) == "10"


def test_kinds_namespaces_and_names_are_told_apart() -> None:
    store = Store()
    store.put(KIND, resource())
    store.put(KIND, resource("api"))
    store.put(KIND, resource(namespace="other"))
    store.put(meta.CONNECTOR_KIND, resource())
    assert set(store.keys(KIND, "shop")) == {key(), key("api")}
    assert store.keys(KIND, "none") == ()


def test_deleted_resource_is_gone() -> None:
    store = Store()
    store.put(KIND, resource())
    assert store.drop(KIND, resource(version=2)) == key()
    assert store.get(key()) is None


def test_late_deletion_of_a_namesake_leaves_the_new_resource() -> None:
    store = Store()
    store.put(KIND, resource(version=5, uid="u2"))
    store.drop(KIND, resource(version=4, uid="u1"))
    assert version_in(store, key()) == "5"


def test_stale_event_of_a_namesake_does_not_replace_the_new_resource() -> None:
    store = Store()
    store.put(KIND, resource(version=5, uid="u2"))
    store.put(KIND, resource(version=3, uid="u1"))
    body = store.get(key())
    assert body is not None
    assert body["metadata"]["uid"] == "u2"


def test_resource_made_again_replaces_the_former() -> None:
    store = Store()
    store.put(KIND, resource(version=3, uid="u1"))
    store.put(KIND, resource(version=5, uid="u2"))
    assert version_in(store, key()) == "5"


def test_deleting_the_unknown_is_nothing() -> None:
    assert Store().drop(KIND, resource()) == key()
    assert Store().drop_pod(pod()) == key()


def test_fresh_list_drops_what_is_gone_and_tells_of_it() -> None:
    store = Store()
    store.put(KIND, resource("web", 1))
    store.put(KIND, resource("api", 2))
    missed = replace(store, KIND, listing(9, resource("web", 1)), None)
    assert missed == {key("api")}
    assert store.get(key("api")) is None


def test_fresh_list_tells_of_what_came_and_changed_unseen() -> None:
    store = Store()
    store.put(KIND, resource("web", 1))
    store.put(KIND, resource("same", 2))
    missed = replace(store, KIND, listing(9, resource("web", 5), resource("new", 6), resource("same", 2)), None)
    assert missed == {key("web"), key("new")}
    assert version_in(store, key()) == "5"


def test_list_older_than_what_is_known_takes_nothing_back() -> None:
    """A list at version 0 may come from a cache that lags behind our own writes."""
    store = Store()
    store.put(KIND, resource("web", 8))
    store.put(KIND, resource("new", 9))
    assert replace(store, KIND, listing(5, resource("web", 4)), None) == set()
    assert version_in(store, key("web")) == "8"
    assert version_in(store, key("new")) == "9"


@pytest.mark.parametrize(
    ("known", "found", "older"),
    [
        ({}, listing(9, resource(version=4)), None),
        ({("shop", "web"): 4}, listing(9, resource(version=4)), None),
        ({("shop", "web"): 4}, listing(9, resource(version=8)), None),
        ({("shop", "web"): 4}, listing(4), None),
        ({("shop", "web"): 4}, listing(3), (("shop", "web"), 4, 3)),
        ({("shop", "web"): 4}, listing(9, resource(version=3)), (("shop", "web"), 4, 3)),
        ({("other", "web"): 9, ("shop", "web"): 4}, listing(9, resource(version=5)), None),
    ],
)
def test_a_list_that_is_behind_what_was_known_before_it_is_told(
    known: dict[tuple[str, str], int], found: Listing, older: object
) -> None:
    listed = {place_of(body): version_of(body) for body in found.items}
    assert find_older(listed, int(found.resource_version), known) == older


def test_versions_are_those_of_one_kind_and_of_one_namespace_or_all() -> None:
    store = Store()
    store.put(KIND, resource("web", 3))
    store.put(KIND, resource("web", 4, namespace="other"))
    store.put(meta.CONNECTOR_KIND, resource("acr", 5))
    store.put_pod(pod("p1", 6))
    assert store.versions(KIND, None) == {("shop", "web"): 3, ("other", "web"): 4}
    assert store.versions(KIND, "shop") == {("shop", "web"): 3}
    assert store.versions(POD_KIND, "shop") == {("shop", "p1"): 6}
    assert store.versions(POD_KIND, "other") == {}


def test_an_answer_older_than_what_was_known_when_it_was_asked_for_wins() -> None:
    store = Store()
    store.put(KIND, resource(version=8))
    store.put_answer(KIND, resource(version=5), store.get(key()))
    assert version_in(store, key()) == "5"
    assert store.relapsed.is_set()


def test_an_answer_that_the_watch_overtook_is_no_news() -> None:
    store = Store()
    before = resource(version=4)
    store.put(KIND, before)
    store.put(KIND, resource(version=8))
    store.put_answer(KIND, resource(version=5), before)
    assert version_in(store, key()) == "8"
    assert not store.relapsed.is_set()


def test_an_answer_of_something_unknown_or_newer_is_taken_in() -> None:
    store = Store()
    store.put_answer(KIND, resource(version=5), None)
    assert version_in(store, key()) == "5"
    store.put_answer(KIND, resource(version=6), store.get(key()))
    assert version_in(store, key()) == "6"
    assert not store.relapsed.is_set()


def test_list_of_one_namespace_or_kind_says_nothing_of_the_others() -> None:
    store = Store()
    store.put(KIND, resource(namespace="other"))
    store.put(meta.CONNECTOR_KIND, resource())
    assert replace(store, KIND, listing(9), "shop") == set()
    assert store.get(key(namespace="other")) is not None
    assert store.get(Key(meta.CONNECTOR_KIND, "shop", "web")) is not None


def test_pods_are_found_by_their_owners_uid() -> None:
    store = Store()
    assert store.put_pod(pod("p1")) == key()
    store.put_pod(pod("p2"))
    store.put_pod(pod("p3", owner="u2"))
    assert set(store.pods_of("shop", "u1")) == {"p1", "p2"}
    assert set(store.pods_of("shop", "u2")) == {"p3"}
    assert store.pods_of("shop", "u3") == {}


@given(st.permutations(range(1, 6)))
def test_newest_pod_wins_in_any_order(order: list[int]) -> None:
    store = Store()
    for version in order:
        store.put_pod(pod(version=version, nodeName=f"node{version}"))
    assert store.pods_of("shop", "u1")["p1"].node == "node5"


def test_late_deletion_of_a_former_pod_leaves_the_one_of_its_name() -> None:
    store = Store()
    store.put_pod(pod(version=5, uid="p-u2"))
    store.drop_pod(pod(version=4, uid="p-u1"))
    assert store.pods_of("shop", "u1")["p1"].uid == "p-u2"


def test_deleted_pod_is_gone_and_its_owner_is_told() -> None:
    store = Store()
    store.put_pod(pod())
    assert store.drop_pod(pod(version=2)) == key()
    assert store.pods_of("shop", "u1") == {}


def test_pod_made_again_for_another_owner_is_the_others() -> None:
    store = Store()
    store.put_pod(pod(version=1, owner="u1"))
    store.put_pod(pod(version=2, uid="p-u2", owner="u2"))
    assert store.pods_of("shop", "u1") == {}
    assert set(store.pods_of("shop", "u2")) == {"p1"}


@pytest.mark.parametrize(
    "owners",
    [
        None,
        [],
        [{"kind": KIND, "name": "web", "uid": "u1"}],
        [{"kind": "Job", "name": "web", "uid": "u1", "controller": True}],
    ],
)
def test_pod_that_is_not_ours_belongs_to_none(owners: list[dict[str, Any]] | None) -> None:
    body = pod()
    body["metadata"]["ownerReferences"] = owners
    store = Store()
    assert store.put_pod(body) is None
    assert store.drop_pod(body) is None


def test_fresh_list_of_pods_tells_owners_of_what_was_missed() -> None:
    store = Store()
    store.put_pod(pod("gone", 1))
    store.put_pod(pod("same", 2))
    assert replace(store, POD_KIND, listing(9, pod("same", 2)), None) == {key()}
    assert set(store.pods_of("shop", "u1")) == {"same"}
    assert replace(store, POD_KIND, listing(10, pod("same", 2)), None) == set()
    assert replace(store, POD_KIND, listing(11, pod("same", 11)), None) == {key()}
    assert replace(store, POD_KIND, listing(12, pod("same", 11), pod("new", 12)), None) == {key()}


def test_old_list_of_pods_does_not_lose_a_pod_just_made() -> None:
    store = Store()
    store.put_pod(pod("new", 8))
    assert replace(store, POD_KIND, listing(5), None) == set()
    assert set(store.pods_of("shop", "u1")) == {"new"}


def test_list_of_pods_of_one_namespace_leaves_the_others() -> None:
    store = Store()
    store.put_pod(pod(namespace="other"))
    assert replace(store, POD_KIND, listing(9), "shop") == set()
    assert set(store.pods_of("other", "u1")) == {"p1"}


def test_pod_of_another_namespace_is_nobodys_here_though_it_names_the_same_owner_and_has_the_same_name() -> None:
    """Whoever may create pods writes any owner into them, and the uid of a resource stands in its images."""
    store = Store()
    store.put_pod(pod(nodeName="own"))
    store.put_pod(pod(uid="p-evil", namespace="evil", nodeName="evil"))
    store.put_pod(pod("other", uid="p-evil2", namespace="evil"))
    assert {name: found.node for name, found in store.pods_of("shop", "u1").items()} == {"p1": "own"}
    store.drop_pod(pod(version=2, uid="p-evil", namespace="evil"))
    assert set(store.pods_of("shop", "u1")) == {"p1"}
    assert store.pods_of("shop", "u2") == {}


def test_stored_resource_is_read() -> None:
    body = resource(version=7)
    body["metadata"] |= {"generation": 3, "deletionTimestamp": "2026-11-24T12:00:00Z"}
    read = read_resource({**body, "spec": {"a": 1}, "status": {"observedGeneration": 2}})
    assert (read.owner.namespace, read.owner.name, read.owner.uid) == ("shop", "web", "u1")
    assert (read.generation, read.resource_version, read.deleting) == (3, "7", True)
    assert (read.spec, read.status.observed_generation) == ({"a": 1}, 2)


def test_resource_that_nobody_has_touched_is_read() -> None:
    read = read_resource(resource())
    assert (read.generation, read.deleting, read.status.observed_generation) == (0, False, -1)


class TestPusher:
    """Which other resource is about to push an image."""

    owner = Owner("shop", "web", "u")

    def find(self, *, namespace: str = "shop", name: str = "base", **status: Any) -> str | None:
        store = Store()
        metadata = {"name": name, "namespace": namespace, "uid": "b", "resourceVersion": "1", "generation": 2}
        spec = {"repository": "contoso.azurecr.io/shop/base"}
        store.put(meta.BUILD_KIND, {"metadata": metadata, "spec": spec, **({"status": status} if status else {})})
        assert store.find_pusher(self.owner, "contoso.azurecr.io/shop/other") is None
        return store.find_pusher(self.owner, "contoso.azurecr.io/shop/base")

    def test_one_that_was_not_seen_yet_is(self) -> None:
        assert self.find() == "base"

    def test_one_on_its_way_is(self) -> None:
        assert self.find(observedGeneration=2, conditions=[{"type": "Completed", "status": "False"}]) == "base"

    def test_one_that_has_ended_is_not_unless_its_spec_has_changed_since(self) -> None:
        ended = [{"type": "Completed", "status": "True"}]
        assert self.find(observedGeneration=2, conditions=ended) is None
        assert self.find(observedGeneration=1, conditions=ended) == "base"

    def test_neither_the_resource_itself_nor_one_of_another_namespace_is(self) -> None:
        assert self.find(name="web") is None
        assert self.find(namespace="bank") is None
