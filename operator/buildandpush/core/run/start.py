"""When a run starts, and the status of a run that starts."""

from dataclasses import replace
from typing import Final

from buildandpush.api.meta import ConditionType, Phase, Trigger
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, RunStatus, SourceStatus
from buildandpush.core import naming
from buildandpush.core.backoff import is_due, longest_outage_seconds
from buildandpush.core.build.planning import occasion_of
from buildandpush.core.build.revision import describe_source, make_codebase
from buildandpush.core.build.status import accepted_message, conditions_of, run_of, set_progress
from buildandpush.core.build.world import Resource, World
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import Commit
from buildandpush.core.run import acceptance
from buildandpush.core.run.outcome import failed_builds, outcome_of
from buildandpush.core.run.planning import plan_next
from buildandpush.core.run.rebuild import begin_request, find_request, wants_failed_only, wants_rebuild
from buildandpush.core.run.status import is_observed
from buildandpush.core.spec.builds import PlannedBuild
from buildandpush.core.spec.noeffect import explain_validity
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build
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
    if last is None or outcome_of(last).phase == Phase.SUPERSEDED:
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
    return last is not None and outcome_of(last).phase == Phase.FAILED


def is_due_again(world: World) -> bool:
    """Whether the last run failed through nobody's fault, and the time has come to start another."""
    last = world.resource.status.run
    if last is None or last.next_run_at is None or not is_retryable(last):
        return False
    return is_due(last.next_run_at, world.now, longest_outage_seconds(world.settings.first_backoff_seconds))


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
        builds = plan_next(world, spec, number, make_codebase(git, source))
    except SpecInvalidError:  # such as a branch that makes no tag; the run itself says so
        builds = plan_next(world, spec, number)
    return start_run(world, spec, builds, Trigger.SOURCE_REVISION, source)


def start_run(
    world: World,
    spec: BuildAndPushACRSpec,
    builds: tuple[PlannedBuild, ...],
    trigger: Trigger,
    source: SourceStatus | None = None,
) -> BuildAndPushACRStatus:
    """The status of a resource whose next run was accepted. Nothing has been done for the run yet. `source` is the
    commit to build, where that is known."""
    resource = world.resource
    number, request = next_run_number(spec, resource.status.run), find_request(world)
    kept = find_good_builds(resource.status.run, hash_spec(spec), trigger, request) if len(builds) > 1 else {}
    run = RunStatus(
        number=number,
        spec_hash=hash_spec(spec),
        generation=resource.generation,
        trigger=trigger,
        rebuild=request,
        started_at=world.now,
        effective=builds[0].plan.effective(world.settings),
        source=source,
        builds=[kept.get(build.key) or _begin_build(world, number, build, builds) for build in builds],
        outages=_count_outages(resource.status.run, trigger),
    )
    conditions = ConditionSet(resource.status.conditions, generation=resource.generation, now=world.now)
    conditions.drop(*acceptance.RUN_CONDITIONS)
    conditions.set(ConditionType.SPEC_VALID, "True", *explain_validity(spec))
    set_progress(conditions, Reason.ACCEPTED, tell_accepted(run))
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


def renumber(world: World, number: int) -> BuildAndPushACRStatus:
    """The status of a resource whose run gets another number. No pod was made for the run under its old one."""
    resource, owner = world.resource, world.resource.owner
    run, spec = run_of(world), parse_spec(resource.spec)
    builds = []
    for build in run.builds:
        occasion = replace(occasion_of(world, spec, run.model_copy(update={"builds": [build]})), number=number)
        name = naming.build_pod_name(owner.name, owner.uid, run=number, build=int(build.key), attempt=1)
        tags = plan_build(spec, world.settings, occasion).tags
        builds.append(build.model_copy(update={"pod_name": name, "tags": list(tags)}))
    renumbered = run.model_copy(update={"number": number, "builds": builds})
    conditions = conditions_of(world)
    set_progress(conditions, Reason.ACCEPTED, tell_accepted(renumbered))
    return resource.status.model_copy(update={"run": renumbered, "conditions": conditions.freeze()})


def tell_accepted(run: RunStatus) -> str:
    """The message about an accepted run."""
    if len(run.builds) == 1:
        return accepted_message(run)
    kept = sum(build.from_run is not None for build in run.builds)
    taken = f" The images of {kept} are kept from the run before." if kept else ""
    return f"Run {run.number} was accepted ({run.trigger}): it has {len(run.builds)} builds.{taken}"


def _begin_build(world: World, number: int, build: PlannedBuild, siblings: tuple[PlannedBuild, ...]) -> BuildStatus:
    """A build of which nothing has been done yet."""
    owner, plan, first = world.resource.owner, build.plan, siblings[0].plan
    place = build.combination.index
    return BuildStatus(
        key=build.key,
        matrix=build.combination.named() or None,
        phase=Phase.PENDING,
        attempt=1,
        pod_name=naming.build_pod_name(owner.name, owner.uid, run=number, build=place, attempt=1),
        former_pod_name=_find_former_pod(world.resource.status.run, build.key),
        tags=list(plan.tags),
        repository=plan.repository if plan.repository != first.repository else None,
        cache_repository=plan.cache_repository if plan.cache_repository != first.cache_repository else None,
        source=_begin_source(plan, siblings),
    )


def _begin_source(plan: BuildPlan, siblings: tuple[PlannedBuild, ...]) -> SourceStatus | None:
    """What the build has of its own, where the builds of the run have several revisions. Otherwise all have one
    commit."""
    git = plan.source.git
    revisions = {other.plan.source.git.revision for other in siblings if other.plan.source.git is not None}
    return SourceStatus(revision=git.revision) if git is not None and len(revisions) > 1 else None


def find_good_builds(
    last: RunStatus | None, spec_hash: str, trigger: Trigger, request: str | None
) -> dict[str, BuildStatus]:
    """The builds of the last run that a new one takes over, by key, as its images are those that the spec asks for.

    So it is where the user asks for the failed builds alone, and where a run is started by itself after an outage.
    """
    asked = trigger is Trigger.RETRY_AFTER_OUTAGE or (trigger is Trigger.REBUILD and wants_failed_only(request))
    if last is None or not asked or last.spec_hash != spec_hash:
        return {}
    good = [build for build in last.builds if build.phase == Phase.SUCCEEDED]
    if len(good) == len(last.builds):
        return {}
    return {build.key: build.model_copy(update={"from_run": build.from_run or last.number}) for build in good}


def asks_for_nothing(world: World, trigger: Trigger, spec_hash: str) -> bool:
    """Whether a request asks for the failed builds alone, and no build of the last run failed."""
    last = world.resource.status.run
    if last is None or len(last.builds) == 1 or last.spec_hash != spec_hash or failed_builds(last):
        return False
    good = outcome_of(last).phase == Phase.SUCCEEDED
    return good and trigger is Trigger.REBUILD and wants_failed_only(find_request(world))


def _find_former_pod(last: RunStatus | None, key: str) -> str | None:
    """The pod of the last run's build of this key, if it may live on although its run has ended, as a pod that was
    given up."""
    build = next((build for build in last.builds if build.key == key), None) if last is not None else None
    if build is None or build.pod_uid is None or build.phase == Phase.SUCCEEDED or build.failure is not None:
        return None  # there was none, or its container has ended
    return build.pod_name
