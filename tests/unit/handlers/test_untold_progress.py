"""The status of a build on its way waits for the budget of progress. Nothing else waits, and no pod is made twice."""

from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api import meta
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
