"""What the nodes can is asked page by page, and holds where they cannot be asked."""

import asyncio
from typing import Any

import pytest

from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.handlers.informers.nodes import LOOK_SECONDS, RETRY_SECONDS, NodeWatch, all_nodes_map_users
from tests.unit.core.factories import node
from tests.unit.handlers.fake_time import run_in_fake_time

OLD = node(kernel="5.15.0")
WINDOWS = {"metadata": {"labels": {"kubernetes.io/os": "windows"}}, "status": {}}


class Pages:
    """The API server's pages of nodes; an exception among them is raised, again and again at the end."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[str] = []

    async def read_nodes(self, token: str = "") -> tuple[list[Any], str]:
        self.asked.append(token)
        page = self.pages[int(token or 0)]
        if isinstance(page, Exception):
            raise page
        following = str(len(self.asked)) if len(self.asked) < len(self.pages) else ""
        return page, following


@pytest.mark.parametrize(
    ("pages", "able", "requests"),
    [
        (([node()],), True, 1),
        (([node(), WINDOWS], [node()]), True, 2),
        (([node()], [OLD]), False, 2),
        (([OLD], [node()]), False, 1),
        (([WINDOWS],), False, 1),
        (([],), False, 1),
    ],
)
async def test_all_that_run_builds_have_to_be_able(pages: Any, able: bool, requests: int) -> None:
    client: Any = Pages(*pages)
    assert await all_nodes_map_users(client) is able
    assert len(client.asked) == requests


@pytest.mark.parametrize("error", [KubernetesError(403, "Forbidden", "no"), UnavailableError("no answer")])
async def test_what_the_nodes_said_holds_where_they_cannot_be_asked(error: Exception) -> None:
    applied: list[bool] = []
    client: Any = Pages([node()])
    watch = NodeWatch(client, applied.append)
    await watch.look()
    client.pages = [error]
    await watch.look()
    assert applied == [True]


def test_it_looks_again_soon_where_it_could_not() -> None:
    client: Any = Pages(UnavailableError("no answer"))
    applied: list[bool] = []

    async def main() -> None:
        watch = NodeWatch(client, applied.append)
        await watch.look()
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(RETRY_SECONDS - 1)
        assert len(client.asked) == 1
        client.pages = [[OLD]]
        client.asked.clear()
        await asyncio.sleep(2)
        assert applied == [False]
        await asyncio.sleep(LOOK_SECONDS - 3)
        assert applied == [False]
        await asyncio.sleep(4)
        assert applied == [False, False]
        task.cancel()

    run_in_fake_time(main())
