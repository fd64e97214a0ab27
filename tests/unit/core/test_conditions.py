"""Conditions: their times move only on a flip, and the summary follows from the rest."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.meta import ConditionType
from buildandpush.api.status import MAX_MESSAGE, Condition
from buildandpush.core.conditions import ConditionSet, ConditionValue
from tests.unit.core.factories import NOW

LATER = NOW + timedelta(minutes=5)

DERIVED = {ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED}
values: st.SearchStrategy[ConditionValue] = st.sampled_from(["True", "False", "Unknown"])
settings_made = st.lists(st.tuples(st.sampled_from(sorted(set(ConditionType) - DERIVED)), values), max_size=8)


def fresh(*before: Condition, generation: int = 1, later: bool = False) -> ConditionSet:
    """A set to work on."""
    return ConditionSet(before, generation=generation, now=LATER if later else NOW)


def statuses(conditions: list[Condition]) -> dict[str, str]:
    """Condition values by type."""
    return {item.type: item.status for item in conditions}


def test_transition_time_stays_while_the_value_does() -> None:
    first = fresh()
    first.set(ConditionType.BUILT, "Unknown", "A", "one")
    second = fresh(*first.as_list(), later=True)
    second.set(ConditionType.BUILT, "Unknown", "B", "two")
    (built,) = second.as_list()
    assert (built.last_transition_time, built.reason, built.message) == (NOW, "B", "two")


def test_transition_time_moves_when_the_value_flips() -> None:
    first = fresh()
    first.set(ConditionType.BUILT, "Unknown", "A", "")
    second = fresh(*first.as_list(), later=True)
    second.set(ConditionType.BUILT, "True", "A", "")
    assert second.as_list()[0].last_transition_time == LATER


def test_every_condition_is_stamped_with_the_generation() -> None:
    first = fresh(generation=1)
    first.set(ConditionType.BUILT, "True", "A", "")
    second = fresh(*first.as_list(), generation=2)
    second.set(ConditionType.SUCCEEDED, "True", "A", "")
    assert {item.observed_generation for item in second.freeze()} == {2}


@pytest.mark.parametrize(
    ("given_values", "summary"),
    [
        ({}, {"Ready": "Unknown", "Reconciling": "True"}),
        ({ConditionType.SUCCEEDED: "Unknown"}, {"Ready": "Unknown", "Reconciling": "True"}),
        ({ConditionType.SUCCEEDED: "True"}, {"Ready": "True"}),
        ({ConditionType.SUCCEEDED: "False"}, {"Ready": "False", "Stalled": "True"}),
        (
            {ConditionType.SUCCEEDED: "True", ConditionType.SPEC_VALID: "False"},
            {"Ready": "False", "Stalled": "True"},
        ),
        ({ConditionType.SUCCEEDED: "True", ConditionType.VERIFIED: "False"}, {"Ready": "True"}),
    ],
)
def test_summary_follows_from_the_rest(
    given_values: dict[ConditionType, ConditionValue], summary: dict[str, str]
) -> None:
    conditions = fresh()
    for kind, value in given_values.items():
        conditions.set(kind, value, "Because", "told")
    found = statuses(conditions.freeze())
    assert {kind: value for kind, value in found.items() if kind in DERIVED} == summary


def test_summary_tells_the_deciding_conditions_reason() -> None:
    conditions = fresh()
    conditions.set(ConditionType.SUCCEEDED, "False", "RunFailed", "what happened")
    found = {item.type: item for item in conditions.freeze()}
    assert (found["Ready"].reason, found["Ready"].message) == ("RunFailed", "what happened")
    assert found["Stalled"].reason == "RunFailed"


@given(settings_made)
def test_at_most_one_of_ready_reconciling_and_stalled_speaks(
    made: list[tuple[ConditionType, ConditionValue]],
) -> None:
    """kstatus: Current, InProgress or Failed, never two of them."""
    conditions = fresh()
    for kind, value in made:
        conditions.set(kind, value, "R", "")
    found = statuses(conditions.freeze())
    said = [found["Ready"] == "True", found.get("Reconciling") == "True", found.get("Stalled") == "True"]
    assert sum(said) == 1


@given(settings_made)
def test_freezing_twice_is_freezing_once(made: list[tuple[ConditionType, ConditionValue]]) -> None:
    first = fresh()
    for kind, value in made:
        first.set(kind, value, "R", "m")
    frozen = first.freeze()
    again = fresh(*frozen, later=True)
    assert again.freeze() == frozen


@given(settings_made)
def test_order_is_the_same_whatever_was_set_first(made: list[tuple[ConditionType, ConditionValue]]) -> None:
    unique = dict(made)
    one, other = fresh(), fresh()
    for kind, value in unique.items():
        one.set(kind, value, "R", "")
    for kind, value in reversed(unique.items()):
        other.set(kind, value, "R", "")
    assert one.freeze() == other.freeze()


def test_dropped_condition_is_gone() -> None:
    conditions = fresh()
    conditions.set(ConditionType.PUSHED, "True", "R", "")
    conditions.drop(ConditionType.PUSHED, ConditionType.VERIFIED)
    assert conditions.get(ConditionType.PUSHED) is None
    assert conditions.as_list() == []


def test_message_is_cleaned_and_bounded() -> None:
    conditions = fresh()
    conditions.set(ConditionType.BUILT, "False", "R", "\x1b[31m" + "日" * 2000)
    message = conditions.as_list()[0].message
    assert len(message.encode()) <= MAX_MESSAGE
    assert message.startswith("日")


def test_arguments_are_left_as_they_were() -> None:
    first = fresh()
    first.set(ConditionType.BUILT, "True", "R", "")
    before = first.as_list()
    copy = list(before)
    second = fresh(*before, generation=9)
    second.set(ConditionType.BUILT, "False", "S", "")
    second.freeze()
    assert before == copy


def test_condition_of_a_newer_operator_is_kept() -> None:
    """After a rollback the status still holds what the newer version wrote; this one cannot know its order."""
    foreign = Condition(
        type="ConditionOfTomorrow",
        status="True",
        observed_generation=1,
        last_transition_time=NOW,
        reason="New",
        message="",
    )
    conditions = fresh(foreign)
    conditions.set(ConditionType.SUCCEEDED, "True", "R", "")
    assert statuses(conditions.freeze())["Ready"] == "True"
