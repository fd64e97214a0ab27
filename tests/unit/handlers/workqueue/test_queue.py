"""The work queue, in time that passes by itself."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.clients.errors import KubernetesError, ThrottledError, UnavailableError
from buildandpush.handlers.workqueue import queue as queue_module
from buildandpush.handlers.workqueue.queue import FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS, WorkQueue
from tests.unit.handlers.fake_time import run_in_fake_time

Work = Callable[[str], Awaitable[float | None]]


@asynccontextmanager
async def running(work: Work, *, workers: int = 4) -> Any:
    """A queue at work for the time of the block. A key such as "tenant/name" has a namespace."""
    queue: WorkQueue[str] = WorkQueue(work, workers=workers, namespace_of=lambda key: key.split("/")[0])
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Recorder:
    """Work that notes when it was called with what, and gives or raises the next of its results."""

    def __init__(self, *results: float | Exception | None, seconds: float = 0.0) -> None:
        self.calls: list[tuple[float, str]] = []
        self.active: list[str] = []
        self.most_at_once = 0
        self._results = list(results)
        self._seconds = seconds

    async def __call__(self, key: str) -> float | None:
        assert key not in self.active, "a key is worked on once at a time"
        self.calls.append((asyncio.get_running_loop().time(), key))
        self.active.append(key)
        self.most_at_once = max(self.most_at_once, len(self.active))
        try:
            await asyncio.sleep(self._seconds)
            result = self._results.pop(0) if self._results else None
            if isinstance(result, Exception):
                raise result
            return result
        finally:
            self.active.remove(key)

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.calls]

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.calls]


def test_added_key_is_worked_on_once() -> None:
    async def main() -> None:
        work = Recorder()
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(100)
        assert work.calls == [(0.0, "a")]

    run_in_fake_time(main())


def test_key_added_many_times_before_its_turn_is_worked_on_once() -> None:
    async def main() -> None:
        work = Recorder()
        async with running(work) as queue:
            for _ in range(50):
                queue.add("a")
            assert len(queue) == 1
            await asyncio.sleep(1)
        assert work.keys == ["a"]

    run_in_fake_time(main())


def test_keys_have_their_turn_in_the_order_they_came() -> None:
    async def main() -> None:
        work = Recorder()
        async with running(work, workers=1) as queue:
            for key in "cabd":
                queue.add(key)
            await asyncio.sleep(1)
        assert work.keys == list("cabd")

    run_in_fake_time(main())


def test_no_more_keys_than_workers_are_worked_on_at_once() -> None:
    async def main() -> None:
        work = Recorder(seconds=10)
        async with running(work, workers=3) as queue:
            for number in range(10):
                queue.add(str(number))
            await asyncio.sleep(100)
        assert work.most_at_once == 3
        assert len(work.calls) == 10
        assert max(work.times) == 30

    run_in_fake_time(main())


def test_one_slow_key_keeps_no_other_waiting() -> None:
    async def main() -> None:
        stuck = asyncio.Event()
        done: list[str] = []

        async def work(key: str) -> None:
            if key == "slow":
                await stuck.wait()
            done.append(key)

        async with running(work, workers=2) as queue:
            queue.add("slow")
            await asyncio.sleep(1)
            for number in range(20):
                queue.add("slow")
                queue.add(str(number))
            await asyncio.sleep(1)
            assert done == [str(number) for number in range(20)]
            stuck.set()
            await asyncio.sleep(1)
        assert done[20:] == ["slow", "slow"], "the second for what came meanwhile"

    run_in_fake_time(main())


def test_a_namespace_whose_keys_hang_keeps_no_other_waiting() -> None:
    async def main() -> None:
        begun: dict[str, float] = {}

        async def work(key: str) -> None:
            begun[key] = asyncio.get_running_loop().time()
            if key.startswith("slow/"):
                await asyncio.sleep(1000)

        async with running(work, workers=20) as queue:
            for number in range(10_000):
                queue.add(f"slow/{number}")
            await asyncio.sleep(1)
            assert len(begun) == 5, "a quarter"
            for number in range(100):
                queue.add(f"other-{number % 10}/{number}")
            await asyncio.sleep(1)
        assert [time for key, time in begun.items() if key.startswith("other")] == [1.0] * 100

    run_in_fake_time(main())


def test_everything_else_has_its_turn_between_two_keys() -> None:
    """A burst of keys whose work waits for nothing holds up no renewal of the lease and no probe."""

    async def main() -> None:
        work: list[str] = []

        async def note(key: str) -> None:
            work.append(key)

        async with running(note, workers=100) as queue:
            for number in range(1000):
                queue.add(f"{number % 50}/{number}")
            done = [0]
            while done[-1] < 1000:
                await asyncio.sleep(0)
                done.append(len(work))
        assert max(later - earlier for earlier, later in itertools.pairwise(done)) <= 2

    run_in_fake_time(main())


def test_one_added_key_wakes_no_crowd_of_idle_workers() -> None:
    async def main() -> None:
        async with running(Recorder(), workers=200) as queue:
            await asyncio.sleep(1)
            queue.add("a")
            assert len(asyncio.all_tasks()) <= 3

    run_in_fake_time(main())


def test_busy_key_does_not_starve_the_others() -> None:
    async def main() -> None:
        seen: list[str] = []

        async def work(key: str) -> float | None:
            seen.append(key)
            await asyncio.sleep(0.001)
            return 0.0 if key == "busy" and len(seen) < 200 else None

        async with running(work, workers=1) as queue:
            queue.add("busy")
            await asyncio.sleep(0.01)
            queue.add("other")
            await asyncio.sleep(0.01)
            assert "other" in seen

    run_in_fake_time(main())


def test_key_added_while_it_is_worked_on_is_worked_on_again() -> None:
    async def main() -> None:
        work = Recorder(seconds=5)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(1)
            for _ in range(3):
                queue.add("a")
            await asyncio.sleep(100)
        assert work.calls == [(0.0, "a"), (5.0, "a")]

    run_in_fake_time(main())


def test_key_comes_again_after_the_seconds_its_work_asked_for() -> None:
    async def main() -> None:
        work = Recorder(30.0, 10.0, None)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(1000)
        assert work.times == [0.0, 30.0, 40.0]

    run_in_fake_time(main())


@pytest.mark.parametrize(("first", "second"), [(60.0, 5.0), (5.0, 60.0)])
def test_of_several_wishes_the_earliest_holds(first: float, second: float) -> None:
    async def main() -> None:
        work = Recorder()
        async with running(work) as queue:
            queue.add("a", first)
            queue.add("a", second)
            await asyncio.sleep(1000)
        assert work.times == [5.0]

    run_in_fake_time(main())


def test_wishes_for_a_far_time_do_not_pile_up() -> None:
    """Each event leaves one behind, as where an ended pod is due to go in a month."""

    async def main() -> None:
        async def work(key: str) -> float:
            return 30 * 24 * 3600.0

        async with running(work) as queue:
            for _ in range(2000):
                queue.add("a")
                await asyncio.sleep(1)
            assert len(queue) == 1
            assert len(queue._heap) < 200

    run_in_fake_time(main())


def test_event_does_not_wait_for_a_due_time() -> None:
    async def main() -> None:
        work = Recorder(600.0)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(10)
            queue.add("a")
            await asyncio.sleep(1000)
        assert work.times == [0.0, 10.0]

    run_in_fake_time(main())


def test_earlier_due_time_wakes_a_sleeping_worker() -> None:
    async def main() -> None:
        work = Recorder()
        async with running(work, workers=1) as queue:
            queue.add("late", 100)
            await asyncio.sleep(1)
            queue.add("soon", 1)
            await asyncio.sleep(200)
        assert work.calls == [(2.0, "soon"), (100.0, "late")]

    run_in_fake_time(main())


def test_wish_during_work_is_not_put_off_by_its_result() -> None:
    async def main() -> None:
        work = Recorder(600.0, None, seconds=5)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(1)
            queue.add("a")
            await asyncio.sleep(1000)
        assert work.times == [0.0, 5.0]

    run_in_fake_time(main())


def test_failed_key_stays_and_its_backoff_doubles_up_to_a_bound() -> None:
    async def main() -> None:
        work = Recorder(*[RuntimeError("boom")] * 12)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(10_000)
        pauses = [later - earlier for earlier, later in zip(work.times, work.times[1:], strict=False)]
        assert len(pauses) == 12
        assert pauses[0] == FIRST_BACKOFF_SECONDS
        assert pauses[1] == 2 * FIRST_BACKOFF_SECONDS
        assert pauses[-1] == LAST_BACKOFF_SECONDS
        assert pauses == sorted(pauses)

    run_in_fake_time(main())


def test_the_api_server_is_not_asked_before_it_wants_to_be() -> None:
    async def main() -> None:
        asking = [UnavailableError("busy", retry_after_seconds=seconds) for seconds in (7, 0, 300)]
        work = Recorder(*asking)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(10_000)
        pauses = [later - earlier for earlier, later in zip(work.times, work.times[1:], strict=False)]
        assert pauses == [7, 2 * FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS]

    run_in_fake_time(main())


@pytest.mark.parametrize(("asked", "pause"), [(7, 7.0), (0, 1.0), (300, LAST_BACKOFF_SECONDS)])
def test_an_api_server_with_too_many_requests_gets_none_for_any_key(asked: int, pause: float) -> None:
    async def main() -> None:
        work = Recorder(ThrottledError("429", retry_after_seconds=asked))
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(0.1)
            queue.add("b")
            queue.add("c", 0.2)
            await asyncio.sleep(1000)
        assert work.times[0] == 0
        assert work.times[1:] == [max(pause, 0.5)] * 3

    run_in_fake_time(main())


def test_a_key_that_the_api_server_does_not_answer_pauses_no_other() -> None:
    """Its trouble may be with this one request, such as a webhook that it cannot reach."""

    async def main() -> None:
        work = Recorder(UnavailableError("503", retry_after_seconds=30))
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(0.1)
            queue.add("b")
            await asyncio.sleep(1)
        assert work.calls == [(0.0, "a"), (0.1, "b")]

    run_in_fake_time(main())


def test_success_resets_the_backoff() -> None:
    async def main() -> None:
        error = RuntimeError("boom")
        work = Recorder(error, error, error, 100.0, error, None)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(10_000)
        assert work.times[-1] - work.times[-2] == FIRST_BACKOFF_SECONDS

    run_in_fake_time(main())


def test_failing_key_does_not_slow_the_others_down() -> None:
    async def main() -> None:
        async def work(key: str) -> None:
            calls.append((asyncio.get_running_loop().time(), key))
            if key == "bad":
                raise RuntimeError("boom")

        calls: list[tuple[float, str]] = []
        async with running(work, workers=1) as queue:
            queue.add("bad")
            await asyncio.sleep(0.1)
            queue.add("good")
            await asyncio.sleep(0.1)
        assert (0.1, "good") in calls

    run_in_fake_time(main())


def test_cancelled_work_costs_no_worker() -> None:
    """A library may let a CancelledError of its own escape; nobody cancelled the worker."""

    async def main() -> None:
        seen: list[str] = []

        async def work(key: str) -> None:
            seen.append(key)
            if key == "bad" and seen.count("bad") == 1:
                raise asyncio.CancelledError

        async with running(work, workers=1) as queue:
            queue.add("bad")
            await asyncio.sleep(1)
            queue.add("good")
            await asyncio.sleep(100)
        assert "good" in seen

    run_in_fake_time(main())


def test_a_worker_that_somebody_else_cancels_does_not_lose_its_key() -> None:
    """kopf cancels all tasks that were made while it ran, once it ends."""

    async def main() -> None:
        recorder = Recorder(seconds=5)
        async with running(recorder, workers=1) as queue:
            queue.add("web")
            await asyncio.sleep(1)
            (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "work on web"]
            worker.cancel()
            await asyncio.sleep(100)
        assert recorder.calls == [(0.0, "web"), (1 + FIRST_BACKOFF_SECONDS, "web")]

    run_in_fake_time(main())


def test_length_counts_waiting_and_running_keys() -> None:
    async def main() -> None:
        async with running(Recorder(seconds=5), workers=1) as queue:
            queue.add("a")
            queue.add("b")
            queue.add("c", 100)
            await asyncio.sleep(1)
            assert len(queue) == 3
            await asyncio.sleep(50)
            assert len(queue) == 1
            await asyncio.sleep(100)
            assert len(queue) == 0

    run_in_fake_time(main())


def test_drain_lets_running_work_end_and_starts_nothing_new() -> None:
    async def main() -> None:
        work = Recorder(seconds=5)
        async with running(work, workers=1) as queue:
            queue.add("a")
            queue.add("b")
            await asyncio.sleep(1)
            await queue.drain(20)
            assert asyncio.get_running_loop().time() == 5
            assert work.active == []
            await asyncio.sleep(100)
            queue.add("c")
            await asyncio.sleep(100)
        assert work.keys == ["a"]

    run_in_fake_time(main())


def test_drain_waits_no_longer_than_it_may() -> None:
    async def main() -> None:
        async with running(Recorder(seconds=1000)) as queue:
            queue.add("a")
            await asyncio.sleep(1)
            await queue.drain(20)
            assert asyncio.get_running_loop().time() == 21

    run_in_fake_time(main())


def test_drain_of_an_idle_queue_returns_at_once() -> None:
    async def main() -> None:
        async with running(Recorder()) as queue:
            queue.add("later", 50)
            await asyncio.sleep(1)
            await queue.drain(20)
            assert asyncio.get_running_loop().time() == 1

    run_in_fake_time(main())


def test_stopping_the_queue_stops_its_workers() -> None:
    async def main() -> None:
        work = Recorder(seconds=1000)
        async with running(work) as queue:
            queue.add("a")
            await asyncio.sleep(1)
        assert work.active == []
        assert len(asyncio.all_tasks()) == 1

    run_in_fake_time(main())


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=20),
    st.integers(1, 3),
)
def test_every_wish_is_followed_by_work_that_starts_no_earlier_than_it(
    wishes: list[tuple[str, int, int]], workers: int
) -> None:
    """What an event told is never lost, whatever is going on: work that starts after the wish sees it."""

    async def main() -> None:
        work = Recorder(seconds=2.5)
        made: list[tuple[str, float]] = []
        async with running(work, workers=workers) as queue:
            for key, delay, pause in wishes:
                made.append((key, asyncio.get_running_loop().time()))
                queue.add(key, float(delay))
                await asyncio.sleep(pause)
            await asyncio.sleep(1000)
            assert len(queue) == 0
        for key, when in made:
            assert any(started >= when for started, called in work.calls if called == key)

    run_in_fake_time(main())


class Log:
    """What stands where the queue's log does."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, event: str, **told: Any) -> None:
        self.lines.append({"event": event, **told})


