"""Every event lands in the store and as a key in the queue; what the watches missed comes by the fresh lists."""

import asyncio
import dataclasses
from typing import Any

import kopf
import pytest

from buildandpush.api import meta
from buildandpush.core.build.watch import SETTLES
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.informers.watch import Watcher, configure_kopf, run_kopf
from buildandpush.handlers.objects import Key
from buildandpush.handlers.observability.health import Health

WEB = Key(meta.BUILD_KIND, "shop", "web")
CONNECTOR = Key(meta.CONNECTOR_KIND, "shop", "acr")


class QueueStub:
    """Notes what is added."""

    def __init__(self) -> None:
        self.added: list[Key] = []
        self.delays: list[float] = []

    def add(self, key: Key, delay_seconds: float = 0.0) -> None:
        self.added.append(key)
        self.delays.append(delay_seconds)


@pytest.fixture
def queue() -> QueueStub:
    return QueueStub()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def watcher(store: Store, queue: Any) -> Watcher:
    return Watcher(store, queue, lambda namespace: None)


def resource(name: str = "web", *, version: int = 1) -> dict[str, Any]:
    """A resource of ours."""
    return {"metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version)}}


def pod() -> dict[str, Any]:
    """A pod of that resource."""
    body = resource("p1")
    owner = {"kind": meta.BUILD_KIND, "name": "web", "uid": "uid-web", "controller": True}
    body["metadata"] |= {"ownerReferences": [owner], "labels": {meta.LABEL_MANAGED_BY: meta.COMPONENT}}
    return {**body, "spec": {}}


PENDING = {"phase": "Pending"}
SAYING = {
    "that it runs": {"phase": "Running"},
    "that its source is fetched": {
        **PENDING,
        "initContainerStatuses": [{"name": "source", "state": {"running": {"startedAt": "2026-11-24T12:00:00Z"}}}],
    },
    "that an image is missing": {
        **PENDING,
        "containerStatuses": [{"name": "kaniko", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
    },
    "that no node takes it": {
        **PENDING,
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
        ],
    },
    "that it ended": {"phase": "Failed"},
    "that it was evicted": {**PENDING, "reason": "Evicted"},
}


@pytest.mark.parametrize("what", SAYING)
def test_news_of_a_pod_is_looked_at_at_once(what: str, watcher: Watcher, queue: QueueStub) -> None:
    watcher.on_pod("MODIFIED", {**pod(), "status": SAYING[what]})
    assert (queue.added, queue.delays) == ([WEB], [0.0])


def test_the_end_of_a_pod_is_looked_at_at_once(watcher: Watcher, queue: QueueStub) -> None:
    watcher.on_pod("DELETED", {**pod(), "status": PENDING})
    assert (queue.added, queue.delays) == ([WEB], [0.0])


@pytest.mark.parametrize("node", ["", "node1"])
@pytest.mark.parametrize("reason", [None, "ContainerCreating", "PodInitializing"])
def test_a_pod_that_says_nothing_is_looked_at_a_moment_later(
    node: str, reason: str | None, watcher: Watcher, queue: QueueStub
) -> None:
    states = [{"name": "kaniko", "state": {"waiting": {"reason": reason}}}] if reason else []
    watcher.on_pod(
        "MODIFIED", {**pod(), "spec": {"nodeName": node}, "status": {**PENDING, "containerStatuses": states}}
    )
    assert (queue.added, queue.delays) == ([WEB], [SETTLES.total_seconds()])


RUNNING = {"startedAt": "2026-11-24T12:00:00Z"}
GETTING_ON = {
    "that it was made": PENDING,
    "that its source is fetched": SAYING["that its source is fetched"],
    "that kaniko builds": {
        "phase": "Running",
        "initContainerStatuses": [{"name": "source", "state": {"terminated": {"exitCode": 0, **RUNNING}}}],
        "containerStatuses": [{"name": "kaniko", "state": {"running": RUNNING}}],
    },
}


@pytest.mark.parametrize("what", [*GETTING_ON, *SAYING])
def test_while_progress_waits_only_what_is_more_is_looked_at(what: str, store: Store, queue: Any) -> None:
    """In a burst most of what pods say is progress. A look at it would cost a third of a build's time."""
    watcher = Watcher(store, queue, lambda namespace: None, {WEB: 20.0}.__getitem__)
    watcher.on_pod("MODIFIED", {**pod(), "status": {**GETTING_ON, **SAYING}[what]})
    on_its_way = what in GETTING_ON or what == "that it runs"
    assert (queue.added, queue.delays) == ([WEB], [20.0 if on_its_way else 0.0])


@pytest.mark.parametrize(
    ("status", "what", "delay"),
    [
        (PENDING, "that kaniko builds", 0.0),
        (PENDING, "that it was made", SETTLES.total_seconds()),
        ({"phase": "Failed"}, "that kaniko builds", 20.0),
    ],
)
def test_beside_another_pod_that_lives_no_pod_waits_for_progress(
    status: dict[str, Any], what: str, delay: float, store: Store, queue: Any
) -> None:
    """One of them may be of a run that was cancelled. It would push what nobody wants any more."""
    other = pod()
    other["metadata"] |= {"name": "p0", "uid": "uid-p0"}
    store.put_pod({**other, "status": status})
    Watcher(store, queue, lambda namespace: None, {WEB: 20.0}.__getitem__).on_pod(
        "MODIFIED", {**pod(), "status": GETTING_ON[what]}
    )
    assert queue.delays == [delay]


def test_a_pod_that_goes_is_looked_at_at_once_whatever_waits(store: Store, queue: Any) -> None:
    watcher = Watcher(store, queue, lambda namespace: None, {WEB: 20.0}.__getitem__)
    watcher.on_pod("DELETED", {**pod(), "status": PENDING})
    going = pod()
    going["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    watcher.on_pod("MODIFIED", {**going, "status": PENDING})
    assert queue.delays == [0.0, 0.0]


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED"])
def test_resource_that_came_or_changed_is_worked_on(
    event: str, watcher: Watcher, store: Store, queue: QueueStub
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


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED"])
def test_any_change_of_a_pod_is_its_owners_business(event: str, watcher: Watcher, queue: QueueStub) -> None:
    watcher.on_pod(event, pod())
    assert queue.added == [WEB]


def test_pod_without_an_owner_of_ours_is_nobodys_business(watcher: Watcher, queue: QueueStub) -> None:
    watcher.on_pod("MODIFIED", resource("stray"))
    assert queue.added == []


def build(name: str, *, connector: str = "acr", namespace: str = "shop", status: Any = None) -> dict[str, Any]:
    """A build with its connector."""
    body = resource(name)
    body["metadata"] |= {"namespace": namespace, "generation": 1}
    return {**body, "spec": {"connectorRef": connector}, "status": status}


def ended(ready: str) -> dict[str, Any]:
    """The status of a build that has come to its end."""
    conditions = [{"type": "Completed", "status": "True"}, {"type": "Ready", "status": ready}]
    return {"observedGeneration": 1, "conditions": conditions}


def test_connector_wakes_the_builds_that_may_wait_for_it(watcher: Watcher, queue: QueueStub, store: Store) -> None:
    for body in (
        build("web"),
        build("failed", status=ended("False")),
        build("good", status=ended("True")),
        build("another", connector="other"),
        build("elsewhere", namespace="other"),
    ):
        store.put(meta.BUILD_KIND, body)
    watcher.on_resource(meta.CONNECTOR_KIND, "MODIFIED", resource("acr"))
    assert queue.added == [CONNECTOR, WEB, Key(meta.BUILD_KIND, "shop", "failed")]


def test_a_connector_that_is_gone_wakes_them_too(watcher: Watcher, queue: QueueStub, store: Store) -> None:
    store.put(meta.BUILD_KIND, build("web"))
    watcher.on_resource(meta.CONNECTOR_KIND, "DELETED", resource("acr"))
    assert WEB in queue.added


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED"])
def test_what_says_nothing_new_has_nothing_looked_at(
    event: str, watcher: Watcher, queue: QueueStub, store: Store
) -> None:
    """The operator's own writes come back as events."""
    store.put(meta.BUILD_KIND, resource())
    store.put(meta.CONNECTOR_KIND, resource("acr"))
    store.put_pod(pod())
    watcher.on_resource(meta.BUILD_KIND, event, resource())
    watcher.on_resource(meta.CONNECTOR_KIND, event, resource("acr"))
    watcher.on_pod("MODIFIED", pod())
    assert queue.added == []


def test_connector_that_is_gone_is_looked_at_once_more(watcher: Watcher, queue: QueueStub, store: Store) -> None:
    """What is kept for it in memory is to be let go of."""
    watcher.on_resource(meta.CONNECTOR_KIND, "ADDED", resource("acr"))
    queue.added.clear()
    watcher.on_resource(meta.CONNECTOR_KIND, "DELETED", resource("acr", version=2))
    assert store.get(CONNECTOR) is None
    assert queue.added == [CONNECTOR]


@pytest.mark.parametrize(
    ("event", "phase", "told"),
    [
        ("ADDED", "Pending", []),
        ("MODIFIED", "Running", []),
        ("MODIFIED", "Succeeded", ["shop"]),
        ("MODIFIED", "Failed", ["shop"]),
        ("DELETED", "Running", ["shop"]),
    ],
)
def test_a_pod_that_takes_none_of_a_quota_any_more_is_told(
    event: str, phase: str, told: list[str], store: Store, queue: Any
) -> None:
    found: list[str] = []
    Watcher(store, queue, found.append).on_pod(event, {**pod(), "status": {"phase": phase}})
    assert found == told


def test_kopf_writes_nothing_on_any_object() -> None:
    settings = kopf.OperatorSettings()
    configure_kopf(settings)
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True


def test_kopf_holds_little_at_once() -> None:
    """It lets go of an object soon after its event, and copies none to compare it with."""
    settings = kopf.OperatorSettings()
    known = {field.name for field in dataclasses.fields(settings.queueing)}
    assert "idle_timeout" in known, "kopf takes any attribute and knows these no more"
    configure_kopf(settings)
    assert settings.queueing.idle_timeout < 1
    body = kopf.Body({"metadata": {"name": "web"}, "spec": {"a": 1}})
    assert settings.persistence.diffbase_storage.build(body=body) == {}


async def test_kopf_remembers_no_object(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that was cut for too long never tells of the end of an object, so kopf would remember it for ever."""
    given: dict[str, Any] = {}

    async def operate(*, stop_flag: asyncio.Event, **arguments: Any) -> None:
        given.update(arguments)
        stop_flag.set()

    monkeypatch.setattr(kopf, "operator", operate)
    await run_kopf(watcher, (), asyncio.Event(), lambda: None, asyncio.Event(), Health(), lambda verb, status: None)
    memory = await given["memories"].recall(resource(), noticed_by_listing=False, memobase=None)
    assert memory.error_throttler is not None, "it is one of kopf's"
    assert list(given["memories"].iter_all_memories()) == []


def test_kopf_that_ends_kills_no_process() -> None:
    """By default it does so ten minutes after its end, and by then it has long been started again."""
    settings = kopf.OperatorSettings()
    configure_kopf(settings)
    assert settings.process.ultimate_exiting_timeout is None
