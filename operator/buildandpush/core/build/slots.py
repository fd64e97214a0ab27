"""Which waiting builds may have a pod, where the installer limits how many there are at once.

A build has a slot while it has a pod that has not ended. A slot that is free goes to the namespace with the fewest; of
several to the one whose turn is the longest ago. Within a namespace the higher priority comes first, then the run that
was accepted first.
"""

from collections import Counter
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
    own = limits.of(namespace)
    if own is not None and used.get(namespace, 0) >= own:
        return False
    if not limits.operator:
        return True
    # A namespace can have more pods than it may have builds, if a user makes pods that look like ours.
    counts = (min(number, limits.namespace or number) for number in used.values())
    return sum(counts) < limits.operator


def choose(
    waiters: Iterable[Waiter], limits: SlotLimits, used: Mapping[str, int], turns: Mapping[str, int]
) -> list[Waiter]:
    """The waiting builds that may have a slot now, in the order of their turns. `used` counts the slots that each
    namespace has; `turns` says when it got the last one, larger for later."""
    queues: dict[str, list[Waiter]] = {}
    for waiter in sorted(waiters, key=lambda waiter: waiter.order, reverse=True):
        queues.setdefault(waiter.namespace, []).append(waiter)
    counts, latest = Counter(used), dict(turns)
    chosen: list[Waiter] = []
    while able := [name for name in queues if has_slot(limits, counts, name)]:
        name = min(able, key=lambda name: (counts[name], latest.get(name, 0), queues[name][-1].order))
        chosen.append(queues[name].pop())
        counts[name] += 1
        latest[name] = max(latest.values(), default=0) + 1
        if not queues[name]:
            del queues[name]
    return chosen


def _count(builds: int) -> str:
    return f"{builds or 'no'} build{'' if builds == 1 else 's'}"
