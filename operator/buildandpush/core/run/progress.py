"""The status for a spec and for a running run. It decides nothing; `decide` and `advance` call it."""

from datetime import datetime
from typing import Any, Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, Effective, ReadBackStatus
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe, describe_meanwhile
from buildandpush.core.facts import Inputs, LoginSecretRef
from buildandpush.core.pod.manifest import SOURCE_CONTAINER
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import Standstill
from buildandpush.core.run.artifacts import build_artifact_file, wants_artifact_file
from buildandpush.core.run.limits import find_trouble
from buildandpush.core.run.rebuild import complete_request, find_request, refuse_request, resume_request
from buildandpush.core.run.status import (
    announce,
    conditions_of,
    run_of,
    set_progress,
    with_source,
    with_status,
    written,
)
from buildandpush.core.run.world import Announce, Decision, World
from buildandpush.core.spec.noeffect import explain_validity
from buildandpush.core.spec.plan import parse_spec

RUN_CONDITIONS: Final = (
    ConditionType.SOURCE_READY,
    ConditionType.DOCKERFILE_CHECKED,
    ConditionType.BUILT,
    ConditionType.PUSHED,
    ConditionType.VERIFIED,
    ConditionType.LINKS_RESOLVED,
)
"""Conditions that speak of one run and go when the next one starts."""


def reject(world: World, error: SpecInvalidError, *, stuck: bool = True) -> Decision:
    """The spec cannot be used. No run number is used up, and what the last run left stays as it is.

    Where everything is `stuck` until the user corrects the spec, Completed is True, so that nobody waits for nothing.
    """
    status, generation = world.resource.status, world.resource.generation
    message = f"{error}."
    conditions = conditions_of(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "False", Reason.SPEC_INVALID, message)
    changes: dict[str, Any] = {"observed_generation": generation}
    if stuck:
        _complete(conditions, message)
        changes |= refuse_request(world)
    changes["conditions"] = conditions.freeze()
    if status.run is None or status.run.finished_at is not None:
        changes["phase"] = Phase.INVALID
    event = announce(world, Reason.SPEC_INVALID, message, key=f"generation-{generation}")
    return _tell_changes(world, status.model_copy(update=changes), event)


def _complete(conditions: ConditionSet, message: str) -> None:
    """Completed says that a correction is needed, unless it tells the end of a run."""
    completed = conditions.get(ConditionType.COMPLETED)
    if completed is None or completed.status != "True" or completed.reason == Reason.SPEC_INVALID:
        conditions.set(ConditionType.COMPLETED, "True", Reason.SPEC_INVALID, message)


def _tell_changes(world: World, status: BuildAndPushACRStatus, event: Announce) -> Decision:
    """Announce only what the status does not say already."""
    return Decision(status, (event,) if status != world.resource.status else ())


def accept(world: World) -> Decision:
    """A generation that needs no new run keeps the status of the last or the running run."""
    status, generation = world.resource.status, world.resource.generation
    conditions = conditions_of(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "True", *explain_validity(parse_spec(world.resource.spec)))
    run = status.run
    changes: dict[str, Any] = {"observed_generation": generation, "artifact_file": _keep_artifact_file(world)}
    changes["polled_commit"] = None  # the paths that it was judged by may be others now
    if run is not None and run.finished_at is not None:
        _restore_end(conditions, run.builds[0])
    elif run is not None and conditions.is_(ConditionType.COMPLETED, "True"):
        _resume(conditions)
        changes |= resume_request(status, run)
    changes["conditions"] = conditions.freeze()
    if run is not None:
        changes["phase"] = run.builds[0].phase
    return Decision(status.model_copy(update=changes))


def _keep_artifact_file(world: World) -> str | None:
    """The artifact list if the spec asks for it by now. Where the status has not room for all artifacts, only a list
    that was made before has them all."""
    spec, status = world.resource.spec, world.resource.status
    if status.artifacts_omitted:
        return status.artifact_file if wants_artifact_file(spec) else None
    return build_artifact_file(spec, status.artifacts)


def skip(world: World) -> Decision:
    """A trigger came, but the condition of `when` is not met. No run starts, and no number is used up."""
    status, generation = world.resource.status, world.resource.generation
    message = describe(Reason.SKIPPED)
    accepted = accept(world).status
    changes: dict[str, Any] = {}
    if status.run is None or status.run.builds[0].phase == Phase.SUPERSEDED:
        conditions = ConditionSet(accepted.conditions, generation=generation, now=world.now)
        conditions.set(ConditionType.SUCCEEDED, "Unknown", Reason.SKIPPED, message)
        conditions.set(ConditionType.COMPLETED, "True", Reason.SKIPPED, message)
        changes = {"conditions": conditions.freeze(), "phase": Phase.SKIPPED}
    changes |= complete_request(status, find_request(world))
    event = announce(world, Reason.SKIPPED, message, key=f"generation-{generation}-{world.resource.rebuild}")
    return _tell_changes(world, accepted.model_copy(update=changes), event)


def _resume(conditions: ConditionSet) -> None:
    """An invalid spec had stopped the run. The spec was corrected, so the run goes on from where it stood."""
    stood = conditions.get(ConditionType.SUCCEEDED)
    if stood is not None:
        conditions.set(ConditionType.COMPLETED, "False", stood.reason, stood.message)


