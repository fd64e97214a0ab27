"""Reads the settings of a step as text, lists, maps and booleans. What is of another kind is told, never lost."""

from typing import Final

from buildandpush.pipelines.inputs import INPUT, find_default, is_input
from buildandpush.pipelines.notes import Notes, join_names, shown
from buildandpush.pipelines.values import Map, Value, as_text, is_false, is_null, is_true

_LONGEST_KEY: Final = 256
_MAKES_IMAGE: Final = (
    "dockerfile", "context", "target", "labels", "buildArgs", "envVariables", "the stage's variable", "when", "strategy"
)  # fmt: skip
"""How the fields begin without which another image would be built, or one that nobody wants."""
_SECRET: Final = ("envDockerSecrets", "fileDockerSecrets")
"""How the fields begin whose values are not repeated."""


def settle_input(field: str, value: Value, notes: Notes) -> Value | None:
    """The value. Where each run asks for it, its default; None where there is neither.

    Without a value that makes the image, the resource waits until somebody has given it.
    """
    if is_null(value):
        return None
    if not is_input(value):
        return value
    text = as_text(value)
    default = find_default(text)
    asked = f"{field} is asked for at each run ({INPUT if field.startswith(_SECRET) else shown(text)})"
    if default:
        notes.differs(f"{asked}; here it has the default of the question")
        return default
    tell = notes.stand_in if field.startswith(_MAKES_IMAGE) else notes.todo
    tell(f"{asked}; write the value, or give the file with --input-set")
    return None


def read_part(field: str, value: Value | None, notes: Notes) -> Map:
    """A map whose values are read one by one."""
    settled = None if value is None else settle_input(field, value, notes)
    if settled is None or isinstance(settled, dict):
        return settled or {}
    notes.left_out(f"{field} holds a {_kind(settled)}, where a map was expected")
    return {}


def read_text(field: str, value: Value | None, notes: Notes) -> str | None:
    """A text without white space around it, or None for nothing."""
    settled = None if value is None else settle_input(field, value, notes)
    if settled is None:
        return None
    if isinstance(settled, str):
        return settled.strip() or None
    notes.left_out(f"{field} holds a {_kind(settled)}, where a text was expected")
    return None


def read_bool(field: str, value: Value | None, notes: Notes) -> bool | None:
    """A boolean, or None for nothing."""
    text = read_text(field, value, notes)
    if text is None or is_true(text) or is_false(text):
        return None if text is None else is_true(text)
    notes.todo(f"{field}: {shown(text)} is neither true nor false; write one of the two")
    return None


def read_integer(field: str, value: Value | None, notes: Notes) -> int | None:
    """A whole number, or None for nothing."""
    text = read_text(field, value, notes)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    notes.todo(f"{field}: {shown(text)} is no whole number; write for example 1")
    return None


def read_list(field: str, value: Value | None, notes: Notes) -> list[str]:
    """Texts. One text with commas is read as a list, as a pipeline's default has it."""
    settled = None if value is None else settle_input(field, value, notes)
    if settled is None:
        return []
    if isinstance(settled, str):
        parts = [settled] if "<+" in settled else settled.split(",")
        return [part.strip() for part in parts if part.strip()]
    if isinstance(settled, dict):
        notes.left_out(f"{field} holds a map, where a list was expected")
        return []
    found: list[str] = []
    for number, each in enumerate(settled):
        if isinstance(each, str) and not is_input(each):
            # A null within a list is a text that looks like one.
            found += [each.strip()] if each.strip() else []
        else:
            text = read_text(f"{field}[{number}]", each, notes)
            found += [text] if text else []
    return found


def read_map(field: str, value: Value | None, notes: Notes) -> dict[str, str]:
    """Texts by name. A value is taken as it was written."""
    settled = None if value is None else settle_input(field, value, notes)
    if settled is None:
        return {}
    if not isinstance(settled, dict):
        notes.left_out(f"{field} holds a {_kind(settled)}, where a map was expected")
        return {}
    found: dict[str, str] = {}
    for name, each in settled.items():
        place = f"{field}.{shown(name)}"
        if len(name) > _LONGEST_KEY:
            notes.left_out(f"{place} has a name of more than {_LONGEST_KEY} characters")
        elif is_input(each):
            text = read_text(place, each, notes)
            found |= {name: text} if text is not None else {}
        elif isinstance(each, str):
            found[name] = each
        else:
            notes.left_out(f"{place} holds a {_kind(each)}, where a text was expected")
    return found


def leave_out(field: str, names: list[str], notes: Notes, why: str) -> None:
    """Tell the names of settings that are not carried over."""
    if names:
        notes.left_out(f"{field}: {join_names(names)}: {why}")


def _kind(value: Value) -> str:
    return {str: "text", list: "list", dict: "map"}.get(type(value), "text")
