"""Strangers' YAML: each scalar stays the text that was written, and every size has a limit."""

import pytest

from buildandpush.pipelines import reader
from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.reader import MAX_DEPTH, MAX_VALUES, SourceFile, read_documents
from buildandpush.pipelines.values import Value, is_null


def read(text: str) -> Value:
    (document,) = read_documents(SourceFile("a.yaml", text))
    return document.value


def refusal(text: str) -> str:
    with pytest.raises(ImportFailedError) as caught:
        read_documents(SourceFile("a.yaml", text))
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["1.10", "0123", "1e3", "on", "no", "null", "~", "2024-01-01", "0x1F", "1_000", "1:30", ".inf", "=", "y"]
)
def test_a_scalar_is_the_text_that_was_written(text: str) -> None:
    assert read(f"tags: [{text}, '{text}']") == {"tags": [text, text]}


@pytest.mark.parametrize(("text", "null"), [("", True), ("~", True), ("null", True), ("''", False), ("'null'", False)])
def test_only_a_null_without_quotes_is_nothing(text: str, null: bool) -> None:
    value = read(f"target: {text}")
    assert isinstance(value, dict)
    assert is_null(value["target"]) is null


def test_json_may_have_tabs_pairs_and_slashes() -> None:
    text = '{\n\t"a":\t"b\\tc",\n\t"d": "\\ud83d\\ude00 \\\\ud83d\\ude00x",\n\t"e": "f\\/g"}'
    assert read(text.replace("\\\\ud83d\\ude00x", "\\\\ud83d")) == {"a": "b\tc", "d": "\U0001f600 \\ud83d", "e": "f/g"}


def test_a_file_may_begin_with_a_byte_order_mark_and_hold_several_documents() -> None:
    documents = read_documents(SourceFile("a.yaml", "\ufeffa: 1\n---\n---\n- b\n"))
    assert [document.value for document in documents] == [{"a": "1"}, "", ["b"]]


def test_merge_keys_do_not_go_over_the_maps_own_keys() -> None:
    text = "x: &x {a: '1', b: '2'}\ny: &y {b: '3', c: '4'}\nz: {<<: [*x, *y], a: own}"
    assert read(text)["z"] == {"a": "own", "b": "2", "c": "4"}  # type: ignore[index, call-overload]


def test_a_key_that_is_given_twice_is_told_with_its_place() -> None:
    (document,) = read_documents(SourceFile("a.yaml", "a:\n- b: 1\n  b: 2\n"))
    assert (document.value, document.duplicates) == ({"a": [{"b": "2"}]}, ("a[0].b",))


def test_aliases_count_as_all_that_they_stand_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert refusal("\n".join(lines)) == (
        f"a.yaml: a5[1]: more than {MAX_VALUES} values, aliases counted in full; split the file"
    )


def test_levels_within_aliases_count_too() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, MAX_DEPTH + 1))]
    assert f"more than {MAX_DEPTH} levels" in refusal("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: *b", "a: the alias *b has no anchor before it, or stands in it; write the value out"),
        ("a: &b [*b]", "a[0]: the alias *b has no anchor before it, or stands in it; write the value out"),
        ("a: [b", "line 2: no YAML"),
        ("a: b\n\tc: d", "line 2: no YAML"),
        ("? [a]\n: b", "a key is a list or a map; write a text"),
        ("? {a: b}\n: b", "a key is a list or a map; write a text"),
        ("&a [b]: c\n? *a\n: d", "a key is a list or a map; write a text"),
        ("a: \x00", "no YAML"),
        ("[" * 100, f"more than {MAX_DEPTH} levels; the file is no pipeline"),
        ("- " * 100 + "a", f"more than {MAX_DEPTH} levels; the file is no pipeline"),
    ],
)
def test_a_refusal_says_where_and_what_to_do(text: str, message: str) -> None:
    assert message in refusal(text)


def test_a_large_file_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BYTES", 10)
    assert refusal("a: 日本語日本語") == "a.yaml: the file has more than 0 MiB; split it"


def test_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_VALUES", 10)
    assert "more than 10 values" in refusal("[" + "a, " * 11 + "]")


def test_only_a_merge_key_without_quotes_merges() -> None:
    text = "x: &x {a: '1'}\ny: {'<<': *x, b: '2'}\nz: {\"<<\": word}"
    assert read(text) == {"x": {"a": "1"}, "y": {"<<": {"a": "1"}, "b": "2"}, "z": {"<<": "word"}}


@pytest.mark.parametrize("value", ["word", "[word]", "[*x, word]", "''"])
def test_a_merge_key_whose_value_is_no_map_is_refused(value: str) -> None:
    assert refusal(f"x: &x {{a: 1}}\ny:\n  <<: {value}") == (
        "a.yaml: y: << stands before something else than a map; name a map, such as *anchor"
    )


@pytest.mark.parametrize("value", ["", "null", "~"])
def test_a_merge_key_before_nothing_merges_nothing(value: str) -> None:
    assert read(f"y:\n  <<: {value}\n  a: '1'") == {"y": {"a": "1"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "line 2: no YAML: a tab stands where the line is indented; indent by blanks"),
        ("a: b\nc: @x", "line 2: no YAML: no text begins with @; put it in quotes"),
        ("é: 🎉\rc: @x", "line 2: no YAML: no text begins with @; put it in quotes"),
        ("a: [%x]", "line 1: no YAML: no text begins with %; put it in quotes"),
        ("```yaml\na: b\n```", "line 1: no YAML: no text begins with `; put it in quotes, or remove a line of ```"),
        ("a: b\nc: d\0e", "line 2: no YAML: control characters are not allowed; correct the line"),
        ("é: b\nc: d\x1be", "line 2: no YAML: control characters are not allowed; correct the line"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, message: str) -> None:
    assert refusal(text) == f"a.yaml: {message}"
