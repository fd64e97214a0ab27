"""Servers that do not answer, in time that passes by itself."""

import asyncio
import itertools
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.clients.errors import UnavailableError
from buildandpush.clients.recent import MAX_ENTRIES
from buildandpush.clients.traffic.circuits import (
    BUSY_SECONDS,
    FIRST_OPEN_SECONDS,
    LONGEST_OPEN_SECONDS,
    OPENS_AFTER,
    PATIENCE_SECONDS,
    Circuits,
    RefusedError,
)
from buildandpush.clients.traffic.places import NAMESPACE, Limits, Places
from tests.unit.handlers.fake_time import run_in_fake_time

LIMITS = Limits(at_once=20, per_host=8, doubtful=12, slow_per_host=4)
START = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
DEAD = "dead.example"
GOOD = "good.example"


def make(limits: Limits = LIMITS) -> Circuits:
    loop = asyncio.get_running_loop()
    return Circuits(limits, clock=loop.time, now=lambda: START + timedelta(seconds=loop.time()))


class World:
    """Servers that take a time over their answers, or give none."""

    def __init__(self, circuits: Circuits) -> None:
        self.circuits = circuits
        self.reached: list[tuple[float, str]] = []
        self.busy: dict[str, int] = {}
        self.most = 0

    async def ask(self, host: str, *, seconds: float = 0.1, error: Exception | None = None) -> str:
        """How a request ended: "answered", the error's class, or "refused"."""
        try:
            async with self.circuits.ask(host):
                self.reached.append((asyncio.get_running_loop().time(), host))
                self.busy[host] = self.busy.get(host, 0) + 1
                self.most = max(self.most, sum(self.busy.values()))
                try:
                    await asyncio.sleep(seconds)
                finally:
                    self.busy[host] -= 1
                if error is not None:
                    raise error
        except RefusedError:
            return "refused"
        except Exception as ended:
            return type(ended).__name__
        return "answered"

    async def kill(self, host: str, times: int = OPENS_AFTER, *, seconds: float = 20.0) -> None:
        for _ in range(times):
            assert await self.ask(host, seconds=seconds, error=TimeoutError()) == "TimeoutError"

    async def catch(self, host: str) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            async with self.circuits.ask(host):
                pass
        return caught.value


def run(test: Any) -> None:
    async def main() -> None:
        await test(World(make()))

    run_in_fake_time(main())


def test_a_server_that_never_answers_is_left_alone_and_everybody_is_told() -> None:
    async def test(world: World) -> None:
        await world.kill(DEAD)
        refused = await world.catch(DEAD)
        assert str(refused) == (
            "dead.example has given no answer since 2026-07-01T12:00:20Z; it is tried again at 2026-07-01T12:01:10Z"
        )
        assert refused.retry_after_seconds == FIRST_OPEN_SECONDS + 1
        assert refused.passing

    run(test)


def test_the_message_stays_the_same_until_the_server_is_tried_again() -> None:
    """It stands in a status, and every change is a write."""

    async def test(world: World) -> None:
        await world.kill(DEAD)
        told = set()
        for _ in range(9):
            told.add(str(await world.catch(DEAD)))
            await asyncio.sleep(1)
        assert len(told) == 1

    run(test)


def test_one_request_tries_it_again_each_time_later() -> None:
    async def test(world: World) -> None:
        await world.kill(DEAD)
        world.reached.clear()
        while asyncio.get_running_loop().time() < 4000:
            await asyncio.gather(*(world.ask(DEAD, seconds=1, error=TimeoutError()) for _ in range(5)))
            await asyncio.sleep(1)
        times = [time for time, _ in world.reached]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert gaps[0] == pytest.approx(2 * FIRST_OPEN_SECONDS, abs=3)
        assert gaps[-1] == pytest.approx(LONGEST_OPEN_SECONDS, abs=3)

    run(test)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        aiohttp.ClientResponseError(None, ()),  # type: ignore[arg-type]
        aiohttp.ClientConnectorCertificateError(None, ssl.SSLCertVerificationError()),  # type: ignore[arg-type]
        ssl.SSLCertVerificationError(),
    ],
    ids=["good", "unreadable", "a certificate that is not trusted", "the same without a wrapper"],
)
def test_an_answer_of_any_kind_ends_it(answer: Exception | None) -> None:
    async def test(world: World) -> None:
        await world.kill(DEAD)
        await asyncio.sleep(FIRST_OPEN_SECONDS)
        await world.ask(DEAD, error=answer)
        assert await asyncio.gather(*(world.ask(DEAD) for _ in range(5))) == ["answered"] * 5

    run(test)


