"""The builds of a run, by the `strategy` of its spec.

As pipelines have them: https://developer.harness.io/docs/platform/pipelines/looping-strategies/looping-strategies-matrix-repeat-and-parallelism
"""

import functools
import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.strategy import (
    MAX_AXES,
    MAX_BUILDS,
    MAX_CONCURRENCY,
    MAX_EXPRESSION,
    MAX_ITEMS,
    MAX_VALUE,
    Matrix,
    Repeat,
    Strategy,
)
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.evaluate import render
from buildandpush.core.expressions.tree import Constant, Value
from buildandpush.core.spec.combination import Combination
from buildandpush.core.spec.expansion import evaluate_text
from buildandpush.core.spec.scope import Occasion

MAX_COMBINATIONS: Final = 1024
"""Combinations before exclude: each of them is looked at."""
MAX_VALUES: Final = 16
"""Values of one build, those of objects counted one by one. The status of a build has them all."""

_KINDS: Final = ("matrix", "repeat", "parallelism")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_SHOWN: Final = 64
_PLAIN: Final = ""
"""The key of a value that is no object."""

_Item = Mapping[str, str]
"""One value of an axis: its text under `_PLAIN`, or the texts of an object by their keys."""
_Evaluate = Callable[[str, str], Value]
"""Field and text to what its expressions give."""


def has_strategy(spec: BuildAndPushACRSpec) -> bool:
    """Whether the spec has a strategy. An empty one counts as none."""
    return spec.strategy is not None and bool(spec.strategy.to_dict())


def expand_strategy(spec: BuildAndPushACRSpec, occasion: Occasion) -> tuple[Combination, ...]:
    """The builds of a run, in the order of their keys: axes in the order of the alphabet, the last one changes first.

    One build without values if there is no strategy. Raises SpecInvalidError.
    """
    if spec.strategy is None or not has_strategy(spec):
        return (Combination(),)
    strategy = spec.strategy
    _find_kind(strategy)
    plan_concurrency(spec)

    def evaluate(field: str, text: str) -> Value:
        return evaluate_text(field, text, spec, occasion)

    if strategy.matrix is not None:
        return _expand_matrix(strategy.matrix, evaluate)
    if strategy.repeat is not None:
        return _expand_repeat(strategy.repeat, evaluate)
    return _count(_read_number("strategy.parallelism", strategy.parallelism, 1, MAX_BUILDS))


def plan_concurrency(spec: BuildAndPushACRSpec) -> int:
    """How many builds of a run may run at the same time, from 1 to MAX_BUILDS. Raises SpecInvalidError."""
    strategy = spec.strategy or Strategy()
    holders = {"strategy": strategy, "strategy.matrix": strategy.matrix, "strategy.repeat": strategy.repeat}
    numbers = {
        _read_number(f"{name}.maxConcurrency", holder.max_concurrency, 0, MAX_CONCURRENCY)
        for name, holder in holders.items()
        if holder is not None and holder.max_concurrency is not None
    }
    if len(numbers) > 1:
        raise SpecInvalidError(
            "strategy.maxConcurrency", f"it is given as {' and as '.join(map(str, sorted(numbers)))}; give it once"
        )
    return min(*numbers, MAX_BUILDS) if any(numbers) else MAX_BUILDS


def find_idle(spec: BuildAndPushACRSpec) -> dict[str, str]:
    """The parts of the strategy that change nothing, each with the reason."""
    strategy = spec.strategy or Strategy()
    found = {}
    for name, holder in (("matrix", strategy.matrix), ("repeat", strategy.repeat)):
        if holder is not None and holder.node_name:
            found[f"strategy.{name}.nodeName"] = "the status numbers the builds"
    if strategy.repeat is not None and strategy.repeat.unit:
        found["strategy.repeat.unit"] = "it belongs to settings that are not used here"
    return found


def _find_kind(strategy: Strategy) -> str:
    given = [name for name in _KINDS if getattr(strategy, name) is not None]
    if len(given) != 1:
        has = f"it has {' and '.join(given)}" if given else "it has none of them"
        raise SpecInvalidError("strategy", f"{has}; give exactly one of matrix, repeat and parallelism")
    return given[0]


def _expand_repeat(repeat: Repeat, evaluate: _Evaluate) -> tuple[Combination, ...]:
    for name, value in (("start", repeat.start), ("end", repeat.end), ("partitionSize", repeat.partition_size)):
        if value is not None:
            raise SpecInvalidError(f"strategy.repeat.{name}", "it has no meaning here; list the wanted items in items")
    if (repeat.items is None) == (repeat.times is None):
        raise SpecInvalidError("strategy.repeat", "give exactly one of items and times")
    if repeat.times is not None:
        return _count(_read_number("strategy.repeat.times", repeat.times, 1, MAX_BUILDS))
    field = "strategy.repeat.items"
    items = _read_items(field, repeat.items, evaluate)
    if any(_PLAIN not in item for item in items):
        raise SpecInvalidError(field, "an item is an object; write texts or numbers, or use strategy.matrix")
    return tuple(
        Combination(index, len(items), item=item[_PLAIN], postfix=f"_{index}") for index, item in enumerate(items)
    )


