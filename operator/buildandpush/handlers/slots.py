"""Hands out the slots of builds. How many are taken is counted from the pods that are known, so a restart counts right.

Only what is under way is remembered: who waits, and who was given a slot and has no pod yet. A build that is on its way
asks again at least every five minutes.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.core.build.questions import AskSlot
from buildandpush.core.build.slots import Waiter, choose, describe_limits, find_able, has_slot
from buildandpush.core.settings import SlotLimits
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key

PATIENCE: Final = timedelta(seconds=30)
"""How long a slot is kept for a build that was woken. Its passes may fail, or wait for their turn for an hour."""
UNANSWERED: Final = timedelta(minutes=3)
"""How long a slot is kept for a pod whose creation gets no answer, as where an admission webhook hangs. The API server
ends a request within a minute, and what exists then stands in the next list, which comes every two minutes."""
MOST_TURNS: Final = 1024
"""Namespaces whose last slot is remembered. Others have their turn before them, like one that never had any."""
_LAST: Final = -(2**31)
"""Below the priority of any class."""


class Slots:
    """Answers whether a build may have its pod now."""

    def __init__(
        self, store: Store, limits: SlotLimits, lost_after: timedelta, wake: Callable[[Key], None] = lambda key: None
    ) -> None:
        """`lost_after` is how long a pod that is deleted may still exist before its node counts as lost. `wake` is
        called for a build that may have a slot that has become free."""
        self._store = store
        self._lowered = dict(limits.lowered)
        """Of namespaces where somebody waits: others come and go, and nobody asks for theirs."""
        self._limits = replace(limits, lowered=self._lowered)
        self._lost_after = lost_after
        self._wake = wake
        self._waiting: dict[str, dict[Waiter, Key]] = {}
        """By namespace."""
        self._own: dict[Key, dict[str, Waiter]] = {}
        """The same by resource and name of the pod."""
        self._asked: dict[Key, set[str]] = {}
        """For which pods a resource has asked in the pass that is under way."""
        self._given: dict[Key, set[str]] = {}
        """Pods that a resource may create, until its pass has come to its end."""
        self._offered: dict[Key, dict[str, datetime]] = {}
        """Those of them that the API server was asked to create, so that they may exist, and since when."""
        self._behind: dict[Key, dict[str, datetime]] = {}
        """Pods whose creation got no answer for too long, and since when. They come behind those that wait by then, for
        a while even behind those of a lower priority."""
        self._turns: dict[str, int] = {}
        """When each namespace got its last slot; larger for later. The longest ago comes first."""
        self._woken: dict[Waiter, datetime] = {}
        """Those that were woken and have not asked since, and when. Their pass may have failed, and then waits by
        itself."""

    def answer(
        self, key: Key, question: AskSlot, now: datetime, *, priority: int = 0, lowered: int | None = None
    ) -> str:
        """What a build waits for; empty if it may create its pod. `priority` is the value of its priority class;
        `lowered` is how many builds its namespace allows itself, None for as many as the installer does."""
        self._asked.setdefault(key, set()).add(question.pod)
        self._take_back(key, now)
        if question.pod in self._given.get(key, ()):
            return ""
        self._leave(key, question.pod)
        since = self._behind.get(key, {}).get(question.pod)
        if since is not None and now < since + UNANSWERED:
            priority = _LAST
        waiter = Waiter(key.namespace, question.pod, since or question.since, priority)
        self._waiting.setdefault(key.namespace, {})[waiter] = key
        self._own.setdefault(key, {})[question.pod] = waiter
        self._lower(key.namespace, lowered)
        used = self._count(now)
        may_go = has_slot(self._limits, used, key.namespace)  # most often it may not, and then nobody is compared
        if not may_go or waiter not in self._choose(used, now):
            return describe_limits(self._limits, key.namespace)
        self._leave(key, question.pod)
        self._given.setdefault(key, set()).add(question.pod)
        self._note_turn(key.namespace)
        return ""

    def _note_turn(self, namespace: str) -> None:
        turn = next(reversed(self._turns.values()), 0) + 1
        self._turns.pop(namespace, None)
        self._turns[namespace] = turn
        if len(self._turns) > MOST_TURNS:
            del self._turns[next(iter(self._turns))]

    def _leave(self, key: Key, pod: str) -> None:
        """A build does not wait any more."""
        own = self._own.get(key, {})
        waiter = own.pop(pod, None)
        if waiter is None:
            return
        self._woken.pop(waiter, None)
        if not own:
            del self._own[key]
        waiting = self._waiting[key.namespace]
        del waiting[waiter]
        if not waiting:
            del self._waiting[key.namespace]
            self._lower(key.namespace, None)

    def _lower(self, namespace: str, limit: int | None) -> None:
        if limit is None:
            self._lowered.pop(namespace, None)
        else:
            self._lowered[namespace] = limit

    def note_offered(self, key: Key, pod: str, now: datetime) -> None:
        """The API server is about to be asked to create a pod."""
        self._offered.setdefault(key, {}).setdefault(pod, now)

    def _take_back(self, key: Key, now: datetime) -> None:
        """Take back the slots of pods whose creation has got no answer for too long. If one exists all the same, it is
        known by now, and counts by itself."""
        offered = self._offered.get(key, {})
        for pod in [pod for pod, since in offered.items() if now >= since + UNANSWERED]:
            del offered[pod]
            self._given.get(key, set()).discard(pod)
            self._behind.setdefault(key, {})[pod] = now

    def fail(self, key: Key, now: datetime) -> None:
        """A pass has failed, and comes again. Slots for pods that it has not offered to the API server are free. One
        that it has offered may exist, though the answer was lost."""
        self._take_back(key, now)
        given = self._given.pop(key, set()) & self._offered.get(key, {}).keys()
        if given:
            self._given[key] = given
        self._wake_next(now)

    def settle(self, key: Key, now: datetime) -> None:
        """A pass has come to its end, and all that it wanted to create is created or refused. What it did not ask for
        it does not need any more."""
        given = self._given.pop(key, set())
        self._offered.pop(key, None)
        asked = self._asked.pop(key, set())
        behind = {pod: since for pod, since in self._behind.pop(key, {}).items() if pod in asked - given}
        if behind:
            self._behind[key] = behind
        for pod in [pod for pod in self._own.get(key, ()) if pod not in asked]:
            self._leave(key, pod)
        self._wake_next(now)

    def forget(self, key: Key, now: datetime) -> None:
        """A resource is gone."""
        self._asked.pop(key, None)
        self.settle(key, now)

    def _wake_next(self, now: datetime) -> None:
        """Have those looked at that may have a slot now."""
        if not self._waiting:
            self._turns.clear()  # nobody waits, so it is nobody's turn
            return
        used = self._count(now)
        for waiter in self._choose(used, now):
            if waiter not in self._woken:
                self._woken[waiter] = now
                self._wake(self._waiting[waiter.namespace][waiter])

    def _choose(self, used: Counter[str], now: datetime) -> list[Waiter]:
        """Those that may have a slot now, without those that were woken and did not come. After most passes there is no
        slot, and thousands may wait."""
        able = find_able(self._waiting, self._limits, used)
        absent = {one for one, since in self._woken.items() if now >= since + PATIENCE} if able else set()
        waiting = [one for namespace in able for one in self._waiting[namespace]]
        present = [one for one in waiting if one not in absent] if absent else waiting
        return choose(present, self._limits, used, self._turns)

    def _count(self, now: datetime) -> Counter[str]:
        """The slots that are taken, by namespace: by pods that live, and by those that are about to be created."""
        live = {
            (namespace, pod.name)
            for namespace, pod in self._store.live_pods()
            if pod.deleted_at is None or now < pod.deleted_at + self._lost_after
        }
        live |= {(key.namespace, pod) for key, given in self._given.items() for pod in given}
        return Counter(namespace for namespace, _ in live)