def test_failures_that_ran_side_by_side_count_as_one() -> None:
    async def test(world: World) -> None:
        broken = [world.ask(GOOD, error=ConnectionResetError()) for _ in range(OPENS_AFTER + 1)]
        await asyncio.gather(*broken)
        assert await world.ask(GOOD) == "answered"

    run(test)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError("the operator may not connect to 10.0.0.1"),
        aiohttp.ClientConnectorCertificateError(None, Exception()),  # type: ignore[arg-type]
        UnavailableError("429", retry_after_seconds=3),
        ValueError("no host name"),
    ],
)
def test_what_says_nothing_of_the_server_does_not_count(error: Exception) -> None:
    """Certificates, for example, are a connector's own. Those of one tenant may not cut off the others."""

    async def test(world: World) -> None:
        for _ in range(OPENS_AFTER + 1):
            assert await world.ask(GOOD, error=error) != "refused"

    run(test)


def test_a_request_that_is_given_up_after_long_had_no_answer() -> None:
    async def test(world: World) -> None:
        for _ in range(OPENS_AFTER):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20):
                    await world.ask(DEAD, seconds=1000)
        assert await world.ask(DEAD) == "refused"

    run(test)


def test_a_request_that_is_given_up_at_once_says_nothing() -> None:
    async def test(world: World) -> None:
        for _ in range(OPENS_AFTER):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await world.ask(GOOD, seconds=1000)
        assert await world.ask(GOOD) == "answered"

    run(test)


def test_many_requests_to_a_server_that_hangs_hold_nobody_up() -> None:
    async def test(world: World) -> None:
        await world.ask(GOOD)
        hanging = [asyncio.create_task(world.ask(DEAD, seconds=20, error=TimeoutError())) for _ in range(100)]
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        assert await asyncio.gather(*(world.ask(GOOD) for _ in range(8))) == ["answered"] * 8
        assert asyncio.get_running_loop().time() == began + 0.1
        ended = await asyncio.gather(*hanging)
        assert ended.count("TimeoutError") == LIMITS.per_host
        assert asyncio.get_running_loop().time() <= began + 20

    run(test)


def test_many_hosts_that_hang_leave_places_to_those_that_answer() -> None:
    async def test(world: World) -> None:
        await world.ask(GOOD)
        for number in range(100):
            asyncio.create_task(world.ask(f"{number}.example", seconds=20, error=TimeoutError()))  # noqa: RUF006
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        assert await world.ask(GOOD) == "answered"
        assert asyncio.get_running_loop().time() == began + 0.1

    run(test)


@pytest.mark.parametrize("times", [1, 8], ids=["many hosts", "many requests to each"])
@pytest.mark.parametrize("seconds", [5.0, 20.0], ids=["slow", "silent"])
def test_a_namespace_whose_hosts_hang_leaves_places_to_the_new_hosts_of_another(times: int, seconds: float) -> None:
    """Whoever owns a domain has any number of hosts, and a build with many tags asks many times at once."""

    async def test(world: World) -> None:
        NAMESPACE.set("evil")
        error = TimeoutError() if seconds > 10 else None
        for number in range(100):
            for _ in range(times):
                asyncio.create_task(world.ask(f"{number}.evil.example", seconds=seconds, error=error))  # noqa: RUF006
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        NAMESPACE.set("shop")
        assert await asyncio.gather(*(world.ask("new.example") for _ in range(4))) == ["answered"] * 4
        assert asyncio.get_running_loop().time() == began + 0.1

    run(test)


def test_those_who_wait_take_turns_whoever_asks_most() -> None:
    async def test(world: World) -> None:
        for host in (GOOD, "other.example"):
            await world.ask(host)
        NAMESPACE.set("evil")
        many = [asyncio.create_task(world.ask(GOOD, seconds=1)) for _ in range(1000)]
        await asyncio.sleep(0)
        NAMESPACE.set("shop")
        assert await world.ask(GOOD, seconds=1) == "answered"
        assert asyncio.get_running_loop().time() <= 3
        await asyncio.gather(*many)

    run(test)


