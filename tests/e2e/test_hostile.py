"""Builds that print endless lines made of our patterns. Their status tells how they ended. Nobody else notices."""

import pytest

from buildandpush.handlers.observability.looplag import TOLD_SECONDS
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.hostile import EXIT_CODE, print_and_fail
from tests.e2e.harness.operatorpod import OperatorPod

pytestmark = pytest.mark.chaos

LINES = {
    "logins": print_and_fail("://a:"),
    "tokens": print_and_fail("eyJAAAAAAAA"),
    "pushes": print_and_fail("error pushing image: ", begin="error building image: "),
    "docker-configs": print_and_fail('"auth":"'),
    "colours": print_and_fail("\x1b[0;"),
    "blanks": print_and_fail(" ", end="Trace ID:"),
    "requests": print_and_fail('Get "https://a": '),
    "other-alphabets": print_and_fail("日\u200b"),
}


@pytest.mark.usefixtures("login")
def test_a_build_that_prints_our_patterns_without_an_end_fails_by_itself(
    make_build: BuildFactory, operator: OperatorPod
) -> None:
    hostile = [
        make_build(name, source=source, resources={"requests": {"memory": "32Mi"}}) for name, source in LINES.items()
    ]
    hostile[0].wait_failed("RunFailed")
    make_build("good").wait_succeeded()
    for build in hostile:
        ended = build.wait_failed("RunFailed", within=120)
        assert ended.failure["exitCode"] == EXIT_CODE
        assert f"exit status {EXIT_CODE}" in ended.failure["logTail"], "kaniko's own words"
        assert ended.build["attempt"] == 1
    assert operator.held_seconds() < TOLD_SECONDS
    assert "journal.not_" not in operator.log(), "the chart gives it a folder that can be written"
