"""Servers that ask for fewer requests. Nobody repeats a request to one before its pause is over."""

import math
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from typing import Generic, TypeVar

from buildandpush.clients.recent import Recent
from buildandpush.clients.traffic.circuits import RefusedError
from buildandpush.core.azure.errors import is_busy
from buildandpush.core.retryafter import parse_retry_after

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def read_pause(status: int, headers: Mapping[str, str]) -> int:
    """The seconds that a server that is busy wants to be left alone; 0 if it says nothing of it."""
    return parse_retry_after(headers, datetime.now(UTC)) if is_busy(status) else 0


def read_pause_of(error: object) -> int:
    """The same, of the answer in an error of Azure's clients, or of a request that the operator refused itself."""
    refused = error if isinstance(error, RefusedError) else getattr(error, "inner_exception", None)
    if isinstance(refused, RefusedError):
        return refused.retry_after_seconds
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None)
    return read_pause(response.status_code, headers) if response is not None and headers is not None else 0


class Pauses(Generic[K, V]):
    """By whom a server asked for a pause, and what to tell instead of another request.

    A key names the server and the identity that asks. A server counts requests by identity, and nobody waits for what
    others have asked too often.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._ends: Recent[K, tuple[float, V]] = Recent()

    def note(self, key: K, seconds: int, told: V) -> None:
        """A server wants to be left alone for so long; 0: it does not."""
        if seconds > 0:
            self._ends.put(key, (self._clock() + seconds, told))

    def find(self, key: K) -> tuple[V, int] | None:
        """What to tell while the pause lasts, and how many seconds it still does; None if it may be asked."""
        found = self._ends.get(key)
        if found is None:
            return None
        left = found[0] - self._clock()
        if left > 0:
            return found[1], math.ceil(left)
        self._ends.pop(key)
        return None
