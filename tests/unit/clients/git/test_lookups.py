"""Answers that take long: who is asked when, what is remembered, and who hears of it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.clients.git.lookups import (
    AT_ONCE,
    MOST_WISHES,
    PER_HOST,
    PER_NAMESPACE,
    UNPROVEN_PER_NAMESPACE,
    Lookups,
    Subject,
    UnendedError,
)
from buildandpush.clients.traffic.places import SILENT, Places
from buildandpush.core.facts import Trouble
from buildandpush.source.report import SourceError
from tests.unit.core.factories import NOW

HOST = Subject("git.example", "")


class Server:
    """Answers once it is let, and counts who asks at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked: list[str] = []
        self.busy = 0
        self.most = 0
        self.error: SourceError | None = None

    def release(self) -> None:
        """Answer those who ask now, and no others."""
        self.open.set()
        self.open.clear()

    def work(self, name: str) -> Callable[[], Awaitable[str]]:
        async def look_up() -> str:
            self.asked.append(name)
            self.busy += 1
            self.most = max(self.most, self.busy)
            try:
                await self.open.wait()
            finally:
                self.busy -= 1
            if self.error is not None:
                raise self.error
            return f"answer {len(self.asked)}"

        return look_up


class Desk:
    """Lookups with a clock, and who was woken."""

    def __init__(self) -> None:
        self.now = NOW
        self.woken: list[str] = []
        self.lookups: Lookups[str, str] = Lookups(
            lambda: self.now, self.woken.append, namespace_of=lambda waiter: waiter.partition("/")[0]
        )

    def ask(self, server: Server, key: str, waiter: str = "web", subject: Subject = HOST) -> Trouble | None:
        return self.lookups.ask(key, subject, waiter, server.work(key))

    def find(self, key: str, since: datetime = NOW) -> str | Trouble | None:
        return self.lookups.find(key, since)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def settle() -> None:
    """Let all that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_those_who_ask_the_same_share_one_answer_and_all_hear_of_it(desk: Desk) -> None:
    server = Server()
    for waiter in ("web", "api", "web"):
        assert desk.ask(server, "main", waiter) is None
    await settle()
    assert (server.asked, desk.find("main"), desk.woken) == (["main"], None, [])
    server.open.set()
    await settle()
    assert (server.asked, desk.find("main"), sorted(desk.woken)) == (["main"], "answer 1", ["api", "web"])


async def test_an_answer_is_as_old_as_its_question(desk: Desk) -> None:
    server = Server()
    desk.ask(server, "main")
    await settle()
    desk.now += timedelta(seconds=30)
    server.open.set()
    await settle()
    assert desk.find("main", NOW) == "answer 1"
    assert desk.find("main", NOW + timedelta(seconds=1)) is None


async def test_an_answer_from_before_the_clock_went_back_is_none(desk: Desk) -> None:
    """Else a branch would stand still for as long as the clock went back."""
    server = Server()
    server.open.set()
    desk.ask(server, "main")
    await settle()
    desk.now -= timedelta(hours=8)
    assert desk.find("main", desk.now) is None
    desk.ask(server, "main")
    await settle()
    assert desk.find("main", desk.now) == "answer 2"


@pytest.mark.parametrize("reason", [Reason.SOURCE_UNREACHABLE, Reason.SOURCE_THROTTLED])
async def test_a_failure_from_before_the_clock_went_back_is_not_remembered(reason: Reason, desk: Desk) -> None:
    server = Server()
    server.open.set()
    server.error = SourceError(reason, "not now")
    desk.ask(server, "main")
    await settle()
    desk.now -= timedelta(hours=8)
    server.error = None
    assert (desk.find("main", desk.now), desk.ask(server, "main")) == (None, None)
    await settle()
    assert desk.find("main", desk.now) == "answer 2"


async def test_a_server_that_answers_nobody_takes_no_place_of_the_others(desk: Desk) -> None:
    dead, alive = Server(), Server()
    alive.open.set()
    for number in range(50):
        desk.ask(dead, f"dead {number}", str(number), Subject("dead.example", ""))
    await settle()
    assert dead.busy == PER_HOST
    for number in range(5):
        desk.ask(alive, f"alive {number}", subject=Subject("alive.example", ""))
    await settle()
    assert len(alive.asked) == 5
    dead.open.set()
    for _ in range(30):
        await settle()
    assert (len(dead.asked), dead.most) == (50, PER_HOST)


async def test_a_host_that_was_silent_is_asked_one_question_at_a_time_until_it_speaks(desk: Desk) -> None:
    server = Server()
    server.open.set()
    server.error = SourceError(Reason.SOURCE_UNREACHABLE, "timed out")
    desk.ask(server, "first")
    await settle()
    server.open.clear()
    for number in range(10):
        desk.ask(server, str(number))
    await settle()
    assert server.busy == SILENT
    server.error = None
    server.open.set()
    for _ in range(10):
        await settle()
    assert len(server.asked) == 11
    server.open.clear()
    for number in range(10, 20):
        desk.ask(server, str(number))
    await settle()
    assert server.busy == PER_HOST


async def test_hosts_that_hang_however_many_leave_places_to_those_that_answer(desk: Desk) -> None:
    dead, alive = Server(), Server()
    alive.open.set()
    desk.ask(alive, "first")
    await settle()
    for number in range(50):
        desk.ask(dead, f"dead {number}", subject=Subject(f"{number}.example", ""))
    await settle()
    assert dead.busy == UNPROVEN_PER_NAMESPACE
    for number in range(5):
        desk.ask(alive, f"alive {number}")
    await settle()
    assert len(alive.asked) == 6


async def test_a_namespace_whose_hosts_hang_leaves_places_to_new_hosts_of_another(desk: Desk) -> None:
    dead, alive = Server(), Server()
    alive.open.set()
    for number in range(50):
        desk.ask(dead, f"dead {number}", "evil/web", Subject(f"{number}.example", ""))
    await settle()
    for number in range(5):
        desk.ask(alive, f"alive {number}", "shop/web", Subject(f"{number}.shop.example", ""))
    await settle()
    assert len(alive.asked) == 5


async def test_hosts_that_answered_before_they_hang_do_not_take_all_places_either(desk: Desk) -> None:
    hosts = [Subject(f"{number}.example", "") for number in range(50)]
    dead, alive = Server(), Server()
    for server in (dead, alive):
        server.open.set()
    for host in hosts:
        desk.ask(dead, host.host, "evil/web", host)
    for _ in range(30):
        await settle()
    dead.open.clear()
    for host in hosts:
        desk.ask(dead, f"{host.host} again", "evil/web", host)
    desk.ask(alive, "main", "shop/web")
    await settle()
    assert (dead.busy, alive.asked) == (PER_NAMESPACE, ["main"])


async def test_namespaces_take_turns_however_many_hosts_one_names(desk: Desk) -> None:
    """Two of them have all places for hosts that nobody knows. The third waits for one of them, not for all."""
    dead, alive = Server(), Server()
    alive.open.set()
    for namespace in ("evil", "worse"):
        for number in range(50):
            desk.ask(dead, f"{namespace} {number}", f"{namespace}/web", Subject(f"{number}.{namespace}.example", ""))
    await settle()
    desk.ask(alive, "main", "shop/web")
    await settle()
    assert alive.asked == []
    dead.error = SourceError(Reason.SOURCE_UNREACHABLE, "timed out")
    dead.release()
    await settle()
    assert alive.asked == ["main"]


async def test_who_asks_what_another_namespace_waits_for_waits_only_for_its_own_turn(desk: Desk) -> None:
    dead, alive = Server(), Server()
    alive.open.set()
    for number in range(50):
        desk.ask(dead, f"dead {number}", "evil/web", Subject(f"{number}.example", ""))
    for waiter in ("evil/web", "shop/web"):
        desk.ask(alive, "main", waiter)
    await settle()
    assert (alive.asked, sorted(desk.woken)) == (["main"], ["evil/web", "shop/web"])


async def test_work_that_goes_on_after_its_time_keeps_its_place_and_the_answer_comes_at_once(desk: Desk) -> None:
    """A thread that waits for DNS or a server cannot be ended. Else a host that hangs would have ever more of them."""
    threads: list[asyncio.Future[None]] = []

    async def look_up() -> str:
        threads.append(asyncio.get_running_loop().create_future())
        raise UnendedError(Reason.SOURCE_UNREACHABLE, "says nothing", threads[-1])

    for number in range(20):
        desk.lookups.ask(str(number), HOST, "shop/web", look_up)
    for _ in range(30):
        await settle()
    assert len(threads) == UNPROVEN_PER_NAMESPACE
    assert isinstance(desk.find("0"), Trouble)
    for thread in threads[:]:
        thread.set_result(None)
    await settle()
    assert len(threads) == UNPROVEN_PER_NAMESPACE + SILENT


async def test_only_so_many_are_asked_at_once_and_hosts_take_turns(desk: Desk) -> None:
    server = Server()
    server.open.set()
    for host in range(10):
        desk.ask(server, f"{host}-first", str(host), subject=Subject(f"{host}.example", ""))
    for _ in range(5):
        await settle()
    server.open.clear()
    server.asked.clear()
    for number in range(3):
        for host in range(10):
            desk.ask(server, f"{host}-{number}", str(host), subject=Subject(f"{host}.example", ""))
    await settle()
    assert server.most == AT_ONCE
    assert len({name.partition("-")[0] for name in server.asked}) == AT_ONCE
    server.open.set()
    for _ in range(30):
        await settle()
    assert (len(server.asked), server.most) == (30, AT_ONCE)


async def test_a_failure_is_remembered_longer_each_time_and_forgotten_with_an_answer(desk: Desk) -> None:
    server = Server()
    server.open.set()
    server.error = SourceError(Reason.SOURCE_UNREACHABLE, "timed out")
    waits = []
    for count in range(1, 7):
        desk.ask(server, "main")
        await settle()
        told = desk.find("main")
        assert isinstance(told, Trouble)
        assert (told.count, told.passing) == (count, True)
        assert told.retry_at is not None
        waits.append((told.retry_at - desk.now).total_seconds())
        desk.now = told.retry_at
        assert desk.find("main") is None
    assert waits == [10, 30, 90, 270, 300, 300]
    server.error = None
    desk.ask(server, "main")
    await settle()
    assert desk.find("main") == "answer 7"
    server.error = SourceError(Reason.SOURCE_DENIED, "401")
    desk.ask(server, "main")
    await settle()
    told = desk.find("main")
    assert isinstance(told, Trouble)
    assert (told.count, told.passing) == (1, False)


async def test_a_server_that_wants_fewer_requests_is_left_alone_by_all_with_that_login(desk: Desk) -> None:
    server = Server()
    server.open.set()
    server.error = SourceError(Reason.SOURCE_THROTTLED, "429")
    desk.ask(server, "main", subject=Subject("git.example", "ann"))
    await settle()
    told = desk.ask(server, "other", subject=Subject("git.example", "ann"))
    assert told is not None
    assert (told.reason, told.retry_at) == (Reason.SOURCE_THROTTLED, NOW + timedelta(seconds=300))
    assert desk.ask(server, "third", subject=Subject("git.example", "bob")) is None
    await settle()
    assert server.asked == ["main", "third"]
    desk.now += timedelta(seconds=300)
    assert desk.ask(server, "other", subject=Subject("git.example", "ann")) is None


async def test_of_a_servers_words_no_more_is_kept_than_a_status_shows(desk: Desk) -> None:
    """Thousands of answers are kept, and one odd character makes each character of a text take four bytes."""
    server = Server()
    server.error = SourceError(Reason.SOURCE_DENIED, "\U0001f511" + " x" * 2500)
    desk.ask(server, "main")
    await settle()
    server.release()
    await settle()
    found = desk.find("main")
    assert isinstance(found, Trouble)
    assert found.message.startswith("\U0001f511 x x")
    assert sys.getsizeof(found.message) < 2500


async def test_what_nobody_foresaw_is_trouble_too(desk: Desk) -> None:
    async def break_down() -> str:
        raise ZeroDivisionError("secret words")

    desk.lookups.ask("main", HOST, "web", break_down)
    await settle()
    told = desk.find("main")
    assert isinstance(told, Trouble)
    assert "secret" not in told.message
    assert desk.woken == ["web"]


async def test_the_end_of_the_process_ends_what_is_under_way(desk: Desk) -> None:
    server = Server()
    desk.ask(server, "main")
    await settle()
    await desk.lookups.close()
    assert (server.busy, desk.find("main")) == (0, None)


async def test_a_question_is_not_compared_with_all_that_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a user who names thousands of hosts that hang holds up the event loop."""
    looks = 0
    has_place = Places.has_place

    def count(self: Places, host: str) -> bool:
        nonlocal looks
        looks += 1
        return has_place(self, host)

    monkeypatch.setattr(Places, "has_place", count)
    server, questions = Server(), 500
    for number in range(questions):
        desk.ask(server, str(number), subject=Subject(f"{number}.example", ""))
        await asyncio.sleep(0)
    assert looks < 10 * questions


