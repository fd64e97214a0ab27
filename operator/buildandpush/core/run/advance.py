"""The next step of a running run: create its pod, watch it, give it up, stop it, or take its end."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import MAX_RUN_NUMBER
from buildandpush.api.status import BuildStatus, RunStatus
from buildandpush.core import naming
from buildandpush.core.backoff import refusal_seconds, slow_down
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe, describe_meanwhile
from buildandpush.core.facts import Commit, Inputs, Waiting
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import STANDS_STILL, Standstill, find_standstill, stands_since
from buildandpush.core.run import failed, podended, progress, start
from buildandpush.core.run.changes import asks_for_another_image, is_cancelled, is_replaced, observe_generation
from buildandpush.core.run.fluxsource import pin_artifact
from buildandpush.core.run.limits import GivingUp, find_limit, find_trouble
from buildandpush.core.run.planning import occasion_of, plan_run
from buildandpush.core.run.podended import find_live_pod
from buildandpush.core.run.questions import (
    AskAllTags,
    AskFluxArtifact,
    AskLivePod,
    AskLogin,
    AskObjects,
    AskPodEvents,
    AskTags,
)
from buildandpush.core.run.revision import ask_commit, pin
from buildandpush.core.run.status import (
    announce,
    derive_needs,
    is_news,
    run_of,
    with_status,
)
from buildandpush.core.run.world import (
    Action,
    AskedError,
    CancelPod,
    CreatePod,
    Decision,
    DeletePod,
    Refusal,
    World,
    answer,
)
from buildandpush.core.spec.expansion import expand_spec, is_unknown
from buildandpush.core.spec.numbers import find_last_number
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build

WAIT: Final = timedelta(seconds=10)
"""How long until something that is missing is looked for again."""
LONGEST_WAIT: Final = timedelta(minutes=5)
"""The same where it has been missing for long."""
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
        pod = find_live_pod(world, build)
        if pod is None:
            return podended.lose(world, run)
    if pod is not None and pod.ended:
        return podended.end(world, run, pod)
    if is_cancelled(world, run) or is_replaced(world, run):
        return _stop(world, run, pod)
    current = observe_generation(world, run)
    try:
        return _create(current, run, build) if pod is None else _watch(current, run, pod)
    except AskedError as asked:
        return Decision(current.resource.status, questions=frozenset({asked.question}))


# ---- before there is a pod


def _create(world: World, run: RunStatus, build: BuildStatus) -> Decision:
    """There is no pod yet. First everything that it needs, then the pod."""
    status = world.resource.status
    if build.next_attempt_at is not None and world.now < build.next_attempt_at:
        return Decision(status, wake_at=build.next_attempt_at)
    former = _find_former(world, run, build)
    if former is not None:
        # One of a later attempt says that this status is an old one.
        is_former = (0, 0) < (former.run, former.attempt) < (run.number, build.attempt)
        removal = (DeletePod(former.name, former.uid),) if is_former and not former.deleting else ()
        return Decision(status, removal, wake_at=world.now + WAIT)
    settings = replace(world.settings, user_namespaces=False) if run.without_user_namespace else world.settings
    try:
        spec = parse_spec(world.resource.spec)
        plan = plan_run(world, spec, run, settings)
    except SpecInvalidError as error:
        return progress.reject(world, error)  # a correction goes on from here
    if asks_for_another_image(world, run):
        return failed.end_superseded(world)  # queued behind a run that has nothing to end
    # What was changed since the run was accepted holds for the pod, so it holds for all that is asked and waited for.
    world = progress.note_plan(world, plan.effective(world.settings), plan.tags)
    run = run_of(world)
    unresolved = _is_unresolved(plan, run)
    if unresolved and is_unknown(f"{plan.repository} {plan.options.cache_repository}"):
        return _resolve(world, plan)  # nobody logs in to a repository whose name is not known
    login = answer(world, AskLogin(derive_needs(run.effective)))
    if isinstance(login, Waiting):
        return _wait(world, login.reason, login.message, login.remedy)
    inputs = _ask_inputs(world, plan)
    if isinstance(inputs, Waiting):
        return _wait(world, inputs.reason, inputs.message, inputs.remedy)
    if unresolved:
        return _resolve(with_status(world, progress.note_inputs(world, login, inputs)), plan)
    instead = _hear_refusal(world, build) or _find_taken_tag(world, run, plan)
    if instead is not None:
        return instead
    owner = world.resource.owner
    # The recorded name, not one made afresh: an upgrade may change how names are made.
    attempt = Attempt(build.pod_name, run.number, int(build.key), build.attempt, run.spec_hash)
    manifest = build_pod_manifest(plan, owner=owner, attempt=attempt, login=login, settings=world.settings)
    # Told before the pod is made, and again if a crash came in between: the Event's name is the same.
    fresh = build.reason is None
    events = (announce(world, Reason.ACCEPTED, start.accepted_message(run)),) if fresh else ()
    return Decision(progress.note_inputs(world, login, inputs), (*events, CreatePod(build.pod_name, manifest)))


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
    since = run.builds[0].next_attempt_at or run.started_at
    found = ask_commit(world, plan, since)
    if isinstance(found, Commit):
        pinned = pin(world, plan, found)
        return _create(pinned, run_of(pinned), run_of(pinned).builds[0])
    if found is None and world.now < since + WAIT:
        return Decision(world.resource.status, wake_at=since + WAIT)
    if found is None:
        return _wait(world, Reason.RESOLVING_REVISION, plan.source.git.url if plan.source.git else "")
    patience = timedelta(seconds=refusal_seconds(world.settings.first_backoff_seconds))
    if not found.passing or world.now >= since + patience:
        return failed.fail_unresolved(world, found)
    waiting = _wait(world, found.reason, found.message)
    return replace(waiting, wake_at=found.retry_at or waiting.wake_at)


def _pin_artifact(world: World, flux: tuple[str, str]) -> Decision:
    """The run goes on once it is known which artifact it builds."""
    found = answer(world, AskFluxArtifact(*flux))
    if isinstance(found, Waiting):
        return _wait(world, found.reason, found.message, found.remedy)
    pinned = pin_artifact(world, found)
    return _create(pinned, run_of(pinned), run_of(pinned).builds[0])


def _ask_inputs(world: World, plan: BuildPlan) -> Inputs | Waiting:
    """Whether the Secrets and ConfigMaps of the pod exist. Without them the pod would wait until its timeout."""
    keys = plan.input_keys
    return answer(world, AskObjects(keys)) if keys else Inputs()


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
    patience = timedelta(seconds=world.settings.node_lost_timeout_seconds)
    return not pod.ended and (pod.deleted_at is None or world.now < pod.deleted_at + patience)


def _name_before(build: BuildStatus) -> str | None:
    """The name of the previous attempt's pod; None for the first attempt."""
    return build.former_pod_name or naming.former_pod_name(build.pod_name, build.attempt)


