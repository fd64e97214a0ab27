"""What becomes of a resource that is applied again, edited, deleted or made anew."""

import json

import pytest

from tests.e2e.harness.api import BUILD, Api
from tests.e2e.harness.build import FROM, Build, Snapshot, build_manifest, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Shell
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def _assert_no_new_run(build: Build, make_build: BuildFactory, before: Snapshot) -> Snapshot:
    """A resource made later has been taken notice of, so this one's change has been too; and nothing came of it."""
    make_build(connectorRef="nobody").wait_reason("ConnectorMissing")
    now = build.wait(lambda seen: seen.status["observedGeneration"] == seen.generation, "its spec is observed")
    assert now.run == before.run
    assert now.status["digest"] == before.status["digest"]
    assert now.told("Ready") == ("True", "Succeeded")
    assert len(build.pods()) == 1
    return now


def test_the_same_resource_applied_again_starts_nothing(
    make_build: BuildFactory, api: Api, namespace: str, shell: Shell
) -> None:
    build = Build(api, namespace, "applied")
    text = json.dumps(build_manifest(build.namespace, build.name, {}))
    assert "created" in shell.kubectl("apply", "-f", "-", stdin=text).out
    before = build.wait_succeeded()
    assert "unchanged" in shell.kubectl("apply", "-f", "-", stdin=text).out
    assert _assert_no_new_run(build, make_build, before).generation == before.generation == 1


def test_labels_and_annotations_start_nothing(make_build: BuildFactory, api: Api) -> None:
    build = make_build()
    before = build.wait_succeeded()
    metadata = {"labels": {"team": "shop"}, "annotations": {"example.com/note": "seen"}}
    api.patch(BUILD, build.name, build.namespace, {"metadata": metadata})
    assert _assert_no_new_run(build, make_build, before).generation == before.generation


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"timeout": "30m"}, id="timeout"),
        pytest.param({"resources": {"limits": {"memory": "300Mi"}}}, id="memory"),
        pytest.param({"dockerfile": "Dockerfile", "context": ".", "optimize": False}, id="defaults written out"),
    ],
)
def test_a_change_that_cannot_change_the_image_starts_nothing(
    make_build: BuildFactory, change: dict[str, object]
) -> None:
    build = make_build()
    before = build.wait_succeeded()
    build.edit(**change)
    now = _assert_no_new_run(build, make_build, before)
    assert now.status["observedGeneration"] == now.generation == before.generation + 1
    assert {item["observedGeneration"] for item in now.status["conditions"]} >= {now.generation}


