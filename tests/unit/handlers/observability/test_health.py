"""What the probes are told: alive while everything comes round, ready while the work can be done."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
import kopf
import pytest

from buildandpush.handlers.informers import watch
from buildandpush.handlers.informers.listing import refresh_once
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.informers.watch import FIRST_RESTART_SECONDS, Watcher, run_kopf
from buildandpush.handlers.observability import health as health_module
from buildandpush.handlers.observability.health import (
    REFUSED_SECONDS,
    STALE_SECONDS,
    WATCH_SECONDS,
    Health,
    Loop,
    serve_health,
)
from buildandpush.handlers.observability.looplag import LoopLag
from buildandpush.handlers.observability.metrics import CONTENT_TYPE, Metrics
from buildandpush.handlers.workqueue.queue import WorkQueue
from tests.unit.handlers.fake_api import FakeApi
from tests.unit.handlers.fake_time import run_in_fake_time


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def test_a_replica_that_stands_by_is_ready_while_it_looks_at_the_lease(health: Health, clock: Clock) -> None:
    health.turn(Loop.LEASE, "the Lease has not been looked at yet")
    assert (health.find_hang(), health.find_trouble()) == (None, "lease: the Lease has not been looked at yet")
    health.turn(Loop.LEASE)
    assert (health.find_hang(), health.find_trouble()) == (None, None)
    clock.now += STALE_SECONDS + 1
    assert health.find_hang() == health.find_trouble() == "the lease loop has not come round for 301 s"


def test_an_operator_that_the_api_server_refuses_is_alive_and_not_ready(health: Health) -> None:
    health.turn(Loop.LEASE)
    health.turn(Loop.LIST, "403 Forbidden: pods is forbidden")
    assert health.find_hang() is None
    assert health.find_trouble() == "list: 403 Forbidden: pods is forbidden"


def test_a_task_that_ended_is_a_hang_of_its_own() -> None:
    async def main() -> str | None:
        health = Health()
        health.tasks = [asyncio.create_task(asyncio.sleep(0), name="queue")]
        assert health.find_hang() is None
        await asyncio.sleep(0.01)
        return health.find_hang()

    assert asyncio.run(main()) == "the task 'queue' has ended"


def test_a_queue_in_which_no_pass_ends_hangs() -> None:
    async def main() -> list[str | None]:
        health = Health(asyncio.get_running_loop().time)
        stuck = asyncio.Event()

        async def work(key: str) -> None:
            if key == "stuck":
                await stuck.wait()

        queue: WorkQueue[str] = WorkQueue(work, workers=2)
        health.stalled_seconds = queue.stalled_seconds
        task = asyncio.create_task(queue.run())
        told = []
        await asyncio.sleep(2 * STALE_SECONDS)
        told.append(health.find_hang())  # nothing to do is no hang
        queue.add("stuck")
        await asyncio.sleep(STALE_SECONDS - 1)
        queue.add("other")
        await asyncio.sleep(2)
        told.append(health.find_hang())  # others go on
        await asyncio.sleep(STALE_SECONDS)
        told.append(health.find_hang())
        stuck.set()
        await asyncio.sleep(1)
        told.append(health.find_hang())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return told

    assert run_in_fake_time(main()) == [None, None, "no pass over a resource has ended for 302 s", None]


def test_a_watch_that_restarts_in_a_loop_is_trouble_until_one_lives(health: Health, clock: Clock) -> None:
    told = []
    for _ in range(3):
        health.watch_began()
        clock.now += 1
        assert not health.watch_failed("APIForbiddenError: no")
        told.append(health.find_trouble())
    assert told == [None, None, "the watch ends again and again: APIForbiddenError: no"]
    assert health.find_hang() is None
    health.watch_began()
    clock.now += WATCH_SECONDS
    assert health.find_trouble() is None
    assert health.watch_failed("once an hour"), "it had been established"
    assert health.find_trouble() is None


REFUSED = (
    "the API server refuses the watch of azureconnectors (403), so changes are seen up to two minutes late; let the "
    "operator's role 'watch' them, as the chart does"
)


def test_a_role_that_may_list_and_may_not_watch_is_told_with_what_helps(health: Health, clock: Clock) -> None:
    health.turn(Loop.LIST)
    for _ in range(2):
        health.watch_answered("azureconnectors", 403)
        health.watch_answered("pods", 200)
        assert health.find_trouble() is None
        clock.now += REFUSED_SECONDS / 2
    health.watch_answered("azureconnectors", 403)
    assert (health.find_trouble(), health.find_hang()) == (REFUSED, None)
    clock.now += REFUSED_SECONDS
    assert health.find_trouble() == REFUSED, "though it is asked less and less"
    health.watch_answered("azureconnectors", 200)
    assert health.find_trouble() is None


@pytest.mark.parametrize("between", [None, 200, 503, 429])
def test_an_api_server_that_starts_and_knows_no_roles_for_a_moment_is_no_refusal(
    between: int | None, health: Health, clock: Clock
) -> None:
    for status in (403, between, 403):
        health.watch_answered("pods", status)
        clock.now += REFUSED_SECONDS
        assert health.find_trouble() is None


def test_a_single_refusal_before_an_outage_is_none_either(health: Health, clock: Clock) -> None:
    health.watch_answered("pods", 403)
    clock.now += 10 * REFUSED_SECONDS
    assert health.find_trouble() is None


def test_watches_that_failed_for_a_refusal_are_forgotten_with_it(health: Health, clock: Clock) -> None:
    """kopf ends each time. Without this the operator would count as not ready for a minute more."""
    for _ in range(4):
        health.watch_began()
        health.watch_answered("azureconnectors", 403)
        clock.now += REFUSED_SECONDS / 3
        health.watch_failed("APIForbiddenError: no")
    assert health.find_trouble() == REFUSED
    health.watch_began()
    health.watch_answered("azureconnectors", 200)
    assert health.find_trouble() is None


def test_a_refusal_is_logged_once_until_it_is_over(
    health: Health, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[dict[str, Any]] = []
    log = SimpleNamespace(warning=lambda event, **values: lines.append({"event": event, **values}))
    monkeypatch.setattr(health_module, "_log", log)
    for status in (403, 403, 403, 200, 403, 403):
        health.watch_answered("pods", status)
        clock.now += REFUSED_SECONDS
    assert [line["event"] for line in lines] == ["watch.refused"] * 2
    assert (lines[0]["what"], "watch" in lines[0]["remedy"]) == ("pods", True)


@pytest.mark.parametrize(("refusals", "ready"), [([], True), ([403], True), ([403, 403], False), ([503, 503], False)])
def test_one_namespace_that_can_be_listed_is_enough(refusals: list[int], ready: bool) -> None:
    api, queue, health = FakeApi(), WorkQueue[Any](lambda key: asyncio.sleep(0), workers=1), Health()
    left = iter([(status, "no") for status in refusals])
    api.refuse = lambda verb, plural, name: next(left, None)
    asyncio.run(_list(api, queue, health))
    assert (health.find_trouble() is None) == ready
    assert health.find_hang() is None


async def _list(api: FakeApi, queue: WorkQueue[Any], health: Health) -> None:
    await refresh_once(api.connect(), Store(), queue, ("gone", "shop"), health)


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """For how long kopf watches until it fails, time after time."""
    seconds: list[float] = []

    async def operate(*, stop_flag: asyncio.Event, **_: Any) -> None:
        if not seconds:
            stop_flag.set()
            return
        await asyncio.sleep(seconds.pop(0))
        raise RuntimeError("the CRD is gone")

    monkeypatch.setattr(kopf, "operator", operate)
    yield seconds
    assert not seconds


def test_a_watch_that_lived_is_set_up_again_at_once(lives: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    lives += [0.0, 0.0, 0.0, 3600.0, 0.0]
    waits: list[float] = []
    wait = watch.pause

    async def note(event: asyncio.Event, seconds: float) -> None:
        waits.append(seconds)
        await wait(event, seconds)

    monkeypatch.setattr(watch, "pause", note)

    async def main() -> None:
        health = Health(asyncio.get_running_loop().time)
        queue = WorkQueue[Any](lambda key: asyncio.sleep(0), workers=1)
        ended = asyncio.Event()
        await run_kopf(
            Watcher(Store(), queue, lambda namespace: None), (), ended, lambda: None, asyncio.Event(), health, print
        )

    run_in_fake_time(main())
    first = FIRST_RESTART_SECONDS
    assert waits[:5] == [first, 2 * first, 4 * first, first, 2 * first]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/healthz", 200, "ok\n"),
        ("/readyz", 503, "list: refused\n"),
        ("/loopz", 200, "loop_held_seconds_max 0.000\nloop_busy_seconds_max 0.000\n"),
    ],
)
def test_the_probes_are_answered(path: str, status: int, text: str) -> None:
    async def main() -> tuple[int, str]:
        health = Health()
        health.turn(Loop.LIST, "refused")
        server = await serve_health(0, health)
        port = next(address[1] for address in server.addresses if len(address) == 2)  # IPv6 has another port
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            told = answer.status, await answer.text()
        await server.cleanup()
        return told

    assert asyncio.run(main()) == (status, text)


async def test_a_replica_that_stands_by_serves_metrics() -> None:
    metrics = Metrics()
    server = await serve_health(0, Health(), LoopLag(), metrics)
    port = next(address[1] for address in server.addresses if len(address) == 2)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        kind, text = answer.headers["Content-Type"], await answer.text()
    await server.cleanup()
    assert (answer.status, kind) == (200, CONTENT_TYPE)
    assert "\nbuildandpush_leader 0.0\n" in text
    assert "\nbuildandpush_queue_depth 0.0\n" in text
