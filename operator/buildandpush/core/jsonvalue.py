"""Strangers' JSON: bounded in size and depth. Any trouble with it is one error, which callers know what to do with."""

from codecs import BOM_UTF8
from typing import Any, Final

import orjson

MAX_VALUES: Final = 100_000
"""A list of 4 MiB that holds nothing but empty lists takes 100 MiB of memory. A manifest has some hundred values."""


class UnreadableError(ValueError):
    """A text is no JSON, or more of it than anybody needs; says which."""


def parse_json(data: str | bytes, *, most_values: int = MAX_VALUES) -> Any:
    """The value that a text stands for; raises UnreadableError. A text of more than `most_values` values is not parsed.

    The caller bounds the text itself, when it reads it.
    """
    try:
        text = data.encode() if isinstance(data, str) else data.removeprefix(BOM_UTF8)
        if len(text) > most_values and sum(map(text.count, b",[{")) > most_values:
            raise UnreadableError(f"the answer holds more than {most_values} values")
        return orjson.loads(text)
    except UnreadableError:
        raise
    except ValueError as error:
        deep = "depth" in str(error)
        raise UnreadableError("the answer is nested too deeply" if deep else "the answer is not JSON") from error


def parse_object(data: str | bytes, *, most_values: int = MAX_VALUES) -> dict[str, Any]:
    """The JSON object that a text stands for; raises UnreadableError for anything else."""
    value = parse_json(data, most_values=most_values)
    if not isinstance(value, dict):
        raise UnreadableError("the answer is no JSON object")
    return value
