"""The one decision: from what is, to the next status and the actions that follow it.

`decide` is asked again after every event and at due times. It never assumes that an earlier answer was acted on, so a
missed event, a crash or a conflict costs a repeat and nothing else. Intent is in the status before any action: the
caller writes the status first and performs the actions only if that write succeeded.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar, cast

from buildandpush.api.meta import ConditionType, Phase, Trigger
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildStatus, RunStatus
from buildandpush.core import naming, outcome
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.failure import classify_failure, describe, failed_container
from buildandpush.core.manifest import Attempt, Login, build_pod_manifest
from buildandpush.core.observation import PodObservation
from buildandpush.core.plan import BuildPlan, parse_spec, plan_build
from buildandpush.core.spechash import hash_spec
from buildandpush.core.world import (
    Action,
    AskLivePod,
    AskLog,
    AskLogin,
    AskReadBack,
    CancelPod,
    CreatePod,
    Decision,
    DeletePod,
    Question,
    ReadBack,
    Waiting,
    World,
)

WAIT: Final = timedelta(seconds=10)
"""How long until something that is missing is looked for again."""

_CANCEL_DEADLINE_SECONDS: Final = 1

_T = TypeVar("_T")


class _AskedError(Exception):
    """The decision hangs on a fact that is not among the answers yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


def decide(world: World) -> Decision:
    """The next status and actions, or the questions to answer first."""
    try:
        return _decide(world)
    except _AskedError as asked:
        return Decision(world.resource.status, questions=frozenset({asked.question}))


def _decide(world: World) -> Decision:
    status = world.resource.status
    if world.resource.deleting:
        return Decision(status)
    if status.run is not None and status.run.finished_at is None:
        return _advance(world, status.run)
    return _idle(world)


def _answer(world: World, question: Question, kind: type[_T]) -> _T:
    if question not in world.answers:
        raise _AskedError(question)
    return cast("_T", world.answers[question])


def _conditions(world: World, *, generation: int) -> ConditionSet:
    return ConditionSet(world.resource.status.conditions, generation=generation, now=world.now)


# ---- no run is on its way


def _idle(world: World) -> Decision:
    status, last = world.resource.status, world.resource.status.run
    superseded = last is not None and last.builds[0].phase is Phase.SUPERSEDED
    if world.resource.generation == status.observed_generation and not superseded:
        return Decision(status)
    number = last.number + 1 if last else 1
    try:
        spec = parse_spec(world.resource.spec)
        plan = plan_build(spec, world.settings, run_number=number)
    except SpecInvalidError as error:
        return _reject(world, error)
    trigger = _find_trigger(world, last, hash_spec(spec))
    if trigger is None:
        return _accept(world)
    return _start(world, spec, plan, number, trigger)


def _find_trigger(world: World, last: RunStatus | None, spec_hash: str) -> Trigger | None:
    """Why a new run should start, for a spec that was not observed yet."""
    if last is None or last.spec_hash != spec_hash or last.builds[0].phase is Phase.SUPERSEDED:
        return Trigger.SPEC
    if last.builds[0].phase is Phase.FAILED and last.generation != world.resource.generation:
        return Trigger.RETRY_AFTER_CHANGE
    return None


def _reject(world: World, error: SpecInvalidError) -> Decision:
    """The spec cannot be used. No run number is used up, and what the last run left stays as it is."""
    generation = world.resource.generation
    message = f"{error}."
    conditions = _conditions(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "False", Reason.SPEC_INVALID, message)
    idle = world.resource.status.run is None or world.resource.status.run.finished_at is not None
    changes = {"observed_generation": generation, "conditions": conditions.freeze()}
    if idle:
        changes["phase"] = Phase.INVALID
    status = world.resource.status.model_copy(update=changes)
    return Decision(status, (outcome.announce(world, Reason.SPEC_INVALID, message, key=f"generation-{generation}"),))


