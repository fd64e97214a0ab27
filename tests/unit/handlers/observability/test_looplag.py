"""How long the event loop stood still is measured, and told apart from a machine that had no time for it."""

import asyncio
import time

import pytest

from buildandpush.handlers.observability.looplag import PERIOD_SECONDS, TOLD_SECONDS, LoopLag
from tests.unit.conftest import LogLines


async def test_work_that_holds_the_event_loop_is_seen() -> None:
    lag = LoopLag()
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0)
    end = time.thread_time() + 3 * PERIOD_SECONDS
    while time.thread_time() < end:
        sum(range(1000))
    await asyncio.sleep(2 * PERIOD_SECONDS)
    task.cancel()
    assert lag.held_seconds >= PERIOD_SECONDS
    assert lag.busy_seconds >= PERIOD_SECONDS


@pytest.mark.parametrize(
    ("held", "worked", "busy"),
    [
        pytest.param(2.0, 2.1, 2.0, id="it computed"),
        pytest.param(2.0, 0.1, 0.1, id="the machine did something else"),
        pytest.param(0.0, 0.1, 0.0, id="it worked between waits"),
    ],
)
def test_a_busy_machine_is_no_work(held: float, worked: float, busy: float, log_lines: LogLines) -> None:
    lag = LoopLag()
    lag.note(held, worked)
    lag.note(0.01, 0.01)
    assert (lag.held_seconds, lag.busy_seconds) == (max(held, 0.01), max(busy, 0.01))
    assert [line["event"] for line in log_lines] == (["loop.held"] if held > TOLD_SECONDS else [])


def test_it_says_so_in_two_lines() -> None:
    lag = LoopLag()
    lag.note(0.75, 0.5)
    assert str(lag) == "loop_held_seconds_max 0.750\nloop_busy_seconds_max 0.500\n"


def test_each_look_is_told() -> None:
    told: list[float] = []
    lag = LoopLag(on_look=told.append)
    lag.note(0.75, 0.5)
    lag.note(0.01, 0.0)
    assert told == [0.75, 0.01]
