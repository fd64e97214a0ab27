"""The parts of every change of a status: conditions, Events, the build in its run. It decides nothing."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, Effective, RunStatus, SourceStatus, Timings
from buildandpush.api.urls import AZURE_REPOS, AZURE_STORAGE
from buildandpush.core.build.sourceconditions import note_failed_source, note_fetched_source
from buildandpush.core.build.world import Announce, World
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.facts import LoginNeed
from buildandpush.core.foreign import NOTHING
from buildandpush.core.pod.failure import classify_failure
from buildandpush.core.pod.observation import PodObservation, read_source_report

_GOOD: Final = frozenset(
    {
        Reason.ACCEPTED,
        Reason.SUCCEEDED,
        Reason.SUCCEEDED_WITHOUT_PUSH,
        Reason.SUPERSEDED,
        Reason.CANCELLED,
        Reason.SKIPPED,
        Reason.NOTHING_FAILED,
        Reason.QUEUED,
    }
)


def with_status(world: World, status: BuildAndPushACRStatus) -> World:
    """The world in which this status is written already."""
    return replace(world, resource=replace(world.resource, status=status))


def conditions_of(world: World, *, generation: int | None = None) -> ConditionSet:
    """The conditions to work on. The default generation is the one that the status has observed."""
    status = world.resource.status
    chosen = status.observed_generation if generation is None else generation
    return ConditionSet(status.conditions, generation=chosen, now=world.now)


def set_progress(conditions: ConditionSet, reason: str, message: str) -> None:
    """Set the conditions of a running run."""
    conditions.set(ConditionType.SUCCEEDED, "Unknown", reason, message)
    conditions.set(ConditionType.COMPLETED, "False", reason, message)


def announce(world: World, reason: Reason, message: str, *, key: str = "") -> Announce:
    """An Event for a transition."""
    return Announce(warning=reason not in _GOOD, reason=reason, message=message, key=key or _about(world))


def _about(world: World) -> str:
    run = world.resource.status.run
    if run is None:
        return "resource"
    return f"run-{run.number}-attempt-{build_of(run).attempt}" if len(run.builds) == 1 else f"run-{run.number}"


def is_news(world: World, reason: Reason) -> bool:
    """Whether the status has another reason for the run's state so far."""
    return all(item.reason != reason for item in world.resource.status.conditions if item.type == "Succeeded")


def with_source(run: RunStatus, conditions: ConditionSet, pod: PodObservation) -> RunStatus:
    """The run with the report of its init container, once that has ended."""
    if not pod.source.terminated:
        return run
    report = read_source_report(pod.source)
    if pod.source.exit_code != 0:
        verdict = classify_failure(pod, NOTHING)
        note_failed_source(conditions, verdict.reason, verdict.message)
        return run
    note_fetched_source(conditions, report)
    # The operator may know more of a commit than the pod: see `revision`.
    known = run.source or SourceStatus()
    return run.model_copy(update={"source": known.model_copy(update=report.facts)}) if report.facts else run


def timings_of(run: RunStatus, pod: PodObservation) -> Timings | None:
    """How the attempt spent its time, as far as the pod says."""
    timings = Timings(
        waiting_seconds=_seconds(run.started_at, pod.started_at),
        source_seconds=_seconds(pod.source.started_at, pod.source.finished_at),
        build_seconds=_seconds(pod.kaniko.started_at, pod.kaniko.finished_at),
    )
    return timings if timings.to_dict() else None


def _seconds(begin: datetime | None, end: datetime | None) -> int | None:
    # Clocks of nodes differ a little.
    return None if begin is None or end is None else max(0, round((end - begin).total_seconds()))


def run_of(world: World) -> RunStatus:
    """The running run. Raises ValueError if there is none."""
    run = world.resource.status.run
    if run is None:
        raise ValueError("there is no run to speak of")
    return run


def build_of(run: RunStatus) -> BuildStatus:
    """The build of a run in the world of one build."""
    return run.builds[0]


def derive_needs(effective: Effective) -> tuple[LoginNeed, ...]:
    """One need for each connector: for the registry of the push, for the hosts of the base images'
    connectors, and for the source."""
    cache = (effective.cache_repository,) if effective.cache_repository else ()
    pull = (effective.source_repository,) if effective.source_repository else ()
    bases = [LoginNeed(name, cache=cache, pull=pull) for name in effective.base_connectors or ()]
    if effective.git_connector:
        bases.append(LoginNeed(effective.git_connector, service=AZURE_REPOS))
    if effective.storage_connector:
        bases.append(LoginNeed(effective.storage_connector, service=AZURE_STORAGE))
    if effective.connector is None:
        return tuple(bases)
    host = effective.repository.split("/", 1)[0]
    # A build without a push stops where it may not write its cache: kaniko checks that right then.
    push = (effective.repository, *cache) if effective.no_push else (effective.repository,)
    return (LoginNeed(effective.connector, (host,), push, () if effective.no_push else cache, pull), *bases)


def accepted_message(run: RunStatus) -> str:
    """The message about an accepted run."""
    build = build_of(run)
    image = ":".join((run.effective.repository, *build.tags[:1]))
    return f"Run {run.number} was accepted ({run.trigger}): {image}."


def written(
    world: World,
    run: RunStatus,
    build: BuildStatus,
    conditions: ConditionSet,
    *,
    finished_at: datetime | None = None,
) -> BuildAndPushACRStatus:
    """The status with this build. `finished_at` ends the build's way."""
    changed = run.model_copy(update={"builds": [build], "finished_at": finished_at})
    changes: dict[str, Any] = {"run": changed, "conditions": conditions.freeze(), "phase": build.phase}
    return world.resource.status.model_copy(update=changes)
