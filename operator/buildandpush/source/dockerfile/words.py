"""Words with their quotation marks read and their variables expanded, as far as the Dockerfile itself tells them.

https://docs.docker.com/reference/dockerfile/#environment-replacement
"""

from collections.abc import Mapping
from typing import Final

Values = Mapping[str, str | None]
"""Variables by name; None for one whose value is not known here."""

_MAX_DEPTH: Final = 8
_MAX_LENGTH: Final = 16 * 1024


class UnknownValueError(Exception):
    """A word hangs on a value that only the build will know."""


def expand(word: str, values: Values, *, closed: bool, escape: str = "\\") -> str | None:
    """The word as kaniko reads it; None if it hangs on a value that is not known.

    `closed` says whether `values` has all variables there are, so that any other is empty.
    """
    if not any(character in word for character in "$\"'" + escape):
        return word
    try:
        return _Expander(values, closed, escape).expand(word, 0)
    except UnknownValueError:
        return None


class _Expander:
    def __init__(self, values: Values, closed: bool, escape: str) -> None:
        self._values, self._closed, self._escape = values, closed, escape
        self._length = 0

    def expand(self, word: str, depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise UnknownValueError
        out, quote, place = list[str](), "", 0
        while place < len(word):
            character = word[place]
            if character == self._escape and quote != "'" and place + 1 < len(word):
                out.append(word[place + 1] if not quote or word[place + 1] in f'"${self._escape}' else word[place:][:2])
                place += 2
            elif character == quote:
                quote, place = "", place + 1
            elif not quote and character in "\"'":
                quote, place = character, place + 1
            elif character == "$" and quote != "'":
                value, place = self._variable(word, place + 1, depth)
                self._length += len(value)
                if self._length > _MAX_LENGTH:
                    raise UnknownValueError
                out.append(value)
            else:
                out.append(character)
                place += 1
        return "".join(out)

    def _variable(self, word: str, place: int, depth: int) -> tuple[str, int]:
        """The value of the variable whose name begins at this place, and the place after it."""
        if not word.startswith("{", place):
            end = place
            while end < len(word) and (word[end] == "_" or (word[end].isascii() and word[end].isalnum())):
                end += 1
            return (self._get(word[place:end]) or "", end) if end > place else ("$", place)
        end = _closing(word, place)
        inner = word[place + 1 : end]
        length = next((at for at, one in enumerate(inner) if not (one == "_" or one.isalnum())), len(inner))
        name, modifier = inner[:length], inner[length:]
        return self._modified(name, modifier, depth), end + 1

    def _modified(self, name: str, modifier: str, depth: int) -> str:
        if not name:
            raise UnknownValueError
        value = self._get(name)
        if not modifier:
            return value or ""
        colon = modifier.startswith(":")
        operator, rest = modifier[colon : colon + 1], modifier[colon + 1 :]
        is_there = bool(value) if colon else value is not None
        if operator == "-":
            return (value or "") if is_there else self.expand(rest, depth + 1)
        if operator == "+":
            return self.expand(rest, depth + 1) if is_there else ""
        raise UnknownValueError  # patterns, and messages for what is missing: the build knows

    def _get(self, name: str) -> str | None:
        """The value, None for a variable that is not set."""
        if name in self._values:
            value = self._values[name]
            if value is None:
                raise UnknownValueError
            return value
        if not self._closed:
            raise UnknownValueError
        return None


def _closing(word: str, place: int) -> int:
    """Where the brace that opens at this place is closed."""
    depth = 0
    for at in range(place, len(word)):
        depth += (word[at] == "{") - (word[at] == "}")
        if depth == 0:
            return at
    raise UnknownValueError