def _accept(world: World) -> Decision:
    """A generation that wants no new run: its status is that of the run before."""
    status, generation = world.resource.status, world.resource.generation
    conditions = _conditions(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "True", Reason.SPEC_VALID, describe(Reason.SPEC_VALID))
    changes = {"observed_generation": generation, "conditions": conditions.freeze()}
    if status.run is not None:
        changes["phase"] = status.run.builds[0].phase
    return Decision(status.model_copy(update=changes))


def _start(world: World, spec: BuildAndPushACRSpec, plan: BuildPlan, number: int, trigger: Trigger) -> Decision:
    """A new run, written down before anything is done for it."""
    owner, generation = world.resource.owner, world.resource.generation
    build = BuildStatus(
        key="0",
        phase=Phase.PENDING,
        attempt=1,
        pod_name=naming.build_pod_name(owner.name, owner.uid, run=number, build=0, attempt=1),
        tags=list(plan.tags),
    )
    run = RunStatus(
        number=number,
        spec_hash=hash_spec(spec),
        generation=generation,
        trigger=trigger,
        started_at=world.now,
        effective=plan.effective(world.settings),
        builds=[build],
    )
    message = f"Run {number} was accepted ({trigger}): {plan.destinations[0]}."
    conditions = _conditions(world, generation=generation)
    conditions.drop(*outcome.RUN_CONDITIONS)
    conditions.set(ConditionType.SPEC_VALID, "True", Reason.SPEC_VALID, describe(Reason.SPEC_VALID))
    outcome.set_progress(conditions, Reason.ACCEPTED, message)
    status = world.resource.status.model_copy(
        update={
            "observed_generation": generation,
            "phase": Phase.PENDING,
            "run": run,
            "conditions": conditions.freeze(),
        }
    )
    accepted = replace(world, resource=replace(world.resource, status=status))
    decision = _advance(accepted, run)
    return replace(decision, actions=(*decision.actions, outcome.announce(accepted, Reason.ACCEPTED, message)))


# ---- a run is on its way


def _advance(world: World, run: RunStatus) -> Decision:
    build = run.builds[0]
    pod = world.pods.get(build.pod_name)
    if pod is None and build.pod_uid is not None:
        # The cache may lag or have lost it; only the API server's own word counts for a loss.
        pod = _live_pod(world, build)
        if pod is None:
            return outcome.end_superseded(world) if _is_replaced(world, run) else _lost(world, build)
    if pod is not None and pod.ended:
        return _end(world, run, pod)
    if _is_replaced(world, run):
        return _supersede(world, run, pod)
    current = _observe_generation(world)
    if pod is None:
        return _create(current, run, build)
    return _progress(current, build, pod)


def _live_pod(world: World, build: BuildStatus) -> PodObservation | None:
    pod = _answer(world, AskLivePod(build.pod_name), PodObservation)
    if pod is None or pod.uid != (build.pod_uid or pod.uid) or pod.owner_uid != world.resource.owner.uid:
        return None
    return pod


def _current_spec(world: World) -> BuildAndPushACRSpec | None:
    """The spec as it stands, if it can be used."""
    try:
        spec = parse_spec(world.resource.spec)
        plan_build(spec, world.settings, run_number=1)
    except SpecInvalidError:
        return None
    return spec


def _is_replaced(world: World, run: RunStatus) -> bool:
    """Whether the spec asks for another image than the one on its way.

    A spec whose generation was observed never does, whatever its hash: an operator of another version may hash
    differently, and an upgrade rebuilds nothing.
    """
    if world.resource.generation == world.resource.status.observed_generation:
        return False
    spec = _current_spec(world)
    return spec is not None and hash_spec(spec) != run.spec_hash


def _observe_generation(world: World) -> World:
    """The world with a status that has taken notice of the current generation; the run goes on."""
    status, generation = world.resource.status, world.resource.generation
    if generation == status.observed_generation:
        return world
    try:
        plan_build(parse_spec(world.resource.spec), world.settings, run_number=1)
    except SpecInvalidError as error:
        return replace(world, resource=replace(world.resource, status=_reject(world, error).status))
    conditions = _conditions(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "True", Reason.SPEC_VALID, describe(Reason.SPEC_VALID))
    observed = status.model_copy(update={"observed_generation": generation, "conditions": conditions.freeze()})
    return replace(world, resource=replace(world.resource, status=observed))


