"""What the operator reads of namespaces and priority classes, and what it does without."""

from typing import Any, cast

import pytest

from buildandpush.api import meta
from buildandpush.clients.clusterfacts import KEPT_REFUSED_SECONDS, KEPT_SECONDS, ClusterFacts
from buildandpush.clients.errors import KubernetesError, NotFoundError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from tests.unit.conftest import LogLines

SHOP = "/api/v1/namespaces/shop"
LOW = "/apis/scheduling.k8s.io/v1/priorityclasses/batch-low"


class Server:
    """Answers, or refuses, and notes what it is asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answers: dict[str, dict[str, Any] | Exception] = {}
        self.asked: list[str] = []

    async def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        found = self.answers.get(path, NotFoundError(404, "NotFound", "no"))
        if isinstance(found, Exception):
            raise found
        return found

    def facts(self, *, namespaces: bool = True, priorities: bool = True) -> ClusterFacts:
        client = cast("KubernetesClient", self)
        return ClusterFacts(client, lambda: self.now, namespaces=namespaces, priorities=priorities)

    def annotate(self, text: str) -> None:
        self.answers[SHOP] = {"metadata": {"annotations": {meta.ANNOTATION_MAX_BUILDS: text}}}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize(
    ("text", "limit"), [("2", 2), ("0", 0), ("", None), ("few", None), ("-1", None), ("1.5", None), ("9" * 7, None)]
)
async def test_a_namespace_says_how_many_builds_it_allows(text: str, limit: int | None, server: Server) -> None:
    server.annotate(text)
    assert await server.facts().find_limit("shop") == limit


@pytest.mark.parametrize(
    ("text", "told"), [("few", ["few"]), ("-1", ["-1"]), ("x" * 99, ["x" * 40]), ("2", []), ("", [])]
)
async def test_an_annotation_that_is_no_number_is_told_in_the_log(
    text: str, told: list[str], server: Server, log_lines: LogLines
) -> None:
    server.annotate(text)
    await server.facts().find_limit("shop")
    lines = [line for line in log_lines if line["event"] == "limits.not_a_number"]
    assert [line["value"] for line in lines] == told
    assert all((line["namespace"], line["annotation"]) == ("shop", meta.ANNOTATION_MAX_BUILDS) for line in lines)


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"metadata": {"annotations": None}}])
async def test_a_namespace_without_the_annotation_allows_any_number(body: dict[str, Any], server: Server) -> None:
    server.answers[SHOP] = body
    assert await server.facts().find_limit("shop") is None


async def test_a_priority_class_has_a_value(server: Server) -> None:
    server.answers[LOW] = {"value": -100}
    facts = server.facts()
    assert [await facts.find_priority(name) for name in ("batch-low", "missing", "")] == [-100, 0, 0]


async def test_each_is_read_once_a_minute(server: Server) -> None:
    facts = server.facts()
    server.annotate("2")
    for _ in range(3):
        await facts.find_limit("shop")
    assert server.asked == [SHOP]
    server.annotate("1")
    server.now = KEPT_SECONDS
    assert await facts.find_limit("shop") == 1


async def test_without_the_right_the_operator_goes_without(server: Server) -> None:
    server.answers = {path: KubernetesError(403, "Forbidden", "no") for path in (SHOP, LOW)}
    facts = server.facts()
    for _ in range(2):
        assert await facts.find_limit("shop") is None
        assert await facts.find_priority("batch-low") == 0
        server.now = KEPT_REFUSED_SECONDS - 1
    assert server.asked == [SHOP, LOW]


async def test_what_the_installer_does_not_want_is_not_asked(server: Server) -> None:
    facts = server.facts(namespaces=False, priorities=False)
    assert await facts.find_limit("shop") is None
    assert await facts.find_priority("batch-low") == 0
    assert server.asked == []


async def test_an_api_server_that_does_not_answer_is_asked_again_later(server: Server) -> None:
    server.answers[SHOP] = UnavailableError("away")
    facts = server.facts()
    with pytest.raises(UnavailableError):
        await facts.find_limit("shop")
    server.annotate("2")
    assert await facts.find_limit("shop") == 2


async def test_no_more_is_kept_than_what_is_read(server: Server) -> None:
    server.annotate("2")
    server.answers[LOW] = {"value": -100, "description": "x" * 1000}
    facts = server.facts()
    await facts.find_limit("shop")
    await facts.find_priority("batch-low")
    await facts.find_limit("other")
    assert [found for _, (_, found) in facts._known.items()] == [2, -100, None]
