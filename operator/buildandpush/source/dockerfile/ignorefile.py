""".dockerignore, matched as kaniko and Docker match it: https://docs.docker.com/build/concepts/context/#dockerignore-files

Patterns are anybody's text, so none becomes a regular expression: each is matched segment by segment, in a time that
grows with the lengths of pattern and path.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

MAX_PATTERNS: Final = 2000
_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class IgnorePattern:
    """One line."""

    segments: tuple[str, ...]
    exclusion: bool
    """Whether it begins with ! and takes what it matches back in."""


def read_patterns(text: str) -> list[IgnorePattern]:
    """The lines of a .dockerignore that say something."""
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        bare = "" if line.startswith("#") else line.strip()
        exclusion = bare.startswith("!")
        path = posixpath.normpath(bare.removeprefix("!").strip().lstrip("/") or ".") if bare else "."
        if path != ".":
            found.append(IgnorePattern(tuple(path.split("/")), exclusion))
    return found[:MAX_PATTERNS]


def load_patterns(context: Path, dockerfile: Path) -> list[IgnorePattern]:
    """Those of the file beside the Dockerfile, or else of the context's own .dockerignore."""
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
        if path.is_file():
            with path.open("rb") as file:
                return read_patterns(file.read(_MAX_BYTES).decode(errors="surrogateescape"))
    return []


def is_ignored(path: str, patterns: Sequence[IgnorePattern]) -> bool:
    """Whether a path relative to the context is left out: the last pattern that matches it, or a folder above it, says
    so."""
    segments = tuple(path.split("/"))
    ignored = False
    for pattern in patterns:
        if ignored == pattern.exclusion and _matches_path_or_parent(pattern.segments, segments):
            ignored = not pattern.exclusion
    return ignored


def _matches_path_or_parent(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether the pattern matches the path or one of its folders."""
    # reached[n]: the pattern so far matches the first n segments of the path.
    reached = [True] + [False] * len(path)
    for number, segment in enumerate(pattern):
        if segment == "**":
            first = reached.index(True) if True in reached else len(reached)
            last = number == len(pattern) - 1  # at the end it stands for what lies below, not for the folder itself
            reached = [place >= first + last for place in range(len(reached))]
        else:
            reached = [False] + [reached[place] and matches_segment(segment, path[place]) for place in range(len(path))]
    return any(reached[1:])


@lru_cache(maxsize=8192)
def matches_segment(pattern: str, name: str) -> bool:
    """Whether a pattern with * ? [a-z] and \\ matches one name between slashes, as Go's path.Match does."""
    tokens = _tokens(pattern)
    place = token = 0
    star, resume = -1, 0
    while place < len(name):
        if token < len(tokens) and tokens[token] is None:
            star, resume = token, place
            token += 1
        elif token < len(tokens) and _fits(tokens[token], name[place]):
            token, place = token + 1, place + 1
        elif star >= 0:
            resume += 1
            token, place = star + 1, resume
        else:
            return False
    return all(one is None for one in tokens[token:])


_Token = tuple[bool, tuple[tuple[str, str], ...]] | None
"""Whether it is negated, and ranges of characters, both ends included; None for any number of characters."""


def _fits(token: _Token, character: str) -> bool:
    if token is None:
        return False
    negated, ranges = token
    return negated != any(low <= character <= high for low, high in ranges)


@lru_cache(maxsize=2048)
def _tokens(pattern: str) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    place = 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        if character == "*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
        elif character == "?":
            tokens.append((True, ()))
        elif character == "[":
            token, place = _class(pattern, place)
            tokens.append(token)
        else:
            if character == "\\" and place < len(pattern):
                character, place = pattern[place], place + 1
            tokens.append((False, ((character, character),)))
    return tuple(tokens)


def _class(pattern: str, place: int) -> tuple[_Token, int]:
    """The characters between brackets, and the place after them."""
    end = pattern.find("]", place + 1)
    if end < 0:
        return (False, (("[", "["),)), place
    inner = pattern[place:end]
    negated = inner.startswith(("^", "!"))
    inner = inner[negated:].replace("\\", "")
    ranges = []
    at = 0
    while at < len(inner):
        if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
            ranges.append((inner[at], inner[at + 2]))
            at += 3
        else:
            ranges.append((inner[at], inner[at]))
            at += 1
    return (negated, tuple(ranges)), end + 1
