"""Which changes of a status only follow builds on their way, and which say more."""

from collections.abc import Callable
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, Condition, RunStatus, SourceStatus
from buildandpush.core.run.underway import tells_only_progress
from tests.unit.core.factories import NOW
from tests.unit.core.scenes import started

Change = Callable[[BuildAndPushACRStatus], BuildAndPushACRStatus]


def building(status: BuildAndPushACRStatus, **changes: Any) -> BuildAndPushACRStatus:
    """kaniko builds in the pod of the only build."""
    run = run_of(status)
    told = {"phase": Phase.RUNNING, "reason": Reason.BUILDING, "message": "It builds.", "pod_uid": "u", **changes}
    builds = [run.builds[0].model_copy(update=told)]
    summary = [set_reason(item, Reason.BUILDING) for item in status.conditions]
    changed = run.model_copy(update={"builds": builds, "source": SourceStatus(commit="c" * 40)})
    return status.model_copy(update={"phase": Phase.RUNNING, "run": changed, "conditions": summary})


def run_of(status: BuildAndPushACRStatus) -> RunStatus:
    assert status.run is not None
    return status.run


def set_reason(item: Condition, reason: Reason) -> Condition:
    if item.type == ConditionType.SPEC_VALID:
        return item
    return item.model_copy(update={"reason": reason, "message": "It builds."})


def with_run(status: BuildAndPushACRStatus, **changes: Any) -> BuildAndPushACRStatus:
    return status.model_copy(update={"run": run_of(status).model_copy(update=changes)})


def with_condition(status: BuildAndPushACRStatus, kind: ConditionType) -> BuildAndPushACRStatus:
    item = Condition(
        type=kind, status="False", observed_generation=1, last_transition_time=NOW, reason="Some", message="Some."
    )
    return status.model_copy(update={"conditions": [*status.conditions, item]})


def test_that_kaniko_builds_is_progress() -> None:
    before = started().status
    assert tells_only_progress(before, building(before))


def test_that_the_source_was_fetched_is_progress() -> None:
    before = started().status
    assert tells_only_progress(before, with_condition(building(before), ConditionType.SOURCE_READY))


def test_that_a_pod_was_made_is_progress_and_so_is_what_follows() -> None:
    before = started().status
    made = building(before, reason=Reason.POD_CREATED, phase=Phase.PENDING)
    assert tells_only_progress(before, made)
    assert tells_only_progress(made, building(made))


MORE: dict[str, Change] = {
    "a trouble of the pod": lambda status: building(status, reason=Reason.UNSCHEDULABLE),
    "another attempt": lambda status: building(status, attempt=2),
    "the end of the run": lambda status: with_run(building(status), finished_at=NOW),
    "another run": lambda status: with_run(building(status), number=9),
    "what a pod is made from": lambda status: with_run(building(status), spec_hash="v2:other"),
    "a wish to end": lambda status: with_run(building(status), stopping_at=NOW),
    "another generation": lambda status: building(status).model_copy(update={"observed_generation": 7}),
    "that the CRD is old": lambda status: with_condition(building(status), ConditionType.CRD_CURRENT),
    "no run": lambda status: status.model_copy(update={"run": None}),
    "one more build": lambda status: with_run(status, builds=2 * run_of(building(status)).builds),
}


@pytest.mark.parametrize("what", MORE)
def test_more_than_progress_is(what: str) -> None:
    before = started().status
    assert not tells_only_progress(before, MORE[what](before))


def test_that_a_trouble_is_over_is_more_than_progress() -> None:
    """Else the status asks somebody for help that is not needed any more."""
    before = building(started().status, reason=Reason.UNSCHEDULABLE)
    assert not tells_only_progress(before, building(before))


def test_a_first_run_is_more_than_progress() -> None:
    after = started().status
    assert not tells_only_progress(BuildAndPushACRStatus(), after)
