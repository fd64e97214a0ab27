"""The words that explain a reason to a person."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from buildandpush.api.explanations import NO_REMEDY, RUN_AGAIN, explain
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE
from buildandpush.core.text import clip

_WORDS: Final = {
    "missing": "it is missing",
    "string_type": "it is no text",
    "bool_type": "it is neither true nor false",
    "bool_parsing": "it is neither true nor false",
    "list_type": "it is no list",
    "dict_type": "it is no object",
    "model_type": "it is no object",
    "model_attributes_type": "it is no object",
}
"""What the types of errors mean: https://docs.pydantic.dev/latest/errors/validation_errors/"""


def describe(reason: Reason, detail: str = "", remedy: str = "") -> str:
    """Cause, detail and remedy in one message of at most 1 KiB. A given remedy replaces the reason's own."""
    explanation = explain(reason)
    middle = f" ({clip(detail, MAX_MESSAGE // 2)})" if detail else ""
    if remedy:
        remedy = f" {remedy}"
    elif explanation.remedy != NO_REMEDY:
        remedy = f" {explanation.remedy}"
    return clip(f"{explanation.cause.removesuffix('.')}{middle}.{remedy}", MAX_MESSAGE)


def describe_meanwhile(reason: Reason, detail: str = "", remedy: str = "") -> str:
    """The same for a run that has not ended. It does not advise to run it again."""
    return describe(reason, detail, remedy).removesuffix(f" {RUN_AGAIN}")


def name_field(error: ErrorDetails, raw: Mapping[str, Any]) -> str:
    """The field that an error is about, with dots, without the branch of a union that the models' library adds."""
    value: Any = raw
    parts = []
    for part in error["loc"]:
        is_held = _holds(value, part)
        if not is_held and error["type"] != "missing":
            break
        parts.append(str(part))
        value = value[part] if is_held else None
    return ".".join(parts)


def _holds(value: Any, part: str | int) -> bool:
    return part in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(part, int)


def explain_value(error: ErrorDetails) -> str:
    """What is wrong with a field, as people say it: the words of the models' library are about values in Python."""
    kind = error["type"]
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in _WORDS:
        return _WORDS[kind]
    if kind.startswith(("date", "time")):
        return "it is no time such as 2026-01-31T08:00:00Z"
    if kind.startswith("int"):
        return "it is no whole number"
    _, _, rest = error["msg"].partition(" ")  # without "Input", "String" or "List"
    return f"it {rest}"
