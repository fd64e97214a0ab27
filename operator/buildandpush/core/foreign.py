"""The one door for text from strangers: logs, termination messages, answers of registries, of Azure and of webhooks.

A stranger's text may be of any length and may hold anything, fragments of our own patterns included. What comes through
the door is bounded in bytes, lines and length of lines, holds no control character and none of the known secrets, and
costs time in proportion to its length. Only then do patterns look at it. Functions that search a stranger's text ask
for the type `Admitted`, so that mypy finds a way around the door.

The order of the steps matters. Colours may stand in the middle of a secret, so they go first. A secret that a cut has
gone through is not known any more, so known values go before the cut, and a cut takes with it what it went through.
"""

from collections.abc import Collection
from typing import Final

from buildandpush.core.redact import WITHHELD, longest_form, mask_patterns, mask_values
from buildandpush.core.text import clean

MAX_MESSAGE: Final = 4 * 1024
"""Bytes of a message or of an answer: a kubelet's own bound for termination messages."""
MAX_LOG: Final = 64 * 1024
"""Bytes of a log's end."""
MAX_LINES: Final = 200
"""The patterns that tell why a build failed look at each of them."""
MAX_LINE: Final = 4 * 1024
"""Characters of a line. Registries' errors in kaniko's own closing line have some hundred."""

_LINE_HEAD: Final = 1024
_LINE_TAIL: Final = MAX_LINE - _LINE_HEAD
"""The end is the longer part: kaniko's error follows in the same line what a command printed without a line break."""
_WORD: Final = 1024
"""So many characters go with a cut at most: of a token in two parts, the second is as good as the whole."""
_MARGIN: Final = 2
"""How many times its bound of a text is read, so that secrets at a cut are known for what they are."""
_GAP: Final = "\ue000"
"""Stands in a line where characters are left out, around their number. It is none that a cleaned text may have."""


class Admitted(str):
    """A stranger's text that came through the door. Nothing else makes one, but for tests."""

    __slots__ = ()


NOTHING: Final = Admitted()


def admit(text: str, secrets: Collection[str] = (), *, size: int = MAX_MESSAGE, cut_behind: bool = False) -> Admitted:
    """The beginning of a text, at most `size` bytes of UTF-8. `cut_behind`: it goes on behind what was read."""
    if not text:
        return NOTHING
    window = text[: _MARGIN * size]
    known = mask_values(clean(window), secrets)
    if known == WITHHELD:
        return Admitted(WITHHELD)
    if cut_behind or len(window) < len(text):
        known = _drop_end(known, longest_form(secrets))
    plain = mask_patterns("\n".join(map(cut_line, known.split("\n")[:MAX_LINES])))
    raw = plain.encode()
    return Admitted(plain if len(raw) <= size else raw[: size - 3].decode(errors="ignore") + "…")


def admit_end(
    text: str,
    secrets: Collection[str] = (),
    *,
    size: int = MAX_LOG,
    cut_before: bool = False,
    cut_behind: bool = False,
) -> Admitted:
    """The end of a text, at most `size` bytes of UTF-8. `cut_before` and `cut_behind`: it begins before what was read,
    or goes on behind it."""
    longest = longest_form(secrets)
    lines, is_whole = _read_last_lines(text.rstrip(), _MARGIN * size, longest)
    known = mask_values("\n".join(lines), secrets)
    if known == WITHHELD:
        return Admitted(WITHHELD)
    if cut_before and is_whole:
        known = _drop_begin(known, longest)
    if cut_behind:
        known = _drop_end(known, longest)
    plain = mask_patterns("\n".join(_join(line, longest) for line in known.rstrip().split("\n")))
    raw = plain.encode()
    return Admitted(plain if len(raw) <= size else "…" + raw[-(size - 3) :].decode(errors="ignore"))


def _read_last_lines(text: str, budget: int, longest: int) -> tuple[list[str], bool]:
    """The last lines, cleaned, of as many characters as the budget allows, and whether these are all. A long line costs
    no more than what is shown of it."""
    lines: list[str] = []
    end = len(text)
    while end >= 0 and len(lines) < MAX_LINES and budget > 0:
        begin = text.rfind("\n", 0, end) + 1
        lines.append(_narrow(text[begin:end], longest))
        budget -= min(end - begin, MAX_LINE) + 1
        end = begin - 1
    return lines[::-1], end < 0


def _narrow(line: str, longest: int) -> str:
    """A cleaned line. Of a very long one it keeps two parts, and more of them than is shown, so that secrets are known
    for what they are."""
    kept = min(MAX_LINE + _WORD + 2 * longest, MAX_LOG)
    if len(line) <= 2 * kept:
        return clean(line)
    return f"{clean(line[:kept])}{_GAP}{len(line) - 2 * kept}{_GAP}{clean(line[-kept:])}"


def _join(line: str, longest: int) -> str:
    """A line as it is shown."""
    if _GAP not in line:
        return cut_line(line)
    before, count, *_, behind = line.split(_GAP)
    head = _drop_last_word(before[: max(len(before) - longest, 0)][:_LINE_HEAD])
    tail = _drop_first_word(behind[longest:][-_LINE_TAIL:])
    left_out = len(before) - len(head) + len(behind) - len(tail) + (int(count) if count.isdecimal() else 0)
    return _mark(head, left_out, tail)


def admit_line(text: str, secrets: Collection[str] = (), *, size: int) -> Admitted:
    """The beginning of a text in one line, at most `size` bytes of UTF-8, its blanks made one each."""
    plain = " ".join(admit(text, secrets).split())
    raw = plain.encode()
    return Admitted(plain if len(raw) <= size else raw[: size - 3].decode(errors="ignore") + "…")


def cut_end(text: str, size: int) -> str:
    """At most `size` characters of a text, without what a cut may have gone through."""
    return text if len(text) <= size else f"{_drop_last_word(text[:size])} … ({len(text) - size} characters left out)"


def cut_line(line: str) -> str:
    """A line of at most MAX_LINE characters and a mark: of a longer one the middle is left out."""
    if len(line) <= MAX_LINE:
        return line
    head, tail = _drop_last_word(line[:_LINE_HEAD]), _drop_first_word(line[-_LINE_TAIL:])
    return _mark(head, len(line) - len(head) - len(tail), tail)


def _mark(head: str, left_out: int, tail: str) -> str:
    return f"{head} … ({left_out} characters left out) … {tail}"


def _drop_begin(text: str, longest: int) -> str:
    """The text without what a cut at its beginning may have gone through: a secret or a token. Both end with a line."""
    line, found, rest = text.partition("\n")
    kept = _drop_first_word(line[max(longest - 1, 0) :])
    return kept + found + rest if kept else rest


def _drop_end(text: str, longest: int) -> str:
    """The text without what a cut at its end may have gone through. Both begin in a line."""
    rest, found, line = text.rpartition("\n")
    kept = _drop_last_word(line[: len(line) - max(longest - 1, 0)] if longest <= len(line) else "")
    return rest + found + kept if kept else rest


def _drop_first_word(text: str) -> str:
    """The text behind its first blank; without one there, behind as many characters as a token may have."""
    found = text.find(" ", 0, _WORD)
    return text[found + 1 if found >= 0 else _WORD :]


def _drop_last_word(text: str) -> str:
    """The text up to its last blank; without one there, up to as many characters as a token may have."""
    begin = max(len(text) - _WORD, 0)
    found = text.rfind(" ", begin)
    return text[: found if found >= 0 else begin]
