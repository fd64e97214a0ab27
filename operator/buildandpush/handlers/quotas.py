"""Pods that a ResourceQuota has no room for wait together: one build tries for all of its namespace.

Each of a thousand builds would otherwise offer its pod again and again, though the quota refuses them all alike.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.core.backoff import is_due
from buildandpush.core.build.world import Refusal
from buildandpush.core.facts import Owner

RETRY: Final = timedelta(seconds=10)
"""How long after a refusal a build of the namespace tries again."""
_PAST: Final = datetime.min.replace(tzinfo=UTC)
_SUBSTANCE: Final = "exceeded quota"
"""Where the words begin that are about the quota. Before them stands the name of one build's pod."""


@dataclass
class _Line:
    """The builds of a namespace that wait for room."""

    next_try: datetime
    refusal: Refusal
    """For builds that have not tried themselves."""
    waiting: dict[str, tuple[Owner, Refusal]] = field(default_factory=dict)
    """By uid, in the order of their turns; each with the words that its status has."""


class Quotas:
    """Knows which namespaces have no room, and whose turn it is to try."""

    def __init__(self, wake: Callable[[Owner], None]) -> None:
        """`wake` has a build looked at."""
        self._wake = wake
        self._lines: dict[str, _Line] = {}

    def find_refusal(self, owner: Owner, now: datetime) -> Refusal | None:
        """The refusal that holds for this build as well; None if its pod is to be offered to the API server."""
        line = self._lines.get(owner.namespace)
        if line is None:
            return None
        if is_due(line.next_try, now, RETRY.total_seconds()):
            line.next_try = now + RETRY  # it tries for all
            return None
        return line.waiting.setdefault(owner.uid, (owner, line.refusal))[1]

    def note(self, owner: Owner, refusal: Refusal | None, now: datetime) -> None:
        """The API server has made the pod of this build, or has refused it."""
        if refusal is not None and refusal.reason == Reason.QUOTA_EXCEEDED:
            line = self._lines.setdefault(owner.namespace, _Line(now, refusal))
            line.next_try, line.refusal = now + RETRY, _without_name(refusal)
            line.waiting.pop(owner.uid, None)
            line.waiting[owner.uid] = (owner, refusal)  # behind the others, whose pods may be smaller
            return
        known = self._lines.get(owner.namespace)
        if known is not None:
            known.waiting.pop(owner.uid, None)
            if refusal is None:
                self.note_room(owner.namespace)

    def forget(self, namespace: str, name: str) -> None:
        """A resource is gone. The room that comes free is for others."""
        line = self._lines.get(namespace)
        if line is None:
            return
        for uid in [uid for uid, (owner, _) in line.waiting.items() if owner.name == name]:
            del line.waiting[uid]
        if not line.waiting:
            del self._lines[namespace]

    def note_room(self, namespace: str) -> None:
        """There may be room: a pod has just fitted in, has ended or is gone. The next build tries at once."""
        line = self._lines.get(namespace)
        if line is None:
            return
        if not line.waiting:
            del self._lines[namespace]
            return
        line.next_try = _PAST
        owner, _ = line.waiting.pop(next(iter(line.waiting)))
        self._wake(owner)


def _without_name(refusal: Refusal) -> Refusal:
    _, found, rest = refusal.message.partition(_SUBSTANCE)
    return replace(refusal, message=found + rest) if found else refusal
