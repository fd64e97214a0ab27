"""When a run starts, and the status of a run that starts."""

from typing import Final

from buildandpush.api.meta import ConditionType, Phase, Trigger
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, RunStatus, SourceStatus
from buildandpush.core import naming
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import Commit
from buildandpush.core.run import progress
from buildandpush.core.run.planning import plan_next
from buildandpush.core.run.rebuild import begin_request, find_request, wants_rebuild
from buildandpush.core.run.revision import describe_source, make_codebase
from buildandpush.core.run.status import conditions_of, is_observed, run_of, set_progress
from buildandpush.core.run.world import Resource, World
from buildandpush.core.spec.noeffect import explain_validity
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.spec.spechash import hash_spec

FIRST_RUN: Final = 1


def next_run_number(spec: BuildAndPushACRSpec, last: RunStatus | None) -> int:
    """One more than the last, and at least firstRunNumber. With Auto the registry is asked later: see `renumber`."""
    first = spec.first_run_number if isinstance(spec.first_run_number, int) else FIRST_RUN
    return max(last.number + 1, first) if last else first


def find_trigger(world: World, spec_hash: str, *, surroundings_changed: bool) -> Trigger | None:
    """The reason to start a new run, or None. No run is running. `surroundings_changed`: the spec is the same, but
    something else that made the last run fail has changed."""
    resource = world.resource
    last = resource.status.run
    if last is None or last.builds[0].phase == Phase.SUPERSEDED:
        return Trigger.SPEC
    if not is_observed(world) and last.spec_hash != spec_hash:
        return Trigger.SPEC
    if wants_rebuild(world):
        return Trigger.REBUILD
    if is_outdated_failure(resource) or (is_retryable(last) and surroundings_changed):
        return Trigger.RETRY_AFTER_CHANGE
    return Trigger.RETRY_AFTER_OUTAGE if is_due_again(world) else None


def is_retryable(last: RunStatus | None) -> bool:
    """Whether a change may start the failed last run again. A cancelled run is not started again."""
    return last is not None and last.builds[0].phase == Phase.FAILED


def is_due_again(world: World) -> bool:
    """Whether the last run failed through nobody's fault, and the time has come to start another."""
    last = world.resource.status.run
    return is_retryable(last) and last is not None and last.next_run_at is not None and last.next_run_at <= world.now


def is_outdated_failure(resource: Resource) -> bool:
    """Whether the last run failed with another spec than today's, be it changed since or while that run was on its
    way."""
    last = resource.status.run
    return last is not None and is_retryable(last) and last.generation != resource.generation


def start_for_commit(world: World, spec: BuildAndPushACRSpec, found: Commit) -> BuildAndPushACRStatus:
    """The status of a resource whose next run builds a new commit."""
    last, git = world.resource.status.run, spec.source.git
    if git is None:
        raise ValueError("only source.git has commits")
    number = next_run_number(spec, last)
    previous = last.source.commit if last is not None and last.source is not None else None
    source = describe_source(git, found, previous=previous)
    try:
        plan = plan_next(world, spec, number, make_codebase(git, source))
    except SpecInvalidError:  # such as a branch that makes no tag; the run itself says so
        plan = plan_next(world, spec, number)
    return start_run(world, spec, plan, Trigger.SOURCE_REVISION, source)


def start_run(
    world: World, spec: BuildAndPushACRSpec, plan: BuildPlan, trigger: Trigger, source: SourceStatus | None = None
) -> BuildAndPushACRStatus:
    """The status of a resource whose next run was accepted. Nothing has been done for the run yet. `source` is the
    commit to build, where that is known."""
    resource, owner = world.resource, world.resource.owner
    number, request = next_run_number(spec, resource.status.run), find_request(world)
    build = BuildStatus(
        key="0",
        phase=Phase.PENDING,
        attempt=1,
        pod_name=naming.build_pod_name(owner.name, owner.uid, run=number, build=0, attempt=1),
        former_pod_name=_find_former_pod(resource.status.run),
        tags=list(plan.tags),
    )
    run = RunStatus(
        number=number,
        spec_hash=hash_spec(spec),
        generation=resource.generation,
        trigger=trigger,
        rebuild=request,
        started_at=world.now,
        effective=plan.effective(world.settings),
        source=source,
        builds=[build],
        outages=_count_outages(resource.status.run, trigger),
    )
    conditions = ConditionSet(resource.status.conditions, generation=resource.generation, now=world.now)
    conditions.drop(*progress.RUN_CONDITIONS)
    conditions.set(ConditionType.SPEC_VALID, "True", *explain_validity(spec))
    set_progress(conditions, Reason.ACCEPTED, accepted_message(run))
    changes = {
        "observed_generation": resource.generation,
        "phase": Phase.PENDING,
        "run": run,
        "polled_commit": None,
        "conditions": conditions.freeze(),
        **begin_request(resource.status, request),
    }
    return resource.status.model_copy(update=changes)


def _count_outages(last: RunStatus | None, trigger: Trigger) -> int | None:
    """The count goes on as long as nothing but outages starts runs."""
    if trigger is not Trigger.RETRY_AFTER_OUTAGE or last is None:
        return None
    return (last.outages or 0) + 1


def renumber(world: World, plan: BuildPlan, number: int) -> BuildAndPushACRStatus:
    """The status of a resource whose run gets another number. No pod was made for the run under its old one."""
    resource, owner = world.resource, world.resource.owner
    run = run_of(world)
    name = naming.build_pod_name(owner.name, owner.uid, run=number, build=0, attempt=1)
    build = run.builds[0].model_copy(update={"pod_name": name, "tags": list(plan.tags)})
    renumbered = run.model_copy(update={"number": number, "builds": [build]})
    conditions = conditions_of(world)
    set_progress(conditions, Reason.ACCEPTED, accepted_message(renumbered))
    return resource.status.model_copy(update={"run": renumbered, "conditions": conditions.freeze()})


def _find_former_pod(last: RunStatus | None) -> str | None:
    """The last run's pod, if it may live on although its run has ended, as a pod that was given up."""
    build = last.builds[0] if last is not None else None
    if build is None or build.pod_uid is None or build.phase == Phase.SUCCEEDED or build.failure is not None:
        return None  # there was none, or its container has ended
    return build.pod_name


def accepted_message(run: RunStatus) -> str:
    """The message about an accepted run."""
    build = run.builds[0]
    image = ":".join((run.effective.repository, *build.tags[:1]))
    return f"Run {run.number} was accepted ({run.trigger}): {image}."
