"""Makes the Debian root file system of the base image with mmdebstrap, from where the machine gets its own packages."""

import re
import tempfile
from pathlib import Path
from typing import Final

from devcluster.errors import DevclusterError
from devcluster.images.imagekey import hash_parts
from devcluster.machine.host import read_os_release
from devcluster.machine.shell import run

_NEWER: Final = {"bookworm": "trixie"}
"""Suites whose Python is older than that of the operator's default base, and what is made instead. The unit tests run
with the machine's own Python, and so both are tried."""
_INCLUDE = ("ca-certificates", "git", "libnss-wrapper", "openssh-client", "python3", "python3-venv", "zstd")
_SOURCE_DATE_EPOCH = "1704067200"
_UNNEEDED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/man/*", "/usr/share/locale/*")
# How the machine fetches packages, such as through a proxy; it is needed for the build and removed from the result.
_FETCH_OPTIONS = re.compile(r"^Acquire::(?:https?|Check-|Retries|ForceIPv)[^\n]*;$", re.MULTILINE)
_BUILD_ONLY_FILE = "/etc/apt/apt.conf.d/99mmdebstrap"


def root_file_system_key() -> str:
    """Compute the key of the result: suite, packages, sources and options; newer packages alone change nothing."""
    suite = _read_suite()
    sources = list_sources(suite).values()
    return hash_parts(*(part.encode() for part in (_made_suite(suite), *_INCLUDE, *_UNNEEDED, *sources)))


def build_root_file_system(target: Path) -> None:
    """Write the root file system as a tar; takes about a minute."""
    own = _read_suite()
    suite = _made_suite(own)
    print(f"mmdebstrap: making a {suite} root file system with {', '.join(_INCLUDE)} (about a minute)", flush=True)
    options = _FETCH_OPTIONS.findall(run(("apt-config", "dump")))
    with tempfile.TemporaryDirectory() as folder:
        sources = {Path(folder) / name: text for name, text in list_sources(own).items()}
        for source, text in sources.items():
            source.write_text(text)
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
                *sources,
            ),
            env={"SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH},
            timeout_seconds=1200,
        )


def list_sources(suite: str, folder: Path = Path("/etc/apt")) -> dict[str, str]:
    """The machine's apt sources of its own suite, by the name of their file; for the newer suite, if there is one."""
    candidates = (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*")))
    files = [path for path in candidates if path.suffix in (".list", ".sources") and path.is_file()]
    # Not those of others that only have its name in theirs, such as tools-bookworm.
    named = re.compile(rf"(?<![\w-]){suite}\b")
    texts = {path.name: path.read_text() for path in files}
    return {name: named.sub(_made_suite(suite), text) for name, text in texts.items() if named.search(text)}


def _made_suite(own: str) -> str:
    return _NEWER.get(own, own)


def _read_suite() -> str:
    suite = read_os_release().get("VERSION_CODENAME", "")
    if not suite:
        raise DevclusterError("/etc/os-release has no VERSION_CODENAME, so it is unknown which Debian to make; add it.")
    return suite
