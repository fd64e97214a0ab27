"""Events are written beside the passes: each once, none at the cost of a build, and those of one namespace in turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.core.build.world import Announce
from buildandpush.handlers import announcements
from buildandpush.handlers.announcements import Announcements
from tests.unit.conftest import LogLines
from tests.unit.core.factories import NOW, OWNER
from tests.unit.handlers.fake_api import FakeApi
from tests.unit.handlers.fake_time import run_in_fake_time

TOLD = Announce(warning=True, reason="RunFailed", message="what happened", key="run-1-attempt-1")


def told(number: int) -> Announce:
    return replace(TOLD, key=f"run-{number}")


@asynccontextmanager
async def writing(api: FakeApi) -> AsyncIterator[Announcements]:
    """Events that are written in the background."""
    events = Announcements(api.connect())
    task = asyncio.create_task(events.run())
    try:
        yield events
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class SlowApi(FakeApi):
    """It answers after a second, and counts how many requests it has at once."""

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.active: dict[str, int] = {}
        self.most: dict[str, int] = {}

    async def call_api(self, method: str, url: str, headers: Any, body: Any, *rest: Any, **options: Any) -> Any:
        namespace = url.split("/namespaces/")[1].split("/", maxsplit=1)[0]
        for place in (namespace, "all"):
            self.active[place] = self.active.get(place, 0) + 1
            self.most[place] = max(self.most.get(place, 0), self.active[place])
        await asyncio.sleep(self.seconds)
        for place in (namespace, "all"):
            self.active[place] -= 1
        return await super().call_api(method, url, headers, body, *rest, **options)


def test_an_event_is_written_once_and_about_the_resource() -> None:
    async def main() -> None:
        api = FakeApi()
        async with writing(api) as events:
            for _ in range(3):
                await events.tell(OWNER, TOLD, NOW)
                await events.flush(10)
        (event,) = api.all("events")
        assert (event["type"], event["reason"], event["message"]) == ("Warning", "RunFailed", "what happened")
        assert event["involvedObject"]["uid"] == OWNER.uid
        assert event["involvedObject"]["kind"] == meta.BUILD_KIND
        assert event["metadata"]["namespace"] == event["involvedObject"]["namespace"] == "shop"
        assert event["firstTimestamp"] == "2026-11-24T12:00:00Z"

    run_in_fake_time(main())


def test_another_happening_is_another_event() -> None:
    async def main() -> None:
        api = FakeApi()
        async with writing(api) as events:
            for key, reason in (("run-1", "A"), ("run-1", "B"), ("run-2", "A")):
                await events.tell(OWNER, Announce(warning=False, reason=reason, message="", key=key), NOW)
            await events.flush(10)
        assert len(api.all("events")) == 3

    run_in_fake_time(main())


def test_who_tells_does_not_wait_for_the_api_server() -> None:
    async def main() -> None:
        api = SlowApi()
        async with writing(api) as events:
            for number in range(100):
                await events.tell(OWNER, told(number), NOW)
            assert asyncio.get_running_loop().time() == 0
            assert events.count_waiting() == 100
            await events.flush(1000)
            assert events.count_waiting() == 0
        assert len(api.all("events")) == 100

    run_in_fake_time(main())


def test_a_namespace_has_one_writer_and_many_have_a_few() -> None:
    async def main() -> None:
        api = SlowApi()
        async with writing(api) as events:
            for number in range(80):
                await events.tell(replace(OWNER, namespace=f"team-{number % 8}"), told(number), NOW)
            await events.flush(1000)
        assert api.most == {**{f"team-{number}": 1 for number in range(8)}, "all": announcements.WRITERS}

    run_in_fake_time(main())


def test_the_slower_the_api_server_the_more_time_is_left_to_others() -> None:
    async def main() -> None:
        api = SlowApi(seconds=0.1)
        async with writing(api) as events:
            for number in range(100):
                await events.tell(OWNER, told(number), NOW)
            await asyncio.sleep(10)
            assert len(api.all("events")) == pytest.approx(10 / 0.1 / (1 + announcements.PAUSES), abs=1)

    run_in_fake_time(main())


def test_short_ones_come_some_in_a_row() -> None:
    """With as much time for others, and with fewer wakings."""

    async def main() -> None:
        api = SlowApi(seconds=0.01)
        async with writing(api) as events:
            for number in range(100):
                await events.tell(OWNER, told(number), NOW)
            await asyncio.sleep(0.06)
            assert len(api.all("events")) == 5
            await asyncio.sleep(10 * announcements.ROW_SECONDS * (1 + announcements.PAUSES) - 0.06)
            assert len(api.all("events")) == pytest.approx(50, abs=5)

    run_in_fake_time(main())


@pytest.mark.parametrize("status", [429, 503])
def test_an_event_without_an_answer_is_written_later(status: int) -> None:
    async def main() -> None:
        api = FakeApi()
        api.refuse = lambda verb, plural, name: (status, "come again") if len(api.requests) < 3 else None
        async with writing(api) as events:
            await events.tell(OWNER, TOLD, NOW)
            await events.flush(100)
        assert len(api.all("events")) == 1

    run_in_fake_time(main())


@pytest.mark.parametrize(("status", "tries"), [(403, 1), (500, announcements.MOST_TRIES)])
def test_an_event_that_is_never_taken_is_given_up(status: int, tries: int, log_lines: LogLines) -> None:
    async def main() -> None:
        api = FakeApi()
        api.refuse = lambda verb, plural, name: (status, "not here")
        async with writing(api) as events:
            await events.tell(OWNER, TOLD, NOW)
            await events.flush(1000)
            assert events.count_waiting() == 0
        assert len(api.requests) == tries
        refused = [line for line in log_lines if line["event"] == "event.refused"]
        assert [(line["namespace"], line["build"]) for line in refused] == [("shop", "web")]

    run_in_fake_time(main())


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has one more writes it itself, so none is lost and no memory grows."""
    monkeypatch.setattr(announcements, "MOST_WAITING", 5)

    async def main() -> None:
        api = SlowApi()
        async with writing(api) as events:
            for number in range(7):
                await events.tell(OWNER, told(number), NOW)
                assert events.count_waiting() <= 5
            await events.flush(100)
        assert len(api.all("events")) == 7

    run_in_fake_time(main())


