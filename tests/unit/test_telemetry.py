"""Logs: one JSON object a line, alike for our events and the libraries' records, and without secrets."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import buildandpush
from buildandpush import telemetry
from buildandpush.telemetry import configure_logging
from tests.unit.conftest import QUIET

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY3IifQ.c2lnbmF0dXJl"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Configured logging, and what it wrote; all is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    names = ("kopf.objects", "aiohttp.access", "asyncio", "azure", "msal")
    levels = {name: logging.getLogger(name).level for name in names}
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()
    structlog.configure(wrapper_class=QUIET)


def test_event_of_ours_is_one_line_with_its_values(lines: Lines) -> None:
    structlog.get_logger("ours").info("pod.created", namespace="shop", build="web", run=3)
    (line,) = lines()
    assert line["event"] == "pod.created"
    assert line["level"] == "info"
    assert line["logger"] == "ours"
    assert (line["namespace"], line["build"], line["run"]) == ("shop", "web", 3)
    assert line["timestamp"].endswith("Z")


def test_record_of_a_library_has_the_same_shape(lines: Lines) -> None:
    structlog.get_logger("ours").warning("ours")
    logging.getLogger("kopf.reactor").warning("Watching %s in %d namespaces", "pods", 2)
    ours, theirs = lines()
    assert ours.keys() == theirs.keys()
    assert theirs["event"] == "Watching pods in 2 namespaces"
    assert (theirs["level"], theirs["logger"]) == ("warning", "kopf.reactor")


def test_record_of_kopfs_about_an_object_says_which(lines: Lines) -> None:
    reference = {"namespace": "shop", "name": "web", "uid": "u1"}
    logging.getLogger("kopf.objects").warning("Something happened", extra={"k8s_ref": reference})
    (line,) = lines()
    assert (line["namespace"], line["build"]) == ("shop", "web")


def test_text_over_several_lines_is_one_line(lines: Lines) -> None:
    logging.getLogger("library").warning("one\ntwo\u2028three")
    assert lines()[0]["event"] == "one\ntwo\u2028three"


@pytest.mark.parametrize("ours", [True, False])
def test_exception_is_told(ours: bool, lines: Lines) -> None:
    try:
        raise ValueError("what went wrong")
    except ValueError:
        if ours:
            structlog.get_logger("ours").warning("work_failed", exc_info=True)
        else:
            logging.getLogger("library").exception("work_failed")
    (line,) = lines()
    assert "what went wrong" in line["exception"]
    assert "Traceback" in line["exception"]


@pytest.mark.parametrize(
    "log",
    [
        lambda: structlog.get_logger("ours").info(f"token {JWT}"),
        lambda: structlog.get_logger("ours").info("e", url="https://user:hunter22@host/"),
        lambda: structlog.get_logger("ours").info("e", header=f"Bearer {JWT}"),
        lambda: structlog.get_logger("ours").info("e", nested={"auth": [f"Bearer {JWT}"]}),
        lambda: logging.getLogger("library").warning("got %s", f'{{"auth": "hunter22", "token": "{JWT}"}}'),
        lambda: logging.getLogger("library").warning("cannot reach https://user:hunter22@host/"),
    ],
)
def test_secrets_are_masked(log: Callable[[], None], lines: Lines) -> None:
    log()
    text = json.dumps(lines())
    assert JWT not in text
    assert "hunter22" not in text
    assert "***" in text


def test_secret_in_an_exception_is_masked(lines: Lines) -> None:
    try:
        raise ValueError(f"refused: {JWT}")
    except ValueError:
        structlog.get_logger("ours").warning("work_failed", exc_info=True)
    assert JWT not in json.dumps(lines())


def test_values_that_are_no_json_do_not_lose_the_line(lines: Lines) -> None:
    structlog.get_logger("ours").info("e", value=object(), many={1, 2})
    assert lines()[0]["event"] == "e"


def test_less_important_lines_are_left_out(lines: Lines) -> None:
    structlog.get_logger("ours").debug("quiet")
    logging.getLogger("library").debug("quiet")
    logging.getLogger("kopf.objects").info("Handler 'build' succeeded.")
    assert lines() == []


def test_azures_own_words_with_whole_answers_in_them_are_not_repeated(lines: Lines) -> None:
    for name in ("azure.identity.aio._internal.get_token_mixin", "azure.core.pipeline", "msal.token_cache"):
        logging.getLogger(name).warning("get_token failed: no token. Content: you sent client_secret=abc")
        logging.getLogger(name).error("also")
    assert lines() == []


def test_the_events_that_the_module_lists_are_the_ones_that_are_logged() -> None:
    sources = [path.read_text() for path in Path(buildandpush.__path__[0]).rglob("*.py")]
    call = re.compile(r"_log\.\w+\(\s*\"(\w+\.\w+)\"")
    listed = re.findall(r"\b[a-z]+\.[a-z_]+\b", (telemetry.__doc__ or "").split("search for:")[1])
    assert sorted(listed) == sorted({event for text in sources for event in call.findall(text)}), (
        "telemetry.py lists them"
    )
