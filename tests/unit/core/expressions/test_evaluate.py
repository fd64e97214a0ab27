"""What expressions come to."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.expressions.evaluate import check_names, evaluate, is_true, list_names, render
from buildandpush.core.expressions.methods import MAX_RESULT
from buildandpush.core.expressions.reader import read_condition, read_text
from buildandpush.core.expressions.tree import ExpressionError, Value
from tests.unit.core.expressions.test_read import TREES

SCOPE: dict[str, Value] = {
    "pipeline": {"sequenceId": 7, "variables": {"tier": "gold", "count": "12", "on": "true", "my-x": "1"}},
    "codebase": {"branch": "feature/login", "commitSha": "c0ffee00" * 5, "tag": None},
    "matrix": {"service": {"name": "web", "ports": [80, 443]}},
    "trigger": None,
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("1.<+pipeline.sequenceId>", "1.7"),
        ('<+<+codebase.branch>.replace("/", "-")>', "feature-login"),
        ("<+codebase.commitSha.substring(0, 7)>", "c0ffee0"),
        ("<+codebase.commitSha.substring(36)>", "ee00"),
        ("<+codebase.branch.toUpperCase().toLowerCase().trim()>", "feature/login"),
        ('<+codebase.branch.split("/")[1]>', "login"),
        ('<+codebase.branch.split("/").get(0)>', "feature"),
        ('<+"a,b,,".split(",").size()>', "2"),
        ('<+"a1b22c".split("[0-9]+")[2]>', "c"),
        ('<+pipeline.variables.tier.concat("-").concat(codebase.branch)>', "gold-feature/login"),
        ('<+pipeline.variables.tier + "-" + pipeline.sequenceId>', "gold-7"),
        ("<+pipeline.sequenceId + 100>", "107"),
        ('<+"a" + true + null + 1.0>', "atruenull1"),
        ("<+pipeline.sequenceId - 8>", "-1"),
        ("<+codebase.branch.length()>", "13"),
        ('<+codebase.branch.indexOf("/")>', "7"),
        ('<+pipeline.variables.get("my-x")>', "1"),
        ('<+pipeline.variables["my-x"]>', "1"),
        ("<+matrix.service.name>:<+matrix.service.ports[1]>", "web:443"),
        ('<+codebase.branch == "main" ? "latest" : "dev">', "dev"),
        ('<+codebase.branch.startsWith("feature/") && true>', "true"),
        ('<+"<+">', "<+"),
        ("<+trigger.branch == null>", "true"),
        ('<+true ? "a" : trigger.x.length()>', "a"),
    ],
)
def test_text_is_rendered(text: str, result: str) -> None:
    assert render(read_text(text), SCOPE) == result


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("true", True),
        ("<+pipeline.sequenceId> > 6", True),
        ("<+pipeline.sequenceId> >= 7.0 && <+pipeline.sequenceId> <= 7", True),
        ('<+pipeline.sequenceId> == "7"', True),
        ("<+pipeline.variables.count> == 12", True),
        ("<+pipeline.variables.count> lt 100", True),
        ('<+pipeline.variables.count> lt "100"', False),  # two texts
        ('<+pipeline.variables.tier> eq "gold"', True),
        ('<+pipeline.variables.tier> ne "gold"', False),
        ("<+pipeline.variables.on>", True),
        ("<+pipeline.variables.on> == true", True),
        ("not <+pipeline.variables.on>", False),
        ('<+codebase.branch> =~ "feature/.*"', True),
        ('<+codebase.branch> =~ "feature"', False),  # the whole text has to match
        ('<+codebase.branch> !~ "main|release/.*"', True),
        ('<+codebase.branch> =^ "feature/"', True),
        ('<+codebase.branch> !^ "feature/"', False),
        ('<+codebase.branch> =$ "login"', True),
        ('<+codebase.branch> !$ "login"', False),
        ("<+codebase.tag> == null", True),
        ('<+trigger.branch> == "main"', False),
        ("<+trigger.branch> != null && <+trigger.branch>.length() > 2", False),
        ("true || <+codebase.tag>.length() > 2", True),
        ('"7" == 7 and "7.0" == 7 and "x" != 7 and "" != 0', True),
        ("1 == true", False),
        ('"ab" != "b"', True),
        ('"b" != "b"', False),
        ("true != false", True),
        ('"true" != false and "false" == false and false == "false"', True),
        ('"false" != false', False),
        ('"false" == true or "falsch" == false or "FALSE" == false', False),
        ('not "false"', True),
        ('"-7" == -7 and -7 == "-7" and " 7.50 " == 7.5', True),
        ('"7.5.0" == 7.5 or "7-" == 7 or "--7" == 7 or "-" == 0 or "." == 0 or "٧" == 7', False),
        ("<+codebase.tag> == 7 or <+codebase.tag> == false", False),
        ('"2" lt 10', True),
        ('"b" gt "a"', True),
    ],
)
def test_condition_is_met(text: str, met: bool) -> None:
    assert is_true(read_condition(text), SCOPE) is met


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "<+pipeline.nope>",
            "<+pipeline.nope> is unknown here; known are pipeline.sequenceId, pipeline.v",
        ),
        ("<+nope>", "trigger.*"),
        ("<+codebase.tag>", "<+codebase.tag> has no value here (null)"),
        ("<+trigger.payload.commits>", "has no value here"),
        ("<+pipeline>", "is a map and no text; pick a part"),
        ("<+matrix.service.ports>", "is a list of 2"),
        ("<+matrix.service.ports[2]>", "item 2 is out of range: the list has 2"),
        ("<+matrix.service.ports[true]>", "has no 'True'"),
        ("<+codebase.branch.substring(5, 99)>", "substring(5, 99) of 'feature/login' is out of range"),
        ('<+codebase.branch.substring("a")>', "substring takes a number and not 'a'"),
        ("<+codebase.branch.replace('a')>", "replace takes 2 values and not 1"),
        ("<+codebase.branch.trim(1)>", "trim takes 0 values and not 1"),
        ("<+codebase.branch.explode()>", "'explode' is no method of a text; use one of substring"),
        ("<+pipeline.sequenceId.length()>", "is no method of a number; only texts and lists"),
        ("<+codebase.tag.length()>", "is no method of a null"),
        ("<+!codebase.branch>", "'feature/login' is no condition but a value"),
        ('<+"a" - 1>', "subtracts no two numbers"),
        ("<+1 lt true>", "1 < true: it compares two numbers or two texts alone"),
        ("<+false lt true>", "false < true: it compares two numbers or two texts alone"),
        ('<+1 lt "x">', "1 < 'x': it compares two numbers or two texts alone"),
        ("<+pipeline gt matrix>", "a map > a map: it compares two numbers or two texts alone"),
        ('<+pipeline + "a">', "a map stands at +, which takes texts"),
        ('<+"a" + matrix.service.ports>', "a list of 2 stands at +, which takes texts"),
        ('<+"a" =~ pipeline>', "a map stands at =~, which takes texts"),
        ('<+1 - "a">', "1 - 'a' subtracts no two numbers"),
        ('<+"a" =~ "(?=b)">', "'(?=b)' is no pattern"),
        ('<+"a" =~ "(a">', "is no pattern: missing )"),
        ('<+pipeline =~ "a">', "a map stands at =~, which takes texts"),
        ('<+"x".replace("", pipeline.variables.tier).explode()>', "no method"),
    ],
)
def test_what_has_no_value_is_told(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(read_text(text), SCOPE)
    assert words in str(caught.value)


def test_null_stands_for_what_has_no_value_where_the_caller_says_so() -> None:
    assert render(read_text("on <+trigger.branch>"), SCOPE, null="null") == "on null"


def test_unknown_names_are_found_where_no_value_is_asked_for() -> None:
    node = read_condition("true || <+pipeline.nope> == 1")
    assert is_true(node, SCOPE)
    with pytest.raises(ExpressionError, match="pipeline.nope"):
        check_names(node, SCOPE)


def test_no_expression_makes_a_text_without_bounds() -> None:
    doubled = '"' + "x" * 100 + '"' + '.replace("x", "xxxxxxxxxx")' * 20
    with pytest.raises(ExpressionError, match=f"{MAX_RESULT} are allowed"):
        render(read_text(f"<+{doubled}>"), SCOPE)


def test_a_text_is_as_long_as_the_bound_and_no_longer() -> None:
    scope: dict[str, Value] = {"half": "x" * (MAX_RESULT // 2), "rest": "y" * (MAX_RESULT - MAX_RESULT // 2)}
    assert render(read_text("<+half + rest>"), scope) == f"{scope['half']}{scope['rest']}"
    with pytest.raises(ExpressionError, match=rf"\+ makes a text of {MAX_RESULT + 1} characters; {MAX_RESULT} are"):
        render(read_text('<+half + rest + "z">'), scope)


def test_known_names_are_listed() -> None:
    assert list_names({"a": {"b": 1, "c": {}, "e": None}, "d": None}) == ["a.b", "a.c", "a.e", "d.*"]


@given(TREES, st.sampled_from([SCOPE, {"a": "x", "pipeline": {"a": [1]}, "x_1": None}]))
def test_any_expression_has_a_value_or_is_refused(node: Any, scope: dict[str, Value]) -> None:
    with contextlib.suppress(ExpressionError):
        evaluate(node, scope)


@pytest.mark.parametrize("use", ['{} =~ "a*"', '{}.split("b").length() > 1'])
def test_a_pattern_is_not_tried_on_a_long_text(use: str) -> None:
    """The time that a pattern takes grows with the text, and replace makes long ones."""
    condition = use.format(f'"{"x" * 100}".replace("x", "{"a" * 100}")')
    with pytest.raises(ExpressionError, match="10000 characters; patterns take 8192"):
        is_true(read_condition(condition), {})
