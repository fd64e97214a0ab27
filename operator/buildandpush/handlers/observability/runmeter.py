"""Counts what becomes of runs: each start, each retry and each end once.

A run is counted when the API server has taken the status that says so. If the answer to that write was lost, the next
look at the resource tells if the write came: the run is then the one that was written. Nothing else is counted: another
process wrote it, and has counted it.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.status import BuildStatus, RunStatus
from buildandpush.core.build.world import Action, Announce, Decision, Resource
from buildandpush.core.run.outcome import outcome_of
from buildandpush.handlers.objects import Key
from buildandpush.handlers.observability.metrics import Metrics, phase_label, reason_label, trigger_label

STATES: Final = (Phase.PENDING, Phase.RUNNING)


@dataclass(frozen=True)
class _Doubt:
    """A status that the API server may have taken or not."""

    uid: str
    before: RunStatus | None
    written: frozenset[Hashable]
    """What tells the run apart from another's, for each write that may have come: one is tried again and again."""
    cause: str


class RunMeter:
    """Sees each status of each resource, and each status that this process writes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._running: dict[Key, Phase] = {}
        self._doubts: dict[Key, _Doubt] = {}
        for state in STATES:
            metrics.running_builds.labels(state).set_function(partial(self.count_running, state))

    def see(self, key: Key, resource: Resource) -> None:
        """The resource has this status."""
        if resource.unreadable:
            return
        run = resource.status.run
        self._note_running(key, run)
        doubt = self._doubts.get(key)
        if doubt is None:
            return
        if doubt.uid != resource.owner.uid:
            del self._doubts[key]
        elif _progress(doubt.before) != _progress(run):
            del self._doubts[key]
            if _stamp(run) in doubt.written:
                self._count(doubt.before, run, doubt.cause)

    def note_written(self, key: Key, resource: Resource, decision: Decision) -> None:
        """The API server has taken the status of a decision."""
        self._doubts.pop(key, None)
        self._note_running(key, decision.status.run)
        self._count(resource.status.run, decision.status.run, _find_cause(decision.actions))

    def note_unanswered(self, key: Key, resource: Resource, decision: Decision) -> None:
        """The API server may have taken the status of a decision."""
        uid, known = resource.owner.uid, self._doubts.get(key)
        written = frozenset({_stamp(decision.status.run)})
        if known is not None and known.uid == uid:
            written |= known.written
        self._doubts[key] = _Doubt(uid, resource.status.run, written, _find_cause(decision.actions))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._running.pop(key, None)
        self._doubts.pop(key, None)

    def count_running(self, state: Phase) -> int:
        """How many runs have not ended and are in this state."""
        return sum(found is state for found in self._running.values())

    def _note_running(self, key: Key, run: RunStatus | None) -> None:
        if run is None or run.finished_at is not None:
            self._running.pop(key, None)
        else:
            self._running[key] = Phase.RUNNING if outcome_of(run).phase == Phase.RUNNING else Phase.PENDING

    def _count(self, before: RunStatus | None, after: RunStatus | None, cause: str) -> None:
        """Count what lies between two states of a resource. A run that gets another number has not started again."""
        if after is None or _progress(before) == _progress(after):
            return
        goes_on = before is not None and before.finished_at is None
        if not goes_on:
            self._metrics.builds_started.labels(trigger_label(after.trigger)).inc()
        more = _attempts(after) - _attempts(before) if before is not None and goes_on else 0
        if more > 0:
            self._metrics.retries.labels(reason_label(cause)).inc(more)
        if after.finished_at is not None:
            self._count_end(after)

    def _count_end(self, run: RunStatus) -> None:
        for build in run.builds:
            if build.from_run is None:  # else the run that made it has counted it
                self._count_build(run, build)

    def _count_build(self, run: RunStatus, build: BuildStatus) -> None:
        result = phase_label(build.phase)
        self._metrics.builds.labels(result, reason_label(build.reason)).inc()
        ended = run.finished_at if len(run.builds) == 1 else build.finished_at
        if ended is not None:
            seconds_in_all = max(0.0, (ended - run.started_at).total_seconds())  # a clock may have jumped
            self._metrics.build_seconds.labels(result).observe(seconds_in_all)
        for phase, seconds in measure_phases(run, build).items():
            self._metrics.phase_seconds.labels(phase).observe(seconds)


def measure_phases(run: RunStatus, build: BuildStatus) -> dict[str, float]:
    """The seconds that an ended build spent in each phase, as far as its pod said.

    kaniko builds and pushes in one process, so `build` has the push in it. `push` is the push of an image that was
    built before.
    """
    timings = build.timings
    if timings is None:
        return {}
    found: dict[str, float | None] = {
        # What the attempts before took is in the wait of later ones.
        "queue": timings.waiting_seconds if build.attempt == 1 else None,
        "source": timings.source_seconds,
        "push" if run.effective.push_only else "build": timings.build_seconds,
    }
    if timings.waiting_seconds is not None and build.started_at is not None:
        before = timings.waiting_seconds + (timings.source_seconds or 0)
        found["start"] = max(0.0, (build.started_at - run.started_at).total_seconds() - before)
    verified = build.phase == Phase.SUCCEEDED and not run.effective.no_push
    # Of several builds only the last one's end is the run's.
    if verified and len(run.builds) == 1 and run.finished_at is not None and build.finished_at is not None:
        found["verify"] = max(0.0, (run.finished_at - build.finished_at).total_seconds())
    return {phase: seconds for phase, seconds in found.items() if seconds is not None}


def _progress(run: RunStatus | None) -> tuple[int, int, bool]:
    """How far a resource has come: number of the run, of the attempts, and if the run has ended."""
    return (0, 0, True) if run is None else (run.number, _attempts(run), run.finished_at is not None)


def _stamp(run: RunStatus | None) -> Hashable:
    """How far a run has come, and when. Nothing else: an older CRD may drop other fields."""
    if run is None:
        return None
    attempts = tuple((build.attempt, build.next_attempt_at) for build in run.builds)
    return (run.number, run.started_at, run.finished_at, attempts)


def _attempts(run: RunStatus) -> int:
    return sum(build.attempt for build in run.builds)


def _find_cause(actions: Iterable[Action]) -> str:
    """Why an attempt failed, if one did. The same decision may announce that another build was accepted."""
    return next((action.reason for action in actions if isinstance(action, Announce) and action.warning), "")
