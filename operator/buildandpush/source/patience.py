"""Tries a fetch again that failed on the network. A retry here costs seconds, a new pod costs much more."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Final, TypeVar

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

TRIES: Final = 3
_PAUSE_SECONDS: Final = {Reason.SOURCE_UNREACHABLE: 3.0, Reason.SOURCE_THROTTLED: 15.0}
"""Reasons that another try may help, and how long the first pause is; each further one is longer by as much."""
_LIMIT_SECONDS: Final = 120.0
"""After that long another pod, maybe on another node, is worth more than another try."""

_LONGEST_PAUSE_SECONDS: Final = 60.0
"""A server that wants more is left alone by the next attempt, which comes later."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Clock:
    """How time passes; tests have their own."""

    now: Callable[[], float] = field(default=monotonic)
    """Seconds since any moment."""
    pause: Callable[[float], None] = field(default=sleep)


def try_again(fetch: Callable[[], _T], root: Path, clock: Clock) -> _T:
    """Fetch up to three times, each time into an empty root; raises SourceError."""
    begun = clock.now()
    for number in range(1, TRIES):
        try:
            return fetch()
        except SourceError as error:
            seconds = _PAUSE_SECONDS.get(error.reason)
            if seconds is None:
                raise
            seconds = max(seconds * number, error.retry_after_seconds)
            if clock.now() - begun > _LIMIT_SECONDS or seconds > _LONGEST_PAUSE_SECONDS:
                raise
            print(f"Try {number} of {TRIES}: {error.reason}: {error}; again in {seconds:.0f} s", file=sys.stderr)
        clock.pause(seconds)
        shutil.rmtree(root)
        root.mkdir()
    return fetch()
