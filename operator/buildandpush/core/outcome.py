"""How a run's progress and its end are written into the status. Decides nothing; `decide` calls it."""

from datetime import datetime
from typing import Any, Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import Artifact, BuildAndPushACRStatus, BuildStatus, Failure, RunStatus, SourceStatus
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.failure import FailureVerdict, describe
from buildandpush.core.manifest import KANIKO_CONTAINER
from buildandpush.core.observation import PodObservation, read_source_report
from buildandpush.core.world import Announce, Decision, ReadBack, World

RUN_CONDITIONS: Final = (
    ConditionType.SOURCE_READY,
    ConditionType.BUILT,
    ConditionType.PUSHED,
    ConditionType.VERIFIED,
)
"""Conditions that speak of one run and go when the next one starts."""

_PUSH_REASONS: Final = frozenset({Reason.PUSH_DENIED, Reason.PUSH_UNAUTHORIZED, Reason.PUSH_FAILED})
# The kubelet's words for a container that will not start as it is.
_IMAGE_TROUBLE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG_TROUBLE: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def set_progress(conditions: ConditionSet, reason: Reason, message: str) -> None:
    """The run is on its way."""
    conditions.set(ConditionType.SUCCEEDED, "Unknown", reason, message)
    conditions.set(ConditionType.COMPLETED, "False", reason, message)


def announce(world: World, reason: Reason, message: str, *, key: str = "") -> Announce:
    """An Event for a transition, named after what it is about."""
    run = world.resource.status.run
    about = key or (f"run-{run.number}-attempt-{run.builds[0].attempt}" if run else "resource")
    good = reason in (Reason.ACCEPTED, Reason.SUCCEEDED, Reason.SUPERSEDED)
    return Announce(warning=not good, reason=reason, message=message, key=about)


def is_news(world: World, reason: Reason) -> bool:
    """Whether the status does not yet give this reason for the run's state."""
    return all(item.reason != reason for item in world.resource.status.conditions if item.type == "Succeeded")


def describe_live_pod(pod: PodObservation) -> tuple[Phase, Reason, str]:
    """Phase, reason and message of a pod that has not ended."""
    for container, image in ((pod.source, "source"), (pod.kaniko, "executor")):
        if container.reason in _IMAGE_TROUBLE:
            detail = f"{image} image: {container.message or container.reason}"
            return Phase.PENDING, Reason.IMAGE_PULL_FAILED, describe(Reason.IMAGE_PULL_FAILED, detail)
        if container.reason in _CONFIG_TROUBLE:
            detail = container.message or container.reason
            return Phase.PENDING, Reason.CONTAINER_CONFIG_INVALID, describe(Reason.CONTAINER_CONFIG_INVALID, detail)
    if pod.kaniko.state == "running":
        return (
            Phase.RUNNING,
            Reason.BUILDING,
            f"kaniko builds in pod {pod.name}; follow it with: kubectl logs -f {pod.name}",
        )
    if pod.unschedulable:
        return Phase.PENDING, Reason.UNSCHEDULABLE, describe(Reason.UNSCHEDULABLE, pod.unschedulable)
    return Phase.PENDING, Reason.POD_CREATED, f"Pod {pod.name} was created."


def progress(
    world: World, phase: Phase, reason: Reason, message: str, *, pod: PodObservation | None = None
) -> Decision:
    """The run is on its way and stands at this reason."""
    run = _run(world)
    build = run.builds[0]
    updates: dict[str, Any] = {"phase": phase, "reason": reason, "message": message}
    conditions = _conditions(world)
    if pod is not None:
        updates |= {"pod_uid": pod.uid, "started_at": pod.kaniko.started_at or build.started_at}
        run = _with_source(run, conditions, pod)
    set_progress(conditions, reason, message)
    return Decision(_written(world, run, build.model_copy(update=updates), conditions))