# ---- who is gone


async def test_what_waits_for_its_turn_goes_with_the_last_who_wants_it(desk: Desk) -> None:
    """A host that hangs has one turn at a time. Builds that nobody has any more would wait there by the thousand."""
    server = Server()
    for number in range(PER_HOST + 3):
        desk.ask(server, f"branch-{number}", f"shop/branch-{number}")
    for name in ("takes the last place", "branch-6"):
        desk.ask(server, name, "toys/web")
    await settle()
    asked = list(server.asked)
    assert "branch-6" not in asked
    for number in range(PER_HOST + 3):
        desk.lookups.forget(f"shop/branch-{number}")
    assert desk.lookups.knows("branch-6"), "somebody else wants it"
    assert not desk.lookups.knows("branch-5")
    desk.lookups.forget("toys/web")
    desk.lookups.forget("nobody")
    server.open.set()
    await settle()
    assert server.asked == asked, "those that were under way come to their end"
    desk.ask(server, "branch-6", "shop/again")
    await settle()
    assert desk.woken[-1] == "shop/again"


async def test_who_wants_something_else_again_and_again_leaves_the_oldest_question(desk: Desk) -> None:
    server = Server()
    for number in range(3 * MOST_WISHES):
        desk.ask(server, f"branch-{number}", "shop/web")
    waiting = [number for number in range(3 * MOST_WISHES) if desk.lookups.knows(f"branch-{number}")]
    await settle()
    assert len(waiting) == len(server.asked) + MOST_WISHES
    assert waiting[-1] == 3 * MOST_WISHES - 1


