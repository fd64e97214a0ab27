"""A run on its way, one step further: its pod is created, watched, given up, stopped or taken as ended."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildStatus, RunStatus
from buildandpush.core import ends, outcome, record, runs
from buildandpush.core.ask import answer
from buildandpush.core.attempts import find_limit
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.failure import classify_failure, describe, failed_container
from buildandpush.core.manifest import KANIKO_CONTAINER, Attempt, Login, build_pod_manifest
from buildandpush.core.needs import derive_needs
from buildandpush.core.observation import PodObservation
from buildandpush.core.plan import BuildPlan, parse_spec, plan_build
from buildandpush.core.pushed import find_cache_trouble, find_pushed_digest
from buildandpush.core.secretinputs import input_keys
from buildandpush.core.spechash import hash_spec
from buildandpush.core.world import (
    Action,
    AskLinks,
    AskLivePod,
    AskLog,
    AskLogin,
    AskObjects,
    AskProof,
    AskReadBack,
    AskTags,
    CancelPod,
    CreatePod,
    Decision,
    DeletePod,
    Inputs,
    Links,
    ReadBack,
    Waiting,
    World,
)

WAIT: Final = timedelta(seconds=10)
"""How long until something that is missing is looked for again."""
RENEWAL_WAIT: Final = timedelta(seconds=30)
"""How long until a login that could not be renewed is tried again."""
STOP_PATIENCE: Final = timedelta(seconds=120)
"""How long a kubelet may take to end a pod whose deadline was lowered."""

_STOP_DEADLINE_SECONDS: Final = 1


def advance(world: World, run: RunStatus) -> Decision:
    """The next step of a run."""
    build = run.builds[0]
    pod = world.pods.get(build.pod_name)
    if pod is None and build.pod_uid is not None:
        # The cache may lag or have lost it; only the API server's own word counts for a loss.
        pod = _live_pod(world, build)
        if pod is None:
            return _lost(world, run)
    if pod is not None and pod.ended:
        return _end(world, run, pod)
    if _is_cancelled(world, run) or _is_replaced(world, run):
        return _stop(world, run, pod)
    current = _observe_generation(world, run)
    if pod is None:
        return _create(current, run, build)
    return _watch(current, run, pod)


# ---- what the spec says meanwhile


def _is_cancelled(world: World, run: RunStatus) -> bool:
    return bool(run.cancelled) or world.resource.cancel.strip() == str(run.number)


def _asks_for_another_image(world: World, run: RunStatus) -> BuildAndPushACRSpec | None:
    """The spec, if it is new and asks for another image than the one on its way.

    A spec whose generation was observed never does, whatever its hash: an operator of another version may hash
    differently, and an upgrade rebuilds nothing.
    """
    if world.resource.generation == world.resource.status.observed_generation:
        return None
    try:
        spec = parse_spec(world.resource.spec)
        plan_build(spec, world.settings, run_number=run.number + 1)
    except SpecInvalidError:
        return None
    return spec if hash_spec(spec) != run.spec_hash else None


def _is_replaced(world: World, run: RunStatus) -> bool:
    """Whether the run gives way to a newer spec now: not where that would wait, queued or suspended, anyway."""
    if run.stopping_at is not None:
        return True
    spec = _asks_for_another_image(world, run)
    return spec is not None and spec.on_change != "Queue" and not spec.suspend


def _observe_generation(world: World, run: RunStatus) -> World:
    """The world with a status that has taken notice of the current generation, unless that wants its own run."""
    status = world.resource.status
    if world.resource.generation == status.observed_generation or _asks_for_another_image(world, run):
        return world
    try:
        plan_build(parse_spec(world.resource.spec), world.settings, run_number=run.number)
    except SpecInvalidError as error:
        return record.with_status(world, outcome.reject(world, error).status)
    return record.with_status(world, outcome.accept(world).status)


# ---- before there is a pod


def _create(world: World, run: RunStatus, build: BuildStatus) -> Decision:
    """The pod is not there yet: everything it needs first, then the pod."""
    status = world.resource.status
    if build.next_attempt_at is not None and world.now < build.next_attempt_at:
        return Decision(status, wake_at=build.next_attempt_at)
    former = _find_former(world, build)
    if former is not None:
        removal = () if former.deleting else (DeletePod(former.name, former.uid),)
        return Decision(status, removal, wake_at=world.now + WAIT)
    try:
        plan = plan_build(parse_spec(world.resource.spec), world.settings, run_number=run.number)
    except SpecInvalidError:
        return Decision(status)  # SpecInvalid stands in the conditions; a correction goes on from here
    if _asks_for_another_image(world, run):
        return ends.end_superseded(world)  # queued behind a run that has nothing to end
    login = answer(world, AskLogin(derive_needs(run.effective)), Login)
    if isinstance(login, Waiting):
        return _wait(world, login.reason, login.message, login.remedy)
    inputs = _ask_inputs(world, plan)
    if isinstance(inputs, Waiting):
        return _wait(world, inputs.reason, inputs.message, inputs.remedy)
    if world.refusal is not None:
        if world.refusal.final:
            return ends.fail_without_pod(world, world.refusal.reason, world.refusal.message)
        return _wait(world, world.refusal.reason, world.refusal.message)
    taken = _find_taken_tag(world, run, plan)
    if taken is not None:
        return taken
    owner = world.resource.owner
    attempt = Attempt(run.number, int(build.key), build.attempt, run.spec_hash)
    manifest = build_pod_manifest(plan, owner=owner, attempt=attempt, login=login, settings=world.settings)
    # Told before the pod is made, and again if a crash came in between: the Event's name is the same.
    fresh = build.reason is None
    told = (record.announce(world, Reason.ACCEPTED, runs.accepted_message(run)),) if fresh else ()
    return Decision(outcome.note_inputs(world, login, inputs), (*told, CreatePod(build.pod_name, manifest)))


def _ask_inputs(world: World, plan: BuildPlan) -> Inputs | Waiting:
    """Whether the Secrets and ConfigMaps that the pod reads are there: without them it would stand till its timeout."""
    keys = input_keys(plan.options.secret_files, plan.options.arg_sources)
    return answer(world, AskObjects(keys), Inputs) if keys else Inputs()


def _find_former(world: World, build: BuildStatus) -> PodObservation | None:
    """A pod of an earlier attempt or run that may still push, on a node that can be heard of.

    The run it belonged to may have ended without it: given up, or past its deadline where the kubelet was slow.
    """
    patience = timedelta(seconds=world.settings.node_lost_timeout_seconds)
    for pod in sorted(world.pods.values(), key=lambda item: item.name):
        is_lost = pod.deleted_at is not None and world.now >= pod.deleted_at + patience
        if pod.name == build.pod_name or pod.ended or is_lost:
            continue
        # The cache may hold one that is gone.
        live = answer(world, AskLivePod(pod.name), PodObservation)
        if live is not None and live.uid == pod.uid and not live.ended:
            return live
    return None


def _find_taken_tag(world: World, run: RunStatus, plan: BuildPlan) -> Decision | None:
    """A numbered tag that is in the registry before this resource ever pushed one: its numbers collide."""
    tags = plan.numbered_tags
    if not tags or world.resource.status.digest is not None or run.builds[0].attempt > 1:
        return None
    found = answer(world, AskTags(plan.repository, tags, plan.connector_ref), ReadBack)
    taken = [tag for tag in tags if found.tags.get(tag)]
    if not taken:
        return None
    # It may be this very run's push, if the operator was away when its pod ran.
    pod = _live_pod(world, run.builds[0])
    if pod is not None:
        return _end(world, run, pod) if pod.ended else _watch(world, run, pod)
    digest = answer(world, _proof(world, run), str)
    if digest is not None:
        return ends.succeed_without_pod(world, digest, _find_links(world, run))
    return ends.fail_without_pod(world, Reason.TAG_EXISTS, f"{plan.repository}:{taken[0]}")


def _wait(world: World, reason: Reason, message: str, remedy: str = "") -> Decision:
    told = describe(reason, message, remedy)
    decision = outcome.progress(world, Phase.PENDING, reason, told)
    actions: tuple[Action, ...] = (record.announce(world, reason, told),) if record.is_news(world, reason) else ()
    return replace(decision, actions=actions, wake_at=world.now + WAIT)


# ---- while the pod lives


def _live_pod(world: World, build: BuildStatus) -> PodObservation | None:
    pod = answer(world, AskLivePod(build.pod_name), PodObservation)
    if pod is None or pod.uid != (build.pod_uid or pod.uid) or pod.owner_uid != world.resource.owner.uid:
        return None
    return pod


def _watch(world: World, run: RunStatus, pod: PodObservation) -> Decision:
    """The pod lives: say where it stands, and give it up where it will not come to an end by itself."""
    limit = find_limit(pod, run, world.settings)
    if limit is not None and limit[0] <= world.now:
        decision = ends.give_up(world, limit[1], pod)
        removal = () if pod.deleting else (DeletePod(pod.name, pod.uid),)
        return replace(decision, actions=(*decision.actions, *removal))
    phase, reason, message = outcome.describe_live_pod(pod)
    decision = outcome.progress(world, phase, reason, message, pod=pod)
    # The pod reads its login at the start and again before the push, which may be hours later. A login that cannot be
    # renewed now is no reason to end the build: its pod has a copy, and the next look tries again.
    login = answer(world, AskLogin(derive_needs(run.effective), renewal=True), Login)
    renew_at = world.now + RENEWAL_WAIT if isinstance(login, Waiting) else login.renew_at
    return replace(decision, wake_at=min((at for at in (limit and limit[0], renew_at) if at is not None), default=None))


def _stop(world: World, run: RunStatus, pod: PodObservation | None) -> Decision:
    """End what is on its way, keeping its log where a kubelet can; the end of the pod ends the run."""
    cancelled = _is_cancelled(world, run)
    pod = pod or _live_pod(world, run.builds[0])
    if pod is None:
        return _end_stopped(world, cancelled=cancelled)
    if pod.ended:
        return _end(world, run, pod)
    since = run.stopping_at or world.now
    overdue = world.now >= since + STOP_PATIENCE
    actions: tuple[Action, ...] = ()
    if not pod.deleting and (not pod.node or overdue):
        actions = (DeletePod(pod.name, pod.uid),)  # no kubelet is there to enforce a deadline
    elif not pod.deleting and pod.active_deadline_seconds != _STOP_DEADLINE_SECONDS:
        actions = (CancelPod(pod.name, pod.uid),)
    elif pod.deleting:
        limit = find_limit(pod, run, world.settings)
        if limit is not None and limit[0] <= world.now:
            return _end_stopped(world, cancelled=cancelled)
    reason = Reason.CANCELLING if cancelled else Reason.SUPERSEDING
    stopping = outcome.note_stopping(world, since=since, cancelled=cancelled)
    decision = outcome.progress(stopping, Phase.RUNNING, reason, describe(reason), pod=pod)
    return replace(decision, actions=actions, wake_at=world.now + WAIT)


def _end_stopped(world: World, *, cancelled: bool) -> Decision:
    """A run that was being stopped has nothing left to stop."""
    return ends.end_cancelled(world) if cancelled else ends.end_superseded(world)


# ---- once the pod has ended or is gone


def _end(world: World, run: RunStatus, pod: PodObservation) -> Decision:
    settled = _observe_generation(world, run)
    if run.effective.no_push and pod.kaniko.exit_code == 0:
        return ends.succeed_unpushed(settled, pod)
    digest = _find_digest(world, run, pod)
    if digest is not None:
        # Where this run pushed to stands in its own record: the spec may have changed since.
        effective = run.effective
        tags = tuple(run.builds[0].tags)
        question = AskReadBack(effective.repository, tags, digest, effective.connector or "")
        read_back = answer(world, question, ReadBack)
        if read_back.problem and not _says_pushed(world, run, pod, digest):
            return ends.doubt(settled, pod, digest)
        trouble = _find_cache_trouble(world, run, pod)
        return ends.succeed(settled, pod, digest, read_back, _find_links(world, run), cache_trouble=trouble)
    cancelled = _is_cancelled(world, run)
    if _is_replaced(world, run) and not cancelled:
        return ends.end_superseded(world)
    log = answer(world, AskLog(pod.name, failed_container(pod)), str)
    verdict = classify_failure(pod, log)
    if cancelled:
        return ends.end_cancelled(settled, verdict.failure, pod)
    return ends.fail_attempt(settled, verdict, pod)


def _says_pushed(world: World, run: RunStatus, pod: PodObservation, digest: str) -> bool:
    """Whether kaniko's log names the digest that its message does. Where the registry cannot be asked, the message
    alone is no proof: a process that a RUN line left behind can write it."""
    log = answer(world, AskLog(pod.name, KANIKO_CONTAINER), str)
    return find_pushed_digest(log, run.effective.repository) == digest


def _find_cache_trouble(world: World, run: RunStatus, pod: PodObservation) -> str | None:
    """Why layers could not be cached, if kaniko's log says so: somewhere in it, since the build went on."""
    if not run.effective.cache_repository:
        return None
    return find_cache_trouble(answer(world, AskLog(pod.name, KANIKO_CONTAINER, whole=True), str))


