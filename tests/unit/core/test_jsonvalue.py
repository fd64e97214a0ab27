"""Strangers' JSON is a value or one kind of error."""

from typing import Any

import pytest

from buildandpush.core.jsonvalue import MAX_VALUES, UnreadableError, parse_json, parse_object


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "x", null]}', {"a": [1, "x", None]}),
        (b'"\xc3\xa9"', "é"),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("5", 5),
    ],
)
def test_json_is_its_value(text: str | bytes, value: Any) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        (b"", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("<html>", "not JSON"),
        ("1" * 5000, "not JSON"),
        ("[" * 50_000, "nested too deeply"),
        ('{"a":' * 50_000, "nested too deeply"),
        ("[" + "[]," * MAX_VALUES + "1]", f"more than {MAX_VALUES} values"),
        (b"[" + b"1," * MAX_VALUES + b"1]", f"more than {MAX_VALUES} values"),
    ],
)
def test_what_is_none_or_too_much_says_so(text: str | bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        parse_json(text)


@pytest.mark.parametrize("text", ["[]", "null", "5", '"text"', "{"])
def test_an_object_is_wanted(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_object(text)
    assert parse_object('{"a": 1}') == {"a": 1}
