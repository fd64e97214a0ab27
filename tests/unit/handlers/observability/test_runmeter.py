"""Each start, retry and end of a run is counted once by the process that wrote it, whatever became of the answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildStatus, Effective, RunStatus, Timings
from buildandpush.clients.errors import UnavailableError
from buildandpush.core.build.world import Announce, Decision
from buildandpush.handlers.informers.store import read_resource
from buildandpush.handlers.observability.metrics import phase_label, trigger_label
from buildandpush.handlers.observability.runmeter import RunMeter, measure_phases
from buildandpush.handlers.reconcile import Reconciler
from tests.unit.handlers.cluster import WEB, Cluster
from tests.unit.handlers.fake_api import Write

GOOD = {"result": "Succeeded", "reason": "Succeeded"}


class Process:
    """One process of the operator, which may lose an answer to the status that it writes next."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.reconciler: Reconciler = self.cluster.make_reconciler()

    def restart(self) -> None:
        self.cluster.restart()
        self.reconciler = self.cluster.make_reconciler()

    async def work(self) -> None:
        """Watch and reconcile until nothing changes any more."""
        for _ in range(20):
            before = len(self.cluster.api.writes)
            self.cluster.watch()
            await self.reconciler.reconcile(WEB)
            if len(self.cluster.api.writes) == before:
                return
        raise AssertionError("the operator does not come to rest")

    def count(self, name: str, **labels: str) -> float:
        return self.cluster.metrics.registry.get_sample_value(f"buildandpush_{name}", labels) or 0.0

    def lose_answer(self) -> None:
        """The next write of a status arrives, and its answer does not."""

        def lose(write: Write) -> None:
            if write.plural == f"{meta.BUILD_PLURAL}/status":
                self.cluster.api.after_write = lambda _: None
                raise TimeoutError

        self.cluster.api.after_write = lose

    def lose_write(self) -> None:
        """The next write does not arrive, and nothing is heard of it."""

        def lose(write: Write) -> None:
            self.cluster.api.before_write = lambda _: None
            raise TimeoutError

        self.cluster.api.before_write = lose


@pytest.fixture
def process() -> Process:
    return Process()


async def test_a_build_is_counted_once_with_its_phases(process: Process) -> None:
    await process.work()
    assert process.count("builds_started_total", trigger="Spec") == 1
    assert process.count("running_builds", state="Pending") == 1
    process.cluster.start_kaniko()
    await process.work()
    assert process.count("running_builds", state="Running") == 1
    assert process.count("running_builds", state="Pending") == 0
    assert process.count("builds_total", **GOOD) == 0
    process.cluster.end_kaniko()
    await process.work()
    await process.work()
    assert process.count("builds_total", **GOOD) == 1
    assert process.count("build_duration_seconds_count", result="Succeeded") == 1
    phases = {phase: process.count("build_phase_duration_seconds_count", phase=phase) for phase in ("source", "build")}
    assert phases == {"source": 1, "build": 1}
    assert process.count("running_builds", state="Running") == 0


async def test_a_conflict_counts_nothing_twice(process: Process) -> None:
    await process.work()
    process.cluster.end_kaniko()

    def race(write: Write) -> None:
        if write.plural == f"{meta.BUILD_PLURAL}/status":
            process.cluster.api.before_write = lambda _: None
            process.cluster.apply(timeout="2h")

    process.cluster.api.before_write = race
    await process.work()
    assert process.count("builds_total", **GOOD) == 1


@pytest.mark.parametrize("heard", [True, False], ids=["the watch brings it", "a conflict tells of it"])
async def test_an_end_whose_answer_was_lost_is_counted_once(heard: bool, process: Process) -> None:
    await process.work()
    process.cluster.end_kaniko()
    process.cluster.watch()
    process.lose_answer()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    assert process.count("builds_total", **GOOD) == 0
    if heard:
        process.cluster.watch()
    for _ in range(2):
        await process.reconciler.reconcile(WEB)
    assert process.count("builds_total", **GOOD) == 1


async def test_a_write_that_was_lost_is_counted_when_it_comes(process: Process) -> None:
    await process.work()
    process.cluster.end_kaniko()
    process.cluster.watch()
    process.lose_write()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    await process.work()
    assert process.count("builds_total", **GOOD) == 1


async def test_an_end_is_counted_though_the_answer_of_a_second_try_was_lost_as_well(process: Process) -> None:
    """The second write says a later time, and comes too late: the first one has arrived."""
    await process.work()
    process.cluster.end_kaniko()
    process.cluster.watch()
    process.lose_answer()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    process.cluster.now += timedelta(seconds=5)
    process.lose_write()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    await process.work()
    assert process.count("builds_total", **GOOD) == 1


