"""Hands out the slots of builds. How many are taken is counted from the pods that are known, so a restart counts right.

Only what is under way is remembered: who waits, and who was given a slot and has no pod yet. A build that is on its way
asks again at least every five minutes.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from buildandpush.core.build.questions import AskSlot
from buildandpush.core.build.slots import Waiter, choose, describe_limits, has_slot
from buildandpush.core.settings import SlotLimits
from buildandpush.handlers.store import Key, Store


@dataclass
class _Pass:
    """What one resource has asked for in the pass that is under way, and what it has."""

    asked: set[str] = field(default_factory=set)
    waiting: dict[str, Waiter] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    """Names of pods that it may create."""

    @property
    def is_empty(self) -> bool:
        return not (self.waiting or self.given)


class Slots:
    """Answers whether a build may have its pod now."""

    def __init__(
        self, store: Store, limits: SlotLimits, lost_after: timedelta, wake: Callable[[Key], None] = lambda key: None
    ) -> None:
        """`lost_after` is how long a pod that is deleted may still exist before its node counts as lost. `wake` is
        called for a build that may have a slot that has become free."""
        self._store = store
        self._limits = limits
        self._lost_after = lost_after
        self._wake = wake
        self._passes: dict[Key, _Pass] = {}
        self._turns: dict[str, int] = {}
        """When each namespace got its last slot; larger for later."""
        self._woken: set[Waiter] = set()
        """Those that were woken and have not asked since. Their pass may have failed, and then waits by itself."""

    def answer(
        self, key: Key, question: AskSlot, now: datetime, *, priority: int = 0, lowered: int | None = None
    ) -> str:
        """What a build waits for; empty if it may create its pod. `priority` is the value of its priority class;
        `lowered` is how many builds its namespace allows itself, None for as many as the installer does."""
        self._lower(key.namespace, lowered)
        current = self._passes.setdefault(key, _Pass())
        current.asked.add(question.pod)
        if question.pod in current.given:
            return ""
        waiter = Waiter(key.namespace, question.pod, question.since, priority)
        current.waiting[question.pod] = waiter
        self._woken.discard(waiter)
        used = self._count(now)
        may_go = has_slot(self._limits, used, key.namespace)  # most often it may not, and then nobody is compared
        if not may_go or waiter not in choose(self._waiters(), self._limits, used, self._turns):
            return describe_limits(self._limits, key.namespace)
        del current.waiting[question.pod]
        current.given.add(question.pod)
        self._turns[key.namespace] = max(self._turns.values(), default=0) + 1
        return ""

    def _lower(self, namespace: str, limit: int | None) -> None:
        if self._limits.lowered.get(namespace) != limit:
            others = {name: number for name, number in self._limits.lowered.items() if name != namespace}
            own = {} if limit is None else {namespace: limit}
            self._limits = replace(self._limits, lowered={**others, **own})

    def settle(self, key: Key, now: datetime) -> None:
        """A pass has come to its end, and all that it wanted to create is created or refused. What it did not ask for
        it does not need any more."""
        current = self._passes.get(key)
        if current is not None:
            current.given.clear()
            current.waiting = {pod: waiter for pod, waiter in current.waiting.items() if pod in current.asked}
            current.asked.clear()
            if current.is_empty:
                del self._passes[key]
        self._wake_next(now)

    def forget(self, key: Key, now: datetime) -> None:
        """A resource is gone."""
        self._passes.pop(key, None)
        self._wake_next(now)

    def _wake_next(self, now: datetime) -> None:
        """Have those looked at that may have a slot now."""
        owners = {waiter: key for key, current in self._passes.items() for waiter in current.waiting.values()}
        self._woken &= owners.keys()
        if not owners:
            self._turns.clear()  # nobody waits, so it is nobody's turn
            return
        for waiter in choose(owners, self._limits, self._count(now), self._turns):
            if waiter not in self._woken:
                self._woken.add(waiter)
                self._wake(owners[waiter])

    def _waiters(self) -> Iterable[Waiter]:
        return [waiter for current in self._passes.values() for waiter in current.waiting.values()]

    def _count(self, now: datetime) -> Counter[str]:
        """The slots that are taken, by namespace: by pods that live, and by those that are about to be created."""
        live = {
            (namespace, pod.name)
            for namespace, pod in self._store.live_pods()
            if pod.deleted_at is None or now < pod.deleted_at + self._lost_after
        }
        live |= {(key.namespace, pod) for key, current in self._passes.items() for pod in current.given}
        return Counter(namespace for namespace, _ in live)
