"""Questions asked together have one answer, and none is older than its question."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from buildandpush.clients.shared import Shared


class Server:
    """Answers with how many questions have come, once it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.may_answer = asyncio.Semaphore(0)

    def find(self) -> Callable[[], Coroutine[Any, Any, int]]:
        async def find() -> int:
            self.count += 1
            asked = self.count
            await self.may_answer.acquire()
            return asked

        return find


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_while_a_question_is_asked_shares_the_next_one() -> None:
    shared, server = Shared[str, int](), Server()
    first = asyncio.create_task(shared.ask("login", server.find()))
    await settle()
    later = [asyncio.create_task(shared.ask("login", server.find())) for _ in range(5)]
    await settle()
    assert server.count == 1
    server.may_answer.release()
    await settle()
    assert server.count == 2
    last = asyncio.create_task(shared.ask("login", server.find()))
    for _ in range(2):
        server.may_answer.release()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 5
    assert await last == 3
    assert len(shared) == 0


async def test_other_questions_are_asked_beside_it() -> None:
    shared, server = Shared[str, int](), Server()
    asked = [asyncio.create_task(shared.ask(question, server.find())) for question in ("one", "two")]
    await settle()
    assert server.count == 2
    for _ in asked:
        server.may_answer.release()
    await asyncio.gather(*asked)
    assert len(shared) == 0


async def test_an_error_is_everybodys_and_is_not_remembered() -> None:
    shared = Shared[str, int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("away")

    async def answer() -> int:
        return 7

    found = await asyncio.gather(*(shared.ask("login", fail) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["away"] * 3
    assert await shared.ask("login", answer) == 7
    assert len(shared) == 0


async def test_who_is_cancelled_leaves_the_others_their_answer() -> None:
    shared, server = Shared[str, int](), Server()
    first, second, third = (asyncio.create_task(shared.ask("login", server.find())) for _ in range(3))
    await settle()
    for task in (first, second):
        task.cancel()
    await settle()
    for _ in range(2):
        server.may_answer.release()
    assert await third == 2
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_an_error_that_nobody_waits_for_any_more_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    shared = Shared[str, int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("away")

    asked = asyncio.create_task(shared.ask("login", fail))
    await asyncio.sleep(0)
    asked.cancel()
    await settle()
    assert len(shared) == 0
    assert not caplog.records


@pytest.mark.parametrize("waits", [1, 2, 3])
async def test_questions_that_are_cancelled_from_elsewhere_leave_nothing_behind(waits: int) -> None:
    """kopf cancels all tasks that are new since its start when it ends."""
    shared, server = Shared[str, int](), Server()
    known = asyncio.all_tasks()
    asked = [asyncio.create_task(shared.ask("login", server.find())) for _ in range(3)]
    for _ in range(waits):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - known - set(asked):
        task.cancel()
    await settle()
    for task in asked:
        task.cancel()
    await settle()
    assert len(shared) == 0
    server.may_answer.release()
    assert await shared.ask("login", server.find()) == server.count
