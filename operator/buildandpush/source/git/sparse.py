"""Checks out some folders of a repository and leaves the others on the server, if the server can do that.

This is git's cone mode: the folders whole, and of the folders above them the files alone.
https://git-scm.com/docs/git-sparse-checkout#_internalscone_mode_handling
"""

from collections.abc import Sequence
from pathlib import Path

from buildandpush.api.reasons import Reason
from buildandpush.source.git.way import Way, run_git
from buildandpush.source.report import SourceError


def limit_checkout(root: Path, way: Way, paths: Sequence[str]) -> None:
    """Let the next checkout bring these folders alone."""
    if paths:
        # The checks are for patterns that somebody mistakes for folders. A folder may be called a[b].
        run_git(root, way, "sparse-checkout", "set", "--cone", "--skip-checks", "--end-of-options", *paths)


def check_folders(root: Path, paths: Sequence[str]) -> None:
    """Raise SourceError for a path that is no folder of the repository. git checks out nothing for it."""
    for path in paths:
        folder = root / path
        if not folder.is_dir() or folder.is_symlink():
            raise SourceError(
                Reason.SOURCE_INVALID, f"source.git.paths: the repository has no folder {path!r} at this commit"
            )
