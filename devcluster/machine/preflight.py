"""Refuses, in one sentence each, machines the dev cluster cannot run on; it changes nothing."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.host import HostFacts, parse_version
from devcluster.machine.ports import Listener, PortUse, find_conflict
from devcluster.settings import MAX_STATE_PATH_LENGTH


def check_host(facts: HostFacts, *, needed_go: str) -> None:
    """Raise DevclusterError for the first fact that rules this machine out."""
    for refusal in (
        refuse_platform(facts.platform),
        refuse_distribution(facts),
        refuse_user(facts.user_id),
        refuse_go(facts.go_version, needed_go),
        refuse_cgroups(facts),
    ):
        if refusal:
            raise DevclusterError(refusal)


def refuse_platform(platform: str) -> str:
    """Return why this operating system cannot run the cluster, empty if it can."""
    if platform == "linux":
        return ""
    return f"The dev cluster needs Linux, but this is {platform}; run it in a Debian virtual machine or use kind."


def refuse_distribution(facts: HostFacts) -> str:
    """Return why this distribution cannot, empty if it is Debian or says it is like Debian."""
    names = (facts.os_release.get("ID", ""), *facts.os_release.get("ID_LIKE", "").split())
    if "debian" in names:
        return ""
    found = facts.os_release.get("PRETTY_NAME") or facts.os_release.get("ID") or "a system without /etc/os-release"
    return f"The dev cluster installs Debian packages, but this is {found}; run it on Debian or a derivative of it."


def refuse_user(user_id: int) -> str:
    """Return why this user cannot, empty for root."""
    if user_id == 0:
        return ""
    return (
        f"The dev cluster needs root (it mounts file systems and writes iptables rules), but this is user {user_id};"
        " run it with sudo."
    )


def require_root() -> None:
    """Raise unless this process is root's."""
    refusal = refuse_user(os.geteuid())
    if refusal:
        raise DevclusterError(refusal)


def refuse_go(found: str, needed: str) -> str:
    """Return why the Go on PATH cannot compile the tools, empty if it can."""
    if not found:
        return f"Go is not on PATH, but the tools are compiled with it; install Go {needed} or newer from go.dev/dl."
    if parse_version(found) >= parse_version(needed):
        return ""
    return (
        f"Go on PATH is {found}, older than the {needed} that devcluster/tools/*/go.mod ask for;"
        f" install Go {needed} or newer (GOTOOLCHAIN=local: none is downloaded for you)."
    )


def refuse_cgroups(facts: HostFacts) -> str:
    """Return why the machine's control groups cannot hold pods, empty if they can."""
    if not facts.cgroups.problem:
        return ""
    return (
        f"Control groups are unusable: {facts.cgroups.problem}; run on the machine itself or in a container with"
        " --privileged --cgroupns=host, with cpu, cpuset, memory and pids enabled."
    )


def check_state_path(state: Path) -> None:
    """Raise if the state folder's path leaves no room for the sockets below it, or is not absolute."""
    if not state.is_absolute() or state == Path("/") or len(state.parts) < 3:
        raise DevclusterError(f"DEVCLUSTER_STATE is {state}, but must be an absolute path two levels deep or more.")
    if len(str(state)) > MAX_STATE_PATH_LENGTH:
        raise DevclusterError(
            f"DEVCLUSTER_STATE is {len(str(state))} characters long, but Unix sockets below it allow"
            f" {MAX_STATE_PATH_LENGTH}; choose a shorter path."
        )


def check_ports(uses: Iterable[PortUse], listeners: Iterable[Listener]) -> None:
    """Raise DevclusterError naming the first port somebody else holds, and the holder."""
    held = tuple(listeners)
    for use in uses:
        conflict = find_conflict(use, held)
        if conflict is None:
            continue
        raise DevclusterError(
            f"Port {use.port}/{use.protocol} on {use.address}, which {use.owner} needs, is taken by {conflict.holder};"
            " stop that process and run `up` again."
        )


def read_needed_go(go_mods: Iterable[Path]) -> str:
    """Read the newest `go` line of the given go.mod files."""
    lines = (re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE) for path in go_mods)
    return max((found.group(1) for found in lines if found), key=parse_version, default="1.26")
