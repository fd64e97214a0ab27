"""What users ask of a resource beside its image: to build again, to end, to hold still."""

import shlex

import pytest

from devcluster.settings import REPOSITORY_ROOT
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import BUILD, FROM, Build, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Shell

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def read_rebuild_commands() -> list[list[str]]:
    """The commands of README.md that ask for a rebuild and wait for it, without kubectl itself."""
    block = (REPOSITORY_ROOT / "README.md").read_text().partition("    REBUILD=")[2].partition("\n\n")[0]
    return [shlex.split(line)[1:] for line in block.splitlines()[1:]]


def annotate(api: Api, build: Build, name: str, value: str) -> None:
    """Set an annotation of ours, as `kubectl annotate` does."""
    body = {"metadata": {"annotations": {f"buildandpush.dev/{name}": value}}}
    api.patch(BUILD, build.name, build.namespace, body)


def test_a_rebuild_is_one_run_for_each_new_value(make_build: BuildFactory, api: Api) -> None:
    build = make_build(tags=["latest", "1.<+pipeline.sequenceId>"])
    build.wait_succeeded()
    annotate(api, build, "rebuild", "once")
    second = build.wait_succeeded(run=2)
    assert (second.run["trigger"], second.build["tags"]) == ("Rebuild", ["latest", "1.2"])
    annotate(api, build, "rebuild", "once more")
    third = build.wait_succeeded(run=3)
    assert third.status["handledRebuilds"] == ["once", "once more"]
    assert [entry["number"] for entry in third.status["history"]] == [3, 2, 1]


def test_a_wait_for_a_rebuild_returns_with_its_run_and_not_with_the_one_before(
    make_build: BuildFactory, shell: Shell
) -> None:
    """With the commands of README.md, one right after the other."""
    build = make_build()
    build.wait_succeeded()
    commands = read_rebuild_commands()
    assert [command[0] for command in commands] == ["annotate", "wait"]
    for run, value in ((2, "1795600001"), (3, "again")):
        for command in commands:
            words = [word.replace("$REBUILD", value).replace("30m", "60s") for word in command]
            arguments = [build.name if word == "web" else word.replace("/web", f"/{build.name}") for word in words]
            done = shell.kubectl(*arguments, "--namespace", build.namespace)
            assert done.code == 0, done.err
        ended = build.read()
        assert (ended.run["number"], ended.run["trigger"], ended.has_ended(run)) == (run, "Rebuild", True)


def test_nobody_waits_for_a_spec_that_has_to_be_corrected(make_build: BuildFactory, shell: Shell) -> None:
    """Its mistake is one that only the operator finds."""
    build = make_build(timeout="0s")
    done = shell.kubectl(
        "wait",
        f"buildandpushacr/{build.name}",
        "--for=condition=Completed",
        "--timeout=30s",
        "--namespace",
        build.namespace,
    )
    assert done.code == 0, done.err
    refused = build.read()
    assert refused.told("Completed") == ("True", "SpecInvalid")
    assert refused.told("Ready") == ("False", "SpecInvalid")


def test_a_cancelled_run_ends_with_its_log_and_runs_again_when_asked(
    make_build: BuildFactory, api: Api, gate: Gate
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    annotate(api, build, "cancel", "1")
    ended = build.wait_end()
    assert ended.told("Ready") == ("False", "Cancelled")
    assert ended.status["phase"] == "Cancelled"
    assert "at the gate" in ended.failure["logTail"]
    gate.open()
    annotate(api, build, "rebuild", "now")
    build.wait_succeeded(run=2)


@pytest.mark.proves("suspend")
def test_a_suspended_resource_builds_once_it_may(make_build: BuildFactory) -> None:
    build = make_build(suspend=True)
    held = build.wait_reason("Suspended")
    assert held.told("Ready") == ("Unknown", "Suspended")
    assert build.pods() == []
    build.edit(suspend=False)
    assert build.wait_succeeded().run["number"] == 1


@pytest.mark.proves("onChange")
def test_a_queued_change_waits_for_the_run_on_its_way(make_build: BuildFactory, gate: Gate, registry: Registry) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"), onChange="Queue")
    gate.wait_arrival()
    build.edit(labels={"second": "yes"})
    gate.open()
    assert build.wait_succeeded(run=2).status["history"][1]["phase"] == "Succeeded"
    assert registry.labels(build.repository, "latest")["second"] == "yes"


@pytest.mark.proves("firstRunNumber")
def test_a_first_number_goes_on_where_a_pipeline_stopped(make_build: BuildFactory) -> None:
    build = make_build(firstRunNumber=4712, tags=["<+pipeline.sequenceId>"])
    assert build.wait_end(run=4712).build["tags"] == ["4712"]


def test_a_numbered_tag_that_is_taken_is_not_overwritten(make_build: BuildFactory, registry: Registry) -> None:
    first = make_build(tags=["<+pipeline.sequenceId>"])
    digest = first.wait_succeeded().status["digest"]
    other = make_build(repository=first.repository, tags=["<+pipeline.sequenceId>"], labels={"other": "image"})
    other.wait_failed("TagExists")
    assert registry.digest(first.repository, "1") == digest
    other.edit(firstRunNumber=2)
    assert other.wait_end(run=2).told("Ready")[0] == "True"


@pytest.mark.proves("firstRunNumber")
def test_a_resource_that_is_made_anew_counts_on_after_the_registrys_tags(
    make_build: BuildFactory, registry: Registry
) -> None:
    first = make_build(firstRunNumber=7, tags=["<+pipeline.sequenceId>"])
    digest = first.wait_succeeded(run=7).status["digest"]
    again = make_build(repository=first.repository, tags=["<+pipeline.sequenceId>"], firstRunNumber="Auto")
    ended = again.wait_succeeded(run=8)
    assert (ended.build["tags"], ended.build["attempt"]) == (["8"], 1)
    assert registry.digest(first.repository, "7") == digest


def test_a_field_that_has_no_effect_yet_is_refused_and_not_ignored(make_build: BuildFactory) -> None:
    build = make_build(outputs={"configMap": "digest"})
    refused = build.wait_reason("SpecInvalid")
    assert "outputs.configMap: it is not supported yet" in refused.condition("Ready")["message"]
    assert build.pods() == []
