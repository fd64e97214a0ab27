"""Servers that give no answer. They are left alone for a while, so that nobody waits for them, and everybody is told.

After three requests in a row without an answer, an endpoint is asked no more for ten seconds, then twice as long each
time, up to five minutes. Each time one request tries it. An answer of any kind ends this, be it a certificate that is
not trusted.
"""

import asyncio
import math
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import aiohttp
import structlog

from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.recent import Recent
from buildandpush.clients.traffic.places import NAMESPACE, Limits, Manner, Places

_log = structlog.get_logger(__name__)

OPENS_AFTER: Final = 3
"""Requests in a row without an answer."""
FIRST_OPEN_SECONDS: Final = 10.0
LONGEST_OPEN_SECONDS: Final = 300.0
SLOW_SECONDS: Final = 2.0
"""An answer that takes longer is a slow one."""
GIVEN_UP_SECONDS: Final = 10.0
"""Whoever gives a request up after this time has waited for an answer in vain."""
PATIENCE_SECONDS: Final = 3.0
"""How long a request waits for a place. Then it is refused, and its worker does something else."""
BUSY_SECONDS: Final = 5
"""After how long a request that had no place should come again."""

OUTSIDE_LIMITS: Final = Limits(at_once=256, per_host=32, doubtful=64, slow_per_host=16)
"""Of the requests to registries, Entra ID and the resource manager."""
KUBELET_LIMITS: Final = Limits(at_once=32, per_host=8, doubtful=16, slow_per_host=4)
"""Of the requests for logs: each answer takes up to 1 MiB, and a kubelet that hangs takes up to 40 s."""


_ANSWERS: Final = (aiohttp.ClientResponseError, KubernetesError)
_SILENCES: Final = (aiohttp.ClientConnectionError, TimeoutError, OSError, UnavailableError)


_Asker = tuple[str, str]
"""A namespace, empty for the operator itself, and an endpoint."""