def test_a_place_that_is_free_is_not_offered_to_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else goes on meanwhile, and thousands may wait for a host."""
    offers = 0
    usual = Places.has_place

    def offer(places: Places, host: str) -> bool:
        nonlocal offers
        offers += 1
        return usual(places, host)

    async def test(world: World) -> None:
        await world.ask(GOOD)
        assert await asyncio.gather(*(world.ask(GOOD, seconds=0.01) for _ in range(1000))) == ["answered"] * 1000

    monkeypatch.setattr(Places, "has_place", offer)
    run(test)
    assert offers < 10_000


def test_a_slow_server_has_few_places_and_nobody_waits_for_one() -> None:
    async def test(world: World) -> None:
        await world.ask("slow.example", seconds=5)
        requests = [world.ask("slow.example", seconds=5) for _ in range(10)]
        began = asyncio.get_running_loop().time()
        assert (await asyncio.gather(*requests)).count("answered") == LIMITS.slow_per_host
        assert asyncio.get_running_loop().time() == began + 5

    run(test)


def test_a_quick_server_with_many_requests_is_waited_for() -> None:
    async def test(world: World) -> None:
        await world.ask(GOOD)
        assert await asyncio.gather(*(world.ask(GOOD) for _ in range(100))) == ["answered"] * 100
        assert world.most == LIMITS.per_host

    run(test)


def test_a_request_waits_only_so_long_for_a_place() -> None:
    async def test(world: World) -> None:
        await world.ask(GOOD)
        for _ in range(LIMITS.per_host):
            asyncio.create_task(world.ask(GOOD, seconds=100))  # noqa: RUF006
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        refused = await world.catch(GOOD)
        assert asyncio.get_running_loop().time() == began + PATIENCE_SECONDS
        assert "good.example is busy" in str(refused)
        assert (refused.retry_after_seconds, refused.passing) == (BUSY_SECONDS, True)

    run(test)


def test_a_server_that_cannot_be_reached_is_none_of_the_moment() -> None:
    """Another place in the network may reach it, so a pod asks instead."""

    async def test(world: World) -> None:
        for _ in range(OPENS_AFTER):
            await world.ask(DEAD, error=aiohttp.ClientConnectorError(None, OSError(111, "refused")))  # type: ignore[arg-type]
        assert not (await world.catch(DEAD)).passing

    run(test)


def test_hosts_that_tenants_make_up_take_bounded_memory() -> None:
    async def test(world: World) -> None:
        for number in range(MAX_ENTRIES + 50):
            await world.ask(f"{number}.example", error=TimeoutError(), seconds=0)
        assert len(world.circuits._silences) == MAX_ENTRIES

    run(test)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from([0.0, 0.1, 5.0, 20.0]),
            st.sampled_from([None, TimeoutError(), ConnectionResetError(), ValueError()]),
            st.sampled_from([0.0, 0.0, 1.0, 15.0]),
        ),
        max_size=40,
    )
)
def test_whatever_happens_all_places_are_free_in_the_end(
    requests: list[tuple[str, float, Exception | None, float]],
) -> None:
    async def test(world: World) -> None:
        tasks: list[asyncio.Task[str]] = []
        for host, seconds, error, pause in requests:
            tasks.append(asyncio.create_task(world.ask(host, seconds=seconds, error=error)))
            await asyncio.sleep(pause)
            if pause == 1.0:
                tasks[len(tasks) // 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert world.most <= LIMITS.at_once
        assert not world.circuits._places._running
        await asyncio.sleep(LONGEST_OPEN_SECONDS)
        assert [await world.ask(host) for host in "abc"] == ["answered"] * 3

    run(test)


NARROW = Limits(at_once=3, per_host=2, doubtful=2, slow_per_host=1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "shop", "evil"]),
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from([0.0, 0.1, PATIENCE_SECONDS, 20.0]),
            st.sampled_from([None, TimeoutError(), ConnectionResetError()]),
            st.sampled_from([0.0, 0.0, 0.1, PATIENCE_SECONDS]),
            st.sampled_from([None, None, 0, 1, 2, 3, 4, 5]),
        ),
        max_size=30,
    )
)
def test_whenever_somebody_gives_up_each_namespace_has_all_of_its_places_in_the_end(
    requests: list[tuple[str, str, float, Exception | None, float, int | None]],
) -> None:
    """Given up after some steps of the loop: before there is a place, with one that just came, or with an answer."""

    async def ask_for(world: World, namespace: str, host: str, seconds: float, error: Exception | None) -> str:
        NAMESPACE.set(namespace)
        return await world.ask(host, seconds=seconds, error=error)

    async def main() -> None:
        world = World(make(NARROW))
        tasks: list[asyncio.Task[str]] = []
        for namespace, host, seconds, error, pause, steps in requests:
            tasks.append(asyncio.create_task(ask_for(world, namespace, host, seconds, error)))
            await asyncio.sleep(pause)
            for _ in range(steps or 0):
                await asyncio.sleep(0)
            if steps is not None:
                tasks[len(tasks) // 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert world.most <= NARROW.at_once
        assert world.circuits._places.is_idle()
        assert world.circuits._shares == {}
        await asyncio.sleep(LONGEST_OPEN_SECONDS)
        for namespace in ("", "shop", "evil"):
            assert [await ask_for(world, namespace, host, 0.1, None) for host in "abc"] == ["answered"] * 3
        assert world.circuits._waiting == {}

    run_in_fake_time(main())