def test_another_dockerfile_is_another_run(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build()
    first = build.wait_succeeded()
    build.edit_dockerfile(f"{FROM}RUN echo other > /other\n")
    second = build.wait_succeeded(run=2)
    assert second.run["trigger"] == "Spec"
    assert second.status["digest"] != first.status["digest"]
    assert registry.digest(build.repository, "latest") == second.status["digest"]
    assert registry.labels(build.repository, "latest")["buildandpush.dev/run"] == second.run_label(2)
    assert [(item["number"], item["phase"]) for item in second.status["history"]] == [
        (2, "Succeeded"),
        (1, "Succeeded"),
    ]


def test_only_the_last_good_runs_pod_is_kept(make_build: BuildFactory) -> None:
    build = make_build()
    build.wait_succeeded()
    build.edit_dockerfile(f"{FROM}RUN echo other > /other\n")
    build.wait_succeeded(run=2)

    def runs() -> list[str]:
        return [pod["metadata"]["labels"]["buildandpush.dev/run"] for pod in build.pods()]

    eventually(lambda: runs() == ["2"], "only the pod of run 2 is left", within=30, last_seen=lambda: str(runs()))


def test_an_edit_while_building_replaces_the_run(make_build: BuildFactory, gate: Gate, registry: Registry) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    first = build.pod()
    build.edit_dockerfile(f"{FROM}RUN echo newer > /newer\n")
    ended = build.wait_succeeded(run=2)
    build.wait_event("Normal", "Succeeded")
    assert build.events() == [
        ("Normal", "Accepted"),
        ("Normal", "Superseded"),
        ("Normal", "Accepted"),
        ("Normal", "Succeeded"),
    ]
    cancelled = build.api.get("Pod", first["metadata"]["name"], build.namespace)
    assert cancelled["spec"]["activeDeadlineSeconds"] == 1
    assert cancelled["status"]["reason"] == "DeadlineExceeded"
    assert registry.digest(build.repository, "latest") == ended.status["digest"]
    assert "newer" in registry.files(build.repository, "latest")


def test_a_longer_timeout_while_building_does_not_disturb_the_run(make_build: BuildFactory, gate: Gate) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    build.edit(timeout="2h")
    build.wait(lambda now: now.status["observedGeneration"] == 2, "the edit is observed")
    gate.open()
    assert build.wait_succeeded().run["number"] == 1
    assert len(build.pods()) == 1


def test_a_spec_broken_while_building_does_not_disturb_the_run(make_build: BuildFactory, gate: Gate) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    build.edit(timeout="0s")
    build.wait(lambda now: now.told("SpecValid")[0] == "False", "SpecValid False")
    gate.open()
    ended = build.wait(lambda now: bool(now.run.get("finishedAt")), "end of run 1")
    assert ended.told("Succeeded") == ("True", "Succeeded")
    assert ended.told("Ready") == ("False", "SpecInvalid")
    assert ended.status["digest"].startswith("sha256:")


def test_a_resource_deleted_while_building_leaves_nothing(
    make_build: BuildFactory, gate: Gate, operator: OperatorPod, registry: Registry
) -> None:
    restarts = operator.restarts()
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    build.delete()
    eventually(lambda: build.api.find(BUILD, build.name, build.namespace) is None, "resource gone", within=10)
    eventually(lambda: build.pods() == [], "pod gone", within=60, last_seen=lambda: str(build.pods()))
    assert registry.digest(build.repository, "latest") is None
    make_build().wait_succeeded()
    assert operator.restarts() == restarts


def test_a_resource_made_anew_under_its_name_is_built_anew(
    make_build: BuildFactory, gate: Gate, registry: Registry
) -> None:
    """While the old one's pod is still there."""
    build = make_build("again", source=inline(f"{FROM}{gate.run_line}RUN echo old > /old\n"))
    gate.wait_arrival()
    old = build.read()
    build.delete()
    make_build("again", source=inline(f"{FROM}RUN echo new > /new\n"))
    ended = build.wait_succeeded()
    assert ended.uid != old.uid
    assert ended.run["number"] == 1
    assert ended.build["podName"] != old.build["podName"]
    assert registry.digest(build.repository, "latest") == ended.status["digest"]
    assert "new" in registry.files(build.repository, "latest")


def test_a_pod_deleted_by_someone_costs_an_attempt(make_build: BuildFactory, gate: Gate, registry: Registry) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    _delete_its_pod(build)
    build.wait(lambda now: now.build["attempt"] == 2 and now.told("Ready")[1] == "Building", "attempt 2 builds")
    gate.open()
    ended = build.wait_succeeded()
    assert (ended.run["number"], ended.build["attempt"]) == (1, 2)
    assert ended.build["podName"].endswith("-r1-b0-a2")
    assert registry.digest(build.repository, "latest") == ended.status["digest"]


@pytest.mark.proves("retries")
def test_without_retries_a_deleted_pod_ends_the_run_as_lost(make_build: BuildFactory, gate: Gate) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"), retries=0)
    gate.wait_arrival()
    _delete_its_pod(build)
    assert build.wait_failed("PodLost").build["attempt"] == 1


def _delete_its_pod(build: Build) -> None:
    build.wait(lambda now: "podUid" in now.build, "the pod was seen")
    build.api.delete("Pod", build.pod()["metadata"]["name"], build.namespace)


def test_a_build_says_that_it_is_building(make_build: BuildFactory, gate: Gate) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    now = build.wait_reason("Building")
    assert now.told("Ready") == ("Unknown", "Building")
    assert now.told("Reconciling") == ("True", "Building")
    assert now.told("SourceReady") == ("True", "SourceFetched")
    assert now.status["phase"] == "Running"
    assert f"kubectl logs -f -n {build.namespace} {now.build['podName']}" in now.condition("Ready")["message"]
    gate.open()
    build.wait_succeeded()


def test_a_failed_run_is_tried_again_after_any_change(make_build: BuildFactory) -> None:
    build = make_build(source=inline(f"{FROM}RUN exit 7\n"))
    first = build.wait_failed("RunFailed")
    build.edit(timeout="30m")
    second = build.wait_failed("RunFailed", run=2)
    assert second.run["trigger"] == "RetryAfterChange"
    assert second.run["specHash"] == first.run["specHash"]
