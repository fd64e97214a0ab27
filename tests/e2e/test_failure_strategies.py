"""What a step says about failures and about runs that are left out, with real pods."""

from typing import Any

import pytest

from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def rule(kind: str, **spec: Any) -> list[dict[str, Any]]:
    """A rule that takes this action after every failure."""
    action = {"type": kind, **({"spec": spec} if spec else {})}
    return [{"onFailure": {"errors": ["AllErrors"], "action": action}}]


@pytest.mark.proves("failureStrategies")
def test_a_failed_command_is_tried_again_until_it_succeeds(
    make_build: BuildFactory, gate: Gate, registry: Registry
) -> None:
    build = make_build(
        source=inline(f"{FROM}RUN {gate.try_command(7)}\n"),
        failureStrategies=rule("Retry", retryCount=10, retryIntervals=["2s"]),
    )
    build.wait(lambda now: now.build.get("attempt", 1) > 1, "a further attempt")
    gate.open()
    ended = build.wait_succeeded()
    assert ended.run["number"] == 1
    assert ended.build["retried"] == ended.build["attempt"] - 1 >= 1
    assert registry.digest(build.repository, "latest") == ended.status["digest"]


@pytest.mark.proves("failureStrategies")
def test_an_ignored_failure_keeps_the_last_good_image(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(failureStrategies=rule("Ignore"))
    digest = build.wait_succeeded().status["digest"]
    build.edit_dockerfile(f"{FROM}RUN exit 3\n")
    ended = build.wait_end(run=2)
    assert ended.told("Ready") == ended.told("Succeeded") == ("True", "IgnoredFailure")
    assert (ended.status["phase"], ended.failure["exitCode"]) == ("Ignored", 3)
    assert ended.status["digest"] == registry.digest(build.repository, "latest") == digest


@pytest.mark.proves("when.condition")
def test_a_later_run_that_is_left_out_changes_nothing_and_uses_up_no_number(make_build: BuildFactory) -> None:
    build = make_build(
        tags=["latest", "1.<+pipeline.sequenceId>"],
        variables={"open": "yes"},
        when={"condition": '<+pipeline.variables.open> == "yes"'},
    )
    good = build.wait_succeeded()
    build.edit(labels={"second": "yes"}, variables={"open": "no"})
    skipped = build.wait(
        lambda now: now.status["observedGeneration"] == now.generation and ("Normal", "Skipped") in build.events(),
        "to be skipped",
    )
    assert skipped.told("Ready")[0] == "True"
    assert (skipped.run["number"], skipped.status["digest"]) == (1, good.status["digest"])
    assert len(build.pods()) == 1
    build.edit(variables={"open": "yes"})
    assert build.wait_succeeded(run=2).build["tags"] == ["latest", "1.2"]
