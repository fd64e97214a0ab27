"""Pods that a mesh or a policy changes at their creation."""

from pathlib import Path

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.e2e.harness.policy import changed_pods
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def add_container(settings: Settings, command: str, *, init: bool = False) -> str:
    """A CEL list of one patch that adds a container with this shell command. Its image is on the node already."""
    kind = "initContainers" if init else "containers"
    place = "0" if init else "-"
    fields = f'name: "injected", image: "{settings.images.operator}", command: ["sh", "-c", "{command}"]'
    return f'[JSONPatch{{op: "add", path: "/spec/{kind}/{place}", value: Object.spec.{kind}{{{fields}}}}}]'


def test_a_pod_that_an_injected_container_keeps_running_is_ended_with_its_build(
    make_build: BuildFactory, api: Api, namespace: str, settings: Settings
) -> None:
    with changed_pods(api, namespace, add_container(settings, "trap exit TERM; while true; do sleep 1; done")):
        build = make_build()
        build.wait_succeeded()
    pod = build.pod()
    assert len(pod["spec"]["containers"]) == 2, "the policy was in force"
    eventually(lambda: build.pod()["status"]["phase"] in ("Succeeded", "Failed"), "the pod has ended", within=90)
    ended = build.read()
    assert ended.told("Ready")[0] == "True"
    assert ended.build["attempt"] == 1


def test_a_policy_that_takes_rights_from_the_pod_is_named(make_build: BuildFactory, api: Api, namespace: str) -> None:
    path = "/spec/containers/0/securityContext/readOnlyRootFilesystem"
    with changed_pods(api, namespace, f'[JSONPatch{{op: "add", path: "{path}", value: true}}]'):
        failed = make_build().wait_failed("PodChanged")
    assert "readOnlyRootFilesystem is true" in failed.build["message"]


def test_a_policy_that_changes_what_pods_are_found_by_is_named_and_leaves_no_pod(
    make_build: BuildFactory, api: Api, namespace: str
) -> None:
    patch = '[JSONPatch{op: "add", path: "/metadata/labels", value: {"app.kubernetes.io/managed-by": "policies"}}]'
    with changed_pods(api, namespace, patch):
        build = make_build()
        failed = build.wait_failed("PodRefused")
    assert "a policy or webhook changes its label" in failed.build["message"]
    eventually(lambda: api.list("Pod", namespace) == [], "the pod is gone")


def test_an_injected_container_that_fails_is_named_with_its_exit_code(
    make_build: BuildFactory, api: Api, namespace: str, settings: Settings
) -> None:
    with changed_pods(api, namespace, add_container(settings, "exit 126", init=True)):
        failed = make_build(retries=0).wait_failed("InjectedContainerFailed")
    assert "injected" in failed.build["message"]
    assert "126" in failed.build["message"]


def test_a_mesh_leaves_build_pods_alone(make_build: BuildFactory, api: Api, namespace: str, settings: Settings) -> None:
    """As Istio's webhook does, the policy leaves pods alone that carry the label."""
    patch = add_container(settings, "exit 1", init=True)
    with changed_pods(api, namespace, patch, opt_out={"sidecar.istio.io/inject": "false"}):
        build = make_build()
        build.wait_succeeded()
    assert [item["name"] for item in build.pod()["spec"]["initContainers"]] == ["source"]


def test_a_proxy_that_is_injected_is_used_by_the_fetch(
    make_build: BuildFactory, api: Api, namespace: str, settings: Settings, tmp_path: Path
) -> None:
    """The source's host has no address, and the proxy is the one who knows it: a git server that is asked for it."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=main")
    commit(work, "first", {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    git(work, "clone", "--quiet", "--bare", ".", str(tmp_path / "shop.git"))
    source = {"git": {"url": "http://git.invalid/shop.git"}}
    assert "git.invalid" in make_build(source=source, retries=0).wait_failed("SourceUnreachable").build["message"]
    with GitServer(tmp_path, settings.network.gateway) as server:
        value = f'Object.spec.initContainers.env{{name: "HTTP_PROXY", value: "{server.url}"}}'
        patch = f'[JSONPatch{{op: "add", path: "/spec/initContainers/0/env/-", value: {value}}}]'
        with changed_pods(api, namespace, patch):
            make_build(source=source).wait_succeeded()
