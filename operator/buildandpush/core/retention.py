"""Which ended pods are kept for their logs, and which runs stay in the history. Never touches a resource."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from buildandpush.api.meta import Phase
from buildandpush.api.spec import History
from buildandpush.api.status import MAX_HISTORY, HistoryEntry, RunStatus
from buildandpush.core.observation import PodObservation

KEPT_GOOD_PODS: Final = 1
KEPT_FAILED_PODS: Final = 3
POD_TTL_SECONDS: Final = 3600


def find_expired_pods(
    pods: Mapping[str, PodObservation], *, spec: Mapping[str, Any], busy: str | None, now: datetime
) -> tuple[tuple[PodObservation, ...], datetime | None]:
    """Ended pods that are no longer kept, and when the next one of the others will be due.

    `busy` is the pod of the run on its way, which is never touched. Values of the spec that cannot be used count as
    not given: retention must go on beside a spec that is invalid.
    """
    history = spec.get("history") or {}
    kept = {
        True: _count(history.get("succeededPods"), KEPT_GOOD_PODS),
        False: _count(history.get("failedPods"), KEPT_FAILED_PODS),
    }
    ttl = timedelta(seconds=_count(spec.get("ttlSecondsAfterFinished"), POD_TTL_SECONDS))
    ended = [pod for pod in pods.values() if pod.ended and not pod.deleting and pod.name != busy]
    ended.sort(key=lambda pod: (_end(pod, now), pod.name), reverse=True)
    expired: list[PodObservation] = []
    due: datetime | None = None
    for pod in ended:
        good = pod.kaniko.exit_code == 0
        kept[good] -= 1
        expiry = _end(pod, now) + ttl
        if kept[good] < 0 or expiry <= now:
            expired.append(pod)
        elif due is None or expiry < due:
            due = expiry
    return tuple(expired), due


def add_to_history(
    history: Iterable[HistoryEntry], run: RunStatus, finished_at: datetime, limits: History | None
) -> list[HistoryEntry]:
    """The history with one more ended run at its front, the oldest beyond the limits dropped."""
    build = run.builds[0]
    entry = HistoryEntry(
        number=run.number,
        phase=build.phase,
        reason=build.reason,
        trigger=run.trigger,
        digest=build.digest,
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
    return pod.finished_at or pod.started_at or pod.created_at or now
