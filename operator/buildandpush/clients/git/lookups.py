"""Answers that take long. They are looked up aside, a bounded number at a time, and whoever asked hears of them.

A server that answers nobody has its few places and takes none of the others', and neither does a namespace whose hosts
all hang. An answer serves all who ask the same. A failure is remembered, longer each time, so that a server in trouble
is asked less and less.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

import structlog

from buildandpush.api.reasons import Reason
from buildandpush.clients.git.turns import Turns
from buildandpush.clients.recent import Recent
from buildandpush.clients.traffic.places import Limits, Manner, Places
from buildandpush.core.backoff import FIRST_BACKOFF_SECONDS, backoff_seconds, is_due, longest_backoff_seconds
from buildandpush.core.facts import Trouble
from buildandpush.core.foreign import admit
from buildandpush.core.text import clip
from buildandpush.source.report import SourceError

W = TypeVar("W", bound=Hashable)
V = TypeVar("V")

_log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
UNPROVEN: Final = 6
"""How many of these go to hosts that gave no answer yet, or none the last time. So whoever names many hosts that hang
leaves places to those that answer."""
PER_HOST: Final = 4
PER_NAMESPACE: Final = 4
UNPROVEN_PER_NAMESPACE: Final = 3
"""Users name hosts. So whoever names many that hang, or that answer once and hang then, leaves the other half."""
MAX_KNOWN: Final = 16384
_MAX_WORDS: Final = 512
"""Bytes of why there is no answer. A status shows no more, and as many answers are kept as are known."""
MOST_WISHES: Final = 16
"""So many questions of one waiter wait for their turn. A build has some three, and leaves others behind by changes."""
_LASTING: Final = frozenset(
    {
        Reason.SOURCE_DENIED,
        Reason.SOURCE_INVALID,
        Reason.SOURCE_MOVED,
        Reason.REVISION_NOT_FOUND,
        Reason.COMMIT_ID_SHORT,
        Reason.CERTIFICATE_NOT_TRUSTED,
    }
)
"""Failures that somebody has to mend. Any other may be over a moment later."""
_End = tuple[Manner | None, asyncio.Future[Any] | None]
"""How the host has answered, if it was asked, and what still goes on for it."""


@dataclass(frozen=True)
class Subject:
    """Whom a question is for. A server counts requests by its host and the login."""

    host: str
    login: str
    """What tells a login from others, and no part of it; empty for none."""


class UnendedError(SourceError):
    """There is no answer in time, and what waits for it cannot be ended."""

    def __init__(self, reason: Reason, message: str, rest: asyncio.Future[Any]) -> None:
        """`rest` is what goes on. It keeps its place until then."""
        super().__init__(reason, message)
        self.rest = rest


@dataclass
class _Entry(Generic[W, V]):
    subject: Subject
    work: Callable[[], Awaitable[V]] | None = None
    """None once it has begun."""
    answer: V | Trouble | None = None
    asked_at: datetime | None = None
    """When the question was put to the server that this answers."""
    failures: int = 0
    is_busy: bool = False
    """Whether it waits for its turn or is being looked up."""
    namespaces: set[str] = field(default_factory=set)
    """In whose turns it waits."""
    waiters: set[W] = field(default_factory=set)


class Lookups(Generic[W, V]):
    """The answers of this process, by a key for each question. A waiter is who wants to hear of an answer."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        wake: Callable[[W], None],
        *,
        namespace_of: Callable[[W], str],
        first_backoff_seconds: int = FIRST_BACKOFF_SECONDS,
    ) -> None:
        """`wake` is called with each waiter of an answer."""
        self._clock = clock
        self._wake = wake
        self._namespace_of = namespace_of
        self._first = first_backoff_seconds
        self._entries: Recent[Hashable, _Entry[W, V]] = Recent(MAX_KNOWN, is_idle=lambda entry: not entry.is_busy)
        self._pauses: Recent[Subject, Trouble] = Recent(MAX_KNOWN)
        self._turns = Turns()
        self._manners: Recent[str, Manner] = Recent()
        self._places = Places(Limits(AT_ONCE, PER_HOST, doubtful=UNPROVEN, slow_per_host=PER_HOST), self._manners)
        self._wishes: dict[W, dict[Hashable, None]] = {}
        """The questions that each waiter waits for and that have not begun; the oldest first."""
        self._shares: dict[str, Places] = {}
        """What each namespace has of the places, as long as it has any."""
        self._tasks: set[asyncio.Task[_End]] = set()

    def knows(self, key: Hashable) -> bool:
        """Whether this was asked before."""
        return self._entries.get(key) is not None

    def find(self, key: Hashable, since: datetime) -> V | Trouble | None:
        """An answer that is good enough: from this time or later, or a failure that is remembered."""
        entry = self._entries.get(key)
        if entry is None or entry.answer is None or entry.asked_at is None:
            return None
        answer = entry.answer
        if isinstance(answer, Trouble):
            return answer if self._holds(answer) else None
        # One from the future is as old as any: the clock has gone back since.
        return answer if since <= entry.asked_at <= self._clock() else None

    def _holds(self, trouble: Trouble) -> bool:
        """Whether the server is left alone still."""
        longest = longest_backoff_seconds(self._first)
        return trouble.retry_at is not None and not is_due(trouble.retry_at, self._clock(), longest)

    def ask(self, key: Hashable, subject: Subject, waiter: W, work: Callable[[], Awaitable[V]]) -> Trouble | None:
        """Look something up, and wake the waiter afterwards. Returns Trouble if the server wants no requests now.

        `work` raises SourceError.
        """
        pause = self._pauses.get(subject)
        if pause is not None and self._holds(pause):
            return pause
        entry = self._entries.get(key) or self._entries.put(key, _Entry(subject))
        entry.waiters.add(waiter)
        if not entry.is_busy:
            entry.is_busy, entry.work = True, work
        if entry.work is not None:
            namespace = self._namespace_of(waiter)
            entry.namespaces.add(namespace)
            self._turns.add(namespace, subject.host, key)
            self._wish(waiter, key)
            if self._has_place(namespace, subject.host):  # of the others nothing has changed
                self._begin()
        return None

    def forget(self, waiter: W) -> None:
        """A waiter is gone. What waits for its turn and is for nobody else goes, too."""
        for key in list(self._wishes.get(waiter, ())):
            self._give_up(waiter, key)

    def _wish(self, waiter: W, key: Hashable) -> None:
        wishes = self._wishes.setdefault(waiter, {})
        wishes.pop(key, None)
        wishes[key] = None
        if len(wishes) > MOST_WISHES:
            self._give_up(waiter, next(iter(wishes)))

    def _unwish(self, waiter: W, key: Hashable) -> None:
        wishes = self._wishes[waiter]
        del wishes[key]
        if not wishes:
            del self._wishes[waiter]

    def _give_up(self, waiter: W, key: Hashable) -> None:
        self._unwish(waiter, key)
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.waiters.discard(waiter)
        if not entry.waiters:
            self._take_out(entry, key)
            entry.is_busy = False
            if entry.answer is None:
                self._entries.pop(key)

    def _take_out(self, entry: _Entry[W, V], key: Hashable) -> None:
        """A question waits for no turn any more."""
        for namespace in entry.namespaces:
            self._turns.drop(namespace, entry.subject.host, key)
        entry.work, entry.namespaces = None, set()

    def _begin(self) -> None:
        """Begin as many lookups as may be under way."""
        while not self._places.is_full() and (taken := self._turns.take(self._has_place)):
            namespace, key = taken
            entry = self._entries.get(key)
            if entry is None or entry.work is None:
                continue
            host, work = entry.subject.host, entry.work
            for waiter in entry.waiters:
                self._unwish(waiter, key)
            self._take_out(entry, key)
            self._places.begin(host)
            self._share_of(namespace).begin(host)
            task = asyncio.create_task(self._look_up(entry, work), name=f"lookup {host}")
            self._tasks.add(task)
            task.add_done_callback(partial(self._note_end, entry, namespace))

    def _note_end(self, entry: _Entry[W, V], namespace: str, task: asyncio.Task[_End]) -> None:
        """Those who wait may ask again, and others have their turns. Anybody may cancel a lookup, even before it has
        begun: kopf does, at its end, to all tasks made while it ran."""
        self._tasks.discard(task)
        entry.is_busy = False
        manner, rest = (None, None) if task.cancelled() else task.result()
        if rest is None:
            self._end(namespace, entry.subject.host, manner)
        else:
            rest.add_done_callback(lambda _: self._end_late(namespace, entry.subject.host, manner))
        waiters, entry.waiters = entry.waiters, set()
        for waiter in waiters:
            self._wake(waiter)
        self._begin()

    def _has_place(self, namespace: str, host: str) -> bool:
        return self._places.has_place(host) and (
            namespace not in self._shares or self._shares[namespace].has_place(host)
        )

    def _share_of(self, namespace: str) -> Places:
        limits = Limits(PER_NAMESPACE, PER_HOST, doubtful=UNPROVEN_PER_NAMESPACE, slow_per_host=PER_HOST)
        return self._shares.setdefault(namespace, Places(limits, self._manners))

    def _end(self, namespace: str, host: str, manner: Manner | None) -> None:
        """A lookup takes no place any more."""
        self._places.end(host, manner)
        share = self._share_of(namespace)
        share.end(host, None)
        if share.is_idle():
            del self._shares[namespace]

    async def _look_up(self, entry: _Entry[W, V], work: Callable[[], Awaitable[V]]) -> _End:
        entry.asked_at = self._clock()
        manner: Manner | None = None
        rest: asyncio.Future[Any] | None = None
        try:
            entry.answer = await work()
            entry.failures, manner = 0, Manner.QUICK
        except SourceError as error:
            entry.answer = self._note_failure(entry, error.reason, str(error))
            manner = Manner.SILENT if error.reason is Reason.SOURCE_UNREACHABLE else Manner.QUICK
            rest = error.rest if isinstance(error, UnendedError) else None
        except Exception as error:
            _log.warning("lookup.failed", host=entry.subject.host, exc_info=True)
            entry.answer = self._note_failure(entry, Reason.SOURCE_UNREACHABLE, type(error).__name__)
            manner = Manner.SILENT
        return manner, rest

    def _end_late(self, namespace: str, host: str, manner: Manner | None) -> None:
        """What went on after its time has ended."""
        self._end(namespace, host, manner)
        self._begin()

    def _note_failure(self, entry: _Entry[W, V], reason: Reason, message: str) -> Trouble:
        entry.failures += 1
        throttled = reason is Reason.SOURCE_THROTTLED
        seconds = longest_backoff_seconds(self._first) if throttled else backoff_seconds(entry.failures, self._first)
        at = self._clock() + timedelta(seconds=seconds)
        trouble = Trouble(reason, clip(admit(message), _MAX_WORDS), reason not in _LASTING, entry.failures, at)
        if throttled:
            self._pauses.put(entry.subject, trouble)
        return trouble

    async def close(self) -> None:
        """End what is under way, and begin nothing more."""
        self._turns = Turns()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
