"""What `make demo CLUSTER=kind` needs of the machine; it changes nothing."""

import json
import re
import shutil
from collections.abc import Mapping
from typing import Any

from devcluster.errors import DevclusterError
from devcluster.machine.shell import run

_PROGRAMS = {
    "docker": "docs.docker.com/engine/install",
    "kind": "kind.sigs.k8s.io",
    "kubectl": "kubernetes.io/docs/tasks/tools",
    "helm": "helm.sh/docs/intro/install",
}
LABEL = "dev.buildandpush.demo-registry"
_OLDEST_KIND = (0, 30)


def check_programs() -> None:
    """Raise unless all programs are there and Docker answers."""
    for program, page in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise DevclusterError(
                f"CLUSTER=kind needs {program}, which is not on PATH; install it ({page}), or run `make demo` without"
                " CLUSTER=kind on Debian as root."
            )
    try:
        info = json.loads(run(("docker", "info", "--format", "{{json .}}"), timeout_seconds=60))
    except DevclusterError as err:
        raise DevclusterError(
            f"CLUSTER=kind needs a Docker daemon that answers this user. {err}\nStart Docker, join the group docker, or"
            " run `make demo` without CLUSTER=kind on Debian as root."
        ) from err
    if problem := refuse_docker(info):
        raise DevclusterError(problem)
    found = run(("kind", "version"), timeout_seconds=60).strip()
    if parse_kind_version(found) < _OLDEST_KIND:
        raise DevclusterError(f"CLUSTER=kind needs kind 0.30 or later, and this is {found!r}; install a newer one.")


def refuse_docker(info: Mapping[str, Any]) -> str:
    """Return why a cluster of this Docker cannot reach the demo, empty if it can. `info` is what `docker info` says."""
    if "Docker Desktop" in str(info.get("OperatingSystem")):
        return (
            "CLUSTER=kind does not work with Docker Desktop: its containers do not reach servers of this machine. Use"
            " Docker on Linux."
        )
    if any("name=rootless" in str(option) for option in info.get("SecurityOptions") or ()):
        return (
            "CLUSTER=kind does not work with rootless Docker: its containers do not reach servers of this machine. Use"
            " the Docker daemon of the machine."
        )
    return ""


def parse_kind_version(text: str) -> tuple[int, int]:
    """Parse major and minor from `kind v0.30.0 go1.24 linux/amd64`; (0, 0) if there is none."""
    found = re.search(r"\bv?(\d+)\.(\d+)\.", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def check_registries(name: str) -> None:
    """Raise if another cluster's demo registry runs: both would answer to the same name on Docker's network."""
    running = run(("docker", "ps", "--filter", f"label={LABEL}", "--format", "{{.Names}}")).split()
    others = [registry for registry in running if registry != registry_name(name)]
    if others:
        other = others[0].removesuffix("-registry")
        raise DevclusterError(
            f"The demo's registry of kind cluster {other!r} runs, and two cannot share a network. Remove the other"
            f" demo first: {render_removal(other)}"
        )


def render_removal(name: str) -> str:
    """Render the command that removes all that bring_up_kind made outside of the cache."""
    registry = registry_name(name)
    return f"kind delete cluster --name {name} && docker rm --force {registry} && docker volume rm {registry}"


def registry_name(name: str) -> str:
    """The name of a cluster's registry: its container and its volume."""
    return f"{name}-registry"
