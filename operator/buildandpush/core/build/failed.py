"""How a failed run or attempt ends, as the status tells it. `advance` and `podended` call it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from buildandpush.api.explanations import RUN_AGAIN, RUN_NOW
from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, BuildStatus, Failure
from buildandpush.api.step import FailureStrategy
from buildandpush.core import naming
from buildandpush.core.backoff import backoff_seconds, longest_backoff_seconds, outage_seconds
from buildandpush.core.build.limits import GivingUp
from buildandpush.core.build.status import (
    announce,
    build_of,
    conditions_of,
    run_of,
    set_progress,
    timings_of,
    with_source,
    with_status,
    written,
)
from buildandpush.core.build.world import Decision, World
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.facts import Trouble
from buildandpush.core.pod.failure import FailureVerdict
from buildandpush.core.pod.manifest import KANIKO_CONTAINER
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.strategy import check_strategies, decide_failure
from buildandpush.core.text import clip

PUSH_REASONS: Final = frozenset({Reason.PUSH_DENIED, Reason.PUSH_UNAUTHORIZED, Reason.PUSH_FAILED})

_NOT_STARTED: Final = frozenset({Reason.CONTAINER_NOT_STARTED, Reason.CONTAINER_CONFIG_INVALID, Reason.POD_NOT_STARTED})
_WITHOUT: Final = " It uses no user namespace, since this one may not have started because of it."


def disbelieve(world: World, pod: PodObservation, reason: Reason, detail: str) -> Decision:
    """kaniko's container ended well with a digest, but the registry has no such image, or nothing confirms it."""
    conditions = conditions_of(world)
    message = describe(reason, detail)
    conditions.set(ConditionType.VERIFIED, "False", reason, message)
    return _fail(world, conditions, reason, message, Failure(container=KANIKO_CONTAINER, exit_code=0), pod)


def fail_attempt(world: World, verdict: FailureVerdict, pod: PodObservation) -> Decision:
    """The attempt failed. Another follows if infrastructure failed and one is left. Otherwise the run has failed."""
    if verdict.infrastructure and attempts_left(world):
        return _retry(world, verdict.reason, verdict.message, pod, patient=verdict.patient)
    return _conclude(
        world, verdict.reason, verdict.message, verdict.failure, pod, infrastructure=verdict.infrastructure
    )


def give_up(world: World, giving_up: GivingUp, pod: PodObservation) -> Decision:
    """The attempt's pod cannot end by itself."""
    message = describe(giving_up.reason, giving_up.detail, giving_up.remedy)
    infrastructure = giving_up.infrastructure or _blames_user_namespace(world, giving_up.reason)
    if infrastructure and attempts_left(world):
        return _retry(world, giving_up.reason, message, pod)
    return _conclude(world, giving_up.reason, message, None, pod, infrastructure=giving_up.infrastructure)


def lose_attempt(world: World, detail: str) -> Decision:
    """The attempt's pod is gone, and nobody knows how it ended."""
    message = describe(Reason.POD_LOST, detail)
    if attempts_left(world):
        return _retry(world, Reason.POD_LOST, message, None)
    return _conclude(world, Reason.POD_LOST, message, None, None, infrastructure=True)


def fail_without_pod(world: World, reason: Reason, detail: str) -> Decision:
    """The run failed for good before it had a pod."""
    return _conclude(world, reason, describe(reason, detail), None, None)


def fail_unresolved(world: World, trouble: Trouble) -> Decision:
    """The run failed before it had a pod, since the git server does not tell which commit its revision is at."""
    message = describe(trouble.reason, trouble.message)
    conditions = conditions_of(world)
    conditions.set(ConditionType.SOURCE_READY, "False", trouble.reason, message)
    noted = with_status(world, world.resource.status.model_copy(update={"conditions": conditions.freeze()}))
    return _conclude(noted, trouble.reason, message, None, None, infrastructure=trouble.passing)


def _conclude(
    world: World,
    reason: Reason,
    message: str,
    failure: Failure | None,
    pod: PodObservation | None,
    *,
    infrastructure: bool = False,
) -> Decision:
    """The run has no attempts left. The failureStrategies of the spec decide, and an outage may start another run."""
    outcome = decide_failure(_strategies(world), reason, build_of(run_of(world)).retried or 0)
    # A further attempt would not check the tags again, and overwrite them.
    if outcome.retry_after_seconds is not None and reason is not Reason.TAG_EXISTS:
        return _retry(world, reason, message, pod, asked_delay=outcome.retry_after_seconds)
    again = _plan_next_run(world) if infrastructure and not outcome.ignored else None
    if again is not None:
        message = _tell_next_run(message, again)
    decision = _fail(world, conditions_of(world), reason, message, failure, pod, ignored=outcome.ignored)
    if again is None:
        return decision
    run = run_of(with_status(world, decision.status)).model_copy(update={"next_run_at": again})
    return replace(decision, status=decision.status.model_copy(update={"run": run}))


def _plan_next_run(world: World) -> datetime | None:
    """When a run that failed through nobody's fault is started anew; never where the spec wants no further attempts."""
    run = run_of(world)
    seconds = outage_seconds(run.outages or 0, world.settings.first_backoff_seconds) if run.effective.retries else None
    return world.now + timedelta(seconds=seconds) if seconds is not None else None


def _tell_next_run(message: str, at: datetime) -> str:
    """The message with when the next run starts, whatever has to be cut for it."""
    told = f" A new run starts by itself at {at:%Y-%m-%d %H:%M} UTC. {RUN_NOW}"
    return clip(message.removesuffix(f" {RUN_AGAIN}"), MAX_MESSAGE - len(told)) + told


