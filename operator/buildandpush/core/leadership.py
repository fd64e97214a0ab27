"""Which of several operators acts: decided from a Lease and a clock of one's own, without I/O.

https://kubernetes.io/docs/concepts/architecture/leases/. The times in a Lease are of other machines' clocks, so only
whether they change counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

DURATION_SECONDS: Final = 15.0
"""How long a Lease that nobody renews keeps others out, where the installer says nothing else."""


class Step(Enum):
    """What to do about the Lease."""

    CREATE = auto()
    TAKE = auto()
    RENEW = auto()
    WAIT = auto()


def deadline_seconds(duration: float) -> float:
    """How long after a renewal the holder may act: less than the duration, so that it stops before another starts."""
    return duration * 2 / 3


@dataclass(frozen=True)
class Seen:
    """What of a Lease changes with each renewal, and since when, by one's own clock, it has stood like this."""

    holder: str
    renewed: str
    transitions: int
    since: float

    def is_same(self, other: "Seen") -> bool:
        """Whether nobody has touched the Lease between the two."""
        mine = (self.holder, self.renewed, self.transitions)
        return mine == (other.holder, other.renewed, other.transitions)


def observe_lease(lease: Mapping[str, Any], before: Seen | None, now: float) -> Seen:
    """A Lease as it is now; `now` is of a monotonic clock, in seconds."""
    spec = lease.get("spec") or {}
    seen = Seen(
        str(spec.get("holderIdentity") or ""),
        str(spec.get("renewTime") or ""),
        int(spec.get("leaseTransitions") or 0),
        now,
    )
    return before if before is not None and before.is_same(seen) else seen


def decide_step(seen: Seen | None, identity: str, now: float, duration: float = DURATION_SECONDS) -> Step:
    """What to do: a Lease of another's is taken only after it was watched unchanged for its whole duration."""
    if seen is None:
        return Step.CREATE
    if seen.holder == identity:
        return Step.RENEW
    if not seen.holder or now - seen.since >= duration:
        return Step.TAKE
    return Step.WAIT


def build_lease_spec(
    seen: Seen | None, identity: str, time: datetime, duration: float = DURATION_SECONDS
) -> dict[str, Any]:
    """The Lease's spec with this holder; an empty identity releases it."""
    stamp = f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
    same = seen is not None and seen.holder == identity
    transitions = (seen.transitions if seen is not None else 0) + (0 if same or not identity or seen is None else 1)
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(duration) if identity else 1,
        "renewTime": stamp,
        "leaseTransitions": transitions,
        **({} if same else {"acquireTime": stamp}),
    }
