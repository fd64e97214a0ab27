"""A build that has no pod yet: everything that the pod needs, then the pod."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.api.spec import MAX_RUN_NUMBER
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, RunStatus
from buildandpush.core import naming
from buildandpush.core.backoff import is_due, longest_backoff_seconds, refusal_seconds
from buildandpush.core.build import failed, podended, progress, succeeded
from buildandpush.core.build.planning import occasion_of, plan_run
from buildandpush.core.build.podended import find_live_pod
from buildandpush.core.build.questions import (
    AskAllTags,
    AskFluxArtifact,
    AskLivePod,
    AskLogin,
    AskObjects,
    AskSlot,
    AskTags,
)
from buildandpush.core.build.revision import ask_commit, pin, pin_artifact
from buildandpush.core.build.status import accepted_message, announce, build_of, derive_needs, run_of, with_status
from buildandpush.core.build.waiting import WAIT, look_again, wait
from buildandpush.core.build.watch import watch
from buildandpush.core.build.world import (
    CreatePod,
    Decision,
    DeletePod,
    Refusal,
    RejectedError,
    RenumberedError,
    World,
    answer,
)
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.facts import Commit, Inputs, Waiting
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.redact import mask_logins
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.expansion import expand_spec, is_unknown
from buildandpush.core.spec.numbers import find_last_number
from buildandpush.core.spec.plan import BuildPlan, parse_spec

_WITHOUT_FIELD: Final = "status.run.withoutUserNamespace"


def create(world: World, run: RunStatus, build: BuildStatus) -> Decision:
    """There is no pod yet. First everything that it needs, then the pod."""
    status = world.resource.status
    if _is_early(world, run, build):
        return Decision(status, wake_at=build.next_attempt_at)
    former = _find_former(world, run, build)
    if former is not None:
        # One of a later attempt says that this status is an old one.
        is_former = (0, 0) < (former.run, former.attempt) < (run.number, build.attempt)
        removal = (DeletePod(former.name, former.uid),) if is_former and not former.deleting else ()
        return Decision(status, removal, wake_at=_look_at_former(world, former))
    if world.wish.is_outdated:
        return failed.end_superseded(world)  # queued behind a run that has nothing to end
    lacks = run.without_user_namespace or _is_left_out(world, build)
    plan = _plan(world, run, replace(world.settings, user_namespaces=False) if lacks else world.settings)
    # What was changed since the run was accepted holds for the pod, so it holds for all that is asked and waited for.
    world = progress.note_plan(world, plan.effective(world.settings), plan.tags)
    run = run_of(world)
    unresolved = _is_unresolved(plan, run)
    if unresolved and is_unknown(f"{plan.repository} {plan.options.cache_repository}"):
        return _resolve(world, plan)  # nobody logs in to a repository whose name is not known
    login = answer(world, AskLogin(derive_needs(run.effective)))
    if isinstance(login, Waiting):
        return wait(world, login.reason, login.message, login.remedy)
    inputs = _ask_inputs(world, plan)
    if isinstance(inputs, Waiting):
        return wait(world, inputs.reason, inputs.message, inputs.remedy)
    if unresolved:
        return _resolve(with_status(world, progress.note_inputs(world, login, inputs)), plan)
    instead = _hear_refusal(world, build) or _find_taken_tag(world, run, plan) or _find_former_push(world, run, build)
    if instead is not None:
        return instead
    obstacle = _ask_slot(world, run, build, plan)
    if obstacle:
        return wait(world, Reason.QUEUED, obstacle)
    owner = world.resource.owner
    # The recorded name, not one made afresh: an upgrade may change how names are made.
    attempt = Attempt(build.pod_name, run.number, int(build.key), build.attempt, run.spec_hash)
    manifest = build_pod_manifest(plan, owner=owner, attempt=attempt, login=login, settings=world.settings)
    # Announced again if a crash comes before the pod is made: the Event's name is the same.
    fresh = build.reason in (None, Reason.QUEUED)
    events = (announce(world, Reason.ACCEPTED, accepted_message(run)),) if fresh else ()
    return Decision(progress.note_inputs(world, login, inputs), (*events, CreatePod(build.pod_name, manifest)))


def _ask_slot(world: World, run: RunStatus, build: BuildStatus, plan: BuildPlan) -> str:
    """What the build waits for, though it has all that its pod needs; empty if it may create the pod."""
    if not world.settings.slots.is_set:
        return ""
    template = plan.options.pod_template
    priority_class = (template.priority_class_name if template else None) or ""
    return answer(world, AskSlot(build.pod_name, run.started_at, priority_class))


def _plan(world: World, run: RunStatus, settings: BuildSettings) -> BuildPlan:
    try:
        return plan_run(world, parse_spec(world.resource.spec), run, settings)
    except SpecInvalidError as error:
        raise RejectedError(world.resource.status, error) from error


def _is_unresolved(plan: BuildPlan, run: RunStatus) -> bool:
    """Whether the operator has still to find out the commit, or the artifact of Flux, that the run builds."""
    if plan.flux is not None:
        return plan.artifact is None
    return plan.resolves and (run.source is None or run.source.commit is None)


def _resolve(world: World, plan: BuildPlan) -> Decision:
    """The run goes on once it is known which commit or artifact it builds."""
    if plan.flux is not None:
        return _pin_artifact(world, plan.flux)
    run = run_of(world)
    since = build_of(run).next_attempt_at or run.started_at
    found = ask_commit(world, plan, since)
    if isinstance(found, Commit):
        pinned = pin(world, plan, found)
        return create(pinned, run_of(pinned), build_of(run_of(pinned)))
    if found is None and world.now < since + WAIT:
        return Decision(world.resource.status, wake_at=since + WAIT)
    if found is None:
        return wait(world, Reason.RESOLVING_REVISION, mask_logins(plan.source.git.url) if plan.source.git else "")
    patience = timedelta(seconds=refusal_seconds(world.settings.first_backoff_seconds))
    if not found.passing or world.now >= since + patience:
        return failed.fail_unresolved(world, found)
    waiting = wait(world, found.reason, found.message)
    return replace(waiting, wake_at=found.retry_at or waiting.wake_at)


def _pin_artifact(world: World, flux: tuple[str, str]) -> Decision:
    """The run goes on once it is known which artifact it builds."""
    found = answer(world, AskFluxArtifact(*flux))
    if isinstance(found, Waiting):
        return wait(world, found.reason, found.message, found.remedy)
    pinned = pin_artifact(world, found)
    return create(pinned, run_of(pinned), build_of(run_of(pinned)))


def _ask_inputs(world: World, plan: BuildPlan) -> Inputs | Waiting:
    """Whether the Secrets and ConfigMaps of the pod exist. Without them the pod would wait until its timeout."""
    keys = plan.input_keys
    return answer(world, AskObjects(keys)) if keys else Inputs()


def _is_early(world: World, run: RunStatus, build: BuildStatus) -> bool:
    """Whether the attempt has to wait. Only a time that a strategy of the spec has set may be far away."""
    due = build.next_attempt_at
    if due is None or world.now < run.started_at:
        return False
    if build.retried:
        return world.now < due
    return not is_due(due, world.now, longest_backoff_seconds(world.settings.first_backoff_seconds))


def _find_former(world: World, run: RunStatus, build: BuildStatus) -> PodObservation | None:
    """A pod of an earlier attempt or run that may still push, on a node that can be heard of.

    The run it belonged to may have ended without it: given up, or past its deadline where the kubelet was slow.
    """
    others = [pod for pod in world.pods.values() if pod.name != build.pod_name and not pod.reads_back]
    names = {pod.name for pod in others if _may_push(world, pod)}
    before = _name_before(build)
    if before is not None and before not in world.pods:
        names.add(before)  # the cache may lack one that lives
    for name in sorted(names):
        # The cache may hold one that is gone, too.
        live = answer(world, AskLivePod(name))
        if live is not None and live.owner_uid == world.resource.owner.uid and _may_push(world, live):
            return live
    return None


def _may_push(world: World, pod: PodObservation) -> bool:
    return not pod.ended and (pod.deleted_at is None or world.now < pod.deleted_at + _node_patience(world))


def _look_at_former(world: World, former: PodObservation) -> datetime:
    """When to look again at a former pod. Its end is an event. That its node counts as lost is none."""
    again, deleted = look_again(world), former.deleted_at
    lost_at = deleted + _node_patience(world) if deleted is not None else again
    return min(again, max(lost_at, world.now))


def _node_patience(world: World) -> timedelta:
    return timedelta(seconds=world.settings.node_lost_timeout_seconds)


def _name_before(build: BuildStatus) -> str | None:
    """The name of the previous attempt's pod; None for the first attempt."""
    return build.former_pod_name or naming.former_pod_name(build.pod_name, build.attempt)


