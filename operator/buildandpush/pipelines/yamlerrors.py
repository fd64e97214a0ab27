"""Says in plain words what a reader of YAML found wrong, and where."""

from typing import Any, Final

import yaml

from buildandpush.pipelines.errors import ImportFailedError

_NO_BEGINNING: Final = "cannot start any token"
_FENCE: Final = "`"
_EXPLAINED: Final = frozenset("\t@%`")


def explain_error(file: str, text: str, error: yaml.YAMLError) -> ImportFailedError:
    """The error of the import. `text` is what was read."""
    mark: Any = getattr(error, "problem_mark", None)
    number = mark.line if mark else _line_of(text, getattr(error, "position", None))
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    trouble = f"{problem}; correct the line"
    if mark and _NO_BEGINNING in problem and text[mark.index : mark.index + 1] in _EXPLAINED:
        trouble = _explain_character(text[mark.index])
    return ImportFailedError(file, "" if number is None else f"line {number + 1}", f"no YAML: {trouble}")


def _line_of(text: str, position: int | None) -> int | None:
    """The number of the line from 0. The parser counts the bytes before a character that YAML does not allow."""
    return None if position is None else text.encode(errors="replace")[:position].count(b"\n")


def _explain_character(character: str) -> str:
    if character == "\t":
        return "a tab stands where the line is indented; indent by blanks"
    fence = ", or remove a line of ```" if character == _FENCE else ""
    return f"no text begins with {character}; put it in quotes{fence}"
