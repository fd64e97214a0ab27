"""Text made fit for a status: bounded, one alphabet, without colours and control characters.

Every function here takes time in proportion to its text. core/foreign.py bounds a stranger's text first.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

# Each escape character ends the search that began at the one before, so a text is read once. A line break ends it, too:
# a title that never ends would hide all that follows.
_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[@-Z\\-_])")

# Control, surrogate, private, unassigned and format characters, and line separators: a log could otherwise make a
# terminal or a portal show something else than it says. Joiners stay, as words and emoji need them.
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNUSUAL: Final = re.compile(r"[^\n\t\x20-\x7e]")
_KEPT: Final = frozenset("\n\t\u200c\u200d")

LONG_LINE: Final = 512
"""Bytes of a line of a tail. kaniko's own line has some hundred."""
_LEFT_OUT: Final = " … "


def clean(text: str) -> str:
    """The text without ANSI sequences and control characters; line breaks and tabs stay."""
    plain = _ANSI.sub("", text.replace("\r\n", "\n"))
    # One look at each different character is enough, however often it comes.
    dropped = [character for character in set(_UNUSUAL.findall(plain)) if _is_dropped(character)]
    return plain.translate(dict.fromkeys(map(ord, dropped))) if dropped else plain


@lru_cache(maxsize=4096)
def _is_dropped(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _DROPPED


def clip(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8 of the cleaned text. An ellipsis marks what is cut at its end."""
    plain = clean(text).strip()
    raw = plain.encode()
    if len(raw) <= size:
        return plain
    return raw[: size - 3].decode(errors="ignore") + "…"


def cut_middle(line: str) -> str:
    """A line of at most LONG_LINE bytes of UTF-8. A longer line keeps its beginning, and more of its end."""
    raw = line.encode()
    if len(raw) <= LONG_LINE:
        return line
    begin, end = raw[: LONG_LINE // 4], raw[len(_LEFT_OUT.encode()) - LONG_LINE * 3 // 4 :]
    return f"{begin.decode(errors='ignore')}{_LEFT_OUT}{end.decode(errors='ignore')}"


def tail(text: str, *, lines: int, size: int) -> str:
    """The last lines, at most `size` bytes of UTF-8, cut at the front. Long lines are cut in their middle, so that one
    of them does not take the room of all others."""
    last = "\n".join(map(cut_middle, clean(text).rstrip().split("\n")[-lines:]))
    raw = last.encode()
    return last if len(raw) <= size else "…" + raw[-(size - 3) :].decode(errors="ignore")
