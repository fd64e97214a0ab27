"""Installs missing Debian packages through apt; it never starts a service of theirs."""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.shell import run
from devcluster.settings import Network, Settings

_APT_ENV = {"DEBIAN_FRONTEND": "noninteractive"}
_LIBRARIES_OF_SSHD = ("libwrap0", "libnsl2", "libnss-wrapper")
_WAIT_FOR_LOCK = ("-o", "DPkg::Lock::Timeout=300")


@dataclass(frozen=True)
class Package:
    """A Debian package and what must exist for it to count as there: a program on PATH or an absolute path."""

    name: str
    probe: str


RUNTIME_PACKAGES = (
    Package("iptables", "iptables-save"),
    Package("iproute2", "ip"),
    Package("containernetworking-plugins", f"{Network().cni_bin_dir}/bridge"),
    Package("mount", "mount"),
)
COMPILE_PACKAGES = (
    Package("gcc", "gcc"),
    Package("libc6-dev", "/usr/include/stdlib.h"),
    Package("pkg-config", "pkg-config"),
    Package("libseccomp-dev", "/usr/include/seccomp.h"),
    Package("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
)
IMAGE_PACKAGES = (
    Package("busybox-static", "/bin/busybox"),
    Package("mmdebstrap", "mmdebstrap"),
    Package("skopeo", "skopeo"),
    Package("buildah", "buildah"),
    Package("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    Package("zstd", "zstd"),  # which the operator's image has too; tests make archives with it
)


def find_missing(packages: Iterable[Package]) -> tuple[str, ...]:
    """Name the packages whose program or file is not there."""
    return tuple(package.name for package in packages if not _is_there(package.probe))


def ensure_packages(packages: Sequence[Package]) -> None:
    """Install what is missing, after telling so; do nothing, at no cost, when nothing is."""
    missing = find_missing(packages)
    if not missing:
        return
    print(f"apt: installing {' '.join(missing)}", flush=True)
    install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *_WAIT_FOR_LOCK, *missing)
    try:
        run(install, env=_APT_ENV)
    except DevclusterError:
        # The usual reason is an empty or old package list.
        run(("apt-get", "update", "-q", *_WAIT_FOR_LOCK), env=_APT_ENV)
        run(install, env=_APT_ENV)
    still_missing = find_missing(packages)
    if still_missing:
        raise DevclusterError(f"apt installed {' '.join(still_missing)}, but what it should bring is still missing")


def ensure_docker_registry(settings: Settings) -> Path:
    """Return a docker-registry program: the machine's own, or Debian's unpacked into the cache.

    Unpacked rather than installed, because the package would register and start a service of its own on port 5000.
    """
    installed = shutil.which("docker-registry")
    if installed:
        return Path(installed)
    program = Path("usr/bin/docker-registry")
    return _ensure_unpacked(settings, program, "docker-registry") / program


def ensure_ssh_server(settings: Settings) -> Path:
    """Return the folder with Debian's sshd, and with libraries that the machine may lack, unpacked into the cache: a
    package that is installed would start a service of its own on port 22."""
    return _ensure_unpacked(settings, Path("usr/sbin/sshd"), "openssh-server", *_LIBRARIES_OF_SSHD)


def ensure_promtool(settings: Settings) -> Path:
    """Return Debian's promtool, which judges metrics, unpacked into the cache: the package that has it would start a
    service of its own on port 9090."""
    program = Path("usr/bin/promtool")
    return _ensure_unpacked(settings, program, "prometheus") / program


def _ensure_unpacked(settings: Settings, program: Path, *packages: str) -> Path:
    """The folder that the packages are unpacked into, with this program. It has the name of the first package."""
    unpacked = settings.cache / "debian" / packages[0]
    if (unpacked / program).exists():
        return unpacked
    print(f"apt: unpacking {' '.join(packages)} into the cache (not installed, so no service starts)", flush=True)
    with tempfile.TemporaryDirectory(dir=_made(unpacked.parent)) as folder:
        download, partial = Path(folder) / "download", Path(folder) / "unpacked"
        download.mkdir()
        fetch = ("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages)
        try:
            run(fetch, cwd=download, env=_APT_ENV)
        except DevclusterError:
            # The usual reason is an empty or old package list.
            run(("apt-get", "update", "-q", *_WAIT_FOR_LOCK), env=_APT_ENV)
            run(fetch, cwd=download, env=_APT_ENV)
        for package in download.glob("*.deb"):
            run(("dpkg-deb", "-x", package, partial))
        # Another process may have been quicker.
        if not (unpacked / program).exists():
            shutil.rmtree(unpacked, ignore_errors=True)
            partial.replace(unpacked)
    return unpacked


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_there(probe: str) -> bool:
    return Path(probe).exists() if probe.startswith("/") else shutil.which(probe) is not None
