"""Which waiting builds may have a pod, where the installer limits how many there are at once.

A build has a slot while it has a pod that has not ended. A slot that is free goes to the namespace with the fewest; of
several to the one whose turn is the longest ago. Within a namespace the higher priority comes first, then the run that
was accepted first.
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from buildandpush.core.settings import SlotLimits


@dataclass(frozen=True)
class Waiter:
    """A build that has all but its pod."""

    namespace: str
    pod: str
    """The name that its pod will have."""
    since: datetime
    """When its run was accepted."""
    priority: int = 0
    """Value of its priority class."""

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Its place among those of its namespace."""
        return -self.priority, self.since, self.pod


def describe_limits(limits: SlotLimits, namespace: str) -> str:
    """For what a build of this namespace waits. It stays the same while the build waits, so that nothing is written
    meanwhile."""
    own = limits.of(namespace)
    parts = [f"namespace {namespace} may have {_count(own)} at once"] if own is not None else []
    parts += [f"all namespaces together may have {_count(limits.operator)} at once"] if limits.operator else []
    return ", and ".join(parts)


def has_slot(limits: SlotLimits, used: Mapping[str, int], namespace: str) -> bool:
    """Whether one more build of this namespace may have a pod."""
    return bool(find_able((namespace,), limits, used))


def find_able(namespaces: Iterable[str], limits: SlotLimits, used: Mapping[str, int]) -> list[str]:
    """The namespaces of which one more build may have a pod."""
    if not _count_free(limits, used):
        return []
    return [name for name in namespaces if used.get(name, 0) < _most(limits, name)]


def _count_free(limits: SlotLimits, used: Mapping[str, int]) -> float:
    """How many more builds all namespaces together may have."""
    if not limits.operator:
        return math.inf
    # A namespace can have more pods than it may have builds, if a user makes pods that look like ours.
    counts = (min(number, limits.namespace or number) for number in used.values())
    return max(limits.operator - sum(counts), 0)


def _most(limits: SlotLimits, namespace: str) -> float:
    own = limits.of(namespace)
    return math.inf if own is None else own


def choose(
    waiters: Iterable[Waiter], limits: SlotLimits, used: Mapping[str, int], turns: Mapping[str, int]
) -> list[Waiter]:
    """The waiting builds that may have a slot now, in the order of their turns. `used` counts the slots that each
    namespace has; `turns` says when it got the last one, larger for later.

    It takes time in proportion to the waiters: thousands may wait, and it is asked for each slot that comes free.
    """
    free = _count_free(limits, used)
    by_namespace: dict[str, list[Waiter]] = {}
    for waiter in waiters:
        by_namespace.setdefault(waiter.namespace, []).append(waiter)
    # Those of a namespace that may have a slot, the first at the end.
    queues = {
        name: _find_first(mine, min(free, _most(limits, name) - used.get(name, 0)))[::-1]
        for name, mine in by_namespace.items()
    }
    heap = [(used.get(name, 0), turns.get(name, 0), queue[-1].order, name) for name, queue in queues.items() if queue]
    heapq.heapify(heap)
    turn = max(turns.values(), default=0)
    chosen: list[Waiter] = []
    while heap and len(chosen) < free:
        count, _, _, name = heapq.heappop(heap)
        chosen.append(queues[name].pop())
        turn += 1
        if queues[name]:
            heapq.heappush(heap, (count + 1, turn, queues[name][-1].order, name))
    return chosen


def _find_first(waiters: list[Waiter], most: float) -> list[Waiter]:
    """At most so many, in their order."""
    if most >= len(waiters):
        return sorted(waiters, key=lambda waiter: waiter.order)
    return heapq.nsmallest(int(max(most, 0)), waiters, key=lambda waiter: waiter.order)


def _count(builds: int) -> str:
    return f"{builds or 'no'} build{'' if builds == 1 else 's'}"
