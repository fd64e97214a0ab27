"""Waiting for a condition with a deadline: the e2e tests wait nowhere else."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_FIRST_INTERVAL_SECONDS: Final = 0.1
_LAST_INTERVAL_SECONDS: Final = 0.3
"""Between two looks, a tenth of the time waited so far, within these bounds: each look costs the API server some ms,
and many tests wait at the same time."""
_BUSY: Final = 2.0
"""The tests run side by side on few processors, where each takes longer than it does alone."""


class WaitError(AssertionError):
    """What was waited for did not come."""


def eventually(
    check: Callable[[], T | None],
    what: str,
    *,
    within: float = 60,
    last_seen: Callable[[], str] = lambda: "",
) -> T:
    """Ask until the answer is true and give it back; raises WaitError after `within` seconds of a machine that does
    nothing else, which are twice as many here.

    `last_seen` is asked once, at the deadline, for what was there instead.
    """
    begun = time.monotonic()
    deadline = begun + within * _BUSY
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise WaitError(f"{what}: not within {within * _BUSY:.0f} s. {last_seen()}".strip())
        waited = time.monotonic() - begun
        time.sleep(min(max(_FIRST_INTERVAL_SECONDS, waited / 10), _LAST_INTERVAL_SECONDS))
