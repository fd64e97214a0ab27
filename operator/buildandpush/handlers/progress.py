"""When a status that only says how far a build has come is written. The status is the most expensive write of a build.

A few builds are told of at once. In a burst most builds end before anybody reads of their progress, and each write of
it takes the API server's time from the builds that wait. So progress has a budget: what is beyond it waits, and is left
out where the build ends meanwhile.
"""

from collections.abc import Callable
from typing import Final

from buildandpush.handlers.objects import Key

PER_SECOND: Final = 5.0
"""Statuses of progress a second that the budget grows by."""
AT_ONCE: Final = 20
"""Statuses of progress that it holds."""
LATEST_SECONDS: Final = 30.0
"""After so long progress is written, whatever the budget says."""


class Progress:
    """Who may be told of how soon. A build that has to wait has a time of its own, so it asks again but once."""

    def __init__(self, clock: Callable[[], float], *, per_second: float = PER_SECOND, at_once: int = AT_ONCE) -> None:
        """`clock` counts seconds, and never goes back."""
        self._clock = clock
        self._interval = 1 / per_second
        self._slack = at_once * self._interval
        self._full_at = 0.0
        """When the budget has grown to all that it holds, if nothing more is taken."""
        self._due: dict[Key, float] = {}
        """When those that wait may be told of."""
        self._reserved: set[Key] = set()

    def find_wait(self, key: Key) -> float:
        """Seconds until the progress of this build may be written; 0 for now. It takes from the budget, so ask only if
        there is something to write, and write it once the answer is 0."""
        seconds = self._take(key) - self._clock()
        if seconds > 0:
            return seconds
        self.forget(key)
        return 0.0

    def reserve(self, key: Key) -> float:
        """The same for progress that comes in a moment, and that needs no look before: see `left`. What is taken from
        the budget is kept for it."""
        self._reserved.add(key)
        return max(0.0, self._take(key) - self._clock())

    def left(self, key: Key) -> float:
        """Seconds that progress has to wait that was reserved for; 0 for none. It takes nothing."""
        return max(0.0, self._due[key] - self._clock()) if key in self._reserved else 0.0

    def _take(self, key: Key) -> float:
        """When this build may be told of."""
        due = self._due.get(key)
        if due is None:
            # A build that waits for the latest time takes nothing, so that a single one after a burst need not wait.
            now = self._clock()
            latest = now + LATEST_SECONDS
            self._full_at = min(max(self._full_at, now) + self._interval, latest + self._slack)
            due = self._due[key] = min(self._full_at - self._slack, latest)
        return due

    def forget(self, key: Key) -> None:
        """There is nothing more to be told of this build, or its status says it."""
        self._due.pop(key, None)
        self._reserved.discard(key)

    def count_waiting(self) -> int:
        """How many builds have progress that is not told of yet."""
        return len(self._due)
