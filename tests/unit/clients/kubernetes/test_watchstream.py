"""What a watch and a list give that is none of the API server's, such as a mesh's page with the code 200."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from buildandpush.clients.errors import BrokenAnswerError
from buildandpush.clients.kubernetes.lists import parse_page
from buildandpush.clients.kubernetes.watchstream import read_events
from buildandpush.core.jsonvalue import UnreadableError

POD = {"metadata": {"namespace": "shop", "name": "web", "resourceVersion": "7"}}
ODD_OBJECTS = [
    None,
    "web",
    [],
    {},
    {"metadata": None},
    {"metadata": "web"},
    {"metadata": [1]},
    {"metadata": {"namespace": "shop", "name": "web"}},
    {"metadata": {"namespace": "shop", "name": "web", "resourceVersion": 7}},
    {"metadata": {"namespace": "shop", "name": "web", "resourceVersion": "x"}},
    {"metadata": {"namespace": "shop", "name": None, "resourceVersion": "7"}},
    {"metadata": {"name": "web", "resourceVersion": "7"}},
]


async def read(text: str) -> list[dict[str, Any]]:
    async def chunks() -> AsyncIterator[bytes]:
        yield text.encode()

    return [event async for event in read_events(chunks(), bookmarks=True)]


def change(body: Any, kind: Any = "MODIFIED") -> dict[str, Any]:
    return {"type": kind, "object": body}


@pytest.mark.parametrize(
    "event",
    [
        *[change(body) for body in ODD_OBJECTS],
        change({"metadata": {}}, "BOOKMARK"),
        change(POD, ["MODIFIED"]),
        change(POD, None),
        "MODIFIED",
        [],
        {},
        {"metadata": {}, "message": "blocked"},
    ],
)
async def test_what_is_no_event_ends_the_watch_as_unreadable(event: Any) -> None:
    with pytest.raises(BrokenAnswerError):
        await read(json.dumps(event) + "\n")


@pytest.mark.parametrize(
    "text", ["<html>\n<body>blocked</body>\n</html>\n", "<html>blocked</html>", '{"type": "ADDED"']
)
async def test_a_page_is_no_watch_that_ends_well(text: str) -> None:
    with pytest.raises(BrokenAnswerError):
        await read(text)


async def test_a_bookmark_has_a_version_alone() -> None:
    events = [change(POD), change({"metadata": {"resourceVersion": "9"}}, "BOOKMARK")]
    assert await read("".join(json.dumps(event) + "\n" for event in events)) == events


@pytest.mark.parametrize("body", ODD_OBJECTS)
def test_a_list_with_what_is_no_object_is_none(body: Any) -> None:
    page = {"metadata": {"resourceVersion": "9"}, "items": [POD, body]}
    with pytest.raises(UnreadableError):
        parse_page(json.dumps(page).encode(), most_values=1000)


@pytest.mark.parametrize("page", [{"metadata": "9"}, {"items": "web"}, {"items": {"web": POD}}, {"metadata": [9]}])
def test_a_page_of_another_form_is_no_list(page: Any) -> None:
    with pytest.raises(UnreadableError):
        parse_page(json.dumps(page).encode(), most_values=1000)
