"""Checks of what a fetched git repository lacks: submodules, files of Git LFS, and .git itself."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from buildandpush.source.dockerfile.context import Context, covers
from buildandpush.source.dockerfile.copying import copied_words, local_sources, takes_from_context
from buildandpush.source.dockerfile.finding import Finding, Place
from buildandpush.source.dockerfile.flags import read_mounts

_POINTER: Final = b"version https://git-lfs.github.com/spec/v1\n"
"""How a pointer begins: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""
_POINTER_SIZES: Final = range(100, 1025)
_COMMAND: Final = re.compile(
    r"\bgit (?:(?P<own>clone|init)"
    r"|describe|rev-parse|rev-list|name-rev|log|shortlog|show|status|diff|tag|branch|ls-files|submodule|lfs)\b"
)
"""Commands that ask the repository that they are in; `own` for those that make one."""
_GIT: Final = ".git"


def used_sources(place: Place) -> list[str]:
    """What a line takes from the context, by paths below it: sources of COPY and ADD, and bind mounts."""
    mounts = (mount for mount in read_mounts(place) if mount.get("type", "bind") == "bind" and "from" not in mount)
    sources = [*local_sources(place), *(mount.get("source") or mount.get("src") or "." for mount in mounts)]
    return [place.context.relative(source) for source in sources if not place.context.leads_out(source)]


def check_git_folder(place: Place) -> Iterator[Finding]:
    """A line that takes .git although the source has none."""
    if place.settings.keeps_git:
        return
    for source in used_sources(place):
        if source == _GIT or source.startswith(f"{_GIT}/"):
            yield place.found("git-folder", source)


def takes_git_folder(place: Place) -> bool:
    """Whether .git would come along with what the line takes from the context, if the source had it."""
    if not place.context.copies_something(_GIT):
        return False
    unknown = takes_from_context(place) and any(place.scope.expand(word) is None for word in copied_words(place)[0])
    return unknown or any(covers(source, _GIT) or source.startswith(f"{_GIT}/") for source in used_sources(place))


def find_git_command(command: str) -> str:
    """The first git command that needs a repository that the RUN line does not make itself; empty if there is none."""
    found = _COMMAND.search(command)
    return found[0] if found and not found["own"] else ""


def find_missing(context: Context, submodules: Sequence[str], used: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    """Submodules and LFS pointers that lines take along. `used` has the line and the source of each, `submodules` are
    paths relative to the context."""
    for check, paths in (("submodule", submodules), ("lfs", _find_pointers(context) if used else ())):
        for path in paths:
            context.count(len(used))
            line = next((line for line, source in used if covers(source, path)), 0)
            if line and context.copies_something(path):
                yield Finding(check, line, path)
                break


def _find_pointers(context: Context) -> Iterator[str]:
    for path, status in context.files():
        if status.st_size in _POINTER_SIZES and context.read_start(path, len(_POINTER)) == _POINTER:
            yield path


def below_context(paths: Sequence[str], context: str) -> list[str]:
    """Those of the source's paths that lie in the context, relative to it; `.` is the source's root."""
    if context == ".":
        return list(paths)
    return [posixpath.relpath(path, context) for path in paths if path.startswith(f"{context}/")]
