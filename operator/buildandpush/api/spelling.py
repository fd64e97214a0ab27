"""Finds words in a text whatever they are written in: escapes of URLs, JSON, HTML and shells, base64, or one of these
in another.

Programs write the same characters in many ways: %2F or %2f, \\u0026 or &amp;, '\\'' in the traces of a shell. And
base64 of a word differs with what stands before and behind it. So a word is not looked for in each way that it may be
written: the text is read in all of these ways, and each reading remembers where its bytes come from.

The operator looks for secrets by it, and so does what fetches a source in a build's pod. Every function here takes time
in proportion to its text.
"""

import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

Span = tuple[int, int]
"""Where something begins in a text, and where it has ended."""
Choose = Callable[[frozenset[bytes], bytes], Iterable[bytes]]
"""Which of the words stand in some bytes."""

# Each alternative begins with its first character, so that others are passed over fast. Those of backslashes begin at
# the first of many: each of them would be a beginning else.
_ESCAPED: Final = re.compile(
    rb"%(?:25)*[0-9A-Fa-f]{2}(?:%(?:25)*[0-9A-Fa-f]{2})*"
    rb"|\\(?<!\\\\)\\*+u[0-9A-Fa-f]{4}(?:\\++u[0-9A-Fa-f]{4})*"
    rb"|\\(?<!\\\\)\\*+x[0-9A-Fa-f]{2}(?:\\++x[0-9A-Fa-f]{2})*"
    rb"|\\(?<!\\\\)\\*+[0-3][0-7]{2}(?:\\++[0-3][0-7]{2})*"
    rb"|&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
    # How shells go on after an apostrophe, in their traces.
    rb"|'\\++''|'\\*+\"'\\*+\"'"
)
_HEX: Final = re.compile(rb"(?:%(?:25)*|\\++x)([0-9A-Fa-f]{2})")
_UNITS: Final = re.compile(rb"\\++u([0-9A-Fa-f]{4})")
_OCTAL: Final = re.compile(rb"\\++([0-3][0-7]{2})")
_BACKSLASHES: Final = re.compile(rb"\\+")
_CONTROLS: Final = re.compile(rb"\\++([nrtbf]?)")
_CONTROL: Final = re.compile(rb"[\n\r\t\b\f]")
_MAY_BE_ODD: Final = re.compile(rb"[%\\&'\n\r\t\b\f]")
_CONTROL_OF: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"": b""}
_NAMED: Final = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_LEVELS: Final = 4
"""So many times escapes are undone in a text that has such of escapes."""

# Programs that write base64 end a line after 64 or 76 characters. Of the first line a cut may have left a part.
_LINE_END: Final = re.compile(rb"\r?\n[ \t]*+(?=[A-Za-z0-9+/])")
_LINE: Final = re.compile(rb"[A-Za-z0-9+/]*+")
_SHORTEST_LINE: Final = 60
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_TO_COMMON: Final = bytes.maketrans(b"-_", b"+/")
_BETWEEN: Final = b"AAAA"
"""Keeps apart what is decoded together: three bytes of zero."""
_WITHIN: Final = 2
"""Base64 is looked for in base64 of base64, such as the login of a docker config in a Secret, and no deeper."""
SHORTEST: Final = 4
"""Bytes of a word."""
_SHORTEST_ENCODED: Final = 6
"""Of a word in base64 of something longer. Shorter ones stand in what many a word is base64 of by chance."""


