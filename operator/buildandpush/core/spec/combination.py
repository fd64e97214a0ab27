"""One of the builds of a run: what a strategy gives to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from buildandpush.core.expressions.tree import Node, Value, find_paths

ROOTS: Final = ("matrix", "repeat", "strategy")
_LOOPED: Final = (("stage", "matrix"), ("step", "identifierPostFix"))
"""Other names of what differs between the builds of a run."""
_SHOWN: Final = 200


@dataclass(frozen=True)
class Combination:
    """The values of one build. Without a strategy there is one, and it has no values."""

    index: int = 0
    """Place among the run's builds, from 0."""
    total: int = 1
    """How many builds the run has."""
    matrix: Mapping[str, str] = field(default_factory=dict)
    """The value of each axis; those of an object under `axis.key`. Empty without a matrix."""
    item: str | None = None
    """The item of repeat.items."""
    postfix: str = "_0"
    """What a pipeline writes behind the identifier of the step: the place in each axis, or the index."""

    @property
    def key(self) -> str:
        """Names the build in the status and in its pod's name."""
        return str(self.index)

    def values(self) -> dict[str, Value]:
        """What expressions of this build know beside the values of its run, by the first part of their names."""
        values: dict[str, Value] = {
            "strategy": {"iteration": self.index, "iterations": self.total, "identifierPostFix": self.postfix}
        }
        if self.matrix:
            values["matrix"] = _nest(self.matrix)
        if self.item is not None:
            values["repeat"] = {"item": self.item, "total": self.total}
        return values

    def named(self) -> dict[str, str]:
        """The values that the status of the build shows, by the names of their axes; the item of repeat is `item`."""
        return {**self.matrix, **({} if self.item is None else {"item": self.item})}

    def describe(self) -> str:
        """The build for a message, such as `build 2 (base=slim, python=3.12)`."""
        text = ", ".join(f"{name}={value}" for name, value in self.named().items())
        return f"build {self.key} ({text[:_SHOWN]})" if text else f"build {self.key}"


def names_combination(part: str | Node) -> bool:
    """Whether an expression names what differs between the builds of a run."""
    paths = [] if isinstance(part, str) else find_paths(part)
    return any(path[0] in ROOTS or path[:2] in _LOOPED for path in paths)


def _nest(matrix: Mapping[str, str]) -> Value:
    nested: dict[str, Value] = {}
    for name, text in matrix.items():
        axis, dot, key = name.partition(".")
        inner = nested.setdefault(axis, {}) if dot else None
        if isinstance(inner, dict):
            inner[key] = text
        else:
            nested[axis] = text
    return nested