def _find_digest(world: World, run: RunStatus, pod: PodObservation) -> str | None:
    """The digest that kaniko reported, or, where it only pushed, that its log names."""
    if pod.digest is not None or not run.effective.push_only or pod.kaniko.exit_code != 0:
        return pod.digest
    return find_pushed_digest(answer(world, AskLog(pod.name, KANIKO_CONTAINER), str), run.effective.repository)


def _lost(world: World, run: RunStatus) -> Decision:
    """The pod is gone without a word. Its push may have been done all the same, which the image itself tells."""
    cancelled = _is_cancelled(world, run)
    if cancelled or _is_replaced(world, run):
        return _end_stopped(world, cancelled=cancelled)
    settled = _observe_generation(world, run)
    if run.effective.no_push:
        return ends.lose_attempt(settled, f"pod {run.builds[0].pod_name}")
    digest = answer(world, _proof(world, run), str)
    if digest is not None:
        return ends.succeed_without_pod(settled, digest, _find_links(world, run))
    return ends.lose_attempt(settled, f"pod {run.builds[0].pod_name}")


def _proof(world: World, run: RunStatus) -> AskProof:
    label = f"{world.resource.owner.uid}/{run.number}"
    return AskProof(run.effective.repository, tuple(run.builds[0].tags), label, run.effective.connector or "")


def _find_links(world: World, run: RunStatus) -> Links | None:
    """The portal's links, where a subscription to look in is named."""
    effective = run.effective
    if not effective.subscription or not effective.connector:
        return None
    tags = tuple(run.builds[0].tags)
    return answer(world, AskLinks(effective.repository, tags, effective.connector, effective.subscription), Links)
