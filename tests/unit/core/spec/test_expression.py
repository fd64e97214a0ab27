"""The conditions of `when`: what they mean, and where a mistake is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.expression import evaluate

VARIABLES = {"<+pipeline.sequenceId>": 3.0}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("true", True),
        ("false", False),
        ("!false", True),
        ("!!true", True),
        ("<+pipeline.sequenceId> == 3", True),
        ("<+pipeline.sequenceId> != 3", False),
        ("<+pipeline.sequenceId> > 2.5", True),
        ("3 >= 3 && 3 <= 3", True),
        ("2 < 10", True),
        ('"2" < "10"', False),
        ("'a' == \"a\"", True),
        ('"3" == 3', False),
        ('"3" != 3', True),
        ("true || true && false", True),
        ("(true || true) && false", False),
        ("!true || true", True),
        ("!(1 == 1)", False),
        ("  1==1&&true ", True),
        ("true == (1 == 1)", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, met: bool) -> None:
    assert evaluate(text, VARIABLES) is met


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1", "compare it"),
        ('"x"', "compare it"),
        ("", "a value was expected"),
        ("1 ==", "character 5, before 'the end': a value"),
        ("1 == 1 1", "the end, && or ||"),
        ("(1 == 1", "a closing parenthesis"),
        ("true && 1", "this is a value"),
        ("true || 1", "this is a value"),
        ("1 && true", "this is a value"),
        ("1 < '2'", "two numbers or two texts around <"),
        ("true < false", "two numbers or two texts"),
        ("yes", "true, false, a number"),
        ("<+env.name> == 1", "one of <+pipeline.sequenceId>"),
        ("__import__('os')", "a value"),
        ("1 == 1; 2", "the end"),
        ("(" * 40 + "true" + ")" * 40, "no more than 32 levels"),
        ("!" * 40 + "true", "no more than 32 levels"),
        ("true || (1 <", "a value"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        evaluate(text, VARIABLES)
    assert "when.condition" in str(caught.value)
    assert words in str(caught.value)


@given(st.text(alphabet="()!&|<>= truefals013.'\"+pi", max_size=60))
def test_any_text_is_a_condition_or_a_told_mistake(text: str) -> None:
    with contextlib.suppress(SpecInvalidError):
        assert evaluate(text, VARIABLES) in (True, False)
