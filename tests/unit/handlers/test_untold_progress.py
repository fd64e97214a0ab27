"""The status of a build on its way waits for the budget of progress. Nothing else waits, and no pod is made twice."""

from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.core.build.watch import SETTLES
from buildandpush.core.facts import ReadBack
from buildandpush.handlers.answers import Sources
from buildandpush.handlers.objects import Key
from buildandpush.handlers.progress import LATEST_SECONDS, Progress
from tests.unit.handlers.cluster import WEB, Cluster

STATUS = f"PUT {meta.BUILD_PLURAL}/status/web"


@pytest.fixture
def cluster() -> Cluster:
    """The budget is used up for longer than anything may wait."""
    cluster = Cluster()
    cluster.progress = Progress(cluster.seconds, per_second=0.001, at_once=1)
    cluster.progress.find_wait(Key(meta.BUILD_KIND, "shop", "another"))
    return cluster


def statuses(cluster: Cluster) -> int:
    return cluster.api.written().count(STATUS)


def build_of(cluster: Cluster) -> dict[str, Any]:
    (build,) = cluster.status["run"]["builds"]
    return dict(build)


async def test_a_build_on_its_way_is_told_of_when_its_time_has_come(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    cluster.start_kaniko()
    cluster.watch()
    before = statuses(cluster)
    seconds = await reconciler.reconcile(WEB)
    assert seconds is not None
    assert 0 < seconds <= LATEST_SECONDS
    assert statuses(cluster) == before
    cluster.now += timedelta(seconds=seconds)
    await reconciler.reconcile(WEB)
    assert statuses(cluster) == before + 1
    assert (cluster.status["phase"], build_of(cluster)["podUid"]) == ("Running", cluster.pod["metadata"]["uid"])


async def test_a_build_whose_progress_waits_needs_no_look_before_it(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    assert await reconciler.reconcile(WEB) == LATEST_SECONDS
    assert cluster.pod
    assert cluster.progress is not None
    assert cluster.progress.left(WEB) == LATEST_SECONDS
    cluster.end_kaniko()
    cluster.watch()
    await reconciler.reconcile(WEB)
    assert (cluster.status["phase"], cluster.progress.left(WEB)) == ("Succeeded", 0)


def make_pods(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any]) -> None:
    """Each pod has this status as soon as it is made."""
    put = cluster.api.put

    def put_so(plural: str, body: dict[str, Any]) -> Any:
        return put(plural, {**body, "status": status} if plural == "pods" else body)

    monkeypatch.setattr(cluster.api, "put", put_so)


GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked"}


async def test_a_pod_that_says_more_when_it_is_made_is_looked_at_soon(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event is no news any more."""
    make_pods(cluster, monkeypatch, {"phase": "Pending", "conditions": [GATED]})
    assert await cluster.make_reconciler().reconcile(WEB) == SETTLES.total_seconds()


async def test_a_pod_that_is_taken_over_when_it_has_ended_is_looked_at_soon(cluster: Cluster) -> None:
    """The answer to its creation was lost, and the watch is cut."""
    await cluster.make_reconciler().reconcile(WEB)
    cluster.end_kaniko()
    cluster.store.drop_pod(cluster.pod)
    assert cluster.progress is not None
    cluster.progress.forget(WEB)
    assert await cluster.make_reconciler().reconcile(WEB) == SETTLES.total_seconds()


async def test_a_pod_that_reads_a_push_back_has_no_progress_to_tell(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def closed(*_: Any) -> ReadBack:
        return ReadBack({}, digest_found=False, problem="forbidden")

    monkeypatch.setattr(cluster.registry, "read_back", closed)
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    cluster.end_kaniko()
    cluster.watch()
    await reconciler.reconcile(WEB)
    assert len(cluster.pods) == 2
    assert cluster.progress is not None
    assert cluster.progress.left(WEB) == 0


async def test_what_is_due_when_a_pod_is_made_is_not_put_off(cluster: Cluster) -> None:
    """The former run's pod is held by a sidecar, and is ended half a minute after kaniko."""
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    cluster.now += timedelta(seconds=20)
    cluster.end_kaniko(phase="Running")
    pod = cluster.pod
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = f"{cluster.now:%Y-%m-%dT%H:%M:%SZ}"
    cluster.api.put("pods", pod)
    cluster.watch()
    await reconciler.reconcile(WEB)
    cluster.now += timedelta(seconds=25)
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    body["metadata"]["annotations"] = {meta.ANNOTATION_REBUILD: "now"}
    cluster.api.put(meta.BUILD_PLURAL, body)
    cluster.watch()
    assert await reconciler.reconcile(WEB) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"source": {"upload": {}}},
        {"strategy": {"matrix": {"os": ["a", "b"]}}, "tags": ["<+matrix.os>"]},
    ],
)
async def test_whoever_may_have_to_act_on_progress_is_looked_at_at_once(
    cluster: Cluster, changes: dict[str, Any]
) -> None:
    """A user who has an upload to send, or another build of the run."""
    cluster.apply(**changes)
    cluster.watch()
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    assert cluster.api.all("pods")
    assert cluster.progress is not None
    assert cluster.progress.left(WEB) == 0