async def test_an_end_is_counted_though_an_older_crd_keeps_less_of_it(process: Process) -> None:
    process.cluster.api.pruned = frozenset({"run.builds.timings", "run.builds.conditions"})
    await process.work()
    process.cluster.end_kaniko()
    process.cluster.watch()
    process.lose_answer()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    await process.work()
    assert process.count("builds_total", **GOOD) == 1


async def test_a_new_process_counts_nothing_that_was_there(process: Process) -> None:
    await process.work()
    process.cluster.end_kaniko()
    await process.work()
    process.restart()
    await process.work()
    assert process.count("builds_total", **GOOD) == 1


async def test_a_process_that_starts_on_an_old_list_counts_nothing_of_another(process: Process) -> None:
    await process.work()
    process.cluster.end_kaniko()
    old = process.cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    await process.work()
    process.cluster.store = type(process.cluster.store)()
    process.cluster.store.put(meta.BUILD_KIND, old)
    process.reconciler = process.cluster.make_reconciler()
    await process.reconciler.reconcile(WEB)
    await process.work()
    assert process.count("builds_total", **GOOD) == 1


async def test_a_process_that_hears_no_answer_counts_nothing_that_another_wrote_before(process: Process) -> None:
    """Its own write came too late, and so the API server refused it. But that answer was lost."""
    await process.work()
    process.cluster.end_kaniko()
    old = process.cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    await process.work()
    process.cluster.store = type(process.cluster.store)()
    process.cluster.store.put(meta.BUILD_KIND, old)
    process.reconciler = process.cluster.make_reconciler()
    process.cluster.now += timedelta(seconds=5)
    process.lose_write()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    await process.work()
    assert process.count("builds_total", **GOOD) == 1
    assert process.count("builds_started_total", trigger="Spec") == 1


async def test_a_new_process_knows_what_is_running(process: Process) -> None:
    await process.work()
    process.cluster.start_kaniko()
    await process.work()
    process.restart()
    await process.work()
    assert process.count("running_builds", state="Running") == 1
    assert process.count("builds_started_total", trigger="Spec") == 1


async def test_a_retry_is_counted_with_what_failed(process: Process) -> None:
    await process.work()
    process.cluster.end_kaniko(code=1, message="", reason="Evicted", phase="Failed")
    process.lose_answer()
    process.cluster.watch()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    await process.work()
    assert process.count("retries_total", reason="Evicted") == 1
    assert process.count("builds_started_total", trigger="Spec") == 1


async def test_a_failure_is_counted_with_its_reason(process: Process) -> None:
    await process.work()
    (pod,) = process.cluster.pods
    process.cluster.api.logs[pod["metadata"]["name"]] = "error building image: something"
    process.cluster.end_kaniko(code=1, message="")
    await process.work()
    assert process.count("builds_total", result="Failed", reason="BuildFailed") == 1


async def test_a_run_that_gives_way_is_counted_and_the_next_one_starts(process: Process) -> None:
    await process.work()
    pod = process.cluster.pod
    process.cluster.apply(target="release")
    await process.work()
    process.cluster.store.drop_pod(pod)
    await process.work()
    assert process.count("builds_total", result="Superseded", reason="Superseded") == 1
    assert process.count("builds_started_total", trigger="Spec") == 2


async def test_a_resource_that_is_gone_runs_no_more(process: Process) -> None:
    await process.work()
    process.cluster.store.drop(meta.BUILD_KIND, process.cluster.api.get(meta.BUILD_PLURAL, "shop", "web"))
    await process.reconciler.reconcile(WEB)
    assert process.count("running_builds", state="Pending") == 0


async def test_another_resource_of_the_name_has_nothing_of_the_first(process: Process) -> None:
    """The answer to the first one's end was lost, and then it was deleted. A backup brings it back as another one."""
    await process.work()
    process.cluster.end_kaniko()
    process.cluster.watch()
    process.lose_answer()
    with pytest.raises(UnavailableError):
        await process.reconciler.reconcile(WEB)
    body = process.cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    assert "finishedAt" in body["status"]["run"]
    process.cluster.api.drop(meta.BUILD_PLURAL, "shop", "web")
    process.cluster.api.put(meta.BUILD_PLURAL, {**body, "metadata": {"namespace": "shop", "name": "web"}})
    await process.work()
    assert process.count("builds_total", **GOOD) == 0


def at(second: int) -> datetime:
    return datetime(2026, 11, 24, 12, 0, second, tzinfo=UTC)


