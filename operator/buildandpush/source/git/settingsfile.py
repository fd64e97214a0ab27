"""Reads a file of git settings out of the commit: the file in the folder may be a link, and its author is anybody."""

from pathlib import Path
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.git.way import Way, run_git
from buildandpush.source.report import SourceError

_MAX_BYTES: Final = 1024 * 1024
_PLAIN_FILE: Final = ("100644", "100755")
"""Its modes: https://git-scm.com/docs/git-fast-import#_filemodify"""


def read_settings(root: Path, way: Way, name: str) -> list[tuple[str, str]]:
    """Each setting's key, in git's form, and its value; empty if the commit has no such file. Raises SourceError."""
    told = run_git(root, way, "ls-tree", "--long", "HEAD", "--", name).split()
    if not told:
        return []
    mode, _, blob, size = told[:4]
    if mode not in _PLAIN_FILE or int(size) > _MAX_BYTES:
        raise SourceError(Reason.SOURCE_INVALID, f"{name} is no file of at most {_MAX_BYTES} bytes")
    return split_settings(run_git(root, way, "config", "--blob", blob, "--null", "--list"))


def split_settings(told: str) -> list[tuple[str, str]]:
    """The settings in git's list of them."""
    pairs = (entry.partition("\n") for entry in told.split("\0"))
    return [(key, value) for key, _, value in pairs if key]