def _strategies(world: World) -> list[FailureStrategy]:
    """The rules of the present spec. An invalid spec has none."""
    try:
        spec = parse_spec(world.resource.spec)
        check_strategies(spec.failure_strategies)
    except SpecInvalidError:
        return []
    return spec.failure_strategies or []


def end_superseded(world: World) -> Decision:
    """The run gave way to a newer spec. The next decision starts a run of that spec."""
    message = describe(Reason.SUPERSEDED)
    conditions = conditions_of(world)
    set_progress(conditions, Reason.SUPERSEDED, message)
    changes = {
        "phase": Phase.SUPERSEDED,
        "reason": Reason.SUPERSEDED,
        "message": message,
        "read_back": None,
        "finished_at": world.now,
    }
    run = run_of(world)
    build = build_of(run).model_copy(update=changes)
    status = written(world, run, build, conditions, finished_at=world.now)
    return Decision(status, (announce(world, Reason.SUPERSEDED, message),), wake_at=world.now)


def end_cancelled(world: World, failure: Failure | None = None, pod: PodObservation | None = None) -> Decision:
    """The run ended because it was asked to."""
    message = describe(Reason.CANCELLED)
    decision = _fail(world, conditions_of(world), Reason.CANCELLED, message, failure, pod)
    run = run_of(with_status(world, decision.status)).model_copy(update={"cancelled": True})
    return replace(decision, status=decision.status.model_copy(update={"run": run}))


def _blames_user_namespace(world: World, reason: Reason) -> bool:
    """Whether the attempt may have failed to start because of a user namespace that the spec does not ask for. Nodes
    can say that they support one, and still refuse its containers."""
    chosen = run_of(world).effective.user_namespace and world.resource.spec.get("userNamespace") != "Always"
    return bool(chosen) and reason in _NOT_STARTED


def attempts_left(world: World) -> bool:
    """Whether another attempt may follow one that failed through nobody's fault."""
    run = run_of(world)
    build = build_of(run)
    return build.attempt - (build.retried or 0) <= run.effective.retries


def _retry(
    world: World,
    reason: Reason,
    message: str,
    pod: PodObservation | None,
    *,
    asked_delay: int | None = None,
    patient: bool = False,
) -> Decision:
    """The next attempt, written down with when it may start; `asked_delay` is in seconds, where a strategy asked.
    `patient`: it waits as long as any."""
    run, owner = run_of(world), world.resource.owner
    build = build_of(run)
    attempt = build.attempt + 1
    first = world.settings.first_backoff_seconds
    usual = longest_backoff_seconds(first) if patient else backoff_seconds(build.attempt, first)
    delay = usual if asked_delay is None else asked_delay
    retried = (build.retried or 0) + (asked_delay is not None)
    cause = message.removesuffix(f" {RUN_AGAIN}")  # nobody has to: that is what happens now
    blamed = _blames_user_namespace(world, reason)
    if blamed:
        run = run.model_copy(update={"without_user_namespace": True})
    text = f"Attempt {build.attempt} failed ({reason}): {cause} Attempt {attempt} follows in {delay} s."
    text += _WITHOUT if blamed else ""
    conditions = conditions_of(world)
    set_progress(conditions, Reason.RETRYING, text)
    following = BuildStatus(
        key=build.key,
        matrix=build.matrix,
        phase=Phase.PENDING,
        attempt=attempt,
        pod_name=naming.build_pod_name(owner.name, owner.uid, run=run.number, build=int(build.key), attempt=attempt),
        former_pod_name=build.pod_name,
        tags=build.tags,
        reason=Reason.RETRYING,
        message=clip(text, MAX_MESSAGE),
        retried=retried or None,
        next_attempt_at=world.now + timedelta(seconds=delay),
    )
    if pod is not None:
        run = with_source(run, conditions, pod)
    status = written(world, run, following, conditions)
    return Decision(status, (announce(world, reason, text),), wake_at=following.next_attempt_at)


def _fail(
    world: World,
    conditions: ConditionSet,
    reason: Reason,
    message: str,
    failure: Failure | None,
    pod: PodObservation | None,
    *,
    ignored: bool = False,
) -> Decision:
    run = run_of(world)
    phase = Phase.CANCELLED if reason is Reason.CANCELLED else Phase.FAILED
    if ignored:
        phase = Phase.IGNORED
    updates: dict[str, Any] = {"phase": phase, "reason": reason, "message": message, "failure": failure}
    updates["read_back"] = None
    finished = world.now
    if pod is not None:
        run = with_source(run, conditions, pod)
        finished = pod.finished_at or world.now
        updates |= {"pod_uid": pod.uid, "started_at": pod.kaniko.started_at, "timings": timings_of(run, pod)}
    if reason in PUSH_REASONS:
        conditions.set(ConditionType.PUSHED, "False", reason, message)
    elif pod is not None and pod.kaniko.terminated and pod.kaniko.exit_code != 0:
        conditions.set(ConditionType.BUILT, "False", reason, message)
    shown_message = describe(Reason.IGNORED_FAILURE, f"{reason}: {message}") if ignored else message
    shown_reason = Reason.IGNORED_FAILURE if ignored else reason
    conditions.set(ConditionType.SUCCEEDED, "True" if ignored else "False", shown_reason, shown_message)
    conditions.set(ConditionType.COMPLETED, "True", shown_reason, shown_message)
    build = build_of(run).model_copy(update={**updates, "finished_at": finished})
    status = written(world, run, build, conditions, finished_at=world.now)
    return Decision(status, (announce(world, reason, message),))
