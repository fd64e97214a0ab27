"""How a run's progress and its end are written into the status. Decides nothing; `decide` and `advance` call it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import History
from buildandpush.api.status import (
    MAX_MESSAGE,
    Artifact,
    BuildAndPushACRStatus,
    BuildStatus,
    Failure,
    RunStatus,
    SourceStatus,
)
from buildandpush.core import naming
from buildandpush.core.attempts import GivingUp, backoff_seconds, find_trouble
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.failure import FailureVerdict, describe
from buildandpush.core.manifest import KANIKO_CONTAINER, Login
from buildandpush.core.observation import PodObservation, read_source_report
from buildandpush.core.retention import add_to_history
from buildandpush.core.text import clip
from buildandpush.core.world import Announce, Decision, ReadBack, World

RUN_CONDITIONS: Final = (
    ConditionType.SOURCE_READY,
    ConditionType.BUILT,
    ConditionType.PUSHED,
    ConditionType.VERIFIED,
)
"""Conditions that speak of one run and go when the next one starts."""

_PUSH_REASONS: Final = frozenset({Reason.PUSH_DENIED, Reason.PUSH_UNAUTHORIZED, Reason.PUSH_FAILED})
_GOOD: Final = frozenset({Reason.ACCEPTED, Reason.SUCCEEDED, Reason.SUPERSEDED, Reason.CANCELLED})


def with_status(world: World, status: BuildAndPushACRStatus) -> World:
    """The world in which this status is written already."""
    return replace(world, resource=replace(world.resource, status=status))


def conditions_of(world: World, *, generation: int | None = None) -> ConditionSet:
    """The conditions to work on, for the generation that the status speaks of unless another is named."""
    status = world.resource.status
    chosen = status.observed_generation if generation is None else generation
    return ConditionSet(status.conditions, generation=chosen, now=world.now)


def set_progress(conditions: ConditionSet, reason: Reason, message: str) -> None:
    """The run is on its way."""
    conditions.set(ConditionType.SUCCEEDED, "Unknown", reason, message)
    conditions.set(ConditionType.COMPLETED, "False", reason, message)


def announce(world: World, reason: Reason, message: str, *, key: str = "") -> Announce:
    """An Event for a transition, named after what it is about."""
    run = world.resource.status.run
    about = key or (f"run-{run.number}-attempt-{run.builds[0].attempt}" if run else "resource")
    return Announce(warning=reason not in _GOOD, reason=reason, message=message, key=about)


def is_news(world: World, reason: Reason) -> bool:
    """Whether the status does not yet give this reason for the run's state."""
    return all(item.reason != reason for item in world.resource.status.conditions if item.type == "Succeeded")


# ---- the spec


def reject(world: World, error: SpecInvalidError) -> Decision:
    """The spec cannot be used. No run number is used up, and what the last run left stays as it is."""
    status, generation = world.resource.status, world.resource.generation
    message = f"{error}."
    conditions = conditions_of(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "False", Reason.SPEC_INVALID, message)
    changes: dict[str, Any] = {"observed_generation": generation, "conditions": conditions.freeze()}
    if status.run is None or status.run.finished_at is not None:
        changes["phase"] = Phase.INVALID
    told = announce(world, Reason.SPEC_INVALID, message, key=f"generation-{generation}")
    return Decision(status.model_copy(update=changes), (told,))


def accept(world: World) -> Decision:
    """A generation that wants no new run: its status is that of the run before, or of the one on its way."""
    status, generation = world.resource.status, world.resource.generation
    conditions = conditions_of(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "True", Reason.SPEC_VALID, describe(Reason.SPEC_VALID))
    run = status.run
    if run is not None and run.finished_at is not None:
        _restore_end(conditions, run.builds[0])
    changes: dict[str, Any] = {"observed_generation": generation, "conditions": conditions.freeze()}
    if run is not None:
        changes["phase"] = run.builds[0].phase
    return Decision(status.model_copy(update=changes))


def _restore_end(conditions: ConditionSet, build: BuildStatus) -> None:
    """Suspension hid how the last run ended; it is over, so the end is told again."""
    hidden = conditions.get(ConditionType.SUCCEEDED)
    if hidden is None or hidden.reason != Reason.SUSPENDED or build.reason is None:
        return
    value = "True" if build.phase == Phase.SUCCEEDED else "False"
    conditions.set(ConditionType.SUCCEEDED, "True" if value == "True" else "False", build.reason, build.message or "")
    conditions.set(ConditionType.COMPLETED, "True", build.reason, build.message or "")