async def test_a_question_that_is_cancelled_is_asked_again_by_those_who_wait(desk: Desk) -> None:
    server = Server()
    desk.ask(server, "main", "shop/web")
    await settle()
    (lookup,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("lookup")]
    lookup.cancel()
    await settle()
    assert desk.woken == ["shop/web"]
    server.open.set()
    desk.ask(server, "main", "shop/web")
    await settle()
    assert desk.find("main") == "answer 2"


async def test_a_question_that_is_cancelled_before_it_begins_keeps_no_place(desk: Desk) -> None:
    server = Server()
    server.open.set()
    desk.ask(server, "main", "shop/web")
    (lookup,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("lookup")]
    lookup.cancel()
    await settle()
    assert (desk.woken, server.asked) == (["shop/web"], [])
    desk.ask(server, "main", "shop/web")
    await settle()
    assert desk.find("main") == "answer 1"


async def test_a_question_may_be_asked_before_the_end_of_a_cancelled_one_is_told(desk: Desk) -> None:
    server = Server()
    desk.ask(server, "main", "shop/web")
    await settle()
    (lookup,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("lookup")]
    lookup.cancel()
    while server.busy:  # noqa: ASYNC110 - the very moment between its end and what is called then
        await asyncio.sleep(0)
    server.open.set()
    desk.ask(server, "main", "shop/api")
    await settle()
    for waiter in set(desk.woken):  # both, and each asks again
        desk.ask(server, "main", waiter)
    await settle()
    assert (desk.find("main"), sorted(set(desk.woken))) == ("answer 2", ["shop/api", "shop/web"])