def _hear_refusal(world: World, build: BuildStatus) -> Decision | None:
    """The decision after the API server refused this pod; None if it refused none, or a pod of another name."""
    refusal = world.refusal
    if refusal is None or refusal.taken_name not in ("", build.pod_name):
        return None
    if refusal.taken_name:
        return _take_another_name(world, refusal)
    if refusal.final:
        return failed.fail_without_pod(world, refusal.reason, refusal.message)
    return _wait(world, refusal.reason, refusal.message)


def _take_another_name(world: World, refusal: Refusal) -> Decision:
    """Another owner's pod has the name, and may keep it for long. So this attempt's pod gets another name."""
    run, owner = run_of(world), world.resource.owner
    build = run.builds[0]
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
    if not tags or world.resource.status.digest is not None or run.builds[0].attempt > 1:
        return None
    found = answer(world, AskTags(plan.repository, tags, plan.connector_ref))
    taken = [tag for tag in tags if found.tags.get(tag)]
    if taken:
        # It may be this very run's push, if the operator was away when its pod ran.
        pod = find_live_pod(world, run.builds[0])
        if pod is not None:
            return podended.end(world, run, pod) if pod.ended else _watch(world, run, pod)
        if podended.find_pushed_image(world, run) is not None:
            return podended.lose(world, run)
    renumbered = _count_on(world, run, plan)
    if renumbered is not None or not taken:
        return renumbered
    return failed.fail_without_pod(world, Reason.TAG_EXISTS, f"{plan.repository}:{taken[0]}")


def _count_on(world: World, run: RunStatus, plan: BuildPlan) -> Decision | None:
    """The run with a number above those of the registry's tags, where firstRunNumber is Auto; None if it has one."""
    spec = parse_spec(world.resource.spec)
    if spec.first_run_number != "Auto":
        return None
    tags = answer(world, AskAllTags(plan.repository, plan.connector_ref))
    occasion = occasion_of(world, spec, run)
    last = find_last_number(expand_spec(spec, occasion), tags or ())
    if last is None or not run.number <= last < MAX_RUN_NUMBER:
        return None
    renumbered = plan_build(spec, world.settings, replace(occasion, number=last + 1))
    return Decision(start.renumber(world, renumbered, last + 1), wake_at=world.now)


