"""The conditions of `when`: what they mean, and where a mistake is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.scope import Occasion
from buildandpush.core.spec.strategy import is_met
from tests.unit.core.factories import spec


def met(text: str) -> bool:
    """Whether a condition is met in run 3."""
    return is_met(parse_spec(spec(when={"condition": text})), Occasion(3))


@pytest.mark.parametrize(
    ("text", "result"),
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
        ('"3" == 3', True),  # variables of a pipeline are texts
        ('"3x" != 3', True),
        ("", True),
        ("true || true && false", True),
        ("(true || true) && false", False),
        ("!true || true", True),
        ("!(1 == 1)", False),
        ("  1==1&&true ", True),
        ("true == (1 == 1)", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, result: bool) -> None:
    assert met(text) is result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1", "compare it"),
        ('"x"', "compare it"),
        ("1 ==", "character 5, at the end: a value"),
        ("1 == 1 1", "the end, && or ||"),
        ("(1 == 1", "')' was expected"),
        ("true && 1", "is no condition but a value"),
        ("1 && true", "is no condition but a value"),
        ("1 < 'b'", "two numbers or two texts alone"),
        ("true < false", "two numbers or two texts"),
        ("yes", "<+yes> is unknown here; known are pipeline.sequenceId"),
        ("<+env.name> == 1", "<+env.name> is unknown here; known are pipeline.sequenceId"),
        ("__import__('os')", "the end"),
        ("1 == 1; 2", "a value or a sign"),
        ("(" * 40 + "true" + ")" * 40, "no more than 32 levels"),
        ("!" * 40 + "true", "no more than 32 levels"),
        ("true || (1 <", "a value"),
        ("true || nope", "<+nope> is unknown"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        met(text)
    assert "when.condition" in str(caught.value)
    assert words in str(caught.value)


@given(st.text(alphabet="()!&|<>= truefals013.'\"+pi", max_size=60))
def test_any_text_is_a_condition_or_a_told_mistake(text: str) -> None:
    with contextlib.suppress(SpecInvalidError):
        assert met(text) in (True, False)
