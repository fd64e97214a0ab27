"""Puts the values of an input set, or of a template's inputs, into a pipeline where it asks for them."""

import re
from collections.abc import Sequence
from typing import Final

from buildandpush.pipelines.reader import Document
from buildandpush.pipelines.values import Map, Value, as_list, as_map, as_text, is_null

_WRAPPERS: Final = ("stage", "step", "stepGroup")
INPUT: Final = "<+input>"
_INPUT: Final = re.compile(r"<\+input>(?:\.[A-Za-z]+\(.*)?", re.DOTALL)
_DEFAULT: Final = ".default("
_QUOTED: Final = re.compile(r"""\s*+(["'])(.*?)\1\s*+\)""", re.DOTALL)


def is_input(value: Value | None) -> bool:
    """Whether this is asked for at each run."""
    return isinstance(value, str) and _INPUT.fullmatch(value.strip()) is not None


def is_unanswered(value: Value | None) -> bool:
    """Whether each run asks for the value, and there is no default."""
    return is_input(value) and not find_default(as_text(value))


def find_default(text: str) -> str | None:
    """The value within `.default(…)`; None if there is none."""
    _, found, rest = text.partition(_DEFAULT)
    quoted = _QUOTED.match(rest)
    if quoted:
        return quoted[2].strip()
    depth = 1
    for place, character in enumerate(rest):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return rest[:place].strip().strip("\"'")
    return rest.strip() if found else None


def merge_inputs(value: Value, inputs: Value | None) -> Value:
    """The value with the inputs in it. A fixed value stays as it is; what the value does not have is added."""
    if is_null(inputs) or is_input(inputs) or inputs is None:
        return value
    if isinstance(value, dict) and isinstance(inputs, dict):
        merged: Map = dict(value)
        for key, inner in inputs.items():
            merged[key] = merge_inputs(value[key], inner) if key in value else inner
        return merged
    if isinstance(value, list) and isinstance(inputs, list):
        return _merge_lists(value, inputs)
    return inputs if is_input(value) or is_null(value) else value


def _merge_lists(values: list[Value], inputs: list[Value]) -> Value:
    """Stages, steps and variables are found by their identifier or name. Other lists stay as they are."""
    by_name: dict[str, Value] = {}
    for each in inputs:
        for inner in as_list(as_map(each).get("parallel")) or [each]:
            by_name.setdefault(_identity(inner), inner)
    by_name.pop("", None)
    return [_merge_element(value, by_name) for value in values]


def _merge_element(value: Value, by_name: Map) -> Value:
    if isinstance(value, dict) and isinstance(value.get("parallel"), list):
        return {**value, "parallel": [_merge_element(each, by_name) for each in as_list(value["parallel"])]}
    return merge_inputs(value, by_name.get(_identity(value)))


def _identity(value: Value) -> str:
    """How an element of a list is found in another list; empty if it has no name."""
    element = as_map(value)
    for kind in _WRAPPERS:
        identifier = as_text(as_map(element.get(kind)).get("identifier"))
        if identifier:
            return f"{kind}/{identifier}"
    name = as_text(element.get("identifier")) or as_text(element.get("name"))
    return f"name/{name}" if name else ""


def apply_input_sets(pipeline: Map, sets: Sequence[Document]) -> Map:
    """A pipeline with the values of those input sets that are for it. The last one that has a value wins."""
    # Each fills only what is still open, so the last one comes first.
    for document in reversed(sets):
        inputs = as_map(as_map(as_map(document.value).get("inputSet")).get("pipeline"))
        meant = as_text(inputs.get("identifier"))
        if not meant or meant == as_text(pipeline.get("identifier")):
            pipeline = as_map(merge_inputs(pipeline, {k: v for k, v in inputs.items() if k != "identifier"}))
    return pipeline
