"""An expression as it was read, before anything has a value."""

from dataclasses import dataclass
from typing import Final

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
"""What an expression can stand for: the values of JSON."""

MAX_TEXT: Final = 8 * 1024
"""Characters of a text with expressions."""
MAX_DEPTH: Final = 32
"""Parentheses, brackets and negations within each other."""
MAX_PARTS: Final = 200
"""Names and values of one expression. It bounds the depth of its tree."""


class ExpressionError(ValueError):
    """An expression that cannot be read or has no value. The message says where, what is wrong and what to do."""


@dataclass(frozen=True)
class Constant:
    """A number, a text, true, false or null."""

    value: Value


@dataclass(frozen=True)
class Name:
    """The first part of a path, such as `pipeline`."""

    name: str


@dataclass(frozen=True)
class Member:
    """What a name, an index or another expression picks from a value."""

    of: "Node"
    key: "Node"


@dataclass(frozen=True)
class Call:
    """A method of a text or a list."""

    of: "Node"
    method: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    of: "Node"


@dataclass(frozen=True)
class Binary:
    """Two operands and the sign between them; words such as `eq` are signs here already."""

    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Conditional:
    """One of two, as a condition says."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"


Node = Constant | Name | Member | Call | Not | Binary | Conditional

Template = tuple[str | Node, ...]
"""A text with expressions: words and expressions, in order."""


def find_path(node: Node) -> tuple[str, ...] | None:
    """The names of a path such as `pipeline.variables.a`; None for any other expression."""
    if isinstance(node, Name):
        return (node.name,)
    if isinstance(node, Member) and isinstance(node.key, Constant) and isinstance(node.key.value, str):
        before = find_path(node.of)
        return None if before is None else (*before, node.key.value)
    return None


def children(node: Node) -> tuple[Node, ...]:
    """The expressions that an expression is made of."""
    match node:
        case Member(of, key):
            return (of, key)
        case Call(of, _, arguments):
            return (of, *arguments)
        case Not(of):
            return (of,)
        case Binary(_, left, right):
            return (left, right)
        case Conditional(condition, then, otherwise):
            return (condition, then, otherwise)
    return ()


def find_paths(node: Node) -> list[tuple[str, ...]]:
    """The longest paths in an expression, in order."""
    path = find_path(node)
    if path is not None:
        return [path]
    return [found for child in children(node) for found in find_paths(child)]
