"""The project's images: which there are, where each goes, and the small ones; larger builds have their own modules."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images import basepython
from devcluster.images.archive import Entry, ImageConfig, write_archive, write_layer
from devcluster.images.executor import build_executor_layer, executor_key
from devcluster.images.imagekey import hash_parts
from devcluster.images.load import ensure_loaded
from devcluster.images.operatorimage import OperatorSource, build_operator
from devcluster.images.rootfs import build_root_file_system, root_file_system_key
from devcluster.machine.packages import IMAGE_PACKAGES, Package, ensure_packages
from devcluster.machine.shell import run
from devcluster.node.registry import push_image
from devcluster.settings import Settings

IMAGES = ("base", "busybox", "executor", "operator")
__all__ = ["IMAGES", "Built", "OperatorSource", "build", "deliver", "enter_python", "run_python"]

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BUSYBOX = Path("/bin/busybox")
_KEPT_ARCHIVES = 2
_EXECUTOR_CONFIG = ImageConfig(
    entrypoint=("/kaniko/executor",),
    env={
        "HOME": "/root",
        "USER": "root",
        "PATH": "/usr/local/bin:/kaniko",
        "SSL_CERT_DIR": "/kaniko/ssl/certs",
        "DOCKER_CONFIG": "/kaniko/.docker/",
    },
    working_dir="/workspace",
)


@dataclass(frozen=True)
class Built:
    """An image in the cache: its tar, the name the node is to know it by, and the names in the registry."""

    archive: Path
    node_name: str = ""
    repositories: tuple[str, ...] = ()


def build(settings: Settings, name: str, source: OperatorSource | None = None) -> Built:
    """Build one of IMAGES unless the cache has it from the same content."""
    ensure_packages(_needed_packages(name))
    names = settings.images
    match name:
        case "base":
            return Built(_build_base(settings), names.base, names.registry_base)
        case "busybox":
            return Built(_build_busybox(settings), repositories=(names.registry_busybox,))
        case "executor":
            return Built(_build_executor(settings), names.executor)
        case "operator":
            base = _build_base(settings)
            return Built(build_operator(settings, base, source or OperatorSource.from_paths()), names.operator)
    raise DevclusterError(f"There is no image {name}; the known ones are {', '.join(IMAGES)}")


def run_python(settings: Settings, arguments: Sequence[str]) -> int:
    """Run the Python of the base image with these arguments, and return its exit code."""
    ensure_packages(_needed_packages("python"))
    return basepython.run_python(settings, _build_base(settings), arguments)


def enter_python(settings: Settings) -> AbstractContextManager[tuple[str, ...]]:
    """Give the beginning of a command that becomes the Python of the base image."""
    ensure_packages(_needed_packages("python"))
    return basepython.enter_python(settings, _build_base(settings))


def deliver(settings: Settings, built: Built) -> tuple[str, ...]:
    """Load an image into the node and push it to the registry, where it is meant to go; return what pods call it."""
    loaded = []
    if built.node_name:
        ensure_loaded(settings, built.node_name, built.archive)
        loaded.append(built.node_name)
    pushed = [push_image(settings, built.archive, repository) for repository in built.repositories]
    _drop_old(built.archive)
    return (*loaded, *pushed)


def _build_base(settings: Settings) -> Path:
    archive = _archive_path(settings, "base", root_file_system_key())
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            layer = Path(folder) / "layer.tar"
            build_root_file_system(layer)
            config = ImageConfig(command=("/bin/bash",), env={"PATH": _SYSTEM_PATH, "LANG": "C.UTF-8"})
            write_archive(archive, layer, names=(settings.images.base,), config=config)
    return archive


def _build_busybox(settings: Settings) -> Path:
    applets = run((_BUSYBOX, "--list")).split()
    archive = _archive_path(settings, "busybox", hash_parts(_BUSYBOX.read_bytes(), b"layout 1"))
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            layer = Path(folder) / "layer.tar"
            write_layer(layer, build_busybox_entries(_BUSYBOX, applets))
            config = ImageConfig(command=("sh",), env={"PATH": _SYSTEM_PATH})
            write_archive(archive, layer, names=("localhost/buildandpush/busybox:1.36",), config=config)
    return archive


def build_busybox_entries(program: Path, applets: list[str]) -> tuple[Entry, ...]:
    """List what the busybox image holds, its applets linked in /bin."""
    links = (Entry(f"bin/{applet}", link="busybox") for applet in sorted(applets) if applet != "busybox")
    return (
        Entry("bin"),
        Entry("bin/busybox", content=program),
        *links,
        Entry("etc"),
        Entry("etc/group", 0o644, b"root:x:0:\nnobody:x:65534:\n"),
        Entry("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        Entry("root", 0o700),
        Entry("tmp", 0o1777),
        Entry("usr"),
        Entry("usr/bin"),
        Entry("usr/bin/env", link="../../bin/busybox"),
        Entry("var"),
        Entry("var/tmp", 0o1777),
    )


def _build_executor(settings: Settings) -> Path:
    program, key = executor_key(settings, os.environ.get("KANIKO_EXECUTOR"))
    archive = _archive_path(settings, "executor", key)
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            layer = Path(folder) / "layer.tar"
            write_layer(layer, build_executor_layer(program))
            write_archive(archive, layer, names=(settings.images.executor,), config=_EXECUTOR_CONFIG)
    return archive


def _archive_path(settings: Settings, name: str, key: str) -> Path:
    folder = settings.cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{key}.tar"


def _drop_old(newest: Path) -> None:
    # The one before stays, for going back and forth between two branches.
    name = newest.name.rpartition("-")[0]
    others = sorted(newest.parent.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[_KEPT_ARCHIVES:]:
        if path != newest:
            path.unlink()


def _needed_packages(name: str) -> tuple[Package, ...]:
    wanted = {
        "base": ("mmdebstrap", "skopeo"),
        "busybox": ("busybox-static", "skopeo"),
        "executor": ("ca-certificates",),
        "operator": ("mmdebstrap", "buildah", "ca-certificates"),
        "python": ("mmdebstrap", "buildah", "ca-certificates"),
    }.get(name, ())
    return tuple(package for package in IMAGE_PACKAGES if package.name in wanted)
