"""A merge patch carries exactly the difference (RFC 7386)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.patch import merge_patch

leaves = st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.lists(st.integers(), max_size=3))
objects = st.recursive(
    st.dictionaries(st.text("abc", max_size=2), leaves, max_size=4),
    lambda inner: st.dictionaries(st.text("abc", max_size=2), st.one_of(leaves, inner), max_size=4),
    max_leaves=12,
)


def apply_patch(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_patch(result.get(name), value)
    return result


@given(objects, objects)
def test_patch_turns_one_object_into_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert apply_patch(before, merge_patch(before, after)) == after


@given(objects)
def test_equal_objects_need_no_patch(value: dict[str, Any]) -> None:
    assert merge_patch(value, value) == {}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 3]}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_patch_holds_no_more_than_the_difference(
    before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert merge_patch(before, after) == patch


def test_arguments_are_left_as_they_were() -> None:
    before, after = {"a": {"b": 1}}, {"a": {"c": 1}}
    merge_patch(before, after)
    assert (before, after) == ({"a": {"b": 1}}, {"a": {"c": 1}})
