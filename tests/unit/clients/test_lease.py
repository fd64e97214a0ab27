"""Several operators and one Lease. Two of them never act, in any order of steps, crashes, delays, lost answers,
deletions of the Lease and changes of its duration."""

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
        uid = self.lease["metadata"]["uid"] if self.lease else f"uid-{self.version}"
        self.lease = {"metadata": {"resourceVersion": str(self.version), "uid": uid}, "spec": spec}
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

    def start(self, name: str, duration: float = DURATION_SECONDS) -> Lease:
        offset = 1000.0 * len(self.operators)
        lease = Lease(self.leases, "system", "operator", name, lambda: self.leases.now + offset, duration=duration)
        self.operators.append(lease)
        return lease

    def acting(self) -> int:
        return sum(lease.may_act() for lease in self.operators)


def drive(lease: Lease) -> None:
    """One step, which never really waits."""
    asyncio.run(lease.step())


def lead(lease: Lease, leases: Leases) -> None:
    """Let the only operator there is come to lead."""
    drive(lease)
    leases.now += DURATION_SECONDS
    drive(lease)


@dataclass(frozen=True)
class Turn:
    """What happens next: the Lease is deleted, an operator crashes, one looks at the Lease, and time passes."""

    operator: int
    fault: str
    seconds: float
    crashes: bool
    deleted: bool
    duration: float
    """Of the operator that follows one that crashed."""


def turns(*, deletions: bool, durations: tuple[float, ...]) -> st.SearchStrategy[list[Turn]]:
    """Turns of three operators, of which the first leads at the beginning."""
    faults = st.sampled_from([*[""] * 8, "read", "write", "answer", "slow-read", "slow-write", "slow-answer"])
    seconds = st.sampled_from([0.0, 0.5, 2.0, 3.4, 5.0, 9.9, 10.0, 15.0])
    crashes = st.sampled_from([False] * 5 + [True])
    deleted = st.sampled_from([False] * 5 + [True]) if deletions else st.just(False)
    turn = st.builds(Turn, st.integers(0, 2), faults, seconds, crashes, deleted, st.sampled_from(durations))
    return st.lists(turn, min_size=12, max_size=30)


async def assert_never_two_act(steps: list[Turn]) -> None:
    """Take these turns. An operator that crashed is followed by one that has seen nothing yet."""
    world = World()
    for name, turn in zip(("a", "b", "c"), steps, strict=False):
        world.start(name, turn.duration)
    await world.operators[0].step()
    world.leases.now += steps[0].duration
    await world.operators[0].step()
    for turn in steps:
        if turn.deleted:
            world.leases.lease = None
        if turn.crashes:
            successor = World(world.leases).start(f"{turn.operator}-{world.leases.version}", turn.duration)
            world.operators[turn.operator] = successor
        world.leases.fault = turn.fault
        await world.operators[turn.operator].step()
        assert world.acting() <= 1
        world.leases.now += turn.seconds
        assert world.acting() <= 1


@settings(max_examples=100, deadline=None)
@given(turns(deletions=True, durations=(DURATION_SECONDS,)))
def test_never_two_may_act_though_the_lease_is_deleted(steps: list[Turn]) -> None:
    asyncio.run(assert_never_two_act(steps))


@settings(max_examples=100, deadline=None)
@given(turns(deletions=False, durations=(5.0, DURATION_SECONDS, 40.0)))
def test_never_two_may_act_though_an_upgrade_changes_the_duration(steps: list[Turn]) -> None:
    asyncio.run(assert_never_two_act(steps))


def test_a_lease_that_was_deleted_is_restored_by_who_acts() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    lead(first, world.leases)
    drive(second)
    world.leases.lease = None
    drive(second)
    drive(first)
    assert (first.may_act(), second.may_act()) == (True, False)
    world.leases.now += DEADLINE - 1.0
    drive(first)
    world.leases.now += DURATION_SECONDS - DEADLINE + 1.0
    drive(second)
    assert (first.may_act(), second.may_act()) == (True, False)


def test_a_deleted_lease_keeps_others_out_for_as_long_as_it_did_before() -> None:
    world = World()
    first, second = world.start("a", 40.0), world.start("b", 5.0)
    drive(first)
    world.leases.now += 40.0
    drive(first)
    drive(second)
    world.leases.lease = None
    for _ in range(13):
        drive(second)
        world.leases.now += 3.0
        assert world.acting() <= 1
    world.leases.now += 1.0
    drive(second)
    assert second.may_act()


def test_another_name_in_the_lease_ends_acting_at_once() -> None:
    world = World()
    first = world.start("a")
    lead(first, world.leases)
    assert first.may_act()
    assert world.leases.lease is not None
    world.leases.lease["spec"]["holderIdentity"] = "b"
    drive(first)
    assert not first.may_act()


def test_without_a_lease_the_first_waits_since_one_may_have_been_deleted() -> None:
    world = World()
    first = world.start("a")
    drive(first)
    world.leases.now += DURATION_SECONDS - 0.1
    drive(first)
    assert not first.may_act()
    world.leases.now += 0.1
    drive(first)
    assert first.may_act()


def test_the_first_leads_and_the_second_stands_by() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    lead(first, world.leases)
    drive(second)
    assert (first.may_act(), second.may_act()) == (True, False)


def test_a_leader_that_cannot_renew_stops_and_another_follows() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    lead(first, world.leases)
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
    lead(first, world.leases)
    world.leases.fault = "slow-write"
    drive(first)
    world.leases.now += DEADLINE - 4.0
    assert not first.may_act()


def test_a_lease_counts_as_unchanged_from_after_the_answer() -> None:
    """The holder may have renewed it while the request was on its way."""
    world = World()
    first, second = world.start("a", 5.0), world.start("b", 5.0)
    lead(first, world.leases)
    world.leases.fault = "slow-read"
    drive(second)
    world.leases.now += 1.5
    drive(second)
    assert not second.may_act()
    world.leases.now += 3.5
    drive(second)
    assert second.may_act()


def test_a_container_that_starts_again_goes_on_with_its_own_lease() -> None:
    world = World()
    lead(world.start("a"), world.leases)
    again = world.start("a")
    drive(again)
    assert again.may_act()


def test_a_released_lease_is_taken_at_once() -> None:
    world = World()
    first, second = world.start("a"), world.start("b")
    lead(first, world.leases)
    drive(second)
    asyncio.run(first.release())
    assert not first.may_act()
    drive(second)
    assert second.may_act()
    asyncio.run(first.release())
    assert second.may_act(), "who does not lead releases nothing"
