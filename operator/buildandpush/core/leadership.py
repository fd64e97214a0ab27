"""Decides which of several operators acts, from a Lease and from one's own clock, without I/O.

https://kubernetes.io/docs/concepts/architecture/leases/. The times in a Lease come from other machines' clocks, so this
module only asks if they change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

DURATION_SECONDS: Final = 15.0
"""How long a Lease that nobody renews keeps others out, where the installer says nothing else."""

RELEASED_SECONDS: Final = 1.0
"""The duration in a Lease that its holder gave back. Such a Lease is free at once."""


class Step(Enum):
    """What to do about the Lease."""

    CREATE = auto()
    """There is no Lease. Make one without a holder: somebody may act by a Lease that was deleted."""
    RESTORE = auto()
    """There is no Lease, but this operator still acts by it. Make it again with its holder."""
    TAKE = auto()
    RENEW = auto()
    WAIT = auto()


def deadline_seconds(duration: float) -> float:
    """How long after a renewal the holder may act. It is less than the duration, so it stops before another starts."""
    return duration * 2 / 3


@dataclass(frozen=True)
class Seen:
    """What changes in a Lease with each renewal, and since when, by one's own clock, it has stood like this."""

    holder: str
    renewed: str
    transitions: int
    since: float
    duration: float = DURATION_SECONDS
    """The seconds that the Lease itself asks others to wait."""
    uid: str = ""
    """A Lease that is deleted and made again has another."""

    def is_same(self, other: "Seen") -> bool:
        """Whether nobody has touched the Lease between the two."""
        mine = (self.uid, self.holder, self.renewed, self.transitions)
        return mine == (other.uid, other.holder, other.renewed, other.transitions)

    def is_released(self) -> bool:
        """Whether its holder gave it back. A Lease without a holder that was just made is not released."""
        return not self.holder and self.duration == RELEASED_SECONDS


def observe_lease(lease: Mapping[str, Any], before: Seen | None, now: float) -> Seen:
    """A Lease as it is now; `now` is of a monotonic clock, in seconds."""
    spec = lease.get("spec") or {}
    seen = Seen(
        str(spec.get("holderIdentity") or ""),
        str(spec.get("renewTime") or ""),
        int(spec.get("leaseTransitions") or 0),
        now,
        float(spec.get("leaseDurationSeconds") or 0),
        str((lease.get("metadata") or {}).get("uid") or ""),
    )
    return before if before is not None and before.is_same(seen) else seen


def decide_step(
    seen: Seen | None, identity: str, now: float, duration: float = DURATION_SECONDS, *, acting: bool = False
) -> Step:
    """What to do. An operator that does not act takes a Lease only after it saw it unchanged for its whole duration.

    The duration is the longer of one's own and the Lease's, since the holder goes by the one it wrote. `acting` says
    that this operator renewed not long ago, so nobody else acts and it may go on with a Lease that has no holder.
    """
    if seen is None:
        return Step.RESTORE if acting else Step.CREATE
    if seen.holder == identity:
        return Step.RENEW
    if seen.is_released() or (acting and not seen.holder):
        return Step.TAKE
    return Step.TAKE if now - seen.since >= max(duration, seen.duration) else Step.WAIT


def build_lease_spec(
    seen: Seen | None, identity: str, time: datetime, duration: float = DURATION_SECONDS
) -> dict[str, Any]:
    """The Lease's spec with this holder; an empty identity means that nobody holds it."""
    stamp = f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
    same = seen is not None and seen.holder == identity
    transitions = (seen.transitions if seen is not None else 0) + (0 if same or not identity or seen is None else 1)
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(duration),
        "renewTime": stamp,
        "leaseTransitions": transitions,
        **({} if same else {"acquireTime": stamp}),
    }
