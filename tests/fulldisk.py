"""Runs a command in a folder whose disk is small or full: a file system in memory, in a mount namespace of its own."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import pytest

_ENTER: Final = ("unshare", "--map-root-user", "--mount", "sh", "-c")
_FILL: Final = 'mount -t tmpfs -o size="$2" tmpfs "$1" && { [ "$3" = room ] || cat /dev/zero > "$1/others" 2>/dev/null'
_THEN: Final = '; :; } && shift 3 && exec "$@"'


def run_on_disk(
    folder: Path, *command: str, size: str = "64k", full: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The end of a command for which a folder is a disk of this size, filled by a file of somebody else if it is
    `full`. Skips the test on a machine that lets nobody mount anything."""
    if not _may_mount():
        pytest.skip("a file system of one's own cannot be mounted here")
    return subprocess.run(
        [*_ENTER, _FILL + _THEN, "sh", str(folder), size, "full" if full else "room", *command],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@cache
def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_ENTER, "mount -t tmpfs tmpfs /tmp"], capture_output=True, check=False).returncode == 0