class RefusedError(aiohttp.ClientConnectionError):
    """The operator does not make a request now, since the server did not answer others."""

    def __init__(self, message: str, *, retry_after_seconds: int, passing: bool) -> None:
        """`passing` says whether the server may answer a moment later, rather than cannot be reached."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.passing = passing


@dataclass
class _Silence:
    """An endpoint that gives no answer."""

    since: datetime
    failures: int = 0
    failed_at: float = -math.inf
    """When the last of them was noted, by the clock."""
    passing: bool = False
    open_seconds: float = 0.0
    """For how long it is left alone; 0 while it is still asked."""
    tried_at: float = 0.0
    """When it may be asked again, by the clock."""
    told_at: datetime | None = None
    """The same, for people."""


class Asked:
    """A request that is under way."""

    def __init__(self, end: Callable[[BaseException | None], None]) -> None:
        self._end: Callable[[BaseException | None], None] | None = end

    def end(self, error: BaseException | None = None) -> None:
        """It has ended, by an error or with an answer. A CancelledError: nobody waits for it any more. Only the first
        end counts."""
        end, self._end = self._end, None
        if end is not None:
            end(error)


class Circuits:
    """The endpoints that this process asks, by name."""

    def __init__(
        self,
        limits: Limits,
        *,
        opens_after: int = OPENS_AFTER,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` counts seconds; `now` is for messages."""
        self._opens_after = opens_after
        self._clock = clock
        self._now = now
        self._manners: Recent[str, Manner] = Recent()
        self._places = Places(limits, self._manners)
        # A pass of one namespace may ask hosts of its own, and many at once. The others' new hosts have places as well.
        self._share = replace(limits, doubtful=limits.doubtful // 2)
        self._shares: dict[str, Places] = {}
        """What each namespace has of the places, as long as it has any."""
        self._silences: Recent[str, _Silence] = Recent()
        self._waiting: dict[_Asker, deque[asyncio.Future[None]]] = {}
        """Those who wait for a place; whose turn is next comes first."""

    @asynccontextmanager
    async def ask(self, endpoint: str) -> AsyncIterator[None]:
        """Ask an endpoint in this block; raises RefusedError where it is not to be asked now.

        An exception of a connection in the block counts as no answer.
        """
        asked = await self.begin(endpoint)
        try:
            yield
        except BaseException as error:
            asked.end(error)
            raise
        asked.end()

    async def begin(self, endpoint: str) -> "Asked":
        """Begin a request, which has a place until its end; raises RefusedError where it is not to be made now."""
        asker = (NAMESPACE.get(), endpoint)
        await self._take_place(asker)
        return Asked(partial(self._end, asker, self._clock()))

    def _end(self, asker: _Asker, began: float, error: BaseException | None) -> None:
        endpoint = asker[1]
        manner = self._judge(endpoint, began, error)
        if manner in (Manner.QUICK, Manner.SLOW):
            self._silences.pop(endpoint)
        self._leave(asker, manner)

    def _judge(self, endpoint: str, began: float, error: BaseException | None) -> Manner | None:
        """What a request that began then says of its endpoint."""
        if error is None or isinstance(error, _ANSWERS) or find_distrust(error):
            return self._measure(began)  # perhaps an answer that nobody can read, or a refusal
        if isinstance(error, asyncio.CancelledError):
            waited = self._clock() - began >= GIVEN_UP_SECONDS
            return self._note_silence(endpoint, began, passing=True) if waited else None
        if isinstance(error, _SILENCES) and _is_of_the_host(error):
            return self._note_silence(endpoint, began, passing=_is_reached(error))
        return None

    def _measure(self, began: float) -> Manner:
        return Manner.SLOW if self._clock() - began > SLOW_SECONDS else Manner.QUICK

    # ---- silence

    def _note_silence(self, endpoint: str, began: float, *, passing: bool) -> Manner | None:
        """A request that began then got no answer. Of several that ran side by side one counts. Returns how to treat
        the endpoint: one whose connections break at once holds nobody up."""
        silence = self._silences.get(endpoint) or self._silences.put(endpoint, _Silence(self._now()))
        hung = Manner.SILENT if self._measure(began) is Manner.SLOW else None
        if began < silence.failed_at:
            return hung
        silence.failed_at = self._clock()
        silence.failures += 1
        silence.passing = passing
        if silence.failures >= self._opens_after:
            self._open(endpoint, silence)
        return hung

    def _open(self, endpoint: str, silence: _Silence) -> None:
        silence.open_seconds = min(silence.open_seconds * 2 or FIRST_OPEN_SECONDS, LONGEST_OPEN_SECONDS)
        silence.tried_at = self._clock() + silence.open_seconds
        silence.told_at = self._now() + timedelta(seconds=silence.open_seconds)
        if silence.failures == self._opens_after:
            _log.warning("endpoint.silent", endpoint=endpoint, failures=silence.failures)

    def _refuse(self, endpoint: str, silence: _Silence) -> RefusedError:
        left = max(silence.tried_at - self._clock(), 0.0)
        again = f"it is tried again at {_say(silence.told_at)}" if left and silence.told_at else "it is being tried"
        message = f"{endpoint} has given no answer since {_say(silence.since)}; {again}"
        return RefusedError(message, retry_after_seconds=max(int(left) + 1, BUSY_SECONDS), passing=silence.passing)

    # ---- places

    def _has_place(self, asker: _Asker) -> bool:
        namespace, endpoint = asker
        own = self._shares.get(namespace)
        return self._places.has_place(endpoint) and (own is None or own.has_place(endpoint))

    def _enter(self, asker: _Asker) -> None:
        namespace, endpoint = asker
        self._places.begin(endpoint)
        if namespace:
            self._shares.setdefault(namespace, Places(self._share, self._manners)).begin(endpoint)

    def _leave(self, asker: _Asker, manner: Manner | None) -> None:
        namespace, endpoint = asker
        self._places.end(endpoint, manner)
        if namespace:
            own = self._shares[namespace]
            own.end(endpoint, None)
            if own.is_idle():
                del self._shares[namespace]
        self._let_in()

    async def _take_place(self, asker: _Asker) -> None:
        endpoint = asker[1]
        silence = self._silences.get(endpoint)
        has_place = self._has_place(asker)
        # One request tries it again, and the others do not wait for that.
        is_tried = silence is not None and silence.open_seconds > 0 and self._places.is_asked(endpoint)
        if silence is not None and (self._clock() < silence.tried_at or is_tried or not has_place):
            raise self._refuse(endpoint, silence)
        if not has_place:
            await self._wait_for_place(asker)
        else:
            self._enter(asker)

    async def _wait_for_place(self, asker: _Asker) -> None:
        """Wait until `_let_in` has taken a place for this request. A slow endpoint is not waited for."""
        endpoint = asker[1]
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            if self._places.manner(endpoint) is Manner.SLOW:
                raise TimeoutError
            self._waiting.setdefault(asker, deque()).append(turn)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came at the last moment
                self._leave(asker, None)
            turn.cancel()
            if not isinstance(error, TimeoutError):
                raise
            message = f"{endpoint} is busy: the operator has as many requests to it under way as it may have"
            raise RefusedError(message, retry_after_seconds=BUSY_SECONDS, passing=True) from None

    def _let_in(self) -> None:
        """Give free places to those that wait: one after the other to each namespace and host, and there in the order
        in which they came. Thousands may wait for one host."""
        served = True
        while served:
            served = False
            for asker in list(self._waiting):
                served = self._serve(asker) or served

    def _serve(self, asker: _Asker) -> bool:
        """Give a place to the first who waits, if there is one for him; his next has the last turn of all."""
        turns = self._waiting[asker]
        while turns and turns[0].done():
            turns.popleft()
        may_go = bool(turns) and self._silences.get(asker[1]) is None and self._has_place(asker)
        if may_go:
            self._enter(asker)
            turns.popleft().set_result(None)
            self._waiting[asker] = self._waiting.pop(asker)
        if not turns:
            del self._waiting[asker]
        return may_go


def find_distrust(error: object) -> str:
    """Why the certificate that the host has sent is not trusted; empty for another error. So the host is there, and
    another request may trust it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return find_distrust(error.certificate_error) or str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(getattr(error, "verify_message", "")) or str(error)
    return ""


def _is_of_the_host(error: BaseException) -> bool:
    """Whether an error says that the host does not answer. What TLS finds wrong may be a matter of who asks, and a
    connection that the operator refuses itself says nothing. Neither does an API server that asks for a pause."""
    if isinstance(error, RefusedError | aiohttp.ClientSSLError | ssl.SSLError):
        return False
    if isinstance(error, UnavailableError) and error.retry_after_seconds:
        return False
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return not isinstance(cause, PermissionError | ssl.SSLError)


def _is_reached(error: BaseException) -> bool:
    """Whether the host was reached, and gave no answer."""
    return not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _say(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