# ---- on the way


def progress(
    world: World, phase: Phase, reason: Reason, message: str, *, pod: PodObservation | None = None
) -> Decision:
    """The run is on its way and stands at this reason."""
    run = _run(world)
    build = run.builds[0]
    updates: dict[str, Any] = {"phase": phase, "reason": reason, "message": message}
    conditions = conditions_of(world)
    if pod is not None:
        updates |= {"pod_uid": pod.uid, "started_at": pod.kaniko.started_at or build.started_at}
        run = _with_source(run, conditions, pod)
    set_progress(conditions, reason, message)
    return Decision(_written(world, run, build.model_copy(update=updates), conditions))


def note_inputs(world: World, login: Login) -> BuildAndPushACRStatus:
    """Write down which Secrets the run is made with, before its pod is made."""
    run = _run(world)
    inputs = dict(login.inputs) or None
    return world.resource.status.model_copy(update={"run": run.model_copy(update={"inputs": inputs})})


def note_stopping(world: World, *, since: datetime, cancelled: bool) -> World:
    """Write down that the run is being ended before its time, before anything is done for it."""
    run = _run(world).model_copy(update={"stopping_at": since, "cancelled": True if cancelled else None})
    return with_status(world, world.resource.status.model_copy(update={"run": run}))


def describe_live_pod(pod: PodObservation) -> tuple[Phase, Reason, str]:
    """Phase, reason and message of a pod that has not ended."""
    trouble = find_trouble(pod)
    if trouble is not None:
        return Phase.PENDING, trouble.reason, describe(trouble.reason, trouble.detail)
    if pod.kaniko.state == "running":
        return Phase.RUNNING, Reason.BUILDING, f"kaniko builds in pod {pod.name}; follow it: kubectl logs -f {pod.name}"
    if pod.unschedulable:
        return Phase.PENDING, Reason.UNSCHEDULABLE, describe(Reason.UNSCHEDULABLE, pod.unschedulable)
    return Phase.PENDING, Reason.POD_CREATED, f"Pod {pod.name} was created."


# ---- good ends


def succeed(world: World, pod: PodObservation, digest: str, read_back: ReadBack) -> Decision:
    """kaniko ended well with a digest: what the registry says decides the rest."""
    run, conditions = _run(world), conditions_of(world)
    if not read_back.problem and not read_back.digest_found:
        message = describe(Reason.DIGEST_NOT_IN_REGISTRY, f"{run.effective.repository}@{digest}")
        conditions.set(ConditionType.VERIFIED, "False", Reason.DIGEST_NOT_IN_REGISTRY, message)
        failure = Failure(container=KANIKO_CONTAINER, exit_code=0)
        return _fail(world, conditions, Reason.DIGEST_NOT_IN_REGISTRY, message, failure, pod)
    _set_verified(conditions, run.builds[0], digest, read_back)
    times = {
        "pod_uid": pod.uid,
        "started_at": pod.kaniko.started_at,
        "finished_at": pod.kaniko.finished_at or world.now,
    }
    return _succeed(world, _with_source(run, conditions, pod), conditions, digest, times)


def succeed_without_pod(world: World, digest: str) -> Decision:
    """The pod is gone, but the image in the registry says itself that this run pushed it."""
    conditions = conditions_of(world)
    conditions.set(ConditionType.VERIFIED, "True", Reason.VERIFIED, describe(Reason.VERIFIED))
    return _succeed(world, _run(world), conditions, digest, {"finished_at": world.now})


def _succeed(world: World, run: RunStatus, conditions: ConditionSet, digest: str, updates: dict[str, Any]) -> Decision:
    image = f"{run.effective.repository}@{digest}"
    build = run.builds[0]
    message = f"Pushed {image} as {', '.join(build.tags)}."
    for kind, reason in ((ConditionType.BUILT, Reason.BUILT), (ConditionType.PUSHED, Reason.PUSHED)):
        conditions.set(kind, "True", reason, describe(reason))
    conditions.set(ConditionType.SUCCEEDED, "True", Reason.SUCCEEDED, message)
    conditions.set(ConditionType.COMPLETED, "True", Reason.SUCCEEDED, message)
    changes = {"phase": Phase.SUCCEEDED, "digest": digest, "image": image, "reason": Reason.SUCCEEDED}
    ended = build.model_copy(update={**updates, **changes, "message": clip(message, MAX_MESSAGE)})
    status = _written(world, run, ended, conditions, finished_at=world.now).model_copy(
        update={"digest": digest, "image": image, "artifacts": _artifacts(run, build.tags, digest)}
    )
    return Decision(status, (announce(world, Reason.SUCCEEDED, message),))


