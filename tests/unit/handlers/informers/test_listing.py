"""Everything is listed afresh by pages: what the watches missed comes so, and only what has changed is read."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from buildandpush.api import meta
from buildandpush.clients.kubernetes import transport
from buildandpush.handlers.informers.listing import (
    _PLURALS,
    REFRESH_SECONDS,
    RELIST_SECONDS,
    RETRY_SECONDS,
    list_all,
    refresh,
    refresh_once,
)
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.informers.watch import Watcher
from buildandpush.handlers.objects import Key
from buildandpush.handlers.observability.health import Health
from buildandpush.handlers.workqueue.queue import WorkQueue
from tests.unit.handlers.fake_api import FakeAnswer, FakeApi
from tests.unit.handlers.fake_time import run_in_fake_time
from tests.unit.handlers.informers.test_watch import WEB, QueueStub, pod, resource

LISTED = asyncio.Event()
"""Of an operator that has listed all for the first time."""
LISTED.set()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two objects."""
    monkeypatch.setattr(transport, "WHOLE_PAGE_SIZE", 2)
    monkeypatch.setattr(transport, "NAMES_PAGE_SIZE", 2)


def test_changes_that_no_watch_told_of_are_worked_on_after_the_next_list() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        seen: list[Key] = []

        async def work(key: Key) -> None:
            seen.append(key)

        queue: WorkQueue[Key] = WorkQueue(work, workers=1)
        watcher = Watcher(store, queue, lambda namespace: None)
        for name in ("web", "gone", "same"):
            watcher.on_resource(meta.BUILD_KIND, "ADDED", api.put(meta.BUILD_PLURAL, resource(name)))
        api.drop(meta.BUILD_PLURAL, "shop", "gone")
        api.put(meta.BUILD_PLURAL, {**api.get(meta.BUILD_PLURAL, "shop", "web"), "spec": {"changed": True}})
        api.put(meta.BUILD_PLURAL, resource("new"))
        tasks = [
            asyncio.create_task(queue.run()),
            asyncio.create_task(refresh(api.connect(), store, queue, (), watcher.relisted, Health(), LISTED)),
        ]
        await asyncio.sleep(1)
        seen.clear()
        await asyncio.sleep(REFRESH_SECONDS + RELIST_SECONDS + 1)
        assert {key.name for key in seen} == {"web", "gone", "new"}
        assert store.get(Key(meta.BUILD_KIND, "shop", "gone")) is None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_in_fake_time(main())


def test_list_that_fails_is_tried_again_later() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        api.refuse = lambda verb, plural, name: (503, "etcdserver: leader changed")
        queue: WorkQueue[Key] = WorkQueue(lambda key: asyncio.sleep(0), workers=1)
        task = asyncio.create_task(refresh(api.connect(), store, queue, ("shop",), asyncio.Event(), Health(), LISTED))
        await asyncio.sleep(REFRESH_SECONDS + RELIST_SECONDS + 1)
        assert not task.done()
        api.refuse = lambda verb, plural, name: None
        api.put(meta.BUILD_PLURAL, resource())
        await asyncio.sleep(REFRESH_SECONDS + RELIST_SECONDS + 1)
        assert store.get(WEB) is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())


def test_what_one_list_missed_is_worked_on_though_the_next_one_fails() -> None:
    """Only that list knows: the pod is gone from the store with it."""

    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put_pod(api.put("pods", pod()))
        api.drop("pods", "shop", pod()["metadata"]["name"])
        api.refuse = lambda verb, plural, name: (503, "come again") if plural == meta.BUILD_PLURAL else None
        await refresh_once(api.connect(), store, queue, (), Health())
        assert queue.added == [WEB]

    asyncio.run(main())


def test_a_namespace_that_may_not_be_listed_keeps_no_other_from_it() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        api.put(meta.BUILD_PLURAL, resource())
        refused = iter([(403, "forbidden")])
        api.refuse = lambda verb, plural, name: next(refused, None)
        await refresh_once(api.connect(), store, queue, ("gone", "shop"), Health())
        assert queue.added == [WEB]

    asyncio.run(main())


