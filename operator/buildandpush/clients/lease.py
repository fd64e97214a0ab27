"""Leadership by a Lease: at most one operator acts.

The client library's own election lets a leader go on past its deadline and cannot create its Lease in all cases, hence
this one. Renewals are counted from before their request was sent, by a clock that nobody sets.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from buildandpush.clients.errors import NotFoundError, UnavailableError
from buildandpush.core.leadership import (
    DURATION_SECONDS,
    Seen,
    Step,
    build_lease_spec,
    deadline_seconds,
    decide_step,
    observe_lease,
)

_log = structlog.get_logger(__name__)

RENEW_SECONDS: Final = 2.0
_CALL_SECONDS: Final = 5.0


class LeaseStore(Protocol):
    """The requests about one Lease; `version` guards against a change in between."""

    async def read_lease(self, namespace: str, name: str) -> dict[str, Any]: ...

    async def create_lease(self, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]: ...

    async def patch_lease(self, namespace: str, name: str, version: str, spec: dict[str, Any]) -> dict[str, Any]: ...


class Lease:
    """One operator's part in the election."""

    def __init__(
        self,
        store: LeaseStore,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        duration: float = DURATION_SECONDS,
    ) -> None:
        """`identity` has to be another in every process that may run at the same time: the pod's name is, and stays the
        same when kubelet starts the container again, which then need not wait for its own Lease to run out."""
        self._store = store
        self._place = (namespace, name)
        self._identity = identity
        self._clock = clock
        self._duration = duration
        self._seen: Seen | None = None
        self._renewed_at: float | None = None

    def may_act(self) -> bool:
        """Whether this operator is the one that acts, now."""
        return self._renewed_at is not None and self._clock() < self._renewed_at + deadline_seconds(self._duration)

    def check(self) -> None:
        """Raise UnavailableError unless this operator may act."""
        if not self.may_act():
            raise UnavailableError("another operator may be leading by now")

    async def step(self) -> None:
        """Look at the Lease and take or renew it where that is due. Whatever goes wrong is a renewal that failed."""
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await self._step()
        except Exception as error:  # any failure at all: the deadline decides what becomes of it
            _log.info("lease.attempt_failed", error=f"{type(error).__name__}: {error}")

    async def _step(self) -> None:
        began = self._clock()
        try:
            lease = await self._store.read_lease(*self._place)
        except NotFoundError:
            lease = None
        self._seen = observe_lease(lease, self._seen, began) if lease is not None else None
        step = decide_step(self._seen, self._identity, began, self._duration)
        if step is Step.WAIT:
            return
        spec = build_lease_spec(self._seen, self._identity, datetime.now(UTC), self._duration)
        if lease is None:
            lease = await self._store.create_lease(*self._place, spec)
        else:
            version = lease["metadata"]["resourceVersion"]
            lease = await self._store.patch_lease(*self._place, version, spec)
        self._seen = observe_lease(lease, self._seen, began)
        self._renewed_at = began

    async def wait_until_leading(self, stop: asyncio.Event) -> bool:
        """Try until this operator leads; False if it was told to stop before."""
        waiting = False
        while not stop.is_set():
            await self.step()
            if self.may_act():
                _log.info("lease.leading", identity=self._identity)
                return True
            if not waiting:
                waiting = True
                _log.info("lease.standing_by", holder=self._seen.holder if self._seen else None)
            await _wait(stop, RENEW_SECONDS)
        return False

    async def keep(self) -> None:
        """Renew until the lease is lost; returns then."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.step()
            if not self.may_act():
                _log.error("lease.lost", identity=self._identity)
                return

    async def release(self) -> None:
        """Let another take over at once, if this operator leads still."""
        if not self.may_act():
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                lease = await self._store.read_lease(*self._place)
                seen = observe_lease(lease, self._seen, self._clock())
                if seen.holder == self._identity:
                    spec = build_lease_spec(seen, "", datetime.now(UTC))
                    await self._store.patch_lease(*self._place, lease["metadata"]["resourceVersion"], spec)
        except Exception as error:  # it runs out by itself
            _log.info("lease.not_released", error=f"{type(error).__name__}: {error}")


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
