"""Values of a document, as somebody wrote them: text, lists and maps. No number, date or boolean is made of a text."""

from typing import TypeAlias

Value: TypeAlias = str | list["Value"] | dict[str, "Value"]
Map: TypeAlias = dict[str, Value]

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Plain(str):
    """Text that stands there without quotes. A pipeline may read a null, a boolean or a number from it."""

    __slots__ = ()


def is_null(value: Value | None) -> bool:
    """Whether nothing is given."""
    return value is None or (isinstance(value, Plain) and value in _NULLS)


def as_map(value: Value | None) -> Map:
    """The map; empty if the value is something else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Value | None) -> list[Value]:
    """The list; empty if the value is something else."""
    return value if isinstance(value, list) else []


def as_text(value: Value | None) -> str:
    """The text without white space around it; empty if the value is something else, or nothing."""
    return value.strip() if isinstance(value, str) and not is_null(value) else ""


def look_up(value: Value | None, *keys: str) -> Value | None:
    """The value below these keys, or None."""
    for key in keys:
        value = as_map(value).get(key)
    return value


def is_true(value: Value | None) -> bool:
    """Whether a boolean is on, in any notation of YAML."""
    return as_text(value).lower() in ("true", "yes", "on")


def is_false(value: Value | None) -> bool:
    """Whether a boolean is off, in any notation of YAML."""
    return as_text(value).lower() in ("false", "no", "off")


def join_path(path: str, key: str | int) -> str:
    """The place of a value within a document, such as `stages[0].stage`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
