"""The builds of a run, by the `strategy` of its spec.

As pipelines have them: https://developer.harness.io/docs/platform/pipelines/looping-strategies/looping-strategies-matrix-repeat-and-parallelism
"""

import functools
import itertools
import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.strategy import MAX_BUILDS, MAX_CONCURRENCY, Matrix, Repeat, Strategy
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.tree import Value
from buildandpush.core.spec.axes import (
    MAX_VALUES,
    PLAIN,
    Evaluate,
    Item,
    list_strange,
    read_axes,
    read_exclude,
    read_items,
)
from buildandpush.core.spec.combination import Combination
from buildandpush.core.spec.expansion import evaluate_text, texts_of
from buildandpush.core.spec.scope import Occasion

MAX_COMBINATIONS: Final = 1024
"""Combinations before exclude: each of them is looked at."""
MAX_EFFORT: Final = 32 * 1024
"""Characters of texts with expressions, taken once for each build, since each build has its own values in them. A
decision reads them all while nothing else goes on."""
_SHORT: Final = 512
"""Characters of a text that counts a quarter, because it is read once for all builds."""

_KINDS: Final = ("matrix", "repeat", "parallelism")
_SHOWN: Final = 64


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
    _check_kind(strategy)
    plan_concurrency(spec)
    looped = _weigh(strategy.to_dict())
    _check_effort(looped, 1)
    builds = _expand(spec, strategy, occasion)
    _check_effort(looped + _weigh(texts_of(spec)), len(builds))
    return builds


class Expansions:
    """Keeps what a strategy was expanded to. All builds of a run ask for it, in each of their steps."""

    def __init__(self) -> None:
        self._last: tuple[BuildAndPushACRSpec, Occasion, dict[str, Combination]] | None = None

    def find(self, spec: BuildAndPushACRSpec, occasion: Occasion, key: str) -> Combination | None:
        """What the strategy gives to the build of this key; None for none. Raises SpecInvalidError."""
        occasion = replace(occasion, codebase=None, artifact=None)  # no strategy may speak of them: see `expansion`
        if self._last is None or self._last[0] != spec or self._last[1] != occasion:
            self._last = (spec, occasion, {each.key: each for each in expand_strategy(spec, occasion)})
        return self._last[2].get(key)


def _weigh(value: Any) -> int:
    """How much there is to read: characters of the texts with expressions."""
    if isinstance(value, str):
        return 0 if "<+" not in value else len(value) if len(value) > _SHORT else -(-len(value) // 4)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_weigh, inner))


def _check_effort(characters: int, builds: int) -> None:
    if characters * builds > MAX_EFFORT:
        raise SpecInvalidError(
            "strategy",
            f"the expressions of {builds} builds take {characters * builds} characters to read, more than {MAX_EFFORT} "
            f"(texts of up to {_SHORT} characters count a quarter); write fewer or shorter ones, or several resources",
        )


def _expand(spec: BuildAndPushACRSpec, strategy: Strategy, occasion: Occasion) -> tuple[Combination, ...]:

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
    for axis, value in list_strange(strategy.matrix):
        found[f"strategy.matrix.exclude: {axis} {value!r}"] = "the axis has no such value, so nothing is taken out"
    return found


def _check_kind(strategy: Strategy) -> None:
    given = [name for name in _KINDS if getattr(strategy, name) is not None]
    if len(given) != 1:
        has = f"it has {' and '.join(given)}" if given else "it has none of them"
        raise SpecInvalidError("strategy", f"{has}; give exactly one of matrix, repeat and parallelism")


def _expand_repeat(repeat: Repeat, evaluate: Evaluate) -> tuple[Combination, ...]:
    for name, value in (("start", repeat.start), ("end", repeat.end), ("partitionSize", repeat.partition_size)):
        if value is not None:
            raise SpecInvalidError(f"strategy.repeat.{name}", "it has no meaning here; list the wanted items in items")
    if (repeat.items is None) == (repeat.times is None):
        raise SpecInvalidError("strategy.repeat", "give exactly one of items and times")
    if repeat.times is not None:
        return _count(_read_number("strategy.repeat.times", repeat.times, 1, MAX_BUILDS))
    field = "strategy.repeat.items"
    items = read_items(field, repeat.items, evaluate)
    if any(PLAIN not in item for item in items):
        raise SpecInvalidError(field, "an item is an object; write texts or numbers, or use strategy.matrix")
    return tuple(
        Combination(index, len(items), item=item[PLAIN], postfix=f"_{index}") for index, item in enumerate(items)
    )


def _count(total: int) -> tuple[Combination, ...]:
    return tuple(Combination(index, total, postfix=f"_{index}") for index in range(total))


def _expand_matrix(matrix: Matrix, evaluate: Evaluate) -> tuple[Combination, ...]:
    axes = read_axes(matrix.axes, evaluate)
    sizes = [len(items) for items in axes.values()]
    count = math.prod(sizes)
    if count > MAX_COMBINATIONS:
        raise SpecInvalidError(
            "strategy.matrix",
            f"the axes have {count} combinations, and a run has up to {MAX_BUILDS} builds; take out values, or write "
            "several resources",
        )
    kept = _exclude(sizes, read_exclude(matrix.exclude or [], axes, evaluate))
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


def _pick(axes: Mapping[str, Sequence[Item]], places: Sequence[int]) -> dict[str, str]:
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


def _read_number(field: str, value: int | str | None, lowest: int, highest: int) -> int:
    text = str(value).strip()
    if not re.fullmatch("[0-9]{1,3}", text) or not lowest <= int(text) <= highest:
        raise SpecInvalidError(field, f"{text[:_SHOWN]!r} is none; write a number from {lowest} to {highest}")
    return int(text)
