"""Whose turn it is: the due keys of a work queue by namespace, one key of each namespace after the other.

The keys of one namespace keep their order. A namespace whose keys are slow fills its own share of the workers, and
never a place of another namespace. Each step costs the logarithm of the keys of one namespace, however many wait.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

Due = tuple[float, int, K]
"""When a key is due, a number that no other has, and the key."""

SHARE: Final = 4
"""A namespace gets one worker in so many, and at least one."""


class Turns(Generic[K]):
    """Due keys, and those that are worked on. A key is worked on once at a time."""

    def __init__(self, places: int, namespace_of: Callable[[K], Hashable], is_void: Callable[[Due[K]], bool]) -> None:
        """At most `places` keys are worked on at once. An entry that `is_void` by the time of its turn is left out."""
        self._places = places
        self._share = max(1, places // SHARE)
        self._namespace_of = namespace_of
        self._is_void = is_void
        self._due: dict[Hashable, list[Due[K]]] = {}
        """By namespace, as heaps."""
        self._order: dict[Hashable, None] = {}
        """The namespaces that have due keys and a free place; the one whose turn is next comes first."""
        self._held: dict[K, Due[K]] = {}
        """Due again while they are worked on."""
        self._used: Counter[Hashable] = Counter()
        self.running: set[K] = set()
        """The keys that are worked on."""

    def add(self, item: Due[K]) -> None:
        """Take in a key that is due."""
        namespace = self._namespace_of(item[2])
        heapq.heappush(self._due.setdefault(namespace, []), item)
        self._queue_up(namespace)

    def _queue_up(self, namespace: Hashable) -> None:
        """Put a namespace at the end of the order, if it may have a turn."""
        if namespace in self._due and self._used[namespace] < self._share and namespace not in self._order:
            self._order[namespace] = None

    @property
    def is_full(self) -> bool:
        """Whether there is no place for any further key."""
        return len(self.running) >= self._places

    def take(self) -> K | None:
        """The key whose turn it is. It is worked on from now until `end`. None if there is none, or no place."""
        while self._order and not self.is_full:
            namespace = next(iter(self._order))
            del self._order[namespace]
            key = self._take_of(namespace)
            if key is not None:
                self.running.add(key)
                self._used[namespace] += 1
            self._queue_up(namespace)
            if key is not None:
                return key
        return None

    def _take_of(self, namespace: Hashable) -> K | None:
        """The first due key of a namespace that nobody works on."""
        due = self._due[namespace]
        found: K | None = None
        while due and found is None:
            item = heapq.heappop(due)
            if self._is_void(item):
                continue
            if item[2] in self.running:
                self._held[item[2]] = item
                continue
            found = item[2]
        if not due:
            del self._due[namespace]
        return found

    def end(self, key: K) -> None:
        """A key is not worked on any more."""
        self.running.discard(key)
        namespace = self._namespace_of(key)
        self._used[namespace] -= 1
        if not self._used[namespace]:
            del self._used[namespace]
        held = self._held.pop(key, None)
        if held is not None:
            self.add(held)
        self._queue_up(namespace)
