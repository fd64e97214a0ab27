"""Waiting for a condition with a deadline: the e2e tests wait nowhere else."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_INTERVAL_SECONDS: Final = 0.1


class WaitError(AssertionError):
    """What was waited for did not come."""


def eventually(
    check: Callable[[], T | None],
    what: str,
    *,
    within: float = 60,
    last_seen: Callable[[], str] = lambda: "",
) -> T:
    """Ask until the answer is true and give it back; raises WaitError after `within` seconds.

    `last_seen` is asked once, at the deadline, for what was there instead.
    """
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise WaitError(f"{what}: not within {within:.0f} s. {last_seen()}".strip())
        time.sleep(_INTERVAL_SECONDS)
