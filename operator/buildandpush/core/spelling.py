"""Text as it reads once its escapes are undone, and what stands in it in base64.

Programs write the same characters in many ways: %2F or %2f, \\u0026 or &amp;, '\\'' in the traces of a shell. And
base64 of a word differs with what stands before and behind it. So a secret is not looked for in each way that it may be
written: text and secret are brought into one form, which remembers where its characters come from.

Every function here takes time in proportion to its text.
"""

import base64
import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from string import ascii_letters, digits
from typing import Final

Span = tuple[int, int]
"""Where something begins in a text, and where it has ended."""

_ESCAPED: Final = re.compile(
    r"(?:%(?:25)*[0-9A-Fa-f]{2})+"
    r"|(?:\\++u[0-9A-Fa-f]{4})+"
    r"|(?:\\++x[0-9A-Fa-f]{2})+"
    r"|&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
    # How shells go on after an apostrophe, in their traces.
    r"|'\\''|'\"'\"'"
    r"|\\+"
)
_HEX: Final = re.compile(r"(?:%(?:25)*|\\++x)([0-9A-Fa-f]{2})")
_UNITS: Final = re.compile(r"\\++u([0-9A-Fa-f]{4})")
# Programs that write base64 end a line after 64 or 76 characters.
_WRAPPED: Final = re.compile(r"(?<=[A-Za-z0-9+/]{60})\r?\n(?=[A-Za-z0-9+/])")
_BASE64: Final = frozenset(f"{ascii_letters}{digits}+/-_")
_SHORTEST_CORE: Final = 8
"""Characters. Fewer stand in many a word."""


@dataclass(frozen=True)
class Plain:
    """A text, and where in the original its characters come from."""

    text: str
    marks: tuple[tuple[int, int, int, int], ...]
    """What was undone: where it begins and has ended in this text, and in the original."""

    def find_all(self, word: str) -> Iterator[Span]:
        """Where the word stands, by the places of the original."""
        at = self.text.find(word)
        while at >= 0:
            end = at + len(word)
            yield self._place(at)[0], self._place(end - 1)[1]
            at = self.text.find(word, end)

    @cached_property
    def _begins(self) -> list[int]:
        return [mark[0] for mark in self.marks]

    def _place(self, at: int) -> Span:
        number = bisect_right(self._begins, at) - 1
        if number < 0:
            return at, at + 1
        _, ended, begin, end = self.marks[number]
        if at < ended:
            return begin, end
        return end + at - ended, end + at - ended + 1


def undo_escapes(text: str) -> Plain:
    """The text without the escapes of URLs, JSON, HTML and shells, one or several levels of them. Backslashes come and
    go with each level, so there are none at all."""
    return _replace(text, ((found.span(), _unescape(found[0]).replace("\\", "")) for found in _ESCAPED.finditer(text)))


def join_base64(text: str) -> Plain:
    """The text with base64 that was written in several lines in one."""
    return _replace(text, ((found.span(), "") for found in _WRAPPED.finditer(text)))


def _replace(text: str, changes: Iterable[tuple[Span, str]]) -> Plain:
    pieces, marks, at, length = list[str](), list[tuple[int, int, int, int]](), 0, 0
    for (begin, end), plain in changes:
        pieces += (text[at:begin], plain)
        length += begin - at
        marks.append((length, length + len(plain), begin, end))
        length += len(plain)
        at = end
    return Plain("".join((*pieces, text[at:])), tuple(marks))


def _unescape(escaped: str) -> str:
    if escaped[0] == "&":
        return html.unescape(escaped)
    if escaped[0] == "'":
        return "'"
    if _UNITS.match(escaped):
        units = b"".join(int(unit, 16).to_bytes(2, "big") for unit in _UNITS.findall(escaped))
        return units.decode("utf-16-be", errors="replace")
    if _HEX.match(escaped):
        return bytes.fromhex("".join(_HEX.findall(escaped))).decode(errors="replace")
    return ""


def cores_of(secret: str) -> set[str]:
    """What base64 of a text has in it wherever the secret stands in the text, in both alphabets: one form for each
    place that the secret may have in a group of three bytes. Characters that hang on what is beside it are left out."""
    raw, cores = secret.encode(), set[str]()
    for before in range(3):
        begin, end = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        core = base64.b64encode(bytes(before) + raw + b"\0\0").decode()[begin:end]
        if len(core) >= _SHORTEST_CORE:
            cores |= {core, core.replace("+", "-").replace("/", "_")}
    return cores


def widen(text: str, span: Span) -> Span:
    """The place of a core, with the characters beside it that hold a part of the secret, and what fills the group."""
    begin, end = span
    if begin > 0 and text[begin - 1] in _BASE64:
        begin -= 1
    if end < len(text) and text[end] in _BASE64:
        end += 1
    while end < min(len(text), span[1] + 3) and text[end] == "=":
        end += 1
    return begin, end


def cut_out(text: str, spans: Iterable[Span], mask: str) -> str:
    """The text with a mask in the place of each span. Spans that touch get one."""
    pieces, at = list[str](), 0
    last = -1
    for begin, end in sorted(spans):
        if begin > last:
            pieces += (text[at:begin], mask)
        last = max(last, end)
        at = last
    return "".join((*pieces, text[at:]))