def test_a_list_does_not_come_from_a_cache_that_lags() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource()))
        api.lag()
        written = api.put(meta.BUILD_PLURAL, resource())
        store.put(meta.BUILD_KIND, written)
        unseen = api.put(meta.BUILD_PLURAL, resource("unseen"))
        await refresh_once(api.connect(), store, queue, (), Health())
        assert not store.relapsed.is_set()
        assert store.get(WEB) == written
        assert store.get(Key(meta.BUILD_KIND, "shop", "unseen")) == unseen

    asyncio.run(main())


@pytest.mark.parametrize("later", [0, 50], ids=["the list is behind", "the list is ahead, its object is behind"])
def test_versions_that_went_back_are_noticed_once(later: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after etcd was restored from an older snapshot."""
    told: list[str] = []
    monkeypatch.setattr("buildandpush.handlers.informers.store._log.error", lambda event, **_: told.append(event))

    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        api.put(meta.BUILD_PLURAL, resource())
        restore = api.snapshot()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource()))
        store.put_pod(api.put("pods", pod()))
        restore()
        for number in range(later):
            api.put(meta.BUILD_PLURAL, resource(f"later-{number}"))
        await refresh_once(api.connect(), store, queue, (), Health())
        assert store.relapsed.is_set()
        assert told == ["store.relapsed"]

    asyncio.run(main())


def test_no_work_begins_before_the_api_server_has_listed_what_there_is() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        api.put(meta.BUILD_PLURAL, resource())
        refused = iter([(503, "come again"), (503, "come again")])
        api.refuse = lambda verb, plural, name: next(refused, None)
        begun = asyncio.get_running_loop().time()
        await list_all(api.connect(), store, queue, ("shop",), Health())
        assert queue.added == [WEB]
        assert asyncio.get_running_loop().time() - begun >= 2 * RETRY_SECONDS

    run_in_fake_time(main())


def test_what_went_while_a_watch_was_cut_is_looked_for_once_kopf_has_listed_afresh() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: WorkQueue[Key] = WorkQueue(lambda key: asyncio.sleep(0), workers=1)
        watcher = Watcher(store, queue, lambda namespace: None)
        task = asyncio.create_task(refresh(api.connect(), store, queue, (), watcher.relisted, Health(), LISTED))
        watcher.on_resource(meta.BUILD_KIND, "ADDED", api.put(meta.BUILD_PLURAL, resource("gone")))
        api.drop(meta.BUILD_PLURAL, "shop", "gone")
        await asyncio.sleep(RELIST_SECONDS + 2)
        assert store.get(Key(meta.BUILD_KIND, "shop", "gone")) is not None
        api.put(meta.BUILD_PLURAL, resource("still-there"))
        watcher.relisted.set()
        await asyncio.sleep(RELIST_SECONDS + 1)
        assert store.get(Key(meta.BUILD_KIND, "shop", "gone")) is None
        assert store.get(Key(meta.BUILD_KIND, "shop", "still-there")) is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())


def names(store: Store) -> set[str]:
    return {key.name for key in store.keys(meta.BUILD_KIND, None)}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("names_only", [False, True])
def test_all_pages_are_taken_in_and_what_stands_in_none_is_gone(names_only: bool) -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource("gone")))
        api.drop(meta.BUILD_PLURAL, "shop", "gone")
        for number in range(5):
            api.put(meta.BUILD_PLURAL, resource(f"b{number}"))
        store.put(meta.BUILD_KIND, api.get(meta.BUILD_PLURAL, "shop", "b0"))
        assert await refresh_once(api.connect(), store, queue, (), Health(), names_only=names_only)
        assert names(store) == {"b0", "b1", "b2", "b3", "b4"}
        assert [key.name for key in queue.added] == ["b1", "b2", "b3", "b4", "gone"]
        assert sum(request.endswith(meta.BUILD_PLURAL) for request in api.requests) == 3

    asyncio.run(main())


def test_only_what_has_changed_is_read() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        for name in ("same", "changed"):
            store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource(name)))
        changed = api.put(meta.BUILD_PLURAL, {**resource("changed"), "spec": {"context": "x"}})
        for name in ("p1", "p2"):
            body = pod()
            body["metadata"]["name"] = name
            store.put_pod(api.put("pods", body))
        api.put("pods", {**api.get("pods", "shop", "p2"), "spec": {"nodeName": "node1"}})
        await refresh_once(api.connect(), store, queue, (), Health())
        assert [request.rpartition("/")[2] for request in api.requests] == [
            *("pods", "p2"),
            *(meta.BUILD_PLURAL, "changed"),
            meta.CONNECTOR_PLURAL,
        ]
        assert store.get(Key(meta.BUILD_KIND, "shop", "changed")) == changed
        assert store.pods_of("shop", "uid-web")["p2"].node == "node1"
        assert [key.name for key in queue.added] == ["web", "changed"]

    asyncio.run(main())


def test_what_goes_between_the_list_and_its_reading_stands_in_no_ones_way() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        for name in ("gone", "new"):
            api.put(meta.BUILD_PLURAL, resource(name))
        api.refuse = lambda verb, plural, name: (404, "not found") if name == "gone" else None
        assert await refresh_once(api.connect(), store, queue, (), Health())
        assert names(store) == {"new"}

    asyncio.run(main())


@pytest.mark.usefixtures("small_pages")
def test_a_list_whose_state_is_gone_loses_nothing() -> None:
    """It is begun again. What stands on later pages is not gone."""

    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        for number in range(5):
            store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource(f"b{number}")))
        asked: list[str] = []

        def compact_after_a_page(verb: str, plural: str, name: str) -> None:
            asked.append(plural)
            if asked.count(meta.BUILD_PLURAL) == 2:
                api.compact()

        api.refuse = compact_after_a_page
        assert not await refresh_once(api.connect(), store, queue, (), Health())
        assert len(names(store)) == 5
        assert await refresh_once(api.connect(), store, queue, (), Health())
        assert queue.added == []

    asyncio.run(main())


def test_others_have_their_turn_while_a_long_list_is_taken_in() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        for number in range(200):
            api.put(meta.BUILD_PLURAL, resource(f"b{number}"))
        turns = [0]

        async def take_turns() -> None:
            while True:
                await asyncio.sleep(0)
                turns.append(len(queue.added))

        other = asyncio.create_task(take_turns())
        await refresh_once(api.connect(), store, queue, (), Health(), names_only=False)
        other.cancel()
        assert queue.added, "nothing was taken in"
        assert max(after - before for before, after in itertools.pairwise(turns)) <= 50

    asyncio.run(main())


class _SlowApi(FakeApi):
    """Lets each request wait for so many seconds."""

    slow = 0.0

    async def call_api(self, *args: Any, **kwargs: Any) -> FakeAnswer:
        await asyncio.sleep(self.slow)
        return await super().call_api(*args, **kwargs)


def test_lists_of_kopfs_that_come_again_and_again_do_not_hold_the_api_server() -> None:
    """One of ours for each would be a list of everything, each second."""

    async def main() -> None:
        api, store = _SlowApi(), Store()
        queue: Any = QueueStub()
        relisted, listed = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(refresh(api.connect(), store, queue, (), relisted, Health(), listed))
        relisted.set()
        await asyncio.sleep(3 * RELIST_SECONDS)
        assert api.requests == [], "the first list is not of names alone, which would have each object read"
        listed.set()
        await asyncio.sleep(RELIST_SECONDS + 0.5)
        assert len(api.requests) == 3
        api.slow = 2.0
        for _ in range(60):
            relisted.set()
            await asyncio.sleep(1)
        lists = (len(api.requests) - 3) / 3
        assert 60 / 18 - 1 <= lists <= 60 / 18 + 2, "six seconds each, and twice as long in between"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_fake_time(main())


def test_a_connector_that_changed_unheard_wakes_the_builds_that_may_wait_for_it() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, {**resource(), "spec": {"connectorRef": "acr"}}))
        api.put(meta.CONNECTOR_PLURAL, resource("acr"))
        await refresh_once(api.connect(), store, queue, (), Health())
        connector = Key(meta.CONNECTOR_KIND, "shop", "acr")
        assert queue.added == [connector, WEB]
        queue.added.clear()
        api.drop(meta.CONNECTOR_PLURAL, "shop", "acr")
        await refresh_once(api.connect(), store, queue, (), Health())
        assert queue.added == [connector, WEB]

    asyncio.run(main())


@pytest.mark.usefixtures("small_pages")
def test_a_first_list_that_takes_too_long_gets_further_with_each_try() -> None:
    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        for number in range(9):
            api.put(meta.BUILD_PLURAL, resource(f"b{number}"))

        asked: list[str] = []

        def compact_after_a_page(verb: str, plural: str, name: str) -> None:
            asked.append(plural)
            if asked.count(meta.BUILD_PLURAL) == 2:
                api.compact()

        api.refuse = compact_after_a_page
        await list_all(api.connect(), store, queue, (), Health())
        assert len(names(store)) == 9
        read = {request.rpartition("/")[2] for request in api.requests} - {"pods", *_PLURALS.values()}
        assert read == {f"b{number}" for number in range(2, 9)}, "those of the first page were known already"

    run_in_fake_time(main())


@pytest.mark.parametrize("names_only", [True, False])
@pytest.mark.parametrize(
    "answer",
    [{"items": None}, {"metadata": {"resourceVersion": ""}, "items": []}, {"metadata": {"resourceVersion": "0x"}}, []],
)
def test_a_list_without_a_version_fails_and_says_nothing_of_what_is_gone(answer: Any, names_only: bool) -> None:
    """It may come from a proxy. As version 0 it would tell that versions went back, and the operator would end."""

    async def main() -> None:
        api, store = FakeApi(), Store()
        queue: Any = QueueStub()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource()))

        async def call_api(*_: Any, **__: Any) -> FakeAnswer:
            return FakeAnswer(200, json.dumps(answer).encode())

        api.call_api = call_api  # type: ignore[method-assign]
        assert not await refresh_once(api.connect(), store, queue, (), Health(), names_only=names_only)
        assert not store.relapsed.is_set()
        assert store.get(WEB) is not None

    asyncio.run(main())


def answer_reads(api: FakeApi, start: str, answer: Callable[[], Awaitable[FakeAnswer]]) -> None:
    """Have the reads of objects whose names begin like this answered otherwise."""
    call = api.call_api

    async def call_api(method: str, url: str, *more: Any, **named: Any) -> FakeAnswer:
        path = urlsplit(url).path
        if not path.rpartition("/")[2].startswith(start):
            return await call(method, url, *more, **named)
        api.requests.append(f"{method} {path}")
        return await answer()

    api.call_api = call_api  # type: ignore[method-assign]


async def break_off() -> FakeAnswer:
    raise TimeoutError


async def tell_of_trouble() -> FakeAnswer:
    """As where etcd has no leader."""
    await asyncio.sleep(7)
    return FakeAnswer(500, b'{"message": "etcdserver: request timed out"}')


def answering(status: int, data: bytes = b"") -> Callable[[], Awaitable[FakeAnswer]]:
    """Answer so."""

    async def answer() -> FakeAnswer:
        return FakeAnswer(status, data)

    return answer


BROKEN = {
    "too long": (200, b"x" * (17 * 2**20)),
    "no JSON": (200, b"<html>"),
    "no object": (200, b"[]"),
    "conversion": (500, b'{"message": "conversion webhook for buildandpush.dev/v1, Kind=BuildAndPushACR failed"}'),
    "refused": (403, b'{"message": "no opinion"}'),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_object_that_cannot_be_read_keeps_no_other_from_it(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("buildandpush.handlers.informers.listing._log.warning", lambda event, **said: told.append(said))

    async def main() -> None:
        api, store, health = FakeApi(), Store(), Health()
        queue: Any = QueueStub()
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource("a-bad")))
        known = store.get(Key(meta.BUILD_KIND, "shop", "a-bad"))
        store.put(meta.BUILD_KIND, api.put(meta.BUILD_PLURAL, resource("gone")))
        api.drop(meta.BUILD_PLURAL, "shop", "gone")
        api.put(meta.BUILD_PLURAL, {**resource("a-bad"), "spec": {"context": "x"}})
        api.put(meta.BUILD_PLURAL, resource("new"))
        api.put(meta.CONNECTOR_PLURAL, resource("acr"))
        answer_reads(api, "a-bad", answering(*BROKEN[broken]))
        assert await refresh_once(api.connect(), store, queue, (), health)
        assert names(store) == {"a-bad", "new"}
        assert store.get(Key(meta.BUILD_KIND, "shop", "a-bad")) == known, "it stays as it was known"
        assert [key.name for key in queue.added] == ["new", "gone", "acr"]
        assert health.find_trouble() is None
        assert [(said["kind"], said["count"], said["objects"]) for said in told] == [
            (meta.BUILD_KIND, 1, ["shop/a-bad"])
        ]

    asyncio.run(main())


def test_work_begins_though_one_object_cannot_be_read() -> None:
    """The first list, with bodies, fails with its page. The next one asks for names."""

    async def main() -> None:
        api, store, health = FakeApi(), Store(), Health()
        queue: Any = QueueStub()
        for name in ("bad", "web"):
            api.put(meta.BUILD_PLURAL, resource(name))
        answer_reads(api, "bad", answering(*BROKEN["conversion"]))
        once = iter([(500, "conversion webhook failed")])
        api.refuse = lambda verb, plural, name: next(once, None) if plural == meta.BUILD_PLURAL else None
        await list_all(api.connect(), store, queue, (), health)
        assert queue.added == [WEB]
        assert health.find_trouble() is None

    run_in_fake_time(main())


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(break_off, 3), (answering(429), 1), (answering(503), 3), (tell_of_trouble, 9)],
    ids=["no answer", "too many requests", "starting", "slow trouble"],
)
def test_an_api_server_in_trouble_is_not_asked_for_every_object(
    answer: Callable[[], Awaitable[FakeAnswer]], asked: int
) -> None:
    async def main() -> None:
        api, store, health = FakeApi(), Store(), Health()
        queue: Any = QueueStub()
        for number in range(100):
            api.put(meta.BUILD_PLURAL, resource(f"web-{number:02}"))
        answer_reads(api, "web-", answer)
        assert not await refresh_once(api.connect(), store, queue, (), health)
        assert sum("/web-" in request for request in api.requests) == asked
        assert f"/web-{asked - 1:02}" in (health.find_trouble() or "")

    run_in_fake_time(main())


async def test_an_object_that_nobody_foresaw_keeps_no_other_from_being_worked_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Odd(Store):
        def put_any(self, kind: str, body: Any) -> Key | None:
            if body["metadata"]["name"] == "odd":
                raise ValueError("nobody foresaw this")
            return super().put_any(kind, body)

    api, store, queue = FakeApi(), Odd(), QueueStub()
    for name in ("odd", "web"):
        api.put(meta.BUILD_PLURAL, resource(name))
    stub: Any = queue
    assert await refresh_once(api.connect(), store, stub, (), Health(), names_only=False)
    assert queue.added == [WEB]


@pytest.mark.parametrize("body", [{}, {"metadata": "web"}, {"metadata": {}}, {"metadata": {"resourceVersion": "x"}}])
async def test_an_answer_that_is_no_object_keeps_no_other_from_being_worked_on(
    body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a mesh's page, which is JSON too."""
    api, store, queue = FakeApi(), Store(), QueueStub()
    for name in ("odd", "web"):
        api.put(meta.BUILD_PLURAL, resource(name))
    read = api._find
    monkeypatch.setattr(api, "_find", lambda place: body if place[2] == "odd" else read(place))
    stub: Any = queue
    assert await refresh_once(api.connect(), store, stub, (), Health())
    assert queue.added == [WEB]
