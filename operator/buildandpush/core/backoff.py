"""How long is waited before something is tried again. All waits follow from the first one, which the installer sets."""

from datetime import datetime, timedelta
from typing import Final

FIRST_BACKOFF_SECONDS: Final = 10
"""The first wait, where the installer says nothing."""
_FACTOR: Final = 3
_DOUBLINGS: Final = 10
"""More would make a number that no wait needs."""
_LONGEST: Final = 30
"""The longest wait before another attempt, in first ones: 5 min of 10 s. Five attempts outlive ten minutes' outage."""
_REFUSAL: Final = 60
"""How long until a pod that the API server refused is offered again, in first waits: 10 min."""
_LATE: Final = 6
"""For how long an image is looked for that was pushed a moment ago, in first waits: 1 min."""
_OUTAGES: Final = (180, 360, 720)
"""How long until a run is started anew that an outage has ended, in first waits: 30 min, 1 h and 2 h."""


def is_due(due: datetime, now: datetime, longest_seconds: float) -> bool:
    """Whether a time has come that was set at most so many seconds ahead. One that is further away was set before the
    clock went back, as it does once a node that has just started learns the right time. It would hold up for hours."""
    return not now < due <= now + timedelta(seconds=longest_seconds)


def backoff_seconds(attempt: int, first: int = FIRST_BACKOFF_SECONDS) -> int:
    """Seconds between the end of an attempt, counted from 1, and the start of the next: 10, 30, 90, 270, then 300."""
    return int(min(_FACTOR ** min(attempt - 1, _LONGEST), _LONGEST)) * first


def longest_backoff_seconds(first: int = FIRST_BACKOFF_SECONDS) -> int:
    """Seconds until the next attempt where somebody asked for fewer requests."""
    return _LONGEST * first


def refusal_seconds(first: int = FIRST_BACKOFF_SECONDS) -> int:
    """Seconds until a pod that the API server refused is offered to it again."""
    return _REFUSAL * first


def late_seconds(first: int = FIRST_BACKOFF_SECONDS) -> int:
    """For how many seconds a registry is asked that does not have an image yet. Replicas of a geo-replicated ACR learn
    of a push in the background, a large image's later.
    https://learn.microsoft.com/azure/container-registry/container-registry-geo-replication"""
    return _LATE * first


def outage_seconds(outages: int, first: int = FIRST_BACKOFF_SECONDS) -> int | None:
    """Seconds from the end of a run that failed through nobody's fault to the next run, where so many were started for
    that already; None: no further one."""
    return _OUTAGES[outages] * first if outages < len(_OUTAGES) else None


def longest_outage_seconds(first: int = FIRST_BACKOFF_SECONDS) -> int:
    """The longest of these times."""
    return max(_OUTAGES) * first


def doubled_seconds(failures: int, first: float, longest: float) -> float:
    """Seconds until the next try: the first wait, and twice as long with each of so many further failures."""
    return min(first * 2.0 ** min(failures, _DOUBLINGS), longest)


def slow_down(waited: timedelta, least: timedelta, most: timedelta) -> timedelta:
    """When to look again at what has not changed for so long: a tenth of that, within bounds. What waits for days costs
    no more than what waits for an hour."""
    return max(least, min(waited / 10, most))
