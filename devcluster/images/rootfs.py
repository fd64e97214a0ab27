"""Makes the Debian root file system of the base image with mmdebstrap, from the machine's own apt sources."""

import re
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images.imagekey import hash_parts
from devcluster.machine.host import read_os_release
from devcluster.machine.shell import run

_INCLUDE = ("ca-certificates", "git", "libnss-wrapper", "openssh-client", "python3", "python3-venv", "zstd")
_SOURCE_DATE_EPOCH = "1704067200"
_UNNEEDED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/man/*", "/usr/share/locale/*")
# How the machine fetches packages, such as through a proxy; it is needed for the build and removed from the result.
_FETCH_OPTIONS = re.compile(r"^Acquire::(?:https?|Check-|Retries|ForceIPv)[^\n]*;$", re.MULTILINE)
_BUILD_ONLY_FILE = "/etc/apt/apt.conf.d/99mmdebstrap"


def root_file_system_key() -> str:
    """Compute the key of the result: suite, packages, sources and options; newer packages alone change nothing."""
    sources = [path.read_bytes() for path in find_apt_sources(_read_suite())]
    return hash_parts(_read_suite().encode(), *(arg.encode() for arg in (*_INCLUDE, *_UNNEEDED)), *sources)


def build_root_file_system(target: Path) -> None:
    """Write the root file system as a tar; takes about a minute."""
    suite = _read_suite()
    print(f"mmdebstrap: making a {suite} root file system with {', '.join(_INCLUDE)} (about a minute)", flush=True)
    options = _FETCH_OPTIONS.findall(run(("apt-config", "dump")))
    run(
        (
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(_INCLUDE)}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _UNNEEDED),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            *(f"--aptopt={option}" for option in options),
            f'--customize-hook=rm -f "$1{_BUILD_ONLY_FILE}"',
            suite,
            target,
            *find_apt_sources(suite),
        ),
        env={"SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH},
        timeout_seconds=1200,
    )


def find_apt_sources(suite: str, folder: Path = Path("/etc/apt")) -> tuple[Path, ...]:
    """Find the machine's apt sources that are about its own suite."""
    candidates = (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*")))
    return tuple(
        path
        for path in candidates
        if path.suffix in (".list", ".sources") and path.is_file() and re.search(rf"\b{suite}\b", path.read_text())
    )


def _read_suite() -> str:
    suite = read_os_release().get("VERSION_CODENAME", "")
    if not suite:
        raise DevclusterError("/etc/os-release has no VERSION_CODENAME, so it is unknown which Debian to make; add it.")
    return suite
