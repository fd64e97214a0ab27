"""A pod that a node has and of which nothing runs: since when, and what the kubelet's Events say about it.

A sandbox that cannot be made and a volume that cannot be mounted stand in no field of the pod, only in Events. Of a
sandbox that is gone, no Event tells.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from buildandpush.core.foreign import admit_line
from buildandpush.core.pod.observation import PodObservation, parse_time

STANDS_STILL: Final = timedelta(seconds=60)
"""How long a pod may stand still before its Events are read, and how often they are read from then on."""
MAX_EVENTS: Final = 20
_MAX_WORDS: Final = 384
_MAX_REASON: Final = 64

SANDBOX: Final = "FailedCreatePodSandBox"
# https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/events/event.go
_PROGRESS: Final = frozenset({"Pulling", "Pulled", "Created", "Started"})
_IDENTIFIER: Final = re.compile(r"\b[0-9a-f]{12,64}\b")
"""Of a sandbox or container: another one with each try, and of no use to a reader."""


@dataclass(frozen=True)
class PodEvent:
    """One Event about a pod."""

    warning: bool
    reason: str
    message: str
    at: datetime | None
    """When it was last seen."""


@dataclass(frozen=True)
class Standstill:
    """What keeps a pod from starting, in the kubelet's words."""

    detail: str
    hopeless: bool
    """Whether the pod is given up if that lasts. A volume may be in use until another pod ends."""


def observe_events(items: Iterable[Mapping[str, Any]]) -> tuple[PodEvent, ...]:
    """Reduce Event objects to the newest, the latest first."""
    events = [_observe_event(item) for item in items]
    events.sort(key=lambda event: event.at.timestamp() if event.at else 0.0, reverse=True)
    return tuple(events[:MAX_EVENTS])


def _observe_event(item: Mapping[str, Any]) -> PodEvent:
    series = item.get("series") or {}
    stamps = (series.get("lastObservedTime"), item.get("lastTimestamp"), item.get("eventTime"))
    at = next((stamp for stamp in stamps if stamp), None) or (item.get("metadata") or {}).get("creationTimestamp")
    words = _IDENTIFIER.sub("…", admit_line(str(item.get("message") or ""), size=_MAX_WORDS))
    return PodEvent(
        warning=item.get("type") == "Warning",
        reason=admit_line(str(item.get("reason") or ""), size=_MAX_REASON),
        message=words,
        at=parse_time(at),
    )


def stands_since(pod: PodObservation) -> datetime | None:
    """Since when a node has the pod and none of its containers runs; None where that is not so."""
    if not pod.node or pod.deleting or pod.ended:
        return None
    if pod.source.state == "running" or pod.kaniko.state != "waiting":
        return None
    return pod.source.finished_at or pod.started_at or pod.changed_at or pod.created_at


def find_standstill(pod: PodObservation, events: tuple[PodEvent, ...]) -> Standstill | None:
    """What keeps a pod that stands still from starting; None where it makes progress, or nothing is known."""
    if pod.stranded:
        return Standstill(
            f"node {pod.node!r} was started anew, and its kubelet does not go on with pod {pod.name}", True
        )
    for event in events:
        if event.reason in _PROGRESS:
            return None
        if event.warning:
            return Standstill(f"{event.reason}: {event.message}", hopeless=event.reason == SANDBOX)
    if pod.started_at is None:
        return Standstill(f"the kubelet of node {pod.node!r} has not taken pod {pod.name}", hopeless=True)
    return None
