"""The status of a build that is on its way. It decides nothing."""

from datetime import datetime
from typing import Any

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, Effective, ReadBackStatus
from buildandpush.core.build.limits import advise_unschedulable, find_trouble
from buildandpush.core.build.status import (
    build_of,
    conditions_of,
    run_of,
    set_progress,
    with_source,
    with_status,
    written,
)
from buildandpush.core.build.world import Decision, World
from buildandpush.core.explain import describe, describe_meanwhile
from buildandpush.core.facts import Inputs, LoginSecretRef
from buildandpush.core.pod.manifest import SOURCE_CONTAINER
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import Standstill


def progress(
    world: World, phase: Phase, reason: Reason, message: str, *, pod: PodObservation | None = None
) -> Decision:
    """The run is running, and its state has this reason."""
    run = run_of(world)
    build = build_of(run)
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
    build = build_of(run).model_copy(update={"pod_name": name})
    changed = run.model_copy(update={"builds": [build]})
    return world.resource.status.model_copy(update={"run": changed})


def note_read_back(world: World, state: ReadBackStatus | None) -> World:
    """The world whose run has this written of how the registry is asked."""
    run = run_of(world)
    build = build_of(run).model_copy(update={"read_back": state})
    changed = run.model_copy(update={"builds": [build]})
    return with_status(world, world.resource.status.model_copy(update={"run": changed}))


def note_plan(world: World, effective: Effective, tags: tuple[str, ...]) -> World:
    """The world whose run goes on with the spec as it is now, and with these values in force."""
    run = run_of(world)
    build = build_of(run).model_copy(update={"tags": list(tags)})
    changed = run.model_copy(
        update={
            "effective": effective,
            "generation": world.resource.generation,
            "builds": [build],
        }
    )
    return with_status(world, world.resource.status.model_copy(update={"run": changed}))


def note_stopping(world: World, *, since: datetime, cancelled: bool) -> World:
    """Record that the run is being stopped, before anything is done to its pod."""
    run = run_of(world).model_copy(update={"stopping_at": since, "cancelled": True if cancelled else None})
    return with_status(world, world.resource.status.model_copy(update={"run": run}))


def describe_live_pod(
    pod: PodObservation, namespace: str, standstill: Standstill | None = None, *, is_sent: bool = False
) -> tuple[Phase, Reason, str]:
    """Phase, reason and message of a pod that has not ended. `standstill` is what Events say keeps it from starting.
    `is_sent` says whether somebody sends the source."""
    trouble = find_trouble(pod)
    if trouble is not None:
        return Phase.PENDING, trouble.reason, describe_meanwhile(trouble.reason, trouble.detail)
    if standstill is not None:
        return Phase.PENDING, Reason.POD_NOT_STARTED, describe_meanwhile(Reason.POD_NOT_STARTED, standstill.detail)
    if pod.kaniko.state == "running":
        return Phase.RUNNING, Reason.BUILDING, _tell_building(pod.name, namespace)
    if is_sent and pod.source.state == "running":
        return Phase.PENDING, Reason.UPLOAD_AWAITED, _tell_upload(pod.name, namespace)
    if pod.gated:
        return Phase.PENDING, Reason.SCHEDULING_GATED, describe(Reason.SCHEDULING_GATED)
    if pod.unschedulable:
        remedy = advise_unschedulable(pod.unschedulable)
        return Phase.PENDING, Reason.UNSCHEDULABLE, describe(Reason.UNSCHEDULABLE, pod.unschedulable, remedy)
    return Phase.PENDING, Reason.POD_CREATED, f"Pod {pod.name} was created."


def _tell_building(pod: str, namespace: str) -> str:
    """Where kaniko builds. Whoever reads this may have another namespace in kubectl's configuration."""
    return f"kaniko builds in pod {pod}; follow it: kubectl logs -f -n {namespace} {pod}"


def _tell_upload(pod: str, namespace: str) -> str:
    """How to send a folder, ready to be pasted into a shell that stands in the folder."""
    command = f"kubectl exec -i -n {namespace} {pod} -c {SOURCE_CONTAINER} -- python3 -m buildandpush.source.upload"
    return f"Pod {pod} waits for the upload of its source. Send a folder from within it: tar -cz . | {command}"
