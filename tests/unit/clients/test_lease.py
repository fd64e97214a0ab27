"""Several operators and one Lease: in no order of steps, crashes, delays and lost answers may two of them act."""

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildandpush.clients.errors import ConflictError, NotFoundError, UnavailableError
from buildandpush.clients.lease import Lease
from buildandpush.core.leadership import DURATION_SECONDS, deadline_seconds

DEADLINE = deadline_seconds(DURATION_SECONDS)


@dataclass
class Leases:
    """The API server's one Lease. `fault` strikes the next request."""

    lease: dict[str, Any] | None = None
    version: int = 0
    fault: str = ""
    now: float = 0.0

    async def read_lease(self, namespace: str, name: str) -> dict[str, Any]:
        self._strike("read")
        if self.lease is None:
            raise NotFoundError(404, "NotFound", "no lease")
        return copy.deepcopy(self.lease)

    async def create_lease(self, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        if self.lease is not None:
            raise ConflictError(409, "AlreadyExists", "there is one")
        return self._write(spec)

    async def patch_lease(self, namespace: str, name: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
        if self.lease is None or self.lease["metadata"]["resourceVersion"] != version:
            raise ConflictError(409, "Conflict", "changed")
        return self._write({**self.lease["spec"], **spec})

    def _write(self, spec: dict[str, Any]) -> dict[str, Any]:
        self._strike("write")
        self.version += 1
        self.lease = {"metadata": {"resourceVersion": str(self.version)}, "spec": spec}
        self._strike("answer")
        return copy.deepcopy(self.lease)

    def _strike(self, where: str) -> None:
        if self.fault == f"slow-{where}":
            self.fault, self.now = "", self.now + 4.0
        elif self.fault == where:
            self.fault = ""
            raise UnavailableError(f"{where} was lost")


@dataclass
class World:
    """The operators; each keeps its clock's own zero."""

    leases: Leases = field(default_factory=Leases)
    operators: list[Lease] = field(default_factory=list)

    def start(self, name: str) -> Lease:
        offset = 1000.0 * len(self.operators)
        lease = Lease(self.leases, "system", "operator", name, lambda: self.leases.now + offset)
        self.operators.append(lease)
        return lease

    def acting(self) -> int:
        return sum(lease.may_act() for lease in self.operators)


def drive(lease: Lease) -> None:
    """One step, which never really waits."""
    asyncio.run(lease.step())


FAULTS = st.sampled_from(["", "", "", "read", "write", "answer", "slow-read", "slow-write", "slow-answer"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), FAULTS, st.sampled_from([0.0, 0.5, 2.0, 5.0, 9.9, 10.0, 15.0]), st.booleans()),
        max_size=25,
    )
)
def test_never_two_may_act(steps: list[tuple[int, str, float, bool]]) -> None:
    world = World()
    for name in ("a", "b", "c"):
        world.start(name)
    for index, fault, seconds, crash in steps:
        if crash and fault:
            world.operators[index] = World(world.leases).start(f"{index}-{world.leases.version}")
        world.leases.fault = fault
        drive(world.operators[index])
        assert world.acting() <= 1
        world.leases.now += seconds
        assert world.acting() <= 1


def test_the_first_leads_at_once_and_the_second_stands_by() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    drive(first)
    drive(second)
    assert (first.may_act(), second.may_act()) == (True, False)


def test_a_leader_that_cannot_renew_stops_and_another_follows() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    drive(first)
    drive(second)
    world.leases.now += DEADLINE
    assert not first.may_act()
    with pytest.raises(UnavailableError, match="another operator"):
        first.check()
    world.leases.now += DURATION_SECONDS - DEADLINE
    drive(second)
    assert second.may_act()
    second.check()
    drive(first)
    assert not first.may_act()


def test_a_renewal_counts_from_before_it_was_sent() -> None:
    world = World()
    first = world.start("a")
    drive(first)
    world.leases.fault = "slow-write"
    drive(first)
    world.leases.now += DEADLINE - 4.0
    assert not first.may_act()


def test_a_container_that_starts_again_goes_on_with_its_own_lease() -> None:
    world = World()
    drive(world.start("a"))
    again = world.start("a")
    drive(again)
    assert again.may_act()


def test_a_released_lease_is_taken_at_once() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    drive(first)
    drive(second)
    asyncio.run(first.release())
    assert not first.may_act()
    drive(second)
    assert second.may_act()
    asyncio.run(first.release())
    assert second.may_act(), "who does not lead releases nothing"