def _hear_refusal(world: World, build: BuildStatus) -> Decision | None:
    """The decision after the API server refused this pod; None if it did not."""
    refusal = world.refusals.get(build.pod_name)
    if refusal is None:
        return None
    if refusal.is_taken:
        return _take_another_name(world, refusal)
    if refusal.drops_user_namespace and world.resource.spec.get("userNamespace") != "Always":
        return _go_without_user_namespace(world)
    if refusal.final:
        return failed.fail_without_pod(world, refusal.reason, refusal.message)
    return wait(world, refusal.reason, refusal.message)


def _is_left_out(world: World, build: BuildStatus) -> bool:
    """Whether the API server has just said that it would make this pod without its user namespace."""
    refusal = world.refusals.get(build.pod_name)
    return refusal is not None and refusal.drops_user_namespace


def _go_without_user_namespace(world: World) -> Decision | None:
    """The operator chose the user namespace, and the cluster has none. Recorded before a pod without one is made, where
    the CRD can hold it."""
    run = run_of(world)
    if run.without_user_namespace or _WITHOUT_FIELD in world.pruned:
        return None
    changed = run.model_copy(update={"without_user_namespace": True})
    return Decision(world.resource.status.model_copy(update={"run": changed}), wake_at=world.now)


def _take_another_name(world: World, refusal: Refusal) -> Decision:
    """Another owner's pod has the name, and may keep it for long. So this attempt's pod gets another name."""
    run, owner = run_of(world), world.resource.owner
    build = build_of(run)
    name = naming.build_pod_name(
        owner.name, owner.uid, run=run.number, build=int(build.key), attempt=build.attempt, taken=build.pod_name
    )
    text = describe(refusal.reason, refusal.message, f"The build's pod is {name} instead.")
    status = progress.note_pod_name(world, name)
    return Decision(status, (announce(world, refusal.reason, text),), wake_at=world.now)