def test_at_its_end_the_operator_waits_for_events_but_not_for_long(log_lines: LogLines) -> None:
    async def main() -> None:
        async with writing(SlowApi(seconds=60)) as events:
            await events.tell(OWNER, TOLD, NOW)
            await events.flush(4)
            assert asyncio.get_running_loop().time() == 4
        assert [line["event"] for line in log_lines] == ["events.not_written"]

    run_in_fake_time(main())


def end_tasks_as_kopf_does(before: set[asyncio.Task[Any]]) -> None:
    """At its end kopf cancels all tasks that were made while it ran."""
    for task in asyncio.all_tasks() - before:
        task.cancel()


@pytest.mark.parametrize("seconds", [1.5, 0.5])
def test_a_writer_that_kopf_cancels_leaves_nothing_to_wait_for(seconds: float, log_lines: LogLines) -> None:
    """It may be cancelled in its pause, when its Event is written, or in the middle of the request."""

    async def main() -> None:
        api = SlowApi()
        async with writing(api) as events:
            before = asyncio.all_tasks()
            await events.tell(OWNER, TOLD, NOW)
            await asyncio.sleep(seconds)
            end_tasks_as_kopf_does(before)
            await events.flush(4)
            assert events.count_waiting() == 0
            assert asyncio.get_running_loop().time() < 4
        assert len(api.all("events")) == 1
        assert "events.not_written" not in [line["event"] for line in log_lines]

    run_in_fake_time(main())


def test_what_is_told_again_while_it_is_written_is_written_once(log_lines: LogLines) -> None:
    async def main() -> None:
        api = SlowApi()
        async with writing(api) as events:
            await events.tell(OWNER, TOLD, NOW)
            await asyncio.sleep(0.5)
            await events.tell(OWNER, TOLD, NOW)
            await events.flush(10)
            assert asyncio.get_running_loop().time() < 10
        assert len(api.all("events")) == 1
        assert log_lines == []

    run_in_fake_time(main())