def _set_verified(conditions: ConditionSet, build: BuildStatus, digest: str, read_back: ReadBack) -> None:
    if read_back.problem:
        message = describe(Reason.NOT_VERIFIABLE, read_back.problem)
        conditions.set(ConditionType.VERIFIED, "Unknown", Reason.NOT_VERIFIABLE, message)
        return
    moved = [tag for tag in build.tags if read_back.tags.get(tag) != digest]
    if moved:
        named = "; ".join(f"{tag} names {read_back.tags.get(tag) or 'nothing'}" for tag in moved)
        message = describe(Reason.TAG_MOVED, f"{named}; pushed was {digest}")
        conditions.set(ConditionType.VERIFIED, "False", Reason.TAG_MOVED, message)
    else:
        conditions.set(ConditionType.VERIFIED, "True", Reason.VERIFIED, describe(Reason.VERIFIED))


def _artifacts(run: RunStatus, tags: list[str], digest: str) -> list[Artifact]:
    repository = run.effective.repository
    pull = f"docker pull {repository}@{digest}"
    return [Artifact(image=f"{repository}:{tag}", digest=digest, pull_command=pull) for tag in tags]


# ---- bad ends


def fail_attempt(world: World, verdict: FailureVerdict, pod: PodObservation) -> Decision:
    """The attempt failed: another follows if it was nobody's fault and one is left, else the run has failed."""
    if verdict.infrastructure and _attempts_left(world):
        return _retry(world, verdict.reason, verdict.message, pod)
    conditions = conditions_of(world)
    return _fail(world, conditions, verdict.reason, verdict.message, verdict.failure, pod)


def give_up(world: World, giving_up: GivingUp, pod: PodObservation) -> Decision:
    """The attempt's pod stands but will not come to an end by itself."""
    message = describe(giving_up.reason, giving_up.detail)
    if giving_up.infrastructure and _attempts_left(world):
        return _retry(world, giving_up.reason, message, pod)
    return _fail(world, conditions_of(world), giving_up.reason, message, None, pod)


def lose_attempt(world: World, detail: str) -> Decision:
    """The attempt's pod is gone without a word."""
    message = describe(Reason.POD_LOST, detail)
    if _attempts_left(world):
        return _retry(world, Reason.POD_LOST, message, None)
    return _fail(world, conditions_of(world), Reason.POD_LOST, message, None, None)


def fail_without_pod(world: World, reason: Reason, detail: str) -> Decision:
    """The run failed for good, and there never was a pod."""
    return _fail(world, conditions_of(world), reason, describe(reason, detail), None, None)


def end_superseded(world: World) -> Decision:
    """The run gave way to a newer spec; the next decision starts that one's run."""
    message = describe(Reason.SUPERSEDED)
    conditions = conditions_of(world)
    set_progress(conditions, Reason.SUPERSEDED, message)
    changes = {
        "phase": Phase.SUPERSEDED,
        "reason": Reason.SUPERSEDED,
        "message": message,
        "finished_at": world.now,
    }
    run = _run(world)
    build = run.builds[0].model_copy(update=changes)
    status = _written(world, run, build, conditions, finished_at=world.now)
    return Decision(status, (announce(world, Reason.SUPERSEDED, message),), wake_at=world.now)


def end_cancelled(world: World, failure: Failure | None = None, pod: PodObservation | None = None) -> Decision:
    """The run ended because it was asked to."""
    message = describe(Reason.CANCELLED)
    decision = _fail(world, conditions_of(world), Reason.CANCELLED, message, failure, pod)
    run = _run(with_status(world, decision.status)).model_copy(update={"cancelled": True})
    return replace(decision, status=decision.status.model_copy(update={"run": run}))


def _attempts_left(world: World) -> bool:
    run = _run(world)
    return run.builds[0].attempt <= run.effective.retries