def _wait(world: World, reason: Reason, message: str, remedy: str = "") -> Decision:
    text = describe_meanwhile(reason, message, remedy)
    decision = progress.progress(world, Phase.PENDING, reason, text)
    actions: tuple[Action, ...] = (announce(world, reason, text),) if is_news(world, reason) else ()
    run = run_of(world)
    waited = world.now - (run.builds[0].next_attempt_at or run.started_at)
    return replace(decision, actions=actions, wake_at=world.now + slow_down(waited, WAIT, LONGEST_WAIT))


def hold(world: World, waiting: Waiting) -> Decision:
    """The API server does not tell a fact that the next step needs. The status says so, and the run goes on later."""
    run = world.resource.status.run
    if run is None or run.finished_at is not None:
        return Decision(world.resource.status, wake_at=world.now + WAIT)
    told = describe_meanwhile(waiting.reason, waiting.message, waiting.remedy)
    decision = progress.progress(world, Phase(run.builds[0].phase), waiting.reason, told)
    actions = (announce(world, waiting.reason, told),) if is_news(world, waiting.reason) else ()
    return replace(decision, actions=actions, wake_at=world.now + WAIT)


# ---- while the pod lives


def _watch(world: World, run: RunStatus, pod: PodObservation) -> Decision:
    """The pod lives. Report its state, and give it up if it cannot end by itself."""
    standstill = _find_standstill(world, pod)
    limit = find_limit(pod, run, world.settings, standstill)
    if limit is not None and limit[0] <= world.now:
        # A cache that lags behind may have it stand where it stood before it ended, or went on.
        live = find_live_pod(world, run.builds[0])
        if live is None:
            return podended.lose(world, run)
        if live.ended:
            return podended.end(world, run, live)
        pod, limit = live, find_limit(live, run, world.settings, standstill)
    if limit is not None and limit[0] <= world.now:
        return _give_up(world, limit[1], pod)
    phase, reason, message = progress.describe_live_pod(
        pod, standstill, upload_to=world.resource.owner.namespace if run.effective.upload else ""
    )
    decision = progress.progress(world, phase, reason, message, pod=pod)
    # The pod reads its login at the start and again before the push, which may be hours later. A login that cannot be
    # renewed now is no reason to end the build: its pod has a copy, and the next look tries again.
    renewal = AskLogin(derive_needs(run.effective), renewal=True)
    if renewal not in world.answers:
        return replace(decision, questions=frozenset({renewal}))
    login = answer(world, renewal)
    renew_at = world.now + RENEWAL_WAIT if isinstance(login, Waiting) else login.renew_at
    times = (limit and limit[0], renew_at, _next_look(world, pod))
    return replace(decision, wake_at=min((at for at in times if at is not None), default=None))


def _find_standstill(world: World, pod: PodObservation) -> Standstill | None:
    """What keeps a pod from starting that has stood still for a while, where the pod itself does not say it."""
    since = stands_since(pod)
    if since is None or world.now < since + STANDS_STILL or find_trouble(pod) is not None:
        return None
    return find_standstill(pod, answer(world, AskPodEvents(pod.name, pod.uid)))


def _next_look(world: World, pod: PodObservation) -> datetime | None:
    """When the Events of a pod that stands still are read, for the first time or again."""
    since = stands_since(pod)
    if since is None or find_trouble(pod) is not None:
        return None
    first = since + STANDS_STILL
    return first if world.now < first else world.now + STANDS_STILL


def _give_up(world: World, giving_up: GivingUp, pod: PodObservation) -> Decision:
    decision = failed.give_up(world, giving_up, pod)
    removal = () if pod.deleting else (DeletePod(pod.name, pod.uid),)
    return replace(decision, actions=(*decision.actions, *removal))


def _stop(world: World, run: RunStatus, pod: PodObservation | None) -> Decision:
    """End what is on its way, keeping its log where a kubelet can; the end of the pod ends the run."""
    cancelled = is_cancelled(world, run)
    pod = pod or find_live_pod(world, run.builds[0])
    if pod is None:
        return podended.end_stopped(world, cancelled=cancelled)
    if pod.ended:
        return podended.end(world, run, pod)
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
            live = find_live_pod(world, run.builds[0])
            if live is not None and live.ended:
                return podended.end(world, run, live)
            return podended.end_stopped(world, cancelled=cancelled)
    reason, detail = Reason.CANCELLING if cancelled else Reason.SUPERSEDING, ""
    if world.obstacle is not None and actions:
        reason, detail = world.obstacle.reason, world.obstacle.message
    stopping = progress.note_stopping(world, since=since, cancelled=cancelled)
    decision = progress.progress(stopping, Phase.RUNNING, reason, describe(reason, detail), pod=pod)
    return replace(decision, actions=actions, wake_at=world.now + WAIT)
