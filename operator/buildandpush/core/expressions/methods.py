"""The methods of texts and lists that expressions may call, by the names of Java's String and List."""

from collections.abc import Callable
from typing import Any, Final

from buildandpush.core.expressions.patterns import split_text
from buildandpush.core.expressions.tree import ExpressionError, Value

MAX_RESULT: Final = 64 * 1024
"""Characters of a text that a method makes."""

_COUNT: Final = "a number"
_TEXT: Final = "a text"


def pick_item(values: list[Any], place: int) -> Value:
    """An item of a list, counted from 0. Raises ExpressionError."""
    if not 0 <= place < len(values):
        raise ExpressionError(f"item {place} is out of range: the list has {len(values)} items, counted from 0")
    item: Value = values[place]
    return item


def _substring(text: str, begin: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= begin <= end <= len(text):
        raise ExpressionError(
            f"substring({begin}, {end}) of {text[:32]!r} is out of range: it has {len(text)} characters; use a smaller "
            "number"
        )
    return text[begin:end]


def _replace(text: str, old: str, new: str) -> str:
    # Counted before it is made: each replacement may be long.
    size = len(text) + (text.count(old) if old else len(text) + 1) * (len(new) - len(old))
    if size > MAX_RESULT:
        raise ExpressionError(f"replace makes a text of {size} characters; {MAX_RESULT} are allowed")
    return text.replace(old, new)


_TEXT_METHODS: Final[dict[str, tuple[Callable[..., Value], tuple[str, ...], int]]] = {
    # name: what it does, what its arguments are, how many of them are needed
    "substring": (_substring, (_COUNT, _COUNT), 1),
    "toLowerCase": (str.lower, (), 0),
    "toUpperCase": (str.upper, (), 0),
    "trim": (str.strip, (), 0),
    "replace": (_replace, (_TEXT, _TEXT), 2),
    "concat": (str.__add__, (_TEXT,), 1),
    "split": (split_text, (_TEXT,), 1),
    "length": (len, (), 0),
    "isEmpty": (lambda text: text == "", (), 0),
    "contains": (str.__contains__, (_TEXT,), 1),
    "startsWith": (str.startswith, (_TEXT,), 1),
    "endsWith": (str.endswith, (_TEXT,), 1),
    "indexOf": (str.find, (_TEXT,), 1),
    "lastIndexOf": (str.rfind, (_TEXT,), 1),
}
_LIST_METHODS: Final[dict[str, tuple[Callable[..., Value], tuple[str, ...], int]]] = {
    "get": (pick_item, (_COUNT,), 1),
    "size": (len, (), 0),
    "length": (len, (), 0),
}
_MAP_METHODS: Final[dict[str, tuple[Callable[..., Value], tuple[str, ...], int]]] = {
    "get": (dict.get, (_TEXT,), 1),
}
_METHODS: Final = {"text": _TEXT_METHODS, "list": _LIST_METHODS, "map": _MAP_METHODS}


def call_method(value: Value, method: str, arguments: list[Value]) -> Value:
    """What the method gives. Raises ExpressionError."""
    kind = _kind_of(value)
    known = _METHODS.get(kind, {})
    if method not in known:
        usable = f"use one of {', '.join(known)}" if known else "only texts and lists have methods"
        raise ExpressionError(f"{method[:64]!r} is no method of a {kind}; {usable}")
    work, wanted, needed = known[method]
    given = [_admit(method, one, form) for one, form in zip(arguments, wanted, strict=False)]
    if not needed <= len(arguments) <= len(wanted):
        count = f"{needed}" if needed == len(wanted) else f"{needed} or {len(wanted)}"
        raise ExpressionError(f"{method} takes {count} values and not {len(arguments)}; correct it")
    result = work(value, *given)
    if isinstance(result, str) and len(result) > MAX_RESULT:
        raise ExpressionError(f"{method} makes a text of {len(result)} characters; {MAX_RESULT} are allowed")
    return result


def _admit(method: str, value: Value, form: str) -> Value:
    fits = isinstance(value, str) if form == _TEXT else isinstance(value, int) and not isinstance(value, bool)
    if not fits:
        raise ExpressionError(f"{method} takes {form} and not {str(value)[:32]!r}; correct it")
    return value


def _kind_of(value: Value) -> str:
    kinds = {str: "text", list: "list", dict: "map", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")
