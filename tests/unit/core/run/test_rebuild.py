"""Which values of the rebuild annotation a status calls complete: whoever waits for one gets its own run's end."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.core.build.questions import AskLivePod, AskLog, AskReadBack
from buildandpush.core.build.world import Resource
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import DIGEST, ended_pod, pod_name, resource, running_pod, spec, world
from tests.unit.core.scenes import VERIFIED, after, seen, succeeded

NEVER = {"stageStatus": "Failure"}


def decided(of: Resource, **surroundings: Any) -> Resource:
    """The resource after one decision."""
    return after(decide(world(of, **surroundings)), of)


def asked(of: Resource, value: str = "v1", **changes: Any) -> Resource:
    """The resource with this value in its annotation, and with a changed spec where changes are given."""
    newer = replace(of, generation=of.generation + 1, spec=spec(**changes)) if changes else of
    return replace(newer, rebuild=value)


def completed(of: Resource) -> str | None:
    return of.status.completed_rebuild


def end(of: Resource, run: int, code: int = 0) -> Resource:
    """The run's pod has run and ended."""
    running = decided(of, pods=(running_pod(run),))
    read_back = AskReadBack("contoso.azurecr.io/shop/web", ("latest",), DIGEST, "acr")
    answers = {read_back: VERIFIED, AskLog(pod_name(run), "kaniko"): "it broke"}
    return decided(running, pods=(ended_pod(code, DIGEST, run=run),), answers=answers)


@pytest.mark.parametrize("code", [0, 1])
def test_a_value_is_complete_once_its_run_has_ended_well_or_badly(code: int) -> None:
    started = decided(asked(succeeded()))
    assert started.status.run is not None
    assert (started.status.run.number, started.status.run.rebuild, completed(started)) == (2, "v1", None)
    running = decided(started, pods=(running_pod(2),))
    assert completed(running) is None
    ended = end(running, 2, code)
    assert ended.status.run is not None
    assert ended.status.run.finished_at is not None
    assert completed(ended) == "v1"


def test_a_value_that_came_during_a_run_is_complete_with_the_next() -> None:
    first = end(asked(seen()), 1)
    assert completed(first) is None
    second = decided(first)
    assert completed(second) is None
    assert completed(end(second, 2)) == "v1"


def test_another_runs_end_leaves_the_value_of_the_last_request() -> None:
    done = end(decided(asked(succeeded())), 2)
    third = decided(asked(done, "v1", target="x"))
    assert third.status.run is not None
    assert (third.status.run.number, third.status.run.rebuild) == (3, None)
    assert completed(third) == "v1"
    assert completed(end(third, 3)) == "v1"


def test_a_run_that_gave_way_hands_its_request_on() -> None:
    running = decided(decided(asked(succeeded())), pods=(running_pod(2),))
    changed = asked(running, "v1", target="x")
    gone = {AskLivePod(pod_name(2)): None}
    superseded = decided(changed, answers=gone)
    assert superseded.status.phase == "Superseded"
    assert completed(superseded) is None
    third = decided(superseded)
    assert third.status.run is not None
    assert (third.status.run.number, third.status.run.rebuild) == (3, "v1")
    assert completed(end(third, 3)) == "v1"


def test_a_request_that_when_lets_pass_is_complete_at_once() -> None:
    assert completed(decided(asked(succeeded(), "v1", when=NEVER))) == "v1"


def test_a_request_that_was_handed_on_and_passed_is_not_told_again_over_a_newer_one() -> None:
    running = decided(decided(asked(succeeded())), pods=(running_pod(2),))
    changed = asked(running, "v1", target="x", when=NEVER)
    passed = decided(decided(changed, answers={AskLivePod(pod_name(2)): None}))
    assert completed(passed) == "v1"
    newer = decided(replace(passed, rebuild="v2"))
    assert completed(newer) == "v2"
    assert completed(decided(newer)) == "v2"


def test_nobody_waits_for_a_spec_that_cannot_be_used_and_its_correction_builds() -> None:
    refused = decided(asked(succeeded(), "v1", timeout="never"))
    assert completed(refused) == "v1"
    assert refused.status.handled_rebuilds == []
    assert {item.type: item.status for item in refused.status.conditions}["Ready"] == "False"
    corrected = decided(asked(refused, "v1", timeout="1h"))
    assert corrected.status.run is not None
    assert (corrected.status.run.number, corrected.status.run.trigger) == (2, "Rebuild")
    assert completed(corrected) is None, "the wait for the same value begins anew"
    assert completed(end(corrected, 2)) == "v1"


def test_nobody_waits_for_a_run_that_is_stuck_and_it_is_complete_once_it_went_on() -> None:
    started = decided(asked(succeeded()))
    stuck = decided(asked(started, "v1", timeout="never"))
    assert completed(stuck) == "v1"
    goes_on = decided(asked(stuck, "v1", timeout="1h"))
    assert goes_on.status.run is not None
    assert (goes_on.status.run.number, completed(goes_on)) == (2, None)
    assert completed(end(goes_on, 2)) == "v1"


def test_nobody_waits_for_a_request_that_was_handed_on_to_a_spec_that_cannot_be_used() -> None:
    running = decided(decided(asked(succeeded())), pods=(running_pod(2),))
    superseded = decided(asked(running, "v1", target="x"), answers={AskLivePod(pod_name(2)): None})
    refused = decided(asked(superseded, "v1", target="x", timeout="never"))
    assert completed(refused) == "v1"
    third = decided(asked(refused, "v1", target="x", timeout="1h"))
    assert completed(third) is None
    assert completed(end(third, 3)) == "v1"


def test_a_resource_that_nobody_asked_to_rebuild_names_no_value() -> None:
    assert completed(succeeded()) is None
    assert completed(decided(resource(spec(timeout="never")))) is None


def test_a_run_whose_pod_is_there_after_all_goes_on_and_its_value_is_complete_later() -> None:
    """The cache did not know of the pod when the spec turned invalid, so the run seemed to wait for a correction."""
    run = decided(asked(succeeded()))
    stuck = decided(asked(run, tags=[]))
    assert completed(stuck) == "v1"
    going = decided(stuck, pods=(running_pod(2),))
    assert completed(going) is None
    assert completed(end(going, 2)) == "v1"
