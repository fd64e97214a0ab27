"""The values that a strategy gives to builds: axes, items and what is excluded, read and checked."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from buildandpush.api.strategy import MAX_AXES, MAX_EXPRESSION, MAX_ITEMS, MAX_VALUE, Matrix
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.evaluate import render
from buildandpush.core.expressions.tree import Constant, Value

MAX_VALUES: Final = 16
"""Values of one build, those of objects counted one by one. The status of a build has them all."""
PLAIN: Final = ""
"""The key of a value that is no object."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_SHOWN: Final = 64
_OPEN: Final = "<+"

Item = Mapping[str, str]
"""One value of an axis: its text under `PLAIN`, or the texts of an object by their keys."""
Evaluate = Callable[[str, str], Value]
"""Field and text to what its expressions give."""


def read_axes(written: Mapping[str, Any], evaluate: Evaluate) -> dict[str, list[Item]]:
    """The values of each axis. Raises SpecInvalidError."""
    if not written:
        raise SpecInvalidError("strategy.matrix", "it has no axis; give one, for example version: ['1', '2']")
    if len(written) > MAX_AXES:
        raise SpecInvalidError("strategy.matrix", f"it has {len(written)} axes, more than {MAX_AXES}; give fewer")
    for name in written:
        _check_name("strategy.matrix", name)
    return {name: read_items(f"strategy.matrix.{name}", given, evaluate) for name, given in written.items()}


def read_items(field: str, given: Any, evaluate: Evaluate) -> list[Item]:
    """The values of a list, or of an expression that gives one. Raises SpecInvalidError."""
    if isinstance(given, str):
        given = evaluate(field, given) if len(given) <= MAX_EXPRESSION else given
    if not isinstance(given, list):
        raise SpecInvalidError(
            field,
            f"{str(given)[:_SHOWN]!r} is no list; write for example ['1', '2'], or an expression that gives a list, "
            'such as <+pipeline.variables.list.split(",")>',
        )
    if not given or len(given) > MAX_ITEMS:
        raise SpecInvalidError(field, f"it has {len(given)} values; give from 1 to {MAX_ITEMS}")
    items = [_read_item(field, value, evaluate) for value in given]
    for place, item in enumerate(items):
        if item in items[:place]:
            text = ", ".join(item.values())[:_SHOWN]
            raise SpecInvalidError(field, f"{text!r} is given twice; give each value once")
    return items


def _read_item(field: str, value: Any, evaluate: Evaluate) -> Item:
    if not isinstance(value, dict):
        return {PLAIN: _read_text(field, value, evaluate)}
    if not value or len(value) > MAX_VALUES:
        raise SpecInvalidError(field, f"an object has {len(value)} values; give from 1 to {MAX_VALUES}")
    for key in value:
        _check_name(field, key)
    return {key: _read_text(f"{field}.{key}", inner, evaluate) for key, inner in sorted(value.items())}


def _read_text(field: str, value: Any, evaluate: Evaluate) -> str:
    if isinstance(value, str):
        value = evaluate(field, value)
    if not isinstance(value, str | bool | int | float):
        raise SpecInvalidError(
            field, "a value is neither a text, a number, true nor false; write one of these, or an object of them"
        )
    text = _write(value)
    if len(text) > MAX_VALUE or not text.isprintable():
        raise SpecInvalidError(
            field, f"{text[:_SHOWN]!r} is too long or has signs that do not print; write up to {MAX_VALUE} characters"
        )
    return text


def _write(value: Any) -> str:
    """A text, a number or a truth value as expressions write it."""
    return value if isinstance(value, str) else render((Constant(value),), {}, null="null")


def read_exclude(
    written: Sequence[Mapping[str, Any]], axes: Mapping[str, Sequence[Item]], evaluate: Evaluate
) -> list[dict[int, int]]:
    """For each entry the axes that it names by their places, each with the place of its value.

    An entry with a value that its axis has not takes out nothing, as in pipelines. Raises SpecInvalidError.
    """
    field = "strategy.matrix.exclude"
    if len(written) > MAX_ITEMS:
        raise SpecInvalidError(field, f"it has {len(written)} entries, more than {MAX_ITEMS}; give fewer")
    names = list(axes)
    rules = []
    for entry in written:
        unknown = [name for name in entry if name not in axes]
        if unknown or not entry:
            what = f"{str(unknown[0])[:_SHOWN]!r} is no axis" if unknown else "an entry names no axis"
            raise SpecInvalidError(field, f"{what}; name one of {', '.join(names)}")
        wanted = {name: _read_item(f"{field}.{name}", value, evaluate) for name, value in entry.items()}
        if all(item in axes[name] for name, item in wanted.items()):
            rules.append({names.index(name): axes[name].index(item) for name, item in wanted.items()})
    return rules


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SpecInvalidError(
            field, f"{name[:_SHOWN]!r} is no name; use up to 63 letters, digits, _ or -, the first a letter or _"
        )


def list_strange(matrix: Matrix | None) -> Iterator[tuple[str, str]]:
    """Axes and values in exclude that no combination has. What comes by an expression differs from run to run."""
    axes = matrix.axes if matrix is not None else {}
    for name, value in ((name, value) for entry in (matrix and matrix.exclude) or () for name, value in entry.items()):
        items = axes.get(name)
        if not isinstance(items, list) or not isinstance(value, str | int | float) or _OPEN in str([items, value]):
            continue
        text = _write(value)
        if text not in [_write(item) for item in items if not isinstance(item, dict | list)]:
            yield name, text[:_SHOWN]
