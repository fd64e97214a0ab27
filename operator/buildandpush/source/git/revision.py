"""Fetches the commit that a revision stands for: a name, a commit's id, or the beginning of one."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.git.wanted import Wanted
from buildandpush.source.git.way import Way, run_git
from buildandpush.source.report import SourceError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT: Final = re.compile(r"[0-9a-f]{7,63}")
_DEFAULT: Final = "HEAD"
_SHA256: Final = "--object-format=sha256"
_OF_ANOTHER_FORMAT: Final = "mismatched algorithms"
"""What git says of a server whose ids are of the other kind."""
_BRANCHES: Final = "+refs/heads/*:refs/remotes/origin/*"
_TAGS: Final = "+refs/tags/*:refs/tags/*"
_FETCHED: Final = re.compile(r"(?P<kind>branch |tag |)'(?P<name>.{1,1024})' of ")
"""What git notes of a ref in FETCH_HEAD: https://git-scm.com/docs/git-fetch#_output"""
_HEAD: Final = re.compile(r"symref-target:(?P<v2>refs/heads/\S{1,1024})|\bsymref=HEAD:(?P<v0>refs/heads/\S{1,1024})")
"""What a server says of its default branch: https://git-scm.com/docs/protocol-v2#_ls_refs"""
_MAX_TRACE: Final = 64 * 1024
_MOST_CANDIDATES: Final = 5
_MOST_OBJECTS: Final = 100
"""A server may make up as many as it likes."""


@dataclass(frozen=True)
class Found:
    """What was fetched."""

    commit: str
    """Its id, or the id of a tag of it."""
    ref: str | None = None
    """Its full ref; None for a commit's id."""


def fetch_commit(root: Path, way: Way, url: str, wanted: Wanted) -> Found:
    """Make a repository in the root and fetch the commit into it; raises SourceError."""
    try:
        return _fetch(root, way, url, wanted, _SHA256 if len(wanted.revision) == 64 else "")
    except SourceError as error:
        if _OF_ANOTHER_FORMAT not in str(error):
            raise
        shutil.rmtree(root / ".git")
        return _fetch(root, way, url, wanted, "" if len(wanted.revision) == 64 else _SHA256)


def _fetch(root: Path, way: Way, url: str, wanted: Wanted, kind: str) -> Found:
    run_git(root, way, "init", "--quiet", "--template=", *filter(None, [kind]), ".")
    if wanted.paths:
        # The checkout fetches the contents of the files itself. It asks the remote repository of this name.
        run_git(root, way, "config", "remote.origin.url", url)
    try:
        return _fetch_named(root, way, url, wanted)
    except SourceError as error:
        if error.reason is not Reason.REVISION_NOT_FOUND:
            raise
        if not _COMMIT.fullmatch(wanted.revision):
            if not _SHORT_COMMIT.fullmatch(wanted.revision):
                raise
            wanted = replace(wanted, revision=find_commit(root / ".git", way, url, wanted.revision, kind))
            return _fetch(root, way, url, wanted, kind)
        # Some servers give commits only by the branches and tags that hold them.
        run_git(root, way, *_command(replace(wanted, depth=0), url), _BRANCHES, _TAGS)
        if not _has(root, way, wanted.revision):
            raise
    return Found(wanted.revision)


def _has(root: Path, way: Way, commit: str) -> bool:
    try:
        run_git(root, way, "cat-file", "-e", f"{commit}^{{commit}}")
    except SourceError:
        return False
    return True


def _fetch_named(root: Path, way: Way, url: str, wanted: Wanted) -> Found:
    name = wanted.revision or _DEFAULT
    trace = root / ".git" / "trace"
    if name == _DEFAULT:
        # A server tells the default branch's name in its answer, but git prints it nowhere else.
        way = replace(way, environment={**way.environment, "GIT_TRACE_PACKET": str(trace)})
    run_git(root, way, *_command(wanted, url), name)
    line = (root / ".git" / "FETCH_HEAD").read_text(errors="replace").partition("\n")[0]
    commit, _, note = line.partition("\t")
    if name != _DEFAULT:
        return Found(commit, read_ref(note.lstrip("\t")))
    with trace.open(errors="replace") as opened:
        told = opened.read(_MAX_TRACE)
    trace.unlink()
    return Found(commit, read_default_branch(told))


def _command(wanted: Wanted, url: str) -> Iterator[str]:
    """git's arguments before the refs."""
    yield from ("fetch", "--quiet", "--tags" if wanted.tags else "--no-tags")
    if wanted.depth:
        yield f"--depth={wanted.depth}"
    if wanted.paths:
        yield "--filter=blob:none"
    yield from ("--end-of-options", "origin" if wanted.paths else url)


def read_ref(note: str) -> str | None:
    """The full ref in git's note of a fetch; None if it has none."""
    found = _FETCHED.match(note)
    if found is None:
        return None
    folder = {"branch ": "refs/heads/", "tag ": "refs/tags/"}.get(found["kind"], "")
    ref = f"{folder}{found['name']}"
    return ref if ref.startswith("refs/") else None


def read_default_branch(trace: str) -> str | None:
    """The full ref of the default branch, from a server's words; None if it did not tell."""
    found = _HEAD.search(trace)
    return (found["v2"] or found["v0"]) if found else None


def find_commit(folder: Path, way: Way, url: str, begin: str, kind: str = "") -> str:
    """The whole id of the one commit that begins so; raises SourceError.

    A server knows commits by their whole ids only. So all commits are fetched, without their files, into a repository
    of its own below the folder.
    """
    with tempfile.TemporaryDirectory(dir=folder) as made:
        search = Path(made)
        run_git(search, way, "init", "--quiet", "--bare", "--template=", *filter(None, [kind]), ".")
        run_git(
            search, way, "fetch", "--quiet", "--no-tags", "--filter=tree:0", "--end-of-options", url, _BRANCHES, _TAGS
        )
        objects = run_git(search, way, "rev-parse", f"--disambiguate={begin}").split()[:_MOST_OBJECTS]
        commits = [name for name in objects if run_git(search, way, "cat-file", "-t", name).strip() == "commit"]
    if len(commits) == 1:
        return commits[0]
    if not commits:
        raise SourceError(Reason.COMMIT_ID_SHORT, f"no commit of a branch or tag begins with {begin!r}")
    named = ", ".join(commits[:_MOST_CANDIDATES])
    raise SourceError(Reason.COMMIT_ID_SHORT, f"{len(commits)} commits begin with {begin!r}: {named}")
