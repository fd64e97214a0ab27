"""Every event lands in the store and as a key in the queue; what the watches missed comes by the fresh lists."""

import asyncio
from typing import Any

import kopf
import pytest

from buildandpush.api import meta
from buildandpush.clients.kubernetes import KubernetesClient
from buildandpush.handlers.health import Health
from buildandpush.handlers.queue import WorkQueue
from buildandpush.handlers.store import Key, Store
from buildandpush.handlers.watch import (
    REFRESH_SECONDS,
    RELIST_SECONDS,
    Watcher,
    configure_kopf,
    list_all,
    refresh,
    refresh_once,
)
from tests.unit.handlers.fake_api import FakeApi
from tests.unit.handlers.fake_time import run_in_fake_time

WEB = Key(meta.BUILD_KIND, "shop", "web")
CONNECTOR = Key(meta.CONNECTOR_KIND, "shop", "acr")


class QueueStub:
    """Notes what is added."""

    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key, delay_seconds: float = 0.0) -> None:
        self.added.append(key)


@pytest.fixture
def queue() -> QueueStub:
    return QueueStub()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def watcher(store: Store, queue: Any) -> Watcher:
    return Watcher(store, queue)


def resource(name: str = "web", *, version: int = 1) -> dict[str, Any]:
    """A resource of ours."""
    return {"metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version)}}


def pod() -> dict[str, Any]:
    """A pod of that resource."""
    body = resource("p1")
    owner = {"kind": meta.BUILD_KIND, "name": "web", "uid": "uid-web", "controller": True}
    body["metadata"] |= {"ownerReferences": [owner], "labels": {meta.LABEL_MANAGED_BY: meta.COMPONENT}}
    return {**body, "spec": {}}


@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED"])
def test_resource_that_came_or_changed_is_worked_on(
    event: str | None, watcher: Watcher, store: Store, queue: QueueStub
) -> None:
    watcher.on_resource(meta.BUILD_KIND, event, resource())
    assert store.get(WEB) is not None
    assert queue.added == [WEB]


def test_deleted_resource_is_forgotten_and_waits_for_nobody(watcher: Watcher, store: Store, queue: QueueStub) -> None:
    watcher.on_resource(meta.BUILD_KIND, "ADDED", resource())
    queue.added.clear()
    watcher.on_resource(meta.BUILD_KIND, "DELETED", resource(version=2))
    assert store.get(WEB) is None
    assert queue.added == [WEB], "what is kept for it can go"


@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED", "DELETED"])
def test_any_change_of_a_pod_is_its_owners_business(event: str | None, watcher: Watcher, queue: QueueStub) -> None:
    watcher.on_pod(event, pod())
    assert queue.added == [WEB]


def test_pod_without_an_owner_of_ours_is_nobodys_business(watcher: Watcher, queue: QueueStub) -> None:
    watcher.on_pod("MODIFIED", resource("stray"))
    assert queue.added == []


def test_connector_wakes_the_builds_of_its_namespace(watcher: Watcher, queue: QueueStub, store: Store) -> None:
    store.put(meta.BUILD_KIND, resource())
    other = resource()
    other["metadata"]["namespace"] = "other"
    store.put(meta.BUILD_KIND, other)
    watcher.on_connector("MODIFIED", resource("acr"))
    assert set(queue.added) == {WEB, CONNECTOR}


def test_connector_that_is_gone_is_looked_at_once_more(watcher: Watcher, queue: QueueStub, store: Store) -> None:
    """What is kept for it in memory is to be let go of."""
    watcher.on_connector("ADDED", resource("acr"))
    queue.added.clear()
    watcher.on_connector("DELETED", resource("acr", version=2))
    assert store.get(CONNECTOR) is None
    assert queue.added == [CONNECTOR]


def test_kopf_writes_nothing_on_any_object() -> None:
    settings = kopf.OperatorSettings()
    configure_kopf(settings)
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True


def test_changes_that_no_watch_told_of_are_worked_on_after_the_next_list() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        seen: list[Key] = []

        async def work(key: Key) -> None:
            seen.append(key)

        queue: WorkQueue[Key] = WorkQueue(work, workers=1)
        watcher = Watcher(store, queue)
        for name in ("web", "gone", "same"):
            watcher.on_resource(meta.BUILD_KIND, "ADDED", api.put(meta.BUILD_PLURAL, resource(name)))
        api.drop(meta.BUILD_PLURAL, "shop", "gone")
        api.put(meta.BUILD_PLURAL, {**api.get(meta.BUILD_PLURAL, "shop", "web"), "spec": {"changed": True}})
        api.put(meta.BUILD_PLURAL, resource("new"))
        tasks = [
            asyncio.create_task(queue.run()),
            asyncio.create_task(refresh(KubernetesClient(api), store, queue, (), watcher.relisted, Health())),
        ]
        await asyncio.sleep(1)
        seen.clear()
        await asyncio.sleep(REFRESH_SECONDS + 2)
        assert {key.name for key in seen} == {"web", "gone", "new"}
        assert store.get(Key(meta.BUILD_KIND, "shop", "gone")) is None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_in_fake_time(main())


def test_list_that_fails_is_tried_again_later() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        api.refuse = lambda verb, plural, name: (503, "etcdserver: leader changed")
        queue: WorkQueue[Key] = WorkQueue(lambda key: asyncio.sleep(0), workers=1)
        task = asyncio.create_task(refresh(KubernetesClient(api), store, queue, ("shop",), asyncio.Event(), Health()))
        await asyncio.sleep(REFRESH_SECONDS + 2)
        assert not task.done()
        api.refuse = lambda verb, plural, name: None
        api.put(meta.BUILD_PLURAL, resource())
        await asyncio.sleep(REFRESH_SECONDS + 2)
        assert store.get(WEB) is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())


