"""What a user asks of a resource beside its image: rebuild, cancel, suspend, queue, number."""

import pytest

from tests.e2e.harness.api import BUILD
from tests.e2e.harness.build import FROM, Build, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def _annotate(build: Build, **values: str) -> None:
    annotations = {f"buildandpush.dev/{name}": value for name, value in values.items()}
    build.api.patch(BUILD, build.name, build.namespace, {"metadata": {"annotations": annotations}})


def test_a_rebuild_is_done_once_for_each_value_asked(make_build: BuildFactory) -> None:
    build = make_build()
    build.wait_succeeded()
    _annotate(build, rebuild="monday")
    second = build.wait_succeeded(run=2)
    assert second.run["trigger"] == "Rebuild"
    assert second.status["handledRebuilds"] == ["monday"]
    _annotate(build, rebuild="tuesday")
    assert build.wait_succeeded(run=3).status["handledRebuilds"] == ["monday", "tuesday"]
    _annotate(build, rebuild="monday")
    make_build(connectorRef="nobody").wait_reason("ConnectorMissing")
    assert build.read().run["number"] == 3


def test_a_cancelled_run_ends_and_keeps_its_log(make_build: BuildFactory, gate: Gate) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    _annotate(build, cancel="1")
    ended = build.wait_end()
    assert ended.told("Ready") == ("False", "Cancelled")
    assert ended.told("Stalled") == ("True", "Cancelled")
    assert ended.build["phase"] == "Cancelled"
    assert "at the gate" in ended.failure["logTail"]


def test_a_cancel_for_another_run_is_no_cancel(make_build: BuildFactory, gate: Gate) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    _annotate(build, cancel="2")
    make_build(connectorRef="nobody").wait_reason("ConnectorMissing")
    gate.open()
    build.wait_succeeded()


def test_a_suspended_resource_builds_once_it_is_resumed(make_build: BuildFactory) -> None:
    build = make_build(suspend=True)
    waiting = build.wait_reason("Suspended")
    assert waiting.told("Ready") == ("Unknown", "Suspended")
    assert waiting.status["phase"] == "Suspended"
    assert waiting.run == {}
    assert build.pods() == []
    build.edit(suspend=None)
    assert build.wait_succeeded().run["number"] == 1


def test_a_queued_change_waits_for_the_run_on_its_way(make_build: BuildFactory, gate: Gate, registry: Registry) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"), onChange="Queue", tags=["r<+pipeline.sequenceId>"])
    gate.wait_arrival()
    build.edit_dockerfile(f"{FROM}RUN echo queued > /queued\n")
    make_build(connectorRef="nobody").wait_reason("ConnectorMissing")
    assert build.read().run["number"] == 1
    gate.open()
    second = build.wait_succeeded(run=2)
    assert [item["phase"] for item in second.status["history"]] == ["Succeeded", "Succeeded"]
    assert registry.digest(build.repository, "r1") not in (None, second.status["digest"])
    assert "queued" in registry.files(build.repository, "r2")


def test_numbers_begin_where_they_are_told_to(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(firstRunNumber=1042, tags=["1.<+pipeline.sequenceId>"])
    ended = build.wait_succeeded(run=1042)
    assert registry.digest(build.repository, "1.1042") == ended.status["digest"]


def test_a_number_that_another_resource_used_is_not_pushed_over(make_build: BuildFactory, registry: Registry) -> None:
    tags = ["1.<+pipeline.sequenceId>"]
    first = make_build("first", tags=tags)
    pushed = first.wait_succeeded().status["digest"]
    other = make_build("other", tags=tags, repository=first.repository)
    assert "firstRunNumber" in other.wait_failed("TagExists").build["message"]
    assert registry.digest(first.repository, "1.1") == pushed
    other.edit(firstRunNumber=10)
    ended = other.wait_succeeded(run=10)
    assert registry.digest(first.repository, "1.10") == ended.status["digest"]