def log_of(error: Exception, monkeypatch: pytest.MonkeyPatch, *, keys: int, seconds: float) -> list[dict[str, Any]]:
    """What is logged while the work on so many keys fails for so long."""
    log = Log()
    monkeypatch.setattr(queue_module, "_log", log)

    async def fail(key: str) -> float | None:
        raise error

    async def work() -> None:
        async with running(fail) as queue:
            for number in range(keys):
                queue.add(f"key-{number}")
            await asyncio.sleep(seconds)

    run_in_fake_time(work())
    return log.lines


def test_a_server_that_is_away_is_one_line_and_no_traceback_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = log_of(UnavailableError("GET /api: connection refused"), monkeypatch, keys=100, seconds=50)
    assert line == {"event": "queue.server_away", "key": "key-0", "error": "GET /api: connection refused", "failed": 1}


def test_an_outage_that_lasts_is_told_again_with_how_much_it_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = log_of(UnavailableError("away"), monkeypatch, keys=10, seconds=300)
    assert {line["event"] for line in lines} == {"queue.server_away"}
    assert 1 < len(lines) <= 6
    assert sum(line["failed"] for line in lines) > 10


def test_a_refusal_is_told_in_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = log_of(KubernetesError(403, "Forbidden", "no"), monkeypatch, keys=1, seconds=0.1)
    assert (line["event"], line["key"], line["error"]) == ("queue.work_refused", "key-0", "403 Forbidden: no")
    assert "exc_info" not in line


