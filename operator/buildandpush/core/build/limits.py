"""When the operator gives up an attempt whose pod still exists."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.explanations import RUN_AGAIN, STARTS_THEN, explain
from buildandpush.api.reasons import Reason
from buildandpush.api.status import RunStatus
from buildandpush.core.build.status import build_of
from buildandpush.core.pod.failurewords import NOT_STARTED
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import Standstill, stands_since
from buildandpush.core.settings import BuildSettings

DEADLINE_GRACE_SECONDS: Final = 120
"""The kubelet enforces a pod's deadline; past it and this long, the operator no longer waits for the kubelet."""

IMAGE_TROUBLE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})
CONFIG_TROUBLE: Final = "CreateContainerConfigError"
"""Something that the pod names is not there."""


# The scheduler's words: https://github.com/kubernetes/kubernetes/blob/master/pkg/scheduler/framework/plugins/volumebinding
_MISSING_CLAIM: Final = re.compile(r'persistentvolumeclaim "([a-z0-9.-]{1,253})" not found')
_LACKING: Final = "Insufficient "
_EXCLUDED: Final = {
    "untolerated taint": "Name the taint in podTemplate.tolerations, which starts a new run. Or add a node without it.",
    "didn't match Pod's node affinity/selector": "Correct nodeSelector and affinity in podTemplate, and the platform, "
    "which starts a new run. Or add a node that matches.",
}
"""The scheduler's words for nodes that a pod may not come to: https://github.com/kubernetes/kubernetes,
pkg/scheduler/framework/plugins"""
_UNBOUND_CLAIM: Final = "unbound immediate PersistentVolumeClaims"


@dataclass(frozen=True)
class GivingUp:
    """An attempt that cannot end by itself."""

    reason: Reason
    detail: str
    infrastructure: bool
    remedy: str = ""
    """What to do; empty where the reason's own remedy fits."""


def find_limit(
    pod: PodObservation, run: RunStatus, settings: BuildSettings, now: datetime, standstill: Standstill | None = None
) -> tuple[datetime, GivingUp] | None:
    """How long to wait for a living pod, and what is wrong if it has not changed by then. None: no limit."""

    def wait(since: datetime | None, seconds: int, giving_up: GivingUp) -> tuple[datetime, GivingUp] | None:
        begun = _not_before_attempt(since, run, now) if since is not None else None
        return (begun + timedelta(seconds=seconds), giving_up) if begun is not None else None

    if pod.deleted_at is not None:
        limit = pod.deleted_at + timedelta(seconds=settings.node_lost_timeout_seconds)
        return limit, GivingUp(Reason.NODE_LOST, f"node {pod.node!r} does not let pod {pod.name} go", True)
    trouble = find_trouble(pod)
    if trouble is not None:
        # The kubelet starts kaniko's container only after the source is fetched, which may take long.
        since = pod.source.finished_at or pod.started_at or pod.created_at
        patience = 0 if trouble.reason is Reason.IMAGE_NAME_INVALID else settings.start_timeout_seconds
        return wait(since, patience, trouble)
    if not pod.node and (pod.gated or build_of(run).reason == Reason.SCHEDULING_GATED):
        return None  # whoever set the gate lifts it, in his own time; only from then on is a node waited for
    if not pod.node:
        detail = pod.unschedulable or "the scheduler has not said why"
        giving_up = GivingUp(Reason.UNSCHEDULABLE, detail, False, _advise_given_up(detail))
        return wait(build_of(run).scheduling_from or pod.created_at, settings.pending_timeout_seconds, giving_up)
    since = stands_since(pod)
    if since is not None and standstill is not None and standstill.hopeless:
        giving_up = GivingUp(Reason.POD_NOT_STARTED, standstill.detail, True)
        return wait(since, settings.start_timeout_seconds, giving_up)
    if pod.started_at is not None:
        patience = run.effective.timeout_seconds + DEADLINE_GRACE_SECONDS
        detail = f"the kubelet of node {pod.node!r} did not end pod {pod.name} at its deadline"
        return wait(pod.started_at, patience, GivingUp(Reason.TIMED_OUT, detail, False))
    return None


def advise_unschedulable(words: str) -> str:
    """What to do where the scheduler names a volume, or what keeps the pod from nodes with room; empty where it does
    not."""
    claim = _MISSING_CLAIM.search(words)
    if claim is not None:
        return f"Create PersistentVolumeClaim {claim[1]!r} in this namespace, or name another one in the spec."
    if _UNBOUND_CLAIM in words:
        told = "A PersistentVolumeClaim of the build has no volume. `kubectl describe pvc` says why. Give it one."
        return f"{told} {STARTS_THEN}"
    if _LACKING in words:
        return ""
    return next((f"{told} {STARTS_THEN}" for part, told in _EXCLUDED.items() if part in words), "")


def _advise_given_up(words: str) -> str:
    """The same, or the reason's own remedy, for a pod that is removed: it never starts."""
    advice = advise_unschedulable(words) or explain(Reason.UNSCHEDULABLE).remedy
    return f"{advice.removesuffix(f' {STARTS_THEN}')} {RUN_AGAIN}"


def _not_before_attempt(told: datetime, run: RunStatus, now: datetime) -> datetime:
    """A time of a node's or of the API server's clock. One that is far behind the operator's tells of a time when the
    attempt had not begun. What has begun in the future was written down before the operator's own clock went back."""
    begun = build_of(run).next_attempt_at or run.started_at
    return max(told, begun) if begun <= now else told


def find_trouble(pod: PodObservation) -> GivingUp | None:
    """What keeps a container from starting, in the kubelet's words."""
    for container, image in ((pod.source, "source"), (pod.kaniko, "executor")):
        detail = f"{image} image: {container.message or container.reason}"
        if container.reason == "InvalidImageName":
            return GivingUp(Reason.IMAGE_NAME_INVALID, detail, False)
        if container.reason in IMAGE_TROUBLE:
            return GivingUp(Reason.IMAGE_PULL_FAILED, detail, True)
        if container.reason == CONFIG_TROUBLE:
            return GivingUp(Reason.CONTAINER_CONFIG_INVALID, container.message or container.reason, False)
        if container.reason in NOT_STARTED and not container.terminated:
            return GivingUp(Reason.CONTAINER_NOT_STARTED, container.message or container.reason, True)
    return None
