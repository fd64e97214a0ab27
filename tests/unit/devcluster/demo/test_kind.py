"""The pure parts of the demo on kind; kind-config.yaml itself is tried with kind's loader elsewhere."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devcluster.demo import kind, kindchecks
from devcluster.demo.kind import add_host, build_hosts_toml, find_gateway
from devcluster.demo.kindchecks import check_programs, check_registries, parse_kind_version, refuse_docker
from devcluster.errors import DevclusterError
from devcluster.settings import Settings, read_settings

COREFILE = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    forward . /etc/resolv.conf
}
"""


def test_a_host_is_added_in_front_and_the_rest_stays() -> None:
    changed = add_host(COREFILE, "demo.azurecr.io", "172.18.0.3").splitlines()
    assert changed[1:5] == ["    hosts {", "        172.18.0.3 demo.azurecr.io", "        fallthrough", "    }"]
    assert [changed[0], *changed[5:]] == COREFILE.splitlines()


def test_adding_it_again_changes_nothing_and_a_new_address_replaces_the_old() -> None:
    once = add_host(COREFILE, "demo.azurecr.io", "172.18.0.3")
    assert add_host(once, "demo.azurecr.io", "172.18.0.3") == once
    assert add_host(add_host(COREFILE, "demo.azurecr.io", "172.18.0.9"), "demo.azurecr.io", "172.18.0.3") == once


def test_containerd_is_told_our_authority() -> None:
    assert 'ca = "/etc/containerd/certs.d/demo.azurecr.io/ca.crt"' in build_hosts_toml("demo.azurecr.io")


def test_the_gateway_is_the_ipv4_one() -> None:
    configuration = [
        {"Subnet": "fc00::/64", "Gateway": "fc00::1"},
        {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"},
    ]
    assert find_gateway([{"IPAM": {"Config": configuration}}]) == "172.18.0.1"
    with pytest.raises(DevclusterError, match="no IPv4 gateway"):
        find_gateway([{"IPAM": {"Config": configuration[:1]}}])


def test_a_missing_program_is_named_with_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "kind" else f"/bin/{name}")
    with pytest.raises(DevclusterError, match=r"needs kind, .*kind\.sigs\.k8s\.io"):
        check_programs()


class Machine:
    """Docker and kind, as far as this module calls them. A command that they do not know fails."""

    def __init__(self) -> None:
        self.clusters: set[str] = set()
        self.registries: set[str] = set()
        self.volumes: set[str] = set()
        self.info: dict[str, Any] = {"OperatingSystem": "Debian", "SecurityOptions": ["name=seccomp"]}
        self.version = "kind v0.30.0 go1.24.6 linux/amd64"
        self.broken: BaseException | None = None
        self.called: list[str] = []

    def run(self, argv: Sequence[str | Path], **_: Any) -> str:
        """Play one command."""
        words = [str(word) for word in argv]
        self.called.append(" ".join(words))
        return self._docker(words[1:]) if words[0] == "docker" else self._kind(words[1:])

    def _docker(self, words: list[str]) -> str:
        match words:
            case ["info", *_]:
                return json.dumps(self.info)
            case ["ps", *_]:
                return "\n".join(self.registries)
            case ["rm", "--force", name]:
                self.registries.discard(name)
            case ["volume", "rm", "--force", name]:
                self.volumes.discard(name)
            case ["exec", _, "crictl", "pull", _] | ["build", *_]:
                pass
            case _:
                raise AssertionError(f"unknown command: docker {words}")
        return ""

    def _kind(self, words: list[str]) -> str:
        match words:
            case ["version"]:
                return self.version
            case ["get", "clusters"]:
                return "\n".join(self.clusters)
            case ["get", "nodes", "--name", name]:
                return f"{name}-control-plane\n{name}-worker\n"
            case ["create", "cluster", "--name", name, "--config", _, "--kubeconfig", _]:
                assert name not in self.clusters
                self.clusters.add(name)
                if self.broken is not None:
                    raise self.broken
            case ["delete", "cluster", "--name", name]:
                self.clusters.remove(name)
            case ["load", "docker-image", "--name", _, image]:
                assert image.startswith("buildandpush/"), "an index of several platforms cannot be loaded"
            case _:
                raise AssertionError(f"unknown command: kind {words}")
        return ""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with all programs."""
    played = Machine()
    for module in (kind, kindchecks):
        monkeypatch.setattr(module, "run", played.run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    return played


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose files are the test's own."""
    return replace(read_settings({}), state=tmp_path / "state", cache=tmp_path / "cache")


