"""What `git ls-remote` says of a revision."""

import re
from dataclasses import dataclass
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT: Final = re.compile(r"[0-9a-f]{7,39}")
_PEELED: Final = "^{}"
"""Ends the line of what an annotated tag points to."""
_HEAD: Final = "HEAD"
_SYMREF: Final = "ref: "


@dataclass(frozen=True)
class Found:
    """A revision's commit, and the full name of the branch or tag."""

    commit: str
    ref: str


def list_names(revision: str) -> tuple[str, ...]:
    """The refs that a revision may stand for, in the order in which `git fetch` looks for them."""
    if revision in ("", _HEAD):
        return (_HEAD,)
    if revision.startswith("refs/"):
        return (revision,)
    return (f"refs/{revision}", f"refs/tags/{revision}", f"refs/heads/{revision}")


def list_patterns(revision: str) -> tuple[str, ...]:
    """What `git ls-remote --symref` is asked for. A server sends only refs that begin so."""
    return tuple(pattern for name in list_names(revision) for pattern in (name, f"{name}{_PEELED}"))


def read_refs(told: str, revision: str) -> Found:
    """The revision among the refs that `git ls-remote --symref` has printed; raises SourceError if it is not there."""
    lines = [line.partition("\t") for line in told.splitlines()]
    ids = {name: value for value, _, name in lines if COMMIT.fullmatch(value)}
    targets = {name: value.removeprefix(_SYMREF) for value, _, name in lines if value.startswith(_SYMREF)}
    for name in list_names(revision):
        commit = ids.get(f"{name}{_PEELED}") or ids.get(name)
        if commit:
            return Found(commit, targets.get(name, "" if name == _HEAD else name))
    if _SHORT_COMMIT.fullmatch(revision):
        told = f"{revision!r} has {len(revision)} characters; source.git.poll and <+codebase.…> need the whole id"
        raise SourceError(Reason.COMMIT_ID_SHORT, told)
    raise SourceError(Reason.REVISION_NOT_FOUND, f"the server has no branch or tag {revision or _HEAD!r}")
