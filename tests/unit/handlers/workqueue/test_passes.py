"""Passes over resources: measured at work, and those that hold everything up apart from the others."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from buildandpush.handlers.workqueue.journal import GOOD_PASSES, SUSPECT_STRIKES, Journal
from buildandpush.handlers.workqueue.passes import FIRST_PATIENCE_SECONDS, SLOW_SECONDS, STRIKE_SECONDS, Passes
from buildandpush.handlers.workqueue.queue import WorkQueue
from tests.unit.conftest import LogLines
from tests.unit.handlers.fake_time import run_in_fake_time


@dataclass
class Workshop:
    """Work that takes the processor or waits as a test says; which keys were at work, at what time."""

    busy: dict[str, float] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    now: float = 0.0
    journal: Journal = field(default_factory=Journal)
    log: list[tuple[float, str]] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    together: list[set[str]] = field(default_factory=list)

    def passes(self) -> Passes[str]:
        return Passes(self.work, self.journal, clock=lambda: self.now)

    async def work(self, key: str) -> float | None:
        self.log.append((asyncio.get_running_loop().time(), key))
        self.active.add(key)
        self.together.append(set(self.active))
        self.now += self.busy.get(key, 0.0)
        await asyncio.sleep(self.waits.get(key, 0.0))
        self.now += self.busy.get(key, 0.0)
        self.active.discard(key)
        return None

    def suspect(self, key: str) -> None:
        for _ in range(SUSPECT_STRIKES):
            self.journal.strike(key, "it took long")


def test_a_slow_pass_names_its_resource_and_waits_do_not_count(log_lines: LogLines) -> None:
    shop = Workshop(busy={"slow": SLOW_SECONDS * 0.6, "quick": SLOW_SECONDS * 0.4}, waits={"slow": 5, "quick": 500})
    passes = shop.passes()
    for key in ("quick", "slow"):
        run_in_fake_time(passes.run(key))
    assert [(line["event"], line["key"]) for line in log_lines] == [("pass.slow", "slow")]
    assert shop.journal.strikes("slow") == 0


def test_a_pass_that_nearly_costs_the_lease_is_a_strike() -> None:
    shop = Workshop(busy={"hog": STRIKE_SECONDS * 0.6})
    run_in_fake_time(shop.passes().run("hog"))
    assert shop.journal.strikes("hog") == 1


def test_each_step_of_a_pass_stands_in_the_journal_while_it_lasts() -> None:
    seen: list[str] = []

    class Book(Journal):
        def begin(self, key: str) -> None:
            seen.append(f"+{key}")

        def end(self) -> None:
            seen.append("-")

    async def main() -> None:
        passes = Workshop(waits={"a": 2, "b": 1}, journal=Book()).passes()
        await asyncio.gather(passes.run("a"), passes.run("b"))

    run_in_fake_time(main())
    assert seen == ["+a", "-", "+b", "-", "+b", "-", "+a", "-"]


def test_results_errors_and_cancellations_pass_through() -> None:
    async def give(key: str) -> float | None:
        await asyncio.sleep(0)
        if key == "error":
            raise LookupError(key)
        if key == "wait":
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(1)
                ended.append(key)
        return 7.0

    ended: list[str] = []
    passes: Passes[str] = Passes(give, Journal())

    async def main() -> None:
        assert await passes.run("good") == 7.0
        with pytest.raises(LookupError):
            await passes.run("error")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await passes.run("wait")
        assert ended == ["wait"]

    run_in_fake_time(main())


def at_work(shop: Workshop, keys: Callable[[WorkQueue[str]], Coroutine[Any, Any, None]]) -> None:
    """Have a queue of ten workers call the passes."""

    async def main() -> None:
        queue: WorkQueue[str] = WorkQueue(shop.passes().run, workers=10)
        task = asyncio.create_task(queue.run())
        await keys(queue)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())


def test_a_suspect_comes_last_and_alone() -> None:
    shop = Workshop(waits=dict.fromkeys("abcde", 3))
    shop.suspect("bad")

    async def burst(queue: WorkQueue[str]) -> None:
        for key in ("bad", *"abcde"):
            queue.add(key)
        await asyncio.sleep(20)

    at_work(shop, burst)
    assert [key for _, key in shop.log][-1] == "bad"
    assert {"bad"} in shop.together


def test_a_suspect_has_its_turn_in_the_end_however_busy_the_others_are() -> None:
    shop = Workshop(waits={**dict.fromkeys("abcdefghij", 2.0), "bad": 5.0})
    shop.suspect("bad")

    async def keep_busy(queue: WorkQueue[str]) -> None:
        queue.add("bad")
        for _ in range(200):
            for key in "abcdefghij":
                queue.add(key)
            await asyncio.sleep(1)

    at_work(shop, keep_busy)
    (turn,) = [time for time, key in shop.log if key == "bad"]
    assert FIRST_PATIENCE_SECONDS <= turn <= FIRST_PATIENCE_SECONDS + 10
    assert [found for found in shop.together if "bad" in found] == [{"bad"}]
    assert max(time for time, _ in shop.log) > turn + 50, "the others go on behind it"


def test_a_suspect_that_waits_for_long_holds_nobody_up_for_so_long() -> None:
    shop = Workshop(waits={"bad": 1000.0})
    shop.suspect("bad")

    async def one_after_the_other(queue: WorkQueue[str]) -> None:
        queue.add("bad")
        await asyncio.sleep(2)
        queue.add("a")
        await asyncio.sleep(30)

    at_work(shop, one_after_the_other)
    assert [key for _, key in shop.log] == ["bad", "a"]


def test_with_each_strike_a_suspect_waits_twice_as_long() -> None:
    shop = Workshop(waits=dict.fromkeys("abcdefghij", 2.0))
    shop.suspect("bad")
    shop.journal.strike("bad", "again")

    async def keep_busy(queue: WorkQueue[str]) -> None:
        queue.add("bad")
        for _ in range(200):
            for key in "abcdefghij":
                queue.add(key)
            await asyncio.sleep(1)

    at_work(shop, keep_busy)
    (turn,) = [time for time, key in shop.log if key == "bad"]
    assert 2 * FIRST_PATIENCE_SECONDS <= turn <= 2 * FIRST_PATIENCE_SECONDS + 10


def test_a_suspect_whose_passes_go_well_is_one_like_the_others() -> None:
    shop = Workshop()
    shop.suspect("bad")

    async def again_and_again(queue: WorkQueue[str]) -> None:
        for _ in range(GOOD_PASSES):
            queue.add("bad")
            await asyncio.sleep(3)

    at_work(shop, again_and_again)
    assert shop.journal.strikes("bad") == 0


@pytest.mark.parametrize("workers", [1, 20, 200])
def test_thousands_of_passes_that_never_wait_leave_turns_to_all_else(workers: int) -> None:
    """As after a start with as many resources that have come to their end. The Lease is to be renewed meanwhile."""

    async def main() -> None:
        done: list[int] = []

        async def work(key: int) -> None:
            done.append(key)

        queue: WorkQueue[int] = WorkQueue(Passes[int](work, Journal()).run, workers=workers)
        for key in range(10_000):
            queue.add(key)
        at_work = asyncio.create_task(queue.run())
        most = seen = 0
        while len(done) < 10_000:
            await asyncio.sleep(0)
            most, seen = max(most, len(done) - seen), len(done)
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
        assert most <= 2

    asyncio.run(main())
