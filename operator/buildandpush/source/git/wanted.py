"""What of a repository is wanted."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """What of a repository is wanted."""

    revision: str = ""
    """A branch, tag, ref or commit id; empty for the default branch."""
    depth: int = 1
    """How many commits of the history; 0 for all of it."""
    tags: bool = False
    """Whether all tags come along."""
    paths: tuple[str, ...] = ()
    """The folders to check out, normalised; none for all."""
    submodules: bool = False
    """Whether submodules are fetched, and theirs."""
    lfs: bool = False
    """Whether the files come along that Git LFS keeps."""
    keep_git_dir: bool = True
    allowed_hosts: tuple[str, ...] = ()
    """Where submodules and files of Git LFS may come from, as the installer says; empty for everywhere."""

    def of_submodule(self, commit: str) -> "Wanted":
        """What is wanted of a submodule: all files of its commit, and no history."""
        return replace(self, revision=commit, depth=1, tags=False, paths=())


def parse_wanted(git: Mapping[str, Any]) -> Wanted:
    """What the request's `git` asks for. Tags are of use in a .git folder that is kept, and nowhere else."""
    return Wanted(
        revision=git.get("commit") or git.get("revision", ""),
        depth=git.get("depth", 1),
        tags=bool(git.get("tags") and git.get("keepGitDir")),
        paths=tuple(posixpath.normpath(path) for path in git.get("paths") or ()),
        submodules=bool(git.get("submodules")),
        lfs=bool(git.get("lfs")),
        keep_git_dir=bool(git.get("keepGitDir")),
        allowed_hosts=tuple(git.get("allowedHosts") or ()),
    )
