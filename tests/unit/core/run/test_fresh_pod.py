"""A pod that was created only just now is not told of, since most are on their way a moment later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.core.build.watch import SETTLES
from buildandpush.core.build.world import CreatePod, Decision
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import NOW, container, pod, world
from tests.unit.core.scenes import after, reason_of, started

FRESH = replace(pod(phase="Pending", spec_changes={"nodeName": ""}), created_at=NOW)


def look(living: PodObservation, seconds: int = 0) -> Decision:
    return decide(world(started(), pods=(living,), now=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("node", ["", "node1"])
@pytest.mark.parametrize("seconds", [0, 1])
def test_nothing_is_written_of_a_fresh_pod_and_it_is_looked_at_again_soon(node: str, seconds: int) -> None:
    decision = look(replace(FRESH, node=node), seconds)
    assert decision == Decision(started().status, wake_at=NOW + SETTLES)


def test_a_pod_that_does_not_get_on_is_told_of() -> None:
    decision = look(FRESH, 2)
    assert reason_of(decision) == Reason.POD_CREATED
    assert decision.status.run is not None
    assert decision.status.run.builds[0].pod_uid == FRESH.uid


@pytest.mark.parametrize("seconds", [-3, -300])
def test_a_clock_that_is_ahead_holds_nothing_back(seconds: int) -> None:
    """The API server's clock gives the time of the creation, and the operator's says how late it is."""
    assert reason_of(look(FRESH, seconds)) == Reason.POD_CREATED


def test_whatever_happens_to_it_is_told_at_once() -> None:
    running = replace(pod(containerStatuses=[container("kaniko", running={})]), created_at=NOW)
    assert look(running).status.phase == Phase.RUNNING
    unschedulable = replace(FRESH, unschedulable="0/1 nodes are available")
    assert reason_of(look(unschedulable)) == Reason.UNSCHEDULABLE


def test_a_pod_whose_creation_was_told_goes_on_as_before() -> None:
    """A clock that goes back a little takes nothing back."""
    first = started()
    told = after(look(FRESH, 2), first)
    early = decide(world(told, pods=(FRESH,), now=NOW + timedelta(seconds=1)))
    assert early.status == told.status
    assert early.wake_at != NOW + SETTLES, "its login is kept good, too"


def test_a_pod_that_vanishes_before_it_was_told_of_is_made_again() -> None:
    """It never ran, so that costs no attempt."""
    again = decide(world(started(), now=NOW + timedelta(seconds=1)))
    assert [action.name for action in again.actions if isinstance(action, CreatePod)] == [FRESH.name]
