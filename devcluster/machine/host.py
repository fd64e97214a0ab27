"""Reads facts of the machine (distribution, user, Go, cgroups, capabilities); preflight.py judges them."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
NEEDED_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class CgroupFacts:
    """How the machine's control groups are mounted: version 1, 2, or 0 for none, and what is wrong with them."""

    version: int
    problem: str = ""


@dataclass(frozen=True)
class HostFacts:
    """What the preflight judges; injected whole by the unit tests."""

    platform: str
    os_release: Mapping[str, str]
    user_id: int
    go_version: str
    cgroups: CgroupFacts


def parse_os_release(text: str) -> dict[str, str]:
    """Parse the KEY=value lines of os-release(5)."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def parse_version(text: str) -> tuple[int, ...]:
    """Parse the numbers of a Go version such as `go1.26.8` or `1.26`; a release candidate counts as its release."""
    found = re.match(r"(?:go)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def read_os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Read the machine's os-release, empty if it has none."""
    return parse_os_release(path.read_text()) if path.exists() else {}


def read_architecture() -> str:
    """Read the machine's architecture, as container images name it."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def read_go_version() -> str:
    """Read the version of the Go on PATH, as `go1.26.8`; empty if there is none."""
    go = shutil.which("go")
    if go is None:
        return ""
    done = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        # Anywhere but in a folder of our own: a go.mod in the current one could ask for another toolchain.
        cwd="/",
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    return done.stdout.strip()


def read_cgroups(root: Path = CGROUP_ROOT) -> CgroupFacts:
    """Read which cgroup version is mounted at the usual place and whether this process may make groups there."""
    unified = root / "cgroup.controllers"
    if unified.exists():
        missing = sorted(set(NEEDED_CONTROLLERS) - set(unified.read_text().split()))
        return CgroupFacts(2, _cgroup_problem(missing, (root,)))
    folders = tuple(root / name for name in NEEDED_CONTROLLERS)
    missing = [folder.name for folder in folders if not (folder / "cgroup.procs").exists()]
    if len(missing) == len(folders):
        return CgroupFacts(0, f"no control groups are mounted at {root}")
    return CgroupFacts(1, _cgroup_problem(missing, folders))


def may_lower_oom_scores(status: Path = Path("/proc/self/status")) -> bool:
    """Tell whether this process has CAP_SYS_RESOURCE, without which runc cannot set a negative oom_score_adj."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    return found is not None and bool(int(found.group(1), 16) >> _CAP_SYS_RESOURCE & 1)


def read_host_facts() -> HostFacts:
    """Read everything the preflight judges."""
    return HostFacts(
        platform=sys.platform,
        os_release=read_os_release(),
        user_id=os.geteuid(),
        go_version=read_go_version(),
        cgroups=read_cgroups() if os.geteuid() == 0 else CgroupFacts(0),
    )


def _cgroup_problem(missing: list[str], folders: tuple[Path, ...]) -> str:
    if missing:
        return f"the controllers {', '.join(missing)} are missing"
    for folder in folders:
        probe = folder / f"buildandpush-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as err:
            return f"{folder} is not writable ({err.strerror})"
    return ""
