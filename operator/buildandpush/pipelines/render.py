"""Writes resources as YAML that every reader of YAML reads alike, with comments above them."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from buildandpush.pipelines.notes import Note, one_line

# Other readers take y, on, 1e3, 0o17, 1:30 or 2024-01-01 for something else than text. These they do not.
_SAFE: Final = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./@+-]|:(?=[A-Za-z0-9_./@+-]))*")
_WORDS: Final = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "none"}
)
_ESCAPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_INDENT: Final = "  "


def render_document(manifest: Mapping[str, Any], heading: Sequence[str], notes: Iterable[Note]) -> str:
    """One document: comments, then the resource."""
    lines = [f"# {one_line(line)}" for line in heading]
    for level, group in groupby(notes, key=lambda note: note.level):
        lines.append(f"# {level}:")
        lines += [f"# - {one_line(note.text)}" for note in group]
    return "\n".join([*lines, *_render_map(manifest, "")]) + "\n"


def render_comments(heading: Sequence[str], notes: Iterable[Note]) -> str:
    """The comments alone, for a file as a whole."""
    return render_document({}, heading, notes)


def _render_map(value: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, inner in value.items():
        lines += _render_entry(f"{indent}{_scalar(key)}:", inner, indent + _INDENT)
    return lines


def _render_entry(begin: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [begin, *_render_map(value, indent)]
    if isinstance(value, list) and value:
        return [begin, *_render_list(value, indent)]
    return [f"{begin} {_scalar(value)}"]


def _render_list(value: list[Any], indent: str) -> list[str]:
    lines: list[str] = []
    for item in value:
        inner = _render_entry(f"{indent}-", item, indent + _INDENT)
        if isinstance(item, Mapping | list) and item:
            inner = [f"{indent}- {inner[1].lstrip(' ')}", *inner[2:]]
        lines += inner
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value if _SAFE.fullmatch(value) and value.lower() not in _WORDS else quote(value)
    return "{}" if isinstance(value, Mapping) else "[]"


def quote(text: str) -> str:
    """The text in double quotes. What a terminal or a reader could stumble over is written by its number."""
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isascii() and quoted.isprintable():
        return quoted
    return "".join(_escape(character) for character in quoted)


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _ESCAPED:
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