def succeed(world: World, pod: PodObservation, digest: str, read_back: ReadBack) -> Decision:
    """kaniko ended well with a digest: what the registry says decides the rest."""
    run, conditions = _run(world), _conditions(world)
    if not read_back.problem and not read_back.digest_found:
        message = describe(Reason.DIGEST_NOT_IN_REGISTRY, f"{run.effective.repository}@{digest}")
        conditions.set(ConditionType.VERIFIED, "False", Reason.DIGEST_NOT_IN_REGISTRY, message)
        failure = Failure(container=KANIKO_CONTAINER, exit_code=0)
        return _fail(world, conditions, Reason.DIGEST_NOT_IN_REGISTRY, message, failure, pod)
    image = f"{run.effective.repository}@{digest}"
    build = run.builds[0]
    message = f"Pushed {image} as {', '.join(build.tags)}."
    _set_verified(conditions, build, digest, read_back)
    run = _with_source(run, conditions, pod)
    for kind, reason in ((ConditionType.BUILT, Reason.BUILT), (ConditionType.PUSHED, Reason.PUSHED)):
        conditions.set(kind, "True", reason, describe(reason))
    conditions.set(ConditionType.SUCCEEDED, "True", Reason.SUCCEEDED, message)
    conditions.set(ConditionType.COMPLETED, "True", Reason.SUCCEEDED, message)
    ended = build.model_copy(
        update={
            "phase": Phase.SUCCEEDED,
            "pod_uid": pod.uid,
            "digest": digest,
            "image": image,
            "reason": Reason.SUCCEEDED,
            "message": message,
            "started_at": pod.kaniko.started_at,
            "finished_at": pod.kaniko.finished_at or world.now,
        }
    )
    status = _written(world, run, ended, conditions, finished_at=world.now).model_copy(
        update={"digest": digest, "image": image, "artifacts": _artifacts(run, build.tags, digest)}
    )
    return Decision(status, (announce(world, Reason.SUCCEEDED, message),))


def fail(world: World, verdict: FailureVerdict, pod: PodObservation) -> Decision:
    """The attempt failed for good."""
    conditions = _conditions(world)
    return _fail(world, conditions, verdict.reason, verdict.message, verdict.failure, pod)


def fail_without_pod(world: World, reason: Reason, detail: str) -> Decision:
    """The run failed for good and no pod is left to look at."""
    return _fail(world, _conditions(world), reason, describe(reason, detail), None, None)


def end_superseded(world: World) -> Decision:
    """The run gave way to a newer spec; the next decision starts that one's run."""
    run, conditions = _run(world), _conditions(world)
    message = describe(Reason.SUPERSEDED)
    set_progress(conditions, Reason.SUPERSEDED, message)
    build = run.builds[0].model_copy(
        update={
            "phase": Phase.SUPERSEDED,
            "reason": Reason.SUPERSEDED,
            "message": message,
            "finished_at": world.now,
        }
    )
    status = _written(world, run, build, conditions, finished_at=world.now)
    return Decision(status, (announce(world, Reason.SUPERSEDED, message),), wake_at=world.now)


def _fail(
    world: World,
    conditions: ConditionSet,
    reason: Reason,
    message: str,
    failure: Failure | None,
    pod: PodObservation | None,
) -> Decision:
    run = _run(world)
    updates: dict[str, Any] = {"phase": Phase.FAILED, "reason": reason, "message": message, "failure": failure}
    finished = world.now
    if pod is not None:
        run = _with_source(run, conditions, pod)
        finished = pod.kaniko.finished_at or pod.source.finished_at or world.now
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


def _set_verified(conditions: ConditionSet, build: BuildStatus, digest: str, read_back: ReadBack) -> None:
    if read_back.problem:
        message = describe(Reason.NOT_VERIFIABLE, read_back.problem)
        conditions.set(ConditionType.VERIFIED, "Unknown", Reason.NOT_VERIFIABLE, message)
        return
    moved = [
        f"{tag} names {read_back.tags.get(tag) or 'nothing'}" for tag in build.tags if read_back.tags.get(tag) != digest
    ]
    if moved:
        message = describe(Reason.TAG_MOVED, f"{'; '.join(moved)}; pushed was {digest}")
        conditions.set(ConditionType.VERIFIED, "False", Reason.TAG_MOVED, message)
    else:
        conditions.set(ConditionType.VERIFIED, "True", Reason.VERIFIED, describe(Reason.VERIFIED))


def _artifacts(run: RunStatus, tags: list[str], digest: str) -> list[Artifact]:
    repository = run.effective.repository
    pull = f"docker pull {repository}@{digest}"
    return [Artifact(image=f"{repository}:{tag}", digest=digest, pull_command=pull) for tag in tags]


def _run(world: World) -> RunStatus:
    run = world.resource.status.run
    if run is None:
        raise ValueError("there is no run to speak of")
    return run


def _conditions(world: World) -> ConditionSet:
    status = world.resource.status
    return ConditionSet(status.conditions, generation=status.observed_generation, now=world.now)


def _written(
    world: World,
    run: RunStatus,
    build: BuildStatus,
    conditions: ConditionSet,
    *,
    finished_at: datetime | None = None,
) -> BuildAndPushACRStatus:
    """The status with this build, and, where the run has ended, its end."""
    changed = run.model_copy(update={"builds": [build, *run.builds[1:]], "finished_at": finished_at})
    phase = Phase.INVALID if world.resource.status.phase is Phase.INVALID and finished_at is None else build.phase
    return world.resource.status.model_copy(update={"run": changed, "phase": phase, "conditions": conditions.freeze()})