def _restore_end(conditions: ConditionSet, build: BuildStatus) -> None:
    """Suspension is over, so the status shows the end of the last run again."""
    hidden = conditions.get(ConditionType.SUCCEEDED)
    if hidden is None or build.reason is None:
        return
    reason: str = Reason.IGNORED_FAILURE if build.phase == Phase.IGNORED else build.reason
    if hidden.reason == reason or build.phase == Phase.SUPERSEDED:
        return
    good = build.phase in (Phase.SUCCEEDED, Phase.IGNORED)
    conditions.set(ConditionType.SUCCEEDED, "True" if good else "False", reason, build.message or "")
    conditions.set(ConditionType.COMPLETED, "True", reason, build.message or "")


def progress(
    world: World, phase: Phase, reason: Reason, message: str, *, pod: PodObservation | None = None
) -> Decision:
    """The run is running, and its state has this reason."""
    run = run_of(world)
    build = run.builds[0]
    updates: dict[str, Any] = {"phase": phase, "reason": reason, "message": message}
    conditions = conditions_of(world)
    if pod is not None:
        updates |= {"pod_uid": pod.uid, "started_at": pod.kaniko.started_at or build.started_at}
        if build.reason == Reason.SCHEDULING_GATED and not pod.gated:
            updates["scheduling_from"] = world.now
        run = with_source(run, conditions, pod)
    set_progress(conditions, reason, message)
    return Decision(written(world, run, build.model_copy(update=updates), conditions))


def note_inputs(world: World, login: LoginSecretRef, read: Inputs) -> BuildAndPushACRStatus:
    """Record the Secrets and ConfigMaps of the run before its pod is created."""
    run = run_of(world)
    inputs = dict((*login.inputs, *read.versions)) or None
    return world.resource.status.model_copy(update={"run": run.model_copy(update={"inputs": inputs})})


def note_pod_name(world: World, name: str) -> BuildAndPushACRStatus:
    """Record another name for the attempt's pod before that pod is created."""
    run = run_of(world)
    build = run.builds[0].model_copy(update={"pod_name": name})
    changed = run.model_copy(update={"builds": [build, *run.builds[1:]]})
    return world.resource.status.model_copy(update={"run": changed})


def note_read_back(world: World, state: ReadBackStatus | None) -> World:
    """The world whose run has this written of how the registry is asked."""
    run = run_of(world)
    build = run.builds[0].model_copy(update={"read_back": state})
    changed = run.model_copy(update={"builds": [build, *run.builds[1:]]})
    return with_status(world, world.resource.status.model_copy(update={"run": changed}))


def note_plan(world: World, effective: Effective, tags: tuple[str, ...]) -> World:
    """The world whose run goes on with the spec as it is now, and with these values in force."""
    run = run_of(world)
    build = run.builds[0].model_copy(update={"tags": list(tags)})
    changed = run.model_copy(
        update={
            "effective": effective,
            "generation": world.resource.generation,
            "builds": [build, *run.builds[1:]],
        }
    )
    return with_status(world, world.resource.status.model_copy(update={"run": changed}))


def note_stopping(world: World, *, since: datetime, cancelled: bool) -> World:
    """Record that the run is being stopped, before anything is done to its pod."""
    run = run_of(world).model_copy(update={"stopping_at": since, "cancelled": True if cancelled else None})
    return with_status(world, world.resource.status.model_copy(update={"run": run}))


def describe_live_pod(
    pod: PodObservation, standstill: Standstill | None = None, upload_to: str = ""
) -> tuple[Phase, Reason, str]:
    """Phase, reason and message of a pod that has not ended. `standstill` is what Events say keeps it from starting.
    `upload_to` is the namespace of a pod whose source somebody sends; empty for other sources."""
    trouble = find_trouble(pod)
    if trouble is not None:
        return Phase.PENDING, trouble.reason, describe_meanwhile(trouble.reason, trouble.detail)
    if standstill is not None:
        return Phase.PENDING, Reason.POD_NOT_STARTED, describe_meanwhile(Reason.POD_NOT_STARTED, standstill.detail)
    if pod.kaniko.state == "running":
        return Phase.RUNNING, Reason.BUILDING, f"kaniko builds in pod {pod.name}; follow it: kubectl logs -f {pod.name}"
    if upload_to and pod.source.state == "running":
        return Phase.PENDING, Reason.UPLOAD_AWAITED, _tell_upload(pod.name, upload_to)
    if pod.gated:
        return Phase.PENDING, Reason.SCHEDULING_GATED, describe(Reason.SCHEDULING_GATED)
    if pod.unschedulable:
        return Phase.PENDING, Reason.UNSCHEDULABLE, describe(Reason.UNSCHEDULABLE, pod.unschedulable)
    return Phase.PENDING, Reason.POD_CREATED, f"Pod {pod.name} was created."


def _tell_upload(pod: str, namespace: str) -> str:
    """How to send a folder, ready to be pasted into a shell that stands in the folder."""
    command = f"kubectl exec -i -n {namespace} {pod} -c {SOURCE_CONTAINER} -- python3 -m buildandpush.source.upload"
    return f"Pod {pod} waits for the upload of its source. Send a folder from within it: tar -cz . | {command}"