def _retry(world: World, reason: Reason, message: str, pod: PodObservation | None) -> Decision:
    """The next attempt, written down with when it may start."""
    run, owner = _run(world), world.resource.owner
    build = run.builds[0]
    attempt = build.attempt + 1
    delay = backoff_seconds(build.attempt)
    told = f"Attempt {build.attempt} failed ({reason}): {message} Attempt {attempt} follows in {delay} s."
    conditions = conditions_of(world)
    set_progress(conditions, Reason.RETRYING, told)
    following = BuildStatus(
        key=build.key,
        phase=Phase.PENDING,
        attempt=attempt,
        pod_name=naming.build_pod_name(owner.name, owner.uid, run=run.number, build=int(build.key), attempt=attempt),
        tags=build.tags,
        reason=Reason.RETRYING,
        message=clip(told, MAX_MESSAGE),
        next_attempt_at=world.now + timedelta(seconds=delay),
    )
    if pod is not None:
        run = _with_source(run, conditions, pod)
    status = _written(world, run, following, conditions)
    return Decision(status, (announce(world, reason, told),), wake_at=following.next_attempt_at)


def _fail(
    world: World,
    conditions: ConditionSet,
    reason: Reason,
    message: str,
    failure: Failure | None,
    pod: PodObservation | None,
) -> Decision:
    run = _run(world)
    phase = Phase.CANCELLED if reason is Reason.CANCELLED else Phase.FAILED
    updates: dict[str, Any] = {"phase": phase, "reason": reason, "message": message, "failure": failure}
    finished = world.now
    if pod is not None:
        run = _with_source(run, conditions, pod)
        finished = pod.finished_at or world.now
        updates |= {"pod_uid": pod.uid, "started_at": pod.kaniko.started_at}
    if reason in _PUSH_REASONS:
        conditions.set(ConditionType.PUSHED, "False", reason, message)
    elif pod is not None and pod.kaniko.terminated and pod.kaniko.exit_code != 0:
        conditions.set(ConditionType.BUILT, "False", reason, message)
    conditions.set(ConditionType.SUCCEEDED, "False", reason, message)
    conditions.set(ConditionType.COMPLETED, "True", reason, message)
    build = run.builds[0].model_copy(update={**updates, "finished_at": finished})
    status = _written(world, run, build, conditions, finished_at=world.now)
    return Decision(status, (announce(world, reason, message),))


# ---- shared


def _with_source(run: RunStatus, conditions: ConditionSet, pod: PodObservation) -> RunStatus:
    """The run with what its init container reported, once that has ended."""
    if not pod.source.terminated:
        return run
    report = read_source_report(pod.source)
    if pod.source.exit_code != 0:
        reason = Reason(report.reason) if report.reason in list(Reason) else Reason.SOURCE_INVALID
        conditions.set(ConditionType.SOURCE_READY, "False", reason, describe(reason, report.message or ""))
        return run
    conditions.set(ConditionType.SOURCE_READY, "True", Reason.SOURCE_FETCHED, describe(Reason.SOURCE_FETCHED))
    if report.commit is None:
        return run
    return run.model_copy(update={"source": SourceStatus(revision=report.revision, commit=report.commit)})


def _run(world: World) -> RunStatus:
    run = world.resource.status.run
    if run is None:
        raise ValueError("there is no run to speak of")
    return run


def _written(
    world: World,
    run: RunStatus,
    build: BuildStatus,
    conditions: ConditionSet,
    *,
    finished_at: datetime | None = None,
) -> BuildAndPushACRStatus:
    """The status with this build, and, where the run has ended, its end and its line in the history."""
    changed = run.model_copy(update={"builds": [build, *run.builds[1:]], "finished_at": finished_at})
    status = world.resource.status
    changes: dict[str, Any] = {"run": changed, "conditions": conditions.freeze(), "phase": build.phase}
    if finished_at is not None:
        changes["history"] = add_to_history(status.history, changed, finished_at, _history_limits(world))
        if conditions.is_(ConditionType.SPEC_VALID, "False"):
            changes["phase"] = Phase.INVALID
    return status.model_copy(update=changes)


def _history_limits(world: World) -> History | None:
    try:
        return History.model_validate(world.resource.spec.get("history") or {})
    except ValueError:
        return None