def test_a_new_cluster_gets_a_new_registry(machine: Machine, settings: Settings) -> None:
    """Its runs count from 1 again, and tags of the old one would be in the way."""
    machine.registries, machine.volumes = {"demo-registry"}, {"demo-registry"}
    kind._ensure_cluster(settings, "demo")
    assert (machine.clusters, machine.registries, machine.volumes) == ({"demo"}, set(), set())


def test_a_whole_cluster_and_its_registry_stay(machine: Machine, settings: Settings) -> None:
    kind._ensure_cluster(settings, "demo")
    machine.volumes, before = {"demo-registry"}, len(machine.called)
    kind._ensure_cluster(settings, "demo")
    assert machine.volumes == {"demo-registry"}
    assert machine.called[before:] == ["kind get clusters"]


@pytest.mark.parametrize("broken", [DevclusterError("no space left on device"), KeyboardInterrupt()])
def test_a_creation_that_fails_leaves_no_part(machine: Machine, settings: Settings, broken: BaseException) -> None:
    machine.broken = broken
    with pytest.raises(type(broken)):
        kind._ensure_cluster(settings, "demo")
    assert machine.clusters == set()


def test_a_part_of_a_cluster_is_not_taken_for_a_whole_one(
    machine: Machine, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.clusters = {"demo"}
    kind._ensure_cluster(settings, "demo")
    assert "deleting cluster demo" in capsys.readouterr().out
    assert sum(command.startswith("kind create cluster") for command in machine.called) == 1


def test_every_node_pulls_the_executor_itself(machine: Machine) -> None:
    kind._load_images("demo")
    image = "ghcr.io/osscontainertools/kaniko:v1.28.3"
    for node in ("demo-control-plane", "demo-worker"):
        assert f"docker exec {node} crictl pull {image}" in machine.called


def test_another_demos_registry_is_named_with_the_command_that_removes_it(machine: Machine) -> None:
    machine.registries = {"demo-registry"}
    check_registries("demo")
    with pytest.raises(DevclusterError, match=r"'demo' runs.*kind delete cluster --name demo && docker rm"):
        check_registries("other")


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ({"OperatingSystem": "Docker Desktop"}, "Docker Desktop"),
        ({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}, "rootless"),
        ({"OperatingSystem": "Ubuntu 24.04", "SecurityOptions": None}, ""),
    ],
)
def test_a_docker_that_cannot_reach_this_machine_is_refused_first(
    machine: Machine, info: dict[str, Any], why: str
) -> None:
    machine.info = info
    if not why:
        assert refuse_docker(info) == ""
        check_programs()
        return
    with pytest.raises(DevclusterError, match=why):
        check_programs()


def test_dockers_own_words_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise DevclusterError("permission denied while trying to connect to the docker API")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(kindchecks, "run", refuse)
    with pytest.raises(DevclusterError, match=r"permission denied.*\n.*join the group docker"):
        check_programs()


@pytest.mark.parametrize(
    ("text", "version"),
    [("kind v0.30.0 go1.24.6 linux/amd64", (0, 30)), ("kind version 1.2.3", (1, 2)), ("what?", (0, 0))],
)
def test_kinds_version_is_read(text: str, version: tuple[int, int]) -> None:
    assert parse_kind_version(text) == version


def test_an_old_kind_is_refused(machine: Machine) -> None:
    machine.version = "kind v0.24.0 go1.22.6 linux/amd64"
    with pytest.raises(DevclusterError, match=r"kind 0\.30 or later.*v0\.24\.0"):
        check_programs()