async def test_an_end_is_told_at_once_and_says_all(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    before = statuses(cluster)
    cluster.start_kaniko()
    cluster.watch()
    await reconciler.reconcile(WEB)
    cluster.end_kaniko()
    cluster.watch()
    await reconciler.reconcile(WEB)
    assert cluster.ready == ("True", "Succeeded")
    assert build_of(cluster)["startedAt"] == "2026-11-24T12:00:10Z"
    assert statuses(cluster) == before + 1
    assert cluster.progress is not None
    assert cluster.progress.count_waiting() == 0


async def test_a_trouble_is_told_at_once(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    message = "0/3 nodes are available: 3 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    cluster.api.put("pods", {**cluster.pod, "status": {"phase": "Pending", "conditions": [condition]}})
    cluster.watch()
    await reconciler.reconcile(WEB)
    assert cluster.ready[1] == "Unschedulable"


async def test_a_cancel_does_not_wait(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    cluster.start_kaniko()
    cluster.watch()
    await reconciler.reconcile(WEB)
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    body["metadata"].setdefault("annotations", {})[meta.ANNOTATION_CANCEL] = "1"
    cluster.api.put(meta.BUILD_PLURAL, body)
    cluster.watch()
    await reconciler.reconcile(WEB)
    assert cluster.status["run"]["cancelled"] is True


@pytest.mark.parametrize("started", [False, True])
async def test_a_pod_that_went_before_its_status_spoke_of_it_is_lost_and_not_made_again(
    cluster: Cluster, started: bool
) -> None:
    """Its build may have pushed. So the run goes on with an attempt of its own, after a look at the registry."""
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    first = cluster.pod["metadata"]["name"]
    if started:
        cluster.start_kaniko()
        cluster.watch()
        await reconciler.reconcile(WEB)
    cluster.store.drop_pod(cluster.pod)
    cluster.api.drop("pods", "shop", first)
    await reconciler.reconcile(WEB)
    assert build_of(cluster)["attempt"] == 2
    assert build_of(cluster)["podName"] != first
    assert "PodLost" in cluster.events


async def test_no_build_of_a_run_waits_for_the_progress_of_another(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its pod is made from is asked for, though the answers take long."""
    matrix = {"os": ["alpine", "debian"]}
    cluster.apply(strategy={"matrix": matrix}, tags=["<+matrix.os>"])
    cluster.watch()
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(WEB)
    first, second = cluster.pods
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "the node was low on disk"}
    cluster.api.put("pods", {**second, "status": evicted})
    cluster.watch()
    await reconciler.reconcile(WEB)
    cluster.now += timedelta(seconds=11)
    running = {"name": "kaniko", "state": {"running": {"startedAt": "2026-11-24T12:00:10Z"}}}
    cluster.api.put("pods", {**first, "status": {"phase": "Running", "containerStatuses": [running]}})
    cluster.watch()
    monkeypatch.setattr(Sources, "is_at_hand", lambda *_: False)
    await reconciler.reconcile(WEB)
    assert len(cluster.pods) == 3
