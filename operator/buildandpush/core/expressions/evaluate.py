"""Gives values to expressions. Values are bound to names and never put into the text."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from buildandpush.core.expressions.methods import MAX_RESULT, call_method, pick_item
from buildandpush.core.expressions.patterns import matches_whole
from buildandpush.core.expressions.tree import (
    Binary,
    Call,
    Conditional,
    Constant,
    ExpressionError,
    Member,
    Name,
    Node,
    Not,
    Template,
    Value,
    find_path,
    find_paths,
)

Scope = Mapping[str, Value]
"""What names stand for. A name with the value None has no members, and each path below it is null."""

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LISTED: Final = 40


def evaluate(node: Node, scope: Scope) -> Value:
    """The value of an expression. Raises ExpressionError."""
    match node:
        case Constant(value):
            return value
        case Name() | Member():
            return _look_up(node, scope)
        case Call(of, method, arguments):
            return call_method(evaluate(of, scope), method, [evaluate(one, scope) for one in arguments])
        case Not(of):
            return not _truth(evaluate(of, scope))
        case Conditional(condition, then, otherwise):
            return evaluate(then if _truth(evaluate(condition, scope)) else otherwise, scope)
        case Binary("||", left, right):
            return _truth(evaluate(left, scope)) or _truth(evaluate(right, scope))
        case Binary("&&", left, right):
            return _truth(evaluate(left, scope)) and _truth(evaluate(right, scope))
    return _combine(node.sign, evaluate(node.left, scope), evaluate(node.right, scope))


def render(template: Template, scope: Scope, null: str | None = None) -> str:
    """The text with the values of its expressions. `null` stands for an expression without a value; if it is None, such
    an expression is an error. Raises ExpressionError."""
    parts = [part if isinstance(part, str) else _write(part, evaluate(part, scope), null) for part in template]
    size = sum(map(len, parts))
    if size > MAX_RESULT:
        raise ExpressionError(f"it becomes {size} characters; {MAX_RESULT} are allowed")
    return "".join(parts)


def is_true(node: Node, scope: Scope) -> bool:
    """Whether a condition is met. Raises ExpressionError."""
    return _truth(evaluate(node, scope))


def check_names(node: Node, scope: Scope) -> None:
    """Raise ExpressionError for a path that nothing is known of, wherever it stands in the expression."""
    for path in find_paths(node):
        _follow(path, scope)


def list_names(scope: Scope) -> list[str]:
    """The paths that are known, for a message."""
    found = []
    for name, value in scope.items():
        found += [f"{name}.*"] if value is None else [".".join((name, *below)) for below in _paths_below(value)]
    return found


def _paths_below(value: Value) -> list[tuple[str, ...]]:
    if not isinstance(value, dict) or not value:
        return [()]
    return [(name, *below) for name, inner in value.items() for below in _paths_below(inner)]


def _look_up(node: Node, scope: Scope) -> Value:
    path = find_path(node)
    if path is not None:
        return _follow(path, scope)
    if not isinstance(node, Member):
        raise ExpressionError("it is no value")
    of, key = evaluate(node.of, scope), evaluate(node.key, scope)
    if isinstance(of, dict) and isinstance(key, str) and key in of:
        return of[key]
    if isinstance(of, list) and isinstance(key, int) and not isinstance(key, bool):
        return pick_item(of, key)
    known = f"it has {', '.join(list(of)[:_LISTED])}" if isinstance(of, dict) else "it has no members"
    raise ExpressionError(f"{_show(of)} has no {str(key)[:64]!r}; {known}")


def _follow(path: tuple[str, ...], scope: Scope) -> Value:
    """The value of a path."""
    value: Value = dict(scope)
    for name in path:
        if value is None:
            return None
        if not isinstance(value, dict) or name not in value:
            known = ", ".join(list_names(scope)[:_LISTED])
            raise ExpressionError(f"<+{'.'.join(path)[:128]}> is unknown here; known are {known}")
        value = value[name]
    return value


def _combine(sign: str, left: Value, right: Value) -> Value:
    if sign in ("+", "-"):
        return _add(sign, left, right)
    if sign in ("==", "!="):
        return _equals(left, right) == (sign == "==")
    if sign in _ORDER:
        first, second = _alike(left, right)
        if type(first) is not type(second) or isinstance(first, bool) or not isinstance(first, float | str):
            raise ExpressionError(f"{_show(left)} {sign} {_show(right)}: it compares two numbers or two texts alone")
        return _ORDER[sign](first, second)
    found = _finds(sign[1], _as_text(sign, left), _as_text(sign, right))
    return found == (sign[0] == "=")


def _finds(sign: str, text: str, wanted: str) -> bool:
    """`~`: the whole text matches; `^`: it begins with; `$`: it ends with."""
    if sign == "~":
        return matches_whole(wanted, text)
    return text.startswith(wanted) if sign == "^" else text.endswith(wanted)


def _add(sign: str, left: Value, right: Value) -> Value:
    if _is_number(left) and _is_number(right):
        return left + right if sign == "+" else left - right  # type: ignore[operator]
    if sign == "-":
        raise ExpressionError(f"{_show(left)} - {_show(right)} subtracts no two numbers; correct it")
    text = _as_text(sign, left) + _as_text(sign, right)
    if len(text) > MAX_RESULT:
        raise ExpressionError(f"+ makes a text of {len(text)} characters; {MAX_RESULT} are allowed")
    return text


def _equals(left: Value, right: Value) -> bool:
    first, second = _alike(left, right)
    return type(first) is type(second) and first == second


def _alike(left: Value, right: Value) -> tuple[Value, Value]:
    """Both as floats if one is a number and the other is written as one, both as truth values likewise."""
    for one, other in ((left, right), (right, left)):
        if _is_number(one) and not isinstance(other, bool):
            number = _as_number(other)
            if number is not None:
                return (_as_number(left), number) if other is right else (number, _as_number(right))
        if isinstance(one, bool) and isinstance(other, str) and other in ("true", "false"):
            return _as_truth(left), _as_truth(right)
    return left, right


def _as_number(value: Value) -> float | None:
    if _is_number(value):
        return float(value)  # type: ignore[arg-type]
    text = value.strip() if isinstance(value, str) else ""
    plain = text.removeprefix("-").replace(".", "", 1)
    return float(text) if plain.isascii() and plain.isdigit() else None


def _as_truth(value: Value) -> Value:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_text(sign: str, value: Value) -> str:
    if isinstance(value, bool) or value is None or _is_number(value):
        return _plain(value)
    if not isinstance(value, str):
        raise ExpressionError(f"{_show(value)} stands at {sign}, which takes texts; correct it")
    return value


def _truth(value: Value) -> bool:
    value = _as_truth(value)
    if not isinstance(value, bool):
        raise ExpressionError(f"{_show(value)} is no condition but a value; compare it with another")
    return value


def _write(node: Node, value: Value, null: str | None) -> str:
    path = ".".join(find_path(node) or ())
    name = f"<+{path[:128]}>" if path else "an expression"
    if value is None:
        if null is None:
            raise ExpressionError(f"{name} has no value here (null); take another expression or write the value")
        return null
    if isinstance(value, dict | list):
        raise ExpressionError(f"{name} is {_show(value)} and no text; pick a part of it")
    return _plain(value)


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _show(value: Value) -> str:
    """A value in a message."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value[:64]) if isinstance(value, str) else _plain(value)