def _find_taken_tag(world: World, run: RunStatus, plan: BuildPlan) -> Decision | None:
    """A numbered tag that the registry has although this resource never pushed it: its run numbers collide.

    With firstRunNumber Auto the run takes a number above all that are there. Tags may be there above a free one, since
    old images are often purged.
    """
    tags = plan.numbered_tags
    if not tags or _has_pushed(world.resource.status) or build_of(run).attempt > 1:
        return None
    found = answer(world, AskTags(plan.repository, tags, plan.connector_ref))
    taken = [tag for tag in tags if found.tags.get(tag)]
    if taken:
        # It may be this very run's push, if the operator was away when its pod ran.
        pod = find_live_pod(world, build_of(run))
        if pod is not None:
            return podended.end(world, run, pod) if pod.ended else watch(world, run, pod)
        if podended.find_pushed_image(world, run) is not None:
            return podended.lose(world, run)
    if not world.is_numbered:
        _count_on(world, run, plan)
    if not taken:
        return None
    return failed.fail_without_pod(world, Reason.TAG_EXISTS, f"{plan.repository}:{taken[0]}")


def _find_former_push(world: World, run: RunStatus, build: BuildStatus) -> Decision | None:
    """The pod of a former attempt may have pushed where nobody saw it: on a lost node, or while the registry was
    silent. Then there is nothing left to build."""
    pushed = podended.find_pushed_image(world, run) if build.attempt > 1 else None
    return succeeded.succeed_without_pod(world, pushed) if pushed is not None else None


def _has_pushed(status: BuildAndPushACRStatus) -> bool:
    return status.digest is not None or bool(status.artifacts)


def _count_on(world: World, run: RunStatus, plan: BuildPlan) -> None:
    """Raise RenumberedError where firstRunNumber is Auto and the registry has tags with the run's number or above."""
    spec = parse_spec(world.resource.spec)
    if spec.first_run_number != "Auto":
        return
    tags = answer(world, AskAllTags(plan.repository, plan.connector_ref))
    occasion = occasion_of(world, spec, run)
    last = find_last_number(expand_spec(spec, occasion), tags or ())
    if last is not None and run.number <= last < MAX_RUN_NUMBER:
        raise RenumberedError(last + 1)
