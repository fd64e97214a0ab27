"""Regular expressions of strangers. RE2 takes time in proportion to the text, whatever the pattern:
https://github.com/google/re2/wiki/Syntax"""

from typing import Any, Final

import re2

from buildandpush.core.expressions.tree import MAX_TEXT, ExpressionError, Value

_MAX_BYTES: Final = 1024 * 1024
"""Memory that one pattern may take."""


def matches_whole(pattern: str, text: str) -> bool:
    """Whether the pattern matches the whole text, as Java's String.matches does. Raises ExpressionError."""
    _check_size(text)
    return _compile(pattern).fullmatch(text) is not None


def split_text(text: str, pattern: str) -> list[Value]:
    """The parts of a text, as Java's String.split: empty ones at the end are left out. Raises ExpressionError."""
    _check_size(text)
    parts: list[Value] = _compile(pattern).split(text)
    while len(parts) > 1 and parts[-1] == "":
        parts.pop()
    return parts


def _check_size(text: str) -> None:
    """Raise ExpressionError for a text that some patterns take seconds for, during which nothing else is done."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"the text has {len(text)} characters; patterns take {MAX_TEXT}, so shorten it")


def _compile(pattern: str) -> Any:
    """The compiled pattern; re2 has no types."""
    options = re2.Options()
    options.max_mem = _MAX_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0] if error.args else ""
        told = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
        raise ExpressionError(
            f"{pattern[:64]!r} is no pattern: {told[:128]}; RE2 has neither look-around nor back references"
        ) from None