def test_what_nobody_foresaw_has_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = log_of(ValueError("what"), monkeypatch, keys=1, seconds=0.1)
    assert (line["event"], line["exc_info"]) == ("queue.work_failed", True)


def test_what_is_due_waits_from_then_on() -> None:
    async def main() -> None:
        work = Recorder(seconds=10.0)
        async with running(work, workers=1) as queue:
            assert queue.backlog() == (0, 0.0)
            for key in ("first", "second", "third"):
                queue.add(key)
            queue.add("later", 1000.0)
            await asyncio.sleep(4)
            assert queue.backlog() == (2, 4.0), "one is worked on, and one is not due"
            await asyncio.sleep(10)
            queue.add("second")
            assert queue.backlog() == (2, 14.0), "the worker is at the second, which is due again"
            await asyncio.sleep(100)
            assert queue.backlog() == (0, 0.0)

    run_in_fake_time(main())


def test_each_call_is_told_with_its_seconds_and_its_error() -> None:
    told: list[tuple[str, float, BaseException | None]] = []
    away = UnavailableError("away")

    async def main() -> None:
        work = Recorder(away, None, seconds=3.0)
        queue = WorkQueue(work, workers=1, on_done=lambda key, seconds, error: told.append((key, seconds, error)))
        task = asyncio.create_task(queue.run())
        queue.add("a")
        await asyncio.sleep(20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())
    assert told == [("a", 3.0, away), ("a", 3.0, None)]


def test_a_worker_that_is_cancelled_before_it_begins_does_not_lose_its_key() -> None:
    async def main() -> None:
        recorder = Recorder()
        async with running(recorder, workers=1) as queue:
            queue.add("web")
            workers: list[asyncio.Task[Any]] = []
            while not workers:
                await asyncio.sleep(0)
                workers = [task for task in asyncio.all_tasks() if task.get_name() == "work on web"]
            workers[0].cancel()
            assert recorder.calls == []
            await asyncio.sleep(100)
        assert recorder.keys == ["web"]

    run_in_fake_time(main())
