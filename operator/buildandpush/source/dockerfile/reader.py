"""A Dockerfile as a list of instructions, in the way that BuildKit's parser reads it.

https://docs.docker.com/reference/dockerfile/ and https://github.com/moby/buildkit/tree/master/frontend/dockerfile/parser
The text is anybody's: each line is looked at a fixed number of times, and nothing is run.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

MAX_BYTES: Final = 512 * 1024
"""The longest text that is read. Larger ones are no Dockerfiles that somebody wrote."""
MAX_INSTRUCTIONS: Final = 10_000
"""The same for its instructions. Those of ONBUILD count once for each stage that they run in."""

_DIRECTIVE: Final = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(\S.*)")
_HEREDOC: Final = re.compile(r"\d*<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_.-]*)\2")
_RAW_WORD: Final = re.compile(r"""(?:[^ \t"'\\]|\\.|\\$|"(?:[^"\\]|\\.)*(?:"|\\?$)|'[^']*(?:'|$))+""")
"""A word with its quotation marks. Each character fits one alternative only, so that no text takes long."""
_BLANKS: Final = re.compile(r"[ \t\v\f\r]+")
_WITH_HEREDOCS: Final = frozenset({"ADD", "COPY", "RUN"})


@dataclass(frozen=True)
class Heredoc:
    """One here-document."""

    name: str
    expand: bool
    """Whether variables in it are for the builder to expand."""
    body: str


@dataclass(frozen=True)
class Instruction:
    """One instruction with its flags taken off."""

    line: int
    """Where it begins, counted from 1."""
    keyword: str
    """In upper case."""
    text: str
    """What follows the keyword and the flags, continuation lines joined."""
    flags: tuple[tuple[str, str], ...] = ()
    """Name in lower case, and value; empty for a flag without one."""
    heredocs: tuple[Heredoc, ...] = ()
    trigger: bool = False
    """Whether it stands behind ONBUILD."""

    @property
    def words(self) -> tuple[str, ...]:
        """The JSON list, or else the words between blanks, here-documents left out."""
        listed = self.json_form
        if listed is not None:
            return listed
        return tuple(word for word in self.text.split() if not (self.heredocs and _HEREDOC.fullmatch(word)))

    @property
    def json_form(self) -> tuple[str, ...] | None:
        """The words of the exec form; None for any other text."""
        if not self.text.startswith("["):
            return None
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            return None
        return tuple(found)

    def flag(self, name: str) -> str | None:
        """The last value of a flag; None without the flag."""
        return next((value for flag, value in reversed(self.flags) if flag == name), None)


@dataclass
class Dockerfile:
    """What was read."""

    instructions: list[Instruction] = field(default_factory=list)
    escape: str = "\\"


def read_dockerfile(text: str) -> Dockerfile:
    """Read a Dockerfile. It stops one instruction after MAX_INSTRUCTIONS, which shows that the file is too long.

    What cannot be read is left to kaniko, which names the line.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    found = Dockerfile(escape=_find_escape(lines))
    found.instructions.extend(islice(_read(lines, found.escape), MAX_INSTRUCTIONS + 1))
    return found


def _find_escape(lines: list[str]) -> str:
    """The escape character: directives stand before anything else, comments and blank lines included."""
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape":
            return "`" if directive[2].strip() == "`" else "\\"
    return "\\"


def _read(lines: list[str], escape: str) -> Iterator[Instruction]:
    place = 0
    while place < len(lines):
        number, text, place = _join(lines, place, escape)
        instruction = _parse(text, number)
        if instruction is not None:
            heredocs, place = _take_heredocs(instruction, lines, place)
            yield replace(instruction, heredocs=heredocs)


def _join(lines: list[str], place: int, escape: str) -> tuple[int, str, int]:
    """The line at this place with those that continue it: its number, its text, and the place after it.

    Comments and blank lines do not end a continued line. By themselves they have no text.
    """
    number, parts = place + 1, list[str]()
    while place < len(lines):
        line, place = lines[place], place + 1
        if _is_comment(line) or not line.strip():
            if not parts:
                break
            continue
        bare = line.rstrip(" \t")
        if not bare.endswith(escape) or bare.endswith(escape * 2):
            parts.append(line)
            break
        parts.append(bare[:-1])
    return number, "".join(parts).strip(), place


def _is_comment(line: str) -> bool:
    return line.lstrip(" \t").startswith("#")


def _parse(text: str, number: int, *, trigger: bool = False) -> Instruction | None:
    keyword, *rest = _BLANKS.split(text, maxsplit=1)
    keyword, after = keyword.upper(), rest[0].strip() if rest else ""
    if keyword == "ONBUILD" and not trigger:
        return _parse(after, number, trigger=True)
    if not keyword:
        return None
    flags, place = _take_flags(after)
    return Instruction(number, keyword, after[place:], flags, trigger=trigger)


def _take_flags(text: str) -> tuple[tuple[tuple[str, str], ...], int]:
    """The words in front that begin with --, and where they end."""
    flags, place = list[tuple[str, str]](), 0
    while text.startswith("--", place):
        word, place = _take_word(text, place)
        if word == "--":
            break
        name, _, value = word[2:].partition("=")
        flags.append((name.lower(), value))
    return tuple(flags), place


def _take_word(text: str, place: int) -> tuple[str, int]:
    """The word at this place, its quotation marks and escapes read as a shell does, and where the next one begins."""
    word, quote = list[str](), ""
    while place < len(text):
        character = text[place]
        if character == "\\" and quote != "'" and place + 1 < len(text):
            place += 1
            word.append(text[place])
        elif character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character in " \t":
            break
        else:
            word.append(character)
        place += 1
    while place < len(text) and text[place] in " \t":
        place += 1
    return "".join(word), place


def _take_heredocs(instruction: Instruction, lines: list[str], place: int) -> tuple[tuple[Heredoc, ...], int]:
    """The here-documents that an instruction announces, and the place after them."""
    if instruction.keyword not in _WITH_HEREDOCS or "<<" not in instruction.text:
        return (), place
    found: list[Heredoc] = []
    for word in _RAW_WORD.findall(instruction.text):
        announced = _HEREDOC.fullmatch(word)
        if announced is None:
            continue
        chomp, quote, name = announced.groups()
        body: list[str] = []
        while place < len(lines):
            line, place = lines[place].lstrip("\t") if chomp else lines[place], place + 1
            if line == name:
                break
            body.append(line)
        found.append(Heredoc(name, not quote, "\n".join(body)))
    return tuple(found), place