def test_what_one_list_missed_is_worked_on_though_the_next_one_fails() -> None:
    """Only that list knows: the pod is gone from the store with it."""

    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put_pod(api.put("pods", pod()))
        api.drop("pods", "shop", pod()["metadata"]["name"])
        api.refuse = lambda verb, plural, name: (503, "come again") if plural == meta.BUILD_PLURAL else None
        await refresh_once(KubernetesClient(api), store, queue, (), Health())
        assert queue.added == [WEB]

    asyncio.run(main())


def test_a_namespace_that_may_not_be_listed_keeps_no_other_from_it() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        api.put(meta.BUILD_PLURAL, resource())
        refused = iter([(403, "forbidden")])
        api.refuse = lambda verb, plural, name: next(refused, None)
        await refresh_once(KubernetesClient(api), store, queue, ("gone", "shop"), Health())
        assert queue.added == [WEB]

    asyncio.run(main())


def test_a_list_from_a_cache_that_lags_is_asked_for_exactly() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource()))
        api.lag()
        written = api.put(meta.BUILD_PLURAL, resource())
        store.put(meta.BUILD_KIND, written)
        unseen = api.put(meta.BUILD_PLURAL, resource("unseen"))
        await refresh_once(KubernetesClient(api), store, queue, (), Health())
        assert not store.relapsed.is_set()
        assert store.get(WEB) == written
        assert store.get(Key(meta.BUILD_KIND, "shop", "unseen")) == unseen

    asyncio.run(main())


@pytest.mark.parametrize("later", [0, 50], ids=["the list is behind", "the list is ahead, its object is behind"])
def test_versions_that_went_back_are_noticed_once(later: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after etcd was restored from an older snapshot."""
    told: list[str] = []
    monkeypatch.setattr("buildandpush.handlers.store._log.error", lambda event, **_: told.append(event))

    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        api.put(meta.BUILD_PLURAL, resource())
        restore = api.snapshot()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource()))
        store.put_pod(api.put("pods", pod()))
        restore()
        for number in range(later):
            api.put(meta.BUILD_PLURAL, resource(f"later-{number}"))
        await refresh_once(KubernetesClient(api), store, queue, (), Health())
        assert store.relapsed.is_set()
        assert told == ["store.relapsed"]

    asyncio.run(main())


def test_no_work_begins_before_the_api_server_has_listed_what_there_is() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        api.put(meta.BUILD_PLURAL, resource())
        refused = iter([(503, "come again"), (503, "come again")])
        api.refuse = lambda verb, plural, name: next(refused, None)
        begun = asyncio.get_running_loop().time()
        await list_all(KubernetesClient(api), store, queue, ("shop",), Health())
        assert queue.added == [WEB]
        assert asyncio.get_running_loop().time() - begun >= 2 * RELIST_SECONDS

    run_in_fake_time(main())


def test_what_went_while_a_watch_was_cut_is_looked_for_once_kopf_has_listed_afresh() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: WorkQueue[Key] = WorkQueue(lambda key: asyncio.sleep(0), workers=1)
        watcher = Watcher(store, queue)
        task = asyncio.create_task(refresh(KubernetesClient(api), store, queue, (), watcher.relisted, Health()))
        watcher.on_resource(meta.BUILD_KIND, "ADDED", api.put(meta.BUILD_PLURAL, resource("gone")))
        api.drop(meta.BUILD_PLURAL, "shop", "gone")
        await asyncio.sleep(5)
        assert store.get(Key(meta.BUILD_KIND, "shop", "gone")) is not None
        watcher.on_resource(meta.BUILD_KIND, None, api.put(meta.BUILD_PLURAL, resource("still-there")))
        await asyncio.sleep(2)
        assert store.get(Key(meta.BUILD_KIND, "shop", "gone")) is None
        assert store.get(Key(meta.BUILD_KIND, "shop", "still-there")) is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())
