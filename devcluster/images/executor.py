"""What the image of the kaniko executor holds, and where its program comes from."""

import os
import platform
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images.archive import Entry
from devcluster.images.imagekey import hash_parts
from devcluster.machine.host import read_go_version
from devcluster.node.toolchain import Tool, ensure_tools
from devcluster.settings import PACKAGE_DIR, Settings

_MODULE = PACKAGE_DIR / "kaniko"
_UPSTREAM_PACKAGE = "github.com/osscontainertools/kaniko/cmd/executor"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def executor_key(settings: Settings, override: str | None) -> tuple[Path, str]:
    """Return the executor's program, compiled if need be, and the key of an image with it.

    `override`, from KANIKO_EXECUTOR, names a program to take instead.
    """
    if override and not (Path(override).is_file() and os.access(override, os.X_OK)):
        raise DevclusterError(f"KANIKO_EXECUTOR is {override}, which is not an executable file; unset it or correct it")
    program = Path(override) if override else _compile(settings)
    content = program.read_bytes()
    return program, hash_parts(content, _CERTIFICATES.read_bytes(), platform.machine().encode(), b"layout 1")


def build_executor_layer(program: Path) -> tuple[Entry, ...]:
    """List what the image holds: as the project's own image does, nothing but the executor."""
    return (
        Entry("etc"),
        Entry("etc/nsswitch.conf", 0o644, b"hosts: files dns\n"),
        Entry("kaniko", 0o777),
        Entry("kaniko/.docker", 0o777),
        Entry("kaniko/executor", 0o755, program),
        Entry("kaniko/ssl"),
        Entry("kaniko/ssl/certs"),
        Entry("kaniko/ssl/certs/ca-certificates.crt", 0o644, _CERTIFICATES),
        Entry("root", 0o700),
        Entry("tmp", 0o1777),
        Entry("workspace", 0o777),
    )


def find_package(module: Path) -> str:
    """Find which package of the module is the executor: its own command, its root, or the upstream's."""
    if (module / "cmd" / "executor").is_dir():
        return "./cmd/executor"
    return "." if any(module.glob("*.go")) else _UPSTREAM_PACKAGE


def _compile(settings: Settings) -> Path:
    if not (_MODULE / "go.mod").exists():
        raise DevclusterError(f"There is no Go module in {_MODULE} to build kaniko from; set KANIKO_EXECUTOR instead")
    tool = Tool("executor", _MODULE, find_package(_MODULE))
    return ensure_tools((tool,), settings, read_go_version())[tool.name]
