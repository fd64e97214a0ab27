"""The next step of a run that is on its way: the steps of its builds, put together."""

from dataclasses import replace
from typing import Any, cast

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, RunStatus
from buildandpush.api.strategy import MAX_BUILDS
from buildandpush.core.build.status import build_of, with_status
from buildandpush.core.build.step import step
from buildandpush.core.build.waiting import hold, look_again
from buildandpush.core.build.world import (
    AskedError,
    CreatePod,
    Decision,
    HeldError,
    RejectedError,
    RenumberedError,
    World,
)
from buildandpush.core.conditions import keep_times
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.facts import Waiting
from buildandpush.core.run import acceptance, start
from buildandpush.core.run.builds import has_ended, single_out
from buildandpush.core.run.changes import find_wish, observe_generation
from buildandpush.core.run.conclude import conclude
from buildandpush.core.run.fold import find_clash, fold
from buildandpush.core.run.rebuild import resume_request
from buildandpush.core.spec.matrix import plan_concurrency
from buildandpush.core.spec.plan import parse_spec


def advance(world: World, run: RunStatus) -> Decision:
    """The next step of a run."""
    before = world.resource.status.conditions
    world = replace(observe_generation(world, run), wish=find_wish(world, run))
    try:
        decision = _step_alone(world) if len(run.builds) == 1 else _step_all(world, run)
    except RenumberedError as renumbered:
        return Decision(start.renumber(world, renumbered.number), wake_at=world.now)
    # A spec that is refused for one build is accepted for another, so a condition may be set twice.
    conditions = keep_times(before, decision.status.conditions)
    status = decision.status.model_copy(update={"conditions": conditions})
    reopened = _reopen(status)
    return replace(decision, status=status.model_copy(update=reopened) if reopened else status)


def _reopen(status: BuildAndPushACRStatus) -> dict[str, Any]:
    """A run that waited for a correction goes on without one where its pod is there after all. Then the request that it
    answers is complete with its end, and not before."""
    run = status.run
    waits = any(item.type == ConditionType.COMPLETED and item.status == "True" for item in status.conditions)
    return resume_request(status, run) if run is not None and run.finished_at is None and not waits else {}


def hold_run(world: World, waiting: Waiting) -> Decision:
    """The API server does not tell a fact that the next step needs. The status of a run that is on its way says so."""
    run = world.resource.status.run
    if run is None or run.finished_at is not None:
        return Decision(world.resource.status, wake_at=look_again(world))
    if len(run.builds) == 1:
        return hold(world, waiting)
    going = [build for build in run.builds if not has_ended(build)]
    return fold(world, run, {build.key: hold(single_out(world, run, build), waiting) for build in going})


# ---- a run of one build


def _step_alone(world: World) -> Decision:
    try:
        decision = _step(replace(world, is_numbered=False))
    except AskedError as asked:
        return Decision(world.resource.status, questions=frozenset({asked.question}))
    except RejectedError as rejected:  # a correction goes on from here
        return acceptance.reject(with_status(world, rejected.status), rejected.error)
    run = cast("RunStatus", decision.status.run)
    if run.finished_at is None:
        return decision
    return replace(decision, status=conclude(world, decision.status, run, run.finished_at))


def _step(world: World) -> Decision:
    try:
        return step(world)
    except HeldError as held:
        return hold(world, held.waiting)


# ---- a run of several builds


def _step_all(world: World, run: RunStatus) -> Decision:
    """A step of each build that is on its way. One that waits for an answer or cannot go on keeps no other from it."""
    going = [build for build in run.builds if not has_ended(build)]
    is_numbered = any(_has_begun(world, build) for build in run.builds)
    admitted = _admit(world, going)
    # Before the first pod, each build has a say in the run's number.
    steps, rejections, held = _step_each(world, run, admitted if is_numbered else going, is_numbered=is_numbered)
    counts = not is_numbered and world.resource.spec.get("firstRunNumber") == "Auto"
    told = {build.key for build in admitted} | (held if counts else set())
    for build in going:
        if build.key not in told:
            asked = steps[build.key].questions if counts else frozenset()
            steps[build.key] = replace(_queue(single_out(world, run, build)), questions=asked)
    decision = fold(world, run, steps)
    clash = find_clash(decision)
    if clash is not None:
        rejections.append(clash)
    if clash is not None or (counts and (decision.questions or held)):
        kept = tuple(action for action in decision.actions if not isinstance(action, CreatePod))
        decision = replace(decision, actions=kept)
    if not rejections:
        return decision
    stuck = clash is not None or len(rejections) == len(going)
    rejected = acceptance.reject(with_status(world, decision.status), rejections[-1], stuck=stuck)
    return replace(decision, status=rejected.status, actions=(*decision.actions, *rejected.actions))


def _step_each(
    world: World, run: RunStatus, builds: list[BuildStatus], *, is_numbered: bool
) -> tuple[dict[str, Decision], list[SpecInvalidError], set[str]]:
    """The steps of builds by their keys, why some were rejected, and which need a fact that is not told now."""
    steps: dict[str, Decision] = {}
    rejections: list[SpecInvalidError] = []
    held: set[str] = set()
    for build in builds:
        alone = replace(single_out(world, run, build), is_numbered=is_numbered)
        try:
            steps[build.key] = step(alone)
        except HeldError as untold:
            steps[build.key] = hold(alone, untold.waiting)
            held.add(build.key)
        except AskedError as asked:
            steps[build.key] = Decision(alone.resource.status, questions=frozenset({asked.question}))
        except RejectedError as rejected:
            steps[build.key] = Decision(rejected.status)
            rejections.append(rejected.error)
    return steps, rejections, held


def _has_begun(world: World, build: BuildStatus) -> bool:
    """Whether the build has, or had, a pod."""
    return build.pod_uid is not None or build.attempt > 1 or has_ended(build) or build.pod_name in world.pods


def _admit(world: World, going: list[BuildStatus]) -> list[BuildStatus]:
    """The builds that may go on: those that have begun, and the first others for which there is a place. A run that is
    being stopped has places for all, since they only end."""
    if world.wish.is_cancelled or world.wish.is_outdated or world.wish.is_replaced:
        return going
    begun = {build.key for build in going if _has_begun(world, build)}
    others = [build.key for build in going if build.key not in begun]
    first = set(others[: max(0, _count_places(world) - len(begun))])
    return [build for build in going if build.key in begun | first]


def _count_places(world: World) -> int:
    """How many builds of the run may be on their way at once. With an invalid spec each of them says so: no pod can be
    made from it."""
    try:
        return plan_concurrency(parse_spec(world.resource.spec))
    except SpecInvalidError:
        return MAX_BUILDS


def _queue(world: World) -> Decision:
    """The build waits until a sibling has ended."""
    run = cast("RunStatus", world.resource.status.run)
    message = describe(Reason.QUEUED, "another build of its run")
    changes = {"phase": Phase.PENDING, "reason": Reason.QUEUED, "message": message}
    build = build_of(run).model_copy(update=changes)
    return Decision(world.resource.status.model_copy(update={"run": run.model_copy(update={"builds": [build]})}))
