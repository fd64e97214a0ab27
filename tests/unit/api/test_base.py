"""The base of the models: names outside and inside, rules, and the paths' rules."""

from datetime import UTC, datetime, timedelta, timezone

from buildandpush.api.base import ApiModel, cel, rules
from buildandpush.api.status import BuildAndPushACRStatus, Condition, Time


class Sample(ApiModel):
    snake_case: int | None = None
    at: Time | None = None


def test_fields_are_camel_case_outside_and_read_either_way() -> None:
    assert Sample(snake_case=1).to_dict() == {"snakeCase": 1}
    assert Sample.model_validate({"snakeCase": 1}) == Sample.model_validate({"snake_case": 1})


def test_fields_that_are_none_are_left_out() -> None:
    assert Sample().to_dict() == {}


def test_time_is_written_as_kubernetes_writes_it() -> None:
    assert Sample(at=datetime(2026, 11, 24, 12, 0, 0, 999999, tzinfo=UTC)).to_dict() == {"at": "2026-11-24T12:00:00Z"}


def test_time_of_another_zone_is_the_same_instant() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone(timedelta(hours=5)))
    assert Sample.model_validate(Sample(at=at).to_dict()).at == at


def test_time_written_and_read_is_the_same() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
    assert Sample.model_validate(Sample(at=at).to_dict()).at == at


def test_rule_leaves_out_what_it_was_not_given() -> None:
    assert cel("a") == {"rule": "a"}
    assert cel("a", message="b", expression="c") == {"rule": "a", "message": "b", "messageExpression": "c"}
    assert cel("a", hides_value=True) == {"rule": "a", "reason": "FieldValueForbidden"}
    assert rules(cel("a"), pattern="x") == {"x-kubernetes-validations": [{"rule": "a"}], "pattern": "x"}


def test_status_of_an_unseen_object_reads_as_not_observed() -> None:
    assert BuildAndPushACRStatus.model_validate({}).observed_generation == -1


def test_status_of_a_newer_operator_stays_readable() -> None:
    """A rollback finds fields, conditions and phases in statuses that its version does not know."""
    condition = Condition(
        type="ConditionOfTomorrow",
        status="True",
        observed_generation=1,
        last_transition_time=datetime(2026, 1, 1, tzinfo=UTC),
        reason="New",
        message="",
    )
    raw = {
        "observedGeneration": 3,
        "fieldOfTomorrow": [1],
        "phase": "PhaseOfTomorrow",
        "conditions": [condition.to_dict()],
    }
    read = BuildAndPushACRStatus.model_validate(raw)
    assert read.observed_generation == 3
    assert read.conditions[0].type == "ConditionOfTomorrow"
