"""A status that cannot be read is told, starts nothing, and is told no more once it can be read."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.build.world import Announce, Decision, Resource
from buildandpush.core.run.decide import decide
from buildandpush.core.run.unreadable import read_status
from tests.unit.core.factories import running_pod, world
from tests.unit.core.kstatus import judge
from tests.unit.core.scenes import conditions, reason_of, seen, succeeded


def stored(of: Resource) -> dict[str, Any]:
    """The status as the API server holds it."""
    return copy.deepcopy(of.status.to_dict())


def without(field: str, of: Resource) -> dict[str, Any]:
    """That status without one of its fields."""
    raw = stored(of)
    *path, last = field.split(".")
    part: Any = raw
    for name in path:
        part = part[int(name)] if name.isdigit() else part[name]
    del part[last]
    return raw


def with_raw(of: Resource, raw: dict[str, Any]) -> Resource:
    """The resource as it is read from that status."""
    status, unreadable = read_status(raw)
    return replace(of, status=status, unreadable=unreadable)


REQUIRED = [
    "run.number",
    "run.specHash",
    "run.generation",
    "run.trigger",
    "run.startedAt",
    "run.effective",
    "run.effective.timeoutSeconds",
    "run.builds",
    "run.builds.0.podName",
    "run.builds.0.phase",
    "history.0.startedAt",
]


def _with_run(**changes: Any) -> dict[str, Any]:
    return {"run": {**stored(succeeded())["run"], **changes}}


def _with_build(**changes: Any) -> dict[str, Any]:
    return _with_run(builds=[{**stored(succeeded())["run"]["builds"][0], **changes}])


def _with_condition(**changes: Any) -> dict[str, Any]:
    return {"conditions": [{**stored(succeeded())["conditions"][0], **changes}]}


NO_YEAR = "the year is not between 1900 and 8999"
NO_TIME = "it is no time such as 2026-01-31T08:00:00Z"
EDITED: list[tuple[str, dict[str, Any]]] = [
    ("status.run.builds: it is empty", _with_run(builds=[])),
    ("status.run.builds: it is no list", _with_run(builds="web")),
    ("status.run.builds.0.key: 'first' is no number", _with_build(key="first")),
    ("status.run.builds.0.attempt: it is no whole number", _with_build(attempt="one")),
    ("status.run.builds.0.podName: it is no text", _with_build(podName=7)),
    (f"status.run.startedAt: {NO_TIME}", _with_run(startedAt="yesterday")),
    (f"status.run.startedAt: {NO_TIME}", _with_run(startedAt=[])),
    # Times that nothing can be added to, or that have no place in UTC.
    (f"status.run.finishedAt: {NO_YEAR}", _with_run(finishedAt="9999-12-31T23:59:59Z")),
    (f"status.run.startedAt: {NO_YEAR}", _with_run(startedAt="0001-01-01T00:00:00+14:00")),
    ("status.run: it is no object", {"run": "gone"}),
    ("status.conditions.0.status: it should be 'True', 'False' or 'Unknown'", _with_condition(status="Maybe")),
    ("status.conditions.0.reason: it should have at most 64 characters", _with_condition(reason="R" * 65)),
    ("status.observedGeneration: it is no whole number", {"observedGeneration": "two"}),
]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_pruned_field_is_named_with_what_helps(field: str) -> None:
    of = with_raw(succeeded(), without(field, succeeded()))
    decision = decide(world(of))
    assert reason_of(decision) == Reason.STATUS_UNREADABLE
    message = decision.status.conditions[0].message
    assert f"(status.{field}: it is missing)" in message
    assert "kubectl edit buildandpushacr web -n shop --subresource=status" in message
    assert "kubectl patch buildandpushacr web -n shop --subresource=status" in message
    assert [type(action) for action in decision.actions] == [Announce]


@pytest.mark.parametrize(("told", "changes"), EDITED, ids=[told for told, _ in EDITED])
def test_what_somebody_wrote_by_hand_is_named_in_plain_words(told: str, changes: dict[str, Any]) -> None:
    of = with_raw(succeeded(), {**stored(succeeded()), **changes})
    decision = decide(world(of))
    assert reason_of(decision) == Reason.STATUS_UNREADABLE
    assert f"({told})" in decision.status.conditions[0].message


def test_nothing_is_done_for_such_a_resource_whatever_is_asked() -> None:
    of = with_raw(seen(), without("run.specHash", seen()))
    asked = replace(of, generation=7, rebuild="now", cancel="1")
    told = decide(world(asked, pods=(running_pod(),)))
    assert [type(action) for action in told.actions] == [Announce]
    again = replace(asked, status=told.status)
    assert decide(world(again, pods=(running_pod(),))) == Decision(told.status)


def test_everybody_sees_that_it_needs_somebody() -> None:
    of = with_raw(succeeded(), without("run.number", succeeded()))
    told = decide(world(of)).status
    seen_by = {"metadata": {"generation": 1}, "status": told.to_dict()}
    assert judge(seen_by) == "Failed"
    values = {item.type: item.status for item in told.conditions}
    assert (values["Ready"], values["Stalled"], values["Succeeded"]) == ("False", "True", "True")


@pytest.mark.parametrize("of", [seen(), succeeded()], ids=["on its way", "ended"])
def test_a_status_that_was_corrected_tells_what_it_told_before(of: Resource) -> None:
    told = decide(world(with_raw(of, without("run.number", of)))).status
    corrected = {**stored(of), "conditions": told.to_dict()["conditions"]}
    again = decide(world(with_raw(of, corrected), pods=(running_pod(),) if of.status.digest is None else ()))
    assert again.status == of.status


def test_a_status_that_was_emptied_begins_anew() -> None:
    fresh = decide(world(with_raw(succeeded(), {"observedGeneration": -1})))
    assert fresh.status.run is not None
    assert fresh.status.run.number == 1
    assert conditions(fresh)[ConditionType.READY] == "Unknown"


def test_what_a_newer_operator_wrote_can_be_read() -> None:
    raw = {**stored(succeeded()), "novelty": {"a": 1}, "phase": "Dreaming"}
    assert read_status(raw)[1] == ""
