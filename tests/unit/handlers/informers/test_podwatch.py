"""The watch of the build pods goes on from what it has heard of, and lists only where that is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from buildandpush.clients.errors import BrokenAnswerError, KubernetesError, UnavailableError
from buildandpush.handlers.informers import podwatch
from buildandpush.handlers.informers.podwatch import FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS, PodWatch

GONE = KubernetesError(410, "Expired", "too old resource version")
AWAY = UnavailableError("GET /api/v1/pods: connection reset")


class Server:
    """What the watches of a test give, one after the other; an exception among the events is raised."""

    def __init__(self, *watches: list[Any]) -> None:
        self.watches = list(watches)
        self.asked: list[str] = []
        self.lists = 0
        self.taken: list[tuple[str, str]] = []
        self.told: list[tuple[str, int | None]] = []

    async def watch_pods(
        self, namespace: str | None, version: str, on_status: Callable[[int | None], None]
    ) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(version)
        on_status(200)
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event

    async def list_pods(self) -> str:
        self.lists += 1
        return str(1000 * self.lists)

    def take(self, kind: str, body: dict[str, Any]) -> None:
        if body["metadata"]["name"] == "odd":
            raise ValueError("nobody foresaw this")
        self.taken.append((kind, body["metadata"]["name"]))


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is logged."""
    told: list[dict[str, Any]] = []

    class _Log:
        def warning(self, event: str, **values: Any) -> None:
            told.append({"event": event, **values})

    monkeypatch.setattr(podwatch, "_log", _Log())
    return told


def follow(server: Server, *, ready: bool = True, namespace: str | None = None) -> PodWatch:
    """A watch of this server's pods."""
    event = asyncio.Event()
    if ready:
        event.set()
    client: Any = server
    return PodWatch(client, namespace, server.list_pods, server.take, event, lambda *told: server.told.append(told))


def change(version: int, kind: str = "MODIFIED", name: str = "p1") -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


def bookmark(version: int) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


async def test_each_change_is_taken_and_the_next_watch_goes_on_from_the_last() -> None:
    server = Server([change(1001, "ADDED"), change(1002), change(1003, "DELETED")], [], [])
    pods = follow(server)
    assert await pods.follow() == 0, "it goes on at once"
    assert server.taken == [("ADDED", "p1"), ("MODIFIED", "p1"), ("DELETED", "p1")]
    await pods.follow()
    assert (server.asked, server.lists) == (["1000", "1003"], 1)


@pytest.mark.parametrize(("namespace", "what"), [(None, "pods"), ("shop", "pods in namespace shop")])
async def test_what_the_api_server_answers_is_told(namespace: str | None, what: str) -> None:
    server = Server([])
    await follow(server, namespace=namespace).follow()
    assert server.told == [(what, 200)]


async def test_a_bookmark_moves_on_and_is_no_pod() -> None:
    server = Server([bookmark(1500)], [])
    pods = follow(server)
    await pods.follow()
    await pods.follow()
    assert server.asked == ["1000", "1500"]
    assert server.taken == []


async def test_a_pod_that_nobody_foresaw_keeps_no_other_from_being_told_of(log: list[dict[str, Any]]) -> None:
    server = Server([change(1001, name="odd"), change(1002)])
    await follow(server).follow()
    assert server.taken == [("MODIFIED", "p1")]
    assert [told["event"] for told in log] == ["pods.not_taken"]


async def test_a_watch_that_ends_at_once_is_not_asked_for_in_a_hot_loop() -> None:
    assert await follow(Server([])).follow() == FIRST_BACKOFF_SECONDS


async def test_a_version_that_is_gone_is_listed_afresh_without_a_word(log: list[dict[str, Any]]) -> None:
    server = Server([change(1001), GONE], [])
    pods = follow(server)
    assert await pods.follow() == FIRST_BACKOFF_SECONDS
    await pods.follow()
    assert (server.asked, log) == (["1000", "2000"], [])


async def test_a_watch_that_is_cut_goes_on_from_its_last_event() -> None:
    server = Server([change(1001), AWAY], [])
    pods = follow(server)
    assert await pods.follow() == FIRST_BACKOFF_SECONDS
    await pods.follow()
    assert (server.asked, server.lists) == (["1000", "1001"], 1)


async def test_an_event_that_nobody_can_read_is_passed_by_with_a_list() -> None:
    """Otherwise each watch would begin with the same event again."""
    server = Server([AWAY], [AWAY], [])
    pods = follow(server)
    for _ in range(3):
        await pods.follow()
    assert server.asked == ["1000", "1000", "2000"]


async def test_a_watch_that_gives_what_is_no_event_is_told_of_and_a_list_follows(
    log: list[dict[str, Any]],
) -> None:
    odd = BrokenAnswerError("the watch gives what is no event")
    server = Server([change(1001), odd], [odd], [odd])
    pods = follow(server)
    assert [await pods.follow() for _ in range(3)] == [1, 2, 4]
    assert server.asked == ["1000", "2000", "3000"]
    assert {told["event"] for told in log} == {"pods.watch_failed"}


async def test_an_api_server_that_refuses_is_asked_less_and_less(log: list[dict[str, Any]]) -> None:
    refused = KubernetesError(403, "Forbidden", "pods is forbidden")
    pods = follow(Server(*[[refused]] * 8))
    delays = [await pods.follow() for _ in range(8)]
    assert delays == [1, 2, 4, 8, 16, LAST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS]
    assert log[0] == {
        "event": "pods.watch_failed",
        "namespace": "all",
        "error": "403 Forbidden: pods is forbidden",
        "retry_seconds": 1.0,
    }


async def test_an_event_ends_the_count_of_failures() -> None:
    pods = follow(Server([AWAY], [AWAY], [change(2001), AWAY]))
    assert [await pods.follow() for _ in range(3)] == [1, 2, 1]


async def test_nothing_is_asked_before_the_first_list_of_all() -> None:
    server = Server([])
    pods = follow(server, ready=False)
    task = asyncio.create_task(pods.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert (server.asked, server.lists) == ([], 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
