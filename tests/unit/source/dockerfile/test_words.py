"""Variables are expanded as far as the Dockerfile tells them, and a value that nobody knows here stays unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.source.dockerfile.reader import read_dockerfile
from buildandpush.source.dockerfile.stages import Plan, pairs, plan_stages
from buildandpush.source.dockerfile.words import expand

VALUES = {"A": "1", "EMPTY": "", "UNKNOWN": None}


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("a/b", "a/b"),
        ("$A", "1"),
        ("${A}x$A", "1x1"),
        ("$AB", ""),
        ("$A.b", "1.b"),
        ("$", "$"),
        ("a$", "a$"),
        ("$/", "$/"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${NONE:-${A}/x}", "1/x"),
        ("${A:+y}", "y"),
        ("${EMPTY:+y}", ""),
        ("${EMPTY+y}", "y"),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        ("\\$A", "$A"),
        ('"\\$A\\n"', "$A\\n"),
        ("a\\ b", "a b"),
        ("$UNKNOWN", None),
        ("x${UNKNOWN:-d}", None),
        ("${A#1}", None),
        ("${A", None),
        ("${}", None),
        ("${A:?no}", None),
    ],
)
def test_a_word(word: str, found: str | None) -> None:
    assert expand(word, VALUES, closed=True) == found


def test_a_base_image_may_have_variables_that_nobody_knows_here() -> None:
    assert expand("$NONE", VALUES, closed=False) is None
    assert expand("${NONE:-d}", VALUES, closed=False) is None
    assert expand("$A", VALUES, closed=False) == "1"


@pytest.mark.parametrize("word", ["${A:-" * 5000 + "x" + "}" * 5000, "$A" * 50_000, "${" * 20_000])
def test_a_word_made_to_take_long_ends(word: str) -> None:
    assert expand(word, {"A": "1" * 100}, closed=True) in (None, "1" * 100)


@given(st.text("$A{}:-+'\"\\ x", max_size=40), st.booleans())
def test_any_word_is_read(word: str, closed: bool) -> None:
    found = expand(word, VALUES, closed=closed)
    assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1 B=2", [("A", "1"), ("B", "2")]),
        ('A="1 2" B=3\\ 4', [("A", '"1 2"'), ("B", "3\\ 4")]),
        ("A one two", [("A", "one two")]),
        ("A='x=y' B=", [("A", "'x=y'"), ("B", "")]),
        ("", []),
    ],
)
def test_pairs_of_env_and_label(text: str, found: list[tuple[str, str]]) -> None:
    assert pairs(text) == found


def planned(text: str, target: str = "", **arguments: str | None) -> Plan:
    """The stages of a text, on linux/amd64."""
    return plan_stages(read_dockerfile(text), arguments=arguments, platform={"TARGETARCH": "amd64"}, target=target)


def value_at_end(text: str, word: str, **arguments: str | None) -> str | None:
    """What a word is at the last line of the last stage."""
    plan = planned(f"{text}\nSTOPSIGNAL x", **arguments)
    return [scope.expand(word) for _, scope in plan.walk(plan.stages[-1])][-1]


@pytest.mark.parametrize(
    ("text", "arguments", "found"),
    [
        ("FROM scratch\nARG A=1", {}, "1"),
        ("FROM scratch\nARG A=1", {"A": "2"}, "2"),
        ("FROM scratch\nARG A=1", {"A": None}, None),
        ("FROM scratch\nARG A", {"A": "2"}, "2"),
        ("FROM scratch\nARG A", {}, ""),
        ("FROM scratch", {"A": "2"}, ""),
        ("FROM image", {"A": "2"}, None),
        ("FROM image\nARG A", {}, None),
        ("ARG A=1\nFROM scratch\nARG A", {}, "1"),
        ("ARG A=1\nFROM scratch", {}, ""),
        ("ARG A=1\nFROM scratch\nARG A=2", {}, "2"),
        ("FROM scratch\nENV A=1\nENV A=$A/2", {}, "1/2"),
        ("FROM scratch\nENV A=1\nENV A=2 B=$A\nENV A=$B", {}, "1"),
        ("FROM scratch\nARG B=1\nARG A=x$B", {}, "x1"),
        ("FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH", {}, "amd64"),
        ("FROM scratch AS one\nENV A=1\nFROM one", {}, "1"),
        ("FROM scratch AS one\nENV A=1\nFROM scratch", {}, ""),
        ("FROM scratch AS one\nONBUILD ENV A=1\nFROM one", {}, "1"),
    ],
)
def test_what_a_variable_is(text: str, arguments: dict[str, str | None], found: str | None) -> None:
    assert value_at_end(text, "$A", **arguments) == found


@pytest.mark.parametrize(
    ("text", "target", "needed"),
    [
        ("FROM a\nFROM b\nFROM c", "", [2]),
        ("FROM a AS x\nFROM b\nFROM x", "", [0, 2]),
        ("FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=Y / /", "", [1, 2]),
        ("FROM a\nFROM b\nFROM c\nCOPY --from=0 / /", "", [0, 2]),
        ("FROM a AS x\nFROM x AS y\nFROM y\nFROM d", "y", [0, 1]),
        ("FROM a AS x\nFROM x AS y", "X", [0]),
        ("FROM a AS x\nFROM b", "nowhere", [0, 1]),
        ("FROM a AS x\nONBUILD COPY --from=y / /\nFROM b AS y\nFROM x", "", [0, 1, 2]),
        ("ARG B=x\nFROM a AS x\nFROM $B", "", [0, 1]),
    ],
)
def test_only_what_the_target_hangs_on_is_built(text: str, target: str, needed: list[int]) -> None:
    assert [stage.index for stage in planned(text, target).stages if stage.needed] == needed