def ended(**changes: Any) -> RunStatus:
    """A run that succeeded: 4 s in the queue, 3 s for the source, 2 s for containers to start, 20 s for kaniko, and 2 s
    until it was verified."""
    effective = Effective(
        repository="contoso.azurecr.io/web", timeout_seconds=1, run_as_user=0, memory_limit="1", cpu_limit="1",
        executor_image="kaniko", no_push=changes.pop("no_push", None), push_only=changes.pop("push_only", None),
    )  # fmt: skip
    timings = Timings(waiting_seconds=4, source_seconds=3, build_seconds=20)
    build = {
        "key": "0",
        "phase": "Succeeded",
        "pod_name": "p",
        "tags": ["latest"],
        "started_at": at(9),
        "finished_at": at(30),
    }
    built = BuildStatus(**{**build, "timings": timings, **changes})
    return RunStatus(
        number=1, spec_hash="h", generation=1, trigger="Spec", started_at=at(0), finished_at=at(32),
        effective=effective, builds=[built],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "phases"),
    [
        pytest.param(ended, {"queue": 4, "source": 3, "start": 2, "build": 20, "verify": 2}, id="good"),
        pytest.param(
            lambda: ended(attempt=2), {"source": 3, "start": 2, "build": 20, "verify": 2}, id="second attempt"
        ),
        pytest.param(lambda: ended(phase="Failed"), {"queue": 4, "source": 3, "start": 2, "build": 20}, id="failed"),
        pytest.param(lambda: ended(no_push=True), {"queue": 4, "source": 3, "start": 2, "build": 20}, id="no push"),
        pytest.param(
            lambda: ended(push_only=True),
            {"queue": 4, "source": 3, "start": 2, "push": 20, "verify": 2},
            id="push alone",
        ),
        pytest.param(lambda: ended(timings=None), {}, id="pod lost"),
        pytest.param(lambda: ended(timings=Timings(source_seconds=9)), {"source": 9, "verify": 2}, id="no start known"),
        pytest.param(
            lambda: ended(started_at=None), {"queue": 4, "source": 3, "build": 20, "verify": 2}, id="kaniko never seen"
        ),
        pytest.param(
            lambda: ended(started_at=at(5)),
            {"queue": 4, "source": 3, "start": 0, "build": 20, "verify": 2},
            id="clocks that differ",
        ),
    ],
)
def test_a_run_spends_its_time_in_phases(run: Callable[[], RunStatus], phases: dict[str, float]) -> None:
    found = run()
    assert measure_phases(found, found.builds[0]) == phases


def test_each_build_of_a_run_is_counted() -> None:
    process = Process()
    meter, world = RunMeter(process.cluster.metrics), read_resource(process.cluster.store.get(WEB) or {})
    run = ended()
    failed = run.builds[0].model_copy(update={"key": "1", "phase": "Failed", "reason": "RunFailed"})
    good = run.builds[0].model_copy(update={"reason": "Succeeded"})
    status = world.status.model_copy(update={"run": run.model_copy(update={"builds": [good, failed]})})
    meter.note_written(WEB, world, Decision(status))
    assert process.count("builds_total", **GOOD) == 1
    assert process.count("builds_total", result="Failed", reason="RunFailed") == 1
    assert process.count("build_phase_duration_seconds_count", phase="build") == 2
    assert process.count("build_phase_duration_seconds_count", phase="verify") == 0


def test_a_retry_beside_a_build_that_is_accepted_has_the_reason_of_the_failure() -> None:
    process = Process()
    meter, world = RunMeter(process.cluster.metrics), read_resource(process.cluster.store.get(WEB) or {})
    run = ended().model_copy(update={"finished_at": None})
    again = run.model_copy(update={"builds": [run.builds[0].model_copy(update={"attempt": 2})]})
    before, after = (world.status.model_copy(update={"run": state}) for state in (run, again))
    actions = (Announce(False, Reason.ACCEPTED, "", "a"), Announce(True, Reason.EVICTED, "", "b"))
    meter.note_written(WEB, replace(world, status=before), Decision(after, actions))
    meter.note_written(WEB, replace(world, status=after), Decision(after, actions))
    (family,) = process.cluster.metrics.retries.collect()
    assert {sample.labels["reason"]: sample.value for sample in family.samples} == {"Evicted": 1}


def test_words_that_somebody_wrote_into_a_status_make_no_series() -> None:
    assert (phase_label("Succeeded"), phase_label("hunter22")) == ("Succeeded", "Other")
    assert (trigger_label("Spec"), trigger_label("hunter22")) == ("Spec", "Other")
