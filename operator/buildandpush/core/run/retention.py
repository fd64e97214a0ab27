"""Which ended pods are kept for their logs, and which runs stay in the history. Never touches a resource."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from buildandpush.api.meta import Phase
from buildandpush.api.spec import History
from buildandpush.api.status import MAX_HISTORY, HistoryEntry, RunStatus
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.outcome import outcome_of

KEPT_GOOD_PODS: Final = 1
KEPT_FAILED_PODS: Final = 3
POD_TTL_SECONDS: Final = 3600
LINGER_PATIENCE: Final = timedelta(seconds=30)
"""How long the containers beside kaniko's may take to end after it."""


def find_expired_pods(
    pods: Mapping[str, PodObservation], *, spec: Mapping[str, Any], busy: Collection[str], now: datetime
) -> tuple[tuple[PodObservation, ...], datetime | None]:
    """Ended pods to remove now, and the time when the next one is due.

    `busy` are the pods of builds on their way, which are never removed. Of each build of
    a run as many pods are kept as of the only one. Invalid values of the spec count as unset,
    because retention goes on beside an invalid spec.
    """
    history = spec.get("history") or {}
    most = {
        True: _count(history.get("succeededPods"), KEPT_GOOD_PODS),
        False: _count(history.get("failedPods"), KEPT_FAILED_PODS),
    }
    kept: Counter[tuple[int, bool]] = Counter()
    ttl = timedelta(seconds=_count(spec.get("ttlSecondsAfterFinished"), POD_TTL_SECONDS))
    builds = [pod for pod in pods.values() if not pod.reads_back]
    ended = [pod for pod in builds if pod.ended and not pod.deleting and pod.name not in busy]
    ended.sort(key=lambda pod: (_end(pod, now), pod.name), reverse=True)
    expired: list[PodObservation] = []
    due: datetime | None = None
    for pod in ended:
        good = pod.kaniko.exit_code == 0
        kept[pod.build, good] += 1
        expiry = _end(pod, now) + ttl
        if kept[pod.build, good] > most[good] or expiry <= now:
            expired.append(pod)
        elif due is None or expiry < due:
            due = expiry
    return tuple(expired), due


def find_orphans(
    pods: Mapping[str, PodObservation], run: RunStatus, *, busy: Collection[str]
) -> tuple[PodObservation, ...]:
    """Pods that may still push although their attempt is over, for example because their deletion failed.

    A pod of a later attempt is not among them: the status is then out of date.
    """
    return tuple(
        pod
        for _, pod in sorted(pods.items())
        if not (pod.ended or pod.deleting or pod.reads_back or pod.name in busy)
        and (pod.run, pod.attempt) > (0, 0)
        and not _is_later(pod, run)
    )


def _is_later(pod: PodObservation, run: RunStatus) -> bool:
    """Whether the pod is of a later attempt than the status knows."""
    if pod.run != run.number:
        return pod.run > run.number
    known = next((build for build in run.builds if build.key == str(pod.build)), None)
    return known is None or pod.attempt > known.attempt


def find_spent_readers(pods: Mapping[str, PodObservation], run: RunStatus | None) -> tuple[PodObservation, ...]:
    """Pods that read a push back and whose word nobody waits for any more. Their logs tell nothing that is missed."""
    builds = run.builds if run is not None and run.finished_at is None else []
    awaited = {build.read_back.pod_name for build in builds if build.read_back is not None}
    readers = (pod for _, pod in sorted(pods.items()) if pod.reads_back and not pod.deleting)
    return tuple(pod for pod in readers if pod.name not in awaited)


def find_lingering(
    pods: Mapping[str, PodObservation], run: RunStatus, *, busy: Collection[str], now: datetime
) -> tuple[tuple[PodObservation, ...], datetime | None]:
    """Pods that run although their build has ended, and the time when the next one is due.

    An injected container keeps such a pod, its node's room and its quota: one that does not end, or one that cannot
    start. A native sidecar ends by itself within the patience. A pod of a later attempt than the status knows is left
    alone: the status is then out of date.
    """
    lingering: list[PodObservation] = []
    due: datetime | None = None
    for _, pod in sorted(pods.items()):
        ended = pod.kaniko.finished_at
        if pod.phase in ("Succeeded", "Failed") or ended is None or pod.deleting or pod.name in busy:
            continue
        if pod.active_deadline_seconds == 1 or _is_later(pod, run):
            continue  # the kubelet has been asked to end it already, or nobody knows yet how it ended
        limit = ended + LINGER_PATIENCE
        if limit <= now:
            lingering.append(pod)
        elif due is None or limit < due:
            due = limit
    return tuple(lingering), due


def add_to_history(
    history: Iterable[HistoryEntry], run: RunStatus, finished_at: datetime, limits: History | None
) -> list[HistoryEntry]:
    """The history with one more ended run at its front. Runs beyond the limits are dropped, the oldest first."""
    end = outcome_of(run)
    entry = HistoryEntry(
        number=run.number,
        phase=end.phase,
        reason=end.reason,
        trigger=run.trigger,
        digest=run.builds[0].digest if len(run.builds) == 1 else None,
        commit=run.source.commit if run.source else None,
        started_at=run.started_at,
        finished_at=finished_at,
    )
    left = {
        True: _count(limits.succeeded if limits else None, MAX_HISTORY),
        False: _count(limits.failed if limits else None, MAX_HISTORY),
    }
    kept: list[HistoryEntry] = []
    for item in [entry, *(old for old in history if old.number != run.number)]:
        good = item.phase == Phase.SUCCEEDED
        left[good] -= 1
        if left[good] >= 0:
            kept.append(item)
    return kept


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _end(pod: PodObservation, now: datetime) -> datetime:
    """When a pod ended. An evicted pod may have no end of kaniko, only an end of its source long before."""
    source_ended = pod.source.finished_at if pod.source.exit_code not in (0, None) else None
    return pod.kaniko.finished_at or source_ended or pod.changed_at or pod.created_at or now