def _create(world: World, run: RunStatus, build: BuildStatus) -> Decision:
    """The pod is not there yet: everything it needs first, then the pod."""
    try:
        plan = plan_build(parse_spec(world.resource.spec), world.settings, run_number=run.number)
    except SpecInvalidError:
        return Decision(world.resource.status)  # SpecInvalid stands in the conditions; a correction goes on from here
    login = _answer(world, AskLogin(plan.connector_ref, plan.registry), Login)
    if isinstance(login, Waiting):
        return _wait(world, login.reason, login.message)
    if world.refusal is not None:
        if world.refusal.final:
            return outcome.fail_without_pod(world, world.refusal.reason, world.refusal.message)
        return _wait(world, world.refusal.reason, world.refusal.message)
    manifest = build_pod_manifest(
        plan,
        owner=world.resource.owner,
        attempt=Attempt(run.number, int(build.key), build.attempt, run.spec_hash),
        login=login,
        settings=world.settings,
    )
    return Decision(world.resource.status, (CreatePod(build.pod_name, manifest),))


def _wait(world: World, reason: Reason, message: str) -> Decision:
    told = describe(reason, message)
    decision = outcome.progress(world, Phase.PENDING, reason, told)
    actions: tuple[Action, ...] = (outcome.announce(world, reason, told),) if outcome.is_news(world, reason) else ()
    return replace(decision, actions=actions, wake_at=world.now + WAIT)


def _progress(world: World, build: BuildStatus, pod: PodObservation) -> Decision:
    """The pod lives: say where it stands."""
    phase, reason, message = outcome.describe_live_pod(pod)
    return outcome.progress(world, phase, reason, message, pod=pod)


def _lost(world: World, build: BuildStatus) -> Decision:
    return outcome.fail_without_pod(world, Reason.POD_LOST, f"pod {build.pod_name}")


def _supersede(world: World, run: RunStatus, pod: PodObservation | None) -> Decision:
    """End what is on its way, keeping its log where a kubelet can; the new run starts once it has ended."""
    pod = pod or _live_pod(world, run.builds[0])
    if pod is None:
        return outcome.end_superseded(world)
    if pod.ended:
        return _end(world, run, pod)
    actions: tuple[Action, ...] = ()
    if not pod.node and not pod.deleting:
        actions = (DeletePod(pod.name, pod.uid),)  # no kubelet is there to enforce a deadline
    elif not pod.deleting and (pod.active_deadline_seconds or 0) != _CANCEL_DEADLINE_SECONDS:
        actions = (CancelPod(pod.name, pod.uid),)
    decision = outcome.progress(world, Phase.RUNNING, Reason.SUPERSEDING, describe(Reason.SUPERSEDING), pod=pod)
    return replace(decision, actions=actions, wake_at=world.now + WAIT)


# ---- the pod has ended


def _end(world: World, run: RunStatus, pod: PodObservation) -> Decision:
    digest = pod.digest
    if digest is not None:
        return _succeed(world, run, pod, digest)
    cancelled = pod.reason == "DeadlineExceeded" and pod.active_deadline_seconds == _CANCEL_DEADLINE_SECONDS
    if _is_replaced(world, run) or (cancelled and run.effective.timeout_seconds > 1):
        return outcome.end_superseded(world)
    log = _answer(world, AskLog(pod.name, failed_container(pod)), str)
    verdict = classify_failure(pod, log)
    return outcome.fail(_settle(world, run), verdict, pod)


def _succeed(world: World, run: RunStatus, pod: PodObservation, digest: str) -> Decision:
    # Where this run pushed to stands in its own record: the spec may have changed since.
    question = AskReadBack(run.effective.repository, tuple(run.builds[0].tags), digest, run.effective.connector)
    read_back = _answer(world, question, ReadBack)
    return outcome.succeed(_settle(world, run), pod, digest, read_back)


def _settle(world: World, run: RunStatus) -> World:
    """Take notice of the current generation at the end of a run, unless that generation wants a run of its own."""
    return world if _is_replaced(world, run) else _observe_generation(world)
