"""Who may have how many requests under way. A host that answers slowly or never takes nobody else's places.

Users name hosts, and any of them may hang. What a host did the last time decides how many places it gets: one that
failed gets one, and all that nobody knows to be quick share a part of the places. So the others always have some left.
"""

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from buildandpush.clients.recent import Recent

SILENT: Final = 1
"""How many requests at once are put to a host that gave no answer the last time."""


NAMESPACE: Final[ContextVar[str]] = ContextVar("namespace", default="")
"""For which namespace this task makes its requests; empty for the operator itself."""


class Manner(Enum):
    """What a host did the last time that it was asked."""

    NEW = auto()
    """Nothing is known."""
    QUICK = auto()
    SLOW = auto()
    """It took long over an answer."""
    SILENT = auto()
    """It gave none."""


@dataclass(frozen=True)
class Limits:
    """Numbers of requests that are under way."""

    at_once: int
    per_host: int
    doubtful: int
    """To all hosts together that did not answer quickly the last time."""
    slow_per_host: int
    """To a host that took long the last time."""


class Places:
    """Counts what is under way, by host."""

    def __init__(self, limits: Limits, manners: Recent[str, Manner] | None = None) -> None:
        """`manners` are what is known of the hosts, where several have a share of the places."""
        self._limits = limits
        self._running: Counter[str] = Counter()
        self._manners: Recent[str, Manner] = Recent() if manners is None else manners

    def manner(self, host: str) -> Manner:
        """What the host did the last time."""
        return self._manners.get(host) or Manner.NEW

    def is_full(self) -> bool:
        """Whether there is no place for any host."""
        return self._running.total() >= self._limits.at_once

    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

    def is_asked(self, host: str) -> bool:
        """Whether a request to the host is under way."""
        return self._running[host] > 0

    def has_place(self, host: str) -> bool:
        """Whether one more request to the host may begin."""
        manner = self.manner(host)
        most = {Manner.SILENT: SILENT, Manner.SLOW: self._limits.slow_per_host}.get(manner, self._limits.per_host)
        if self.is_full() or self._running[host] >= most:
            return False
        return manner is Manner.QUICK or self._count_doubtful() < self._limits.doubtful

    def _count_doubtful(self) -> int:
        return sum(number for host, number in self._running.items() if self.manner(host) is not Manner.QUICK)

    def begin(self, host: str) -> None:
        """A request begins."""
        self._running[host] += 1

    def end(self, host: str, manner: Manner | None) -> None:
        """A request has ended. None: it says nothing about the host."""
        self._running[host] -= 1
        self._running += Counter()  # without the hosts that have none
        if manner is not None:
            self._manners.put(host, manner)