def _count(total: int) -> tuple[Combination, ...]:
    return tuple(Combination(index, total, postfix=f"_{index}") for index in range(total))


def _expand_matrix(matrix: Matrix, evaluate: _Evaluate) -> tuple[Combination, ...]:
    axes = _read_axes(matrix.axes, evaluate)
    sizes = [len(items) for items in axes.values()]
    count = math.prod(sizes)
    if count > MAX_COMBINATIONS:
        raise SpecInvalidError(
            "strategy.matrix",
            f"the axes have {count} combinations, and a run has up to {MAX_BUILDS} builds; take out values, or write "
            "several resources",
        )
    kept = _exclude(sizes, _read_exclude(matrix.exclude or [], axes, evaluate))
    if not kept:
        raise SpecInvalidError("strategy.matrix.exclude", "it leaves no combination to build; remove an entry")
    if len(kept) > MAX_BUILDS:
        raise SpecInvalidError(
            "strategy.matrix",
            f"it makes {len(kept)} builds, and a run has up to {MAX_BUILDS}; exclude some, or write several resources",
        )
    return tuple(
        Combination(index, len(kept), _pick(axes, places), postfix="".join(f"_{place}" for place in places))
        for index, places in enumerate(kept)
    )


def _exclude(sizes: Sequence[int], rules: Sequence[Mapping[int, int]]) -> list[tuple[int, ...]]:
    """The combinations that no rule takes out, as the place of the value in each axis.

    A bit stands for a rule: of a value, the bits of the rules that it does not contradict. What all values of a
    combination have in common are the rules that take it out.
    """
    bits = [
        [
            sum(1 << number for number, rule in enumerate(rules) if rule.get(axis, place) == place)
            for place in range(size)
        ]
        for axis, size in enumerate(sizes)
    ]
    return [
        places
        for places in itertools.product(*map(range, sizes))
        if not functools.reduce(operator.and_, (bits[axis][place] for axis, place in enumerate(places)))
    ]


def _pick(axes: Mapping[str, Sequence[_Item]], places: Sequence[int]) -> dict[str, str]:
    picked = {
        f"{name}.{key}" if key else name: text
        for (name, items), place in zip(axes.items(), places, strict=True)
        for key, text in items[place].items()
    }
    if len(picked) > MAX_VALUES:
        raise SpecInvalidError(
            "strategy.matrix",
            f"a build has {len(picked)} values, more than {MAX_VALUES}; leave out some of an object",
        )
    return picked


def _read_axes(written: Mapping[str, Any], evaluate: _Evaluate) -> dict[str, list[_Item]]:
    if not written:
        raise SpecInvalidError("strategy.matrix", "it has no axis; give one, for example version: ['1', '2']")
    if len(written) > MAX_AXES:
        raise SpecInvalidError("strategy.matrix", f"it has {len(written)} axes, more than {MAX_AXES}; give fewer")
    for name in written:
        _check_name("strategy.matrix", name)
    return {name: _read_items(f"strategy.matrix.{name}", given, evaluate) for name, given in written.items()}


def _read_items(field: str, given: Any, evaluate: _Evaluate) -> list[_Item]:
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


def _read_item(field: str, value: Any, evaluate: _Evaluate) -> _Item:
    if not isinstance(value, dict):
        return {_PLAIN: _read_text(field, value, evaluate)}
    if not value or len(value) > MAX_VALUES:
        raise SpecInvalidError(field, f"an object has {len(value)} values; give from 1 to {MAX_VALUES}")
    for key in value:
        _check_name(field, key)
    return {key: _read_text(f"{field}.{key}", inner, evaluate) for key, inner in sorted(value.items())}


def _read_text(field: str, value: Any, evaluate: _Evaluate) -> str:
    if isinstance(value, str):
        value = evaluate(field, value)
    if not isinstance(value, str | bool | int | float):
        raise SpecInvalidError(
            field, "a value is neither a text, a number, true nor false; write one of these, or an object of them"
        )
    text = value if isinstance(value, str) else render((Constant(value),), {})
    if len(text) > MAX_VALUE or not text.isprintable():
        raise SpecInvalidError(
            field, f"{text[:_SHOWN]!r} is too long or has signs that do not print; write up to {MAX_VALUE} characters"
        )
    return text


def _read_exclude(
    written: Sequence[Mapping[str, Any]], axes: Mapping[str, Sequence[_Item]], evaluate: _Evaluate
) -> list[dict[int, int]]:
    """For each entry the axes that it names by their places, each with the place of its value.

    An entry with a value that its axis has not takes out nothing, as in pipelines."""
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


def _read_number(field: str, value: int | str | None, lowest: int, highest: int) -> int:
    text = str(value).strip()
    if not re.fullmatch("[0-9]{1,3}", text) or not lowest <= int(text) <= highest:
        raise SpecInvalidError(field, f"{text[:_SHOWN]!r} is none; write a number from {lowest} to {highest}")
    return int(text)