class Reading:
    """Bytes as they may be read. They come from others, or from the text itself."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def place(self, span: Span) -> Span:
        """Where in the text this part comes from."""
        return span

    def place_widely(self, span: Span) -> Span:
        """The same, with what this reading has left out beside the part."""
        return self.place(span)

    def find_all(self, word: bytes, *, widely: bool = False) -> Iterator[Span]:
        """Where a word stands, by the places of the text."""
        place, at = self.place_widely if widely else self.place, self.data.find(word)
        while at >= 0:
            end = at + len(word)
            yield place((at, end))
            at = self.data.find(word, end)


class _Replaced(Reading):
    """What some parts of another reading stand for, and the others as they are."""

    def __init__(self, of: Reading, changes: Iterable[tuple[Span, bytes]]) -> None:
        pieces, at, length = list[bytes](), 0, 0
        self._of = of
        self._begins: list[int] = []
        self._marks: list[tuple[int, Span]] = []
        """Where what was put in has ended, and the part that it stands for."""
        for span, plain in changes:
            pieces += (of.data[at : span[0]], plain)
            length += span[0] - at
            self._begins.append(length)
            length += len(plain)
            self._marks.append((length, span))
            at = span[1]
        super().__init__(b"".join((*pieces, of.data[at:])))
        self.is_changed = bool(self._marks)

    def place(self, span: Span) -> Span:
        return self._of.place((self._place(span[0])[0], self._place(span[1] - 1)[1]))

    def place_widely(self, span: Span) -> Span:
        begin, end = self._place(span[0])[0], self._place(span[1] - 1)[1]
        for number in {bisect_left(self._begins, at) for at in span} - {len(self._begins)}:
            left_out = self._marks[number][1]
            begin = left_out[0] if left_out[1] == begin else begin
            end = left_out[1] if left_out[0] == end else end
        return self._of.place((begin, end))

    def _place(self, at: int) -> Span:
        number = bisect_right(self._begins, at) - 1
        if number < 0:
            return at, at + 1
        ended, (begin, end) = self._marks[number]
        if at < ended:
            return begin, end
        return end + at - ended, end + at - ended + 1


class _Decoded(Reading):
    """What all words of another reading are base64 of, if each begins with so many characters of a group of four."""

    def __init__(self, of: Reading, words: list[Span], before: int) -> None:
        self._of = of
        self._words = words
        self._begins: list[int] = []
        """Where each word begins among the encoded characters."""
        pieces, length = list[bytes](), 0
        for begin, end in words:
            self._begins.append(length + before)
            size = before + end - begin
            fill = -size % 4
            pieces += (b"A" * before, of.data[begin:end], b"A" * fill, _BETWEEN)
            length += size + fill + len(_BETWEEN)
        super().__init__(binascii.a2b_base64(b"".join(pieces).translate(_TO_COMMON)))

    def place(self, span: Span) -> Span:
        first, last = span[0] * 8 // 6, (span[1] * 8 - 1) // 6
        number = max(bisect_right(self._begins, last) - 1, 0)
        begin, end = self._words[number]
        last = min(begin + last - self._begins[number] + 1, end)
        while last >= end and self._of.data[last : last + 1] == b"=":  # what fills the last group
            last += 1
        return self._of.place((max(begin + first - self._begins[number], begin), last))


@dataclass(frozen=True)
class Words:
    """Words to look for, as they are and as they read once escapes are undone."""

    raw: frozenset[bytes]
    """Forms of pages on the web write a blank as a plus sign."""
    plain: frozenset[bytes]
    """Without escapes."""
    controlled: frozenset[bytes]
    """Those of them that hold line breaks or tabs, or backslashes that may stand for such."""
    edged: frozenset[bytes]
    """Those that have a backslash at their begin or end, which is none of an escape."""

    def without(self, shortest: int) -> "Words":
        """Those that have at least so many bytes."""
        sets = (self.raw, self.plain, self.controlled, self.edged)
        return Words(*(frozenset(word for word in each if len(word) >= shortest) for each in sets))


def read_words(values: Iterable[str]) -> Words:
    """The words that these values are."""
    raw = {value.encode(errors="surrogatepass") for value in values}
    raw |= {word.replace(b" ", b"+") for word in raw if b" " in word}
    plain, controlled, edged = set[bytes](), set[bytes](), set[bytes]()
    for word in raw:
        if not _MAY_BE_ODD.search(word):
            plain.add(word)
            continue
        undone = _undo(Reading(word))
        plain.add(_strip(undone).data)
        controlled.add(_undo_controls(undone).data)
        if b"\\" in (undone.data[:1], undone.data[-1:]):
            edged.add(_strip(undone).data)
    held = frozenset(word for word in controlled if word not in plain or _CONTROL.search(word))
    return Words(frozenset(raw), frozenset(plain), held, frozenset(edged)).without(SHORTEST)


def find_words(text: bytes, words: Words, choose: Choose) -> list[Span]:
    """Where the words stand in a text, in any spelling. `choose` may raise an error to end this."""
    reading = Reading(text)
    # Of short words base64 is looked for as it is, and not in base64 of something longer.
    brief = frozenset(_encode(word) for word in words.raw if len(word) < _SHORTEST_ENCODED)
    longer = words.without(_SHORTEST_ENCODED)
    return [*_find_there(reading, brief, choose), *_find(reading, words, longer, choose, _WITHIN)]


def _find(reading: Reading, words: Words, longer: Words, choose: Choose, within: int) -> Iterator[Span]:
    yield from _find_there(reading, words.raw, choose)
    undone = reading
    # What a text says may look like an escape once those around it are undone, so it is read at each level.
    for undone in _undo_levels(reading):
        plain = _strip(undone)
        if plain is not reading:
            yield from _find_there(plain, words.plain, choose, words.edged)
    controlled = _undo_controls(undone)
    if controlled is not reading:
        yield from _find_there(controlled, words.controlled, choose)
    if not within or not longer.raw:
        return
    joined = _join_base64(controlled)
    encoded = [found.span() for found in _BASE64.finditer(joined.data)]
    for before in range(4) if encoded else ():
        yield from _find(_Decoded(joined, encoded, before), longer, longer, choose, within - 1)


def _find_there(
    reading: Reading, words: frozenset[bytes], choose: Choose, edged: frozenset[bytes] = frozenset()
) -> Iterator[Span]:
    for word in choose(words, reading.data) if words else ():
        yield from reading.find_all(word, widely=word in edged)


def _undo(reading: Reading) -> Reading:
    """Without the escapes of URLs, JSON, HTML and shells, one or several levels of them, but for backslashes."""
    return list(_undo_levels(reading))[-1]


def _undo_levels(reading: Reading) -> Iterator[Reading]:
    """A reading as it is where it has no escapes, or else without those of one level, of two and so on."""
    for level in range(_LEVELS):
        undone = _Replaced(reading, ((found.span(), _unescape(found[0])) for found in _ESCAPED.finditer(reading.data)))
        if not undone.is_changed:
            if level == 0:
                yield reading
            return
        reading = undone
        yield reading


def _strip(reading: Reading) -> Reading:
    """Backslashes come and go with each level, so there are none at all."""
    if b"\\" not in reading.data:
        return reading
    return _Replaced(reading, ((found.span(), b"") for found in _BACKSLASHES.finditer(reading.data)))


def _undo_controls(reading: Reading) -> Reading:
    """The same, where line breaks and tabs were written by backslashes."""
    if b"\\" not in reading.data:
        return reading
    return _Replaced(reading, ((found.span(), _CONTROL_OF[found[1]]) for found in _CONTROLS.finditer(reading.data)))


def _join_base64(reading: Reading) -> Reading:
    """With base64 that was written in several lines in one."""
    return _Replaced(reading, ((end, b"") for end in _line_ends(reading.data)))


def _line_ends(data: bytes) -> Iterator[Span]:
    for found in _LINE_END.finditer(data):
        begin, end = found.span()
        if _LINE.fullmatch(data, max(begin - _SHORTEST_LINE, 0), begin):
            yield begin, end


def _unescape(escaped: bytes) -> bytes:
    if escaped[:1] == b"&":
        return _unescape_html(escaped[1:-1])
    if escaped[:1] == b"'":
        return b"'"
    units = _UNITS.findall(escaped)
    if units:
        plain = bytes.fromhex(b"".join(units).decode()).decode("utf-16-be", errors="replace")
        return plain.encode()
    octal = () if escaped[:1] == b"%" else _OCTAL.findall(escaped)
    raw = bytes(int(digits, 8) for digits in octal) or bytes.fromhex(b"".join(_HEX.findall(escaped)).decode())
    return raw.decode(errors="replace").encode()


def _unescape_html(name: bytes) -> bytes:
    if name[:1] != b"#":
        return _NAMED[name]
    code = int(name[2:], 16) if name[1:2] in b"xX" else int(name[1:])
    return chr(min(code, 0x10FFFF)).encode(errors="surrogatepass")


def _encode(word: bytes) -> bytes:
    return binascii.b2a_base64(word, newline=False)


def cut_out(text: bytes, spans: Iterable[Span], mask: bytes) -> bytes:
    """The text with a mask in the place of each span. Spans that touch get one."""
    pieces, at, last = list[bytes](), 0, -1
    for begin, end in sorted(spans):
        if begin > last:
            pieces += (text[at:begin], mask)
        last = max(last, end)
        at = last
    return b"".join((*pieces, text[at:]))
