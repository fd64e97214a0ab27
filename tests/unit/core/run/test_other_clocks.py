"""A node's clock and the API server's may be hours behind the operator's. No build ends before its time for that."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import Answer, AskPodEvents, Question
from buildandpush.core.build.world import Announce, Decision, DeletePod
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import PodEvent
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import NOW, container, pod, pod_name, running_pod, world
from tests.unit.core.scenes import PROOF, reason_of, started

HOURS = timedelta(hours=3)
BEHIND = NOW - HOURS
STANDS = replace(pod(phase="Pending"), created_at=BEHIND, started_at=BEHIND)
PULLS = pod(
    phase="Pending",
    startTime=f"{BEHIND:%Y-%m-%dT%H:%M:%SZ}",
    initContainerStatuses=[container("source", waiting={"reason": "ErrImagePull", "message": "connection reset"})],
)
NO_NODE = replace(pod(phase="Pending", spec_changes={"nodeName": ""}), created_at=BEHIND)
EVENTS: dict[Question, Answer] = {
    AskPodEvents(pod_name(), "pod-1"): (PodEvent(True, "FailedCreatePodSandBox", "no IPs", NOW),)
}


@pytest.mark.parametrize(
    ("living", "seconds", "reason"),
    [
        pytest.param(replace(running_pod(), started_at=BEHIND), 3600 + 120, Reason.TIMED_OUT, id="runs"),
        pytest.param(PULLS, 300, Reason.IMAGE_PULL_FAILED, id="pulls its image"),
        pytest.param(NO_NODE, 3600, Reason.UNSCHEDULABLE, id="waits for a node"),
        pytest.param(STANDS, 300, Reason.POD_NOT_STARTED, id="stands still"),
    ],
)
def test_a_pod_has_all_its_time_by_the_operators_clock(living: PodObservation, seconds: int, reason: Reason) -> None:
    def look(at: datetime) -> Decision:
        return decide(world(started(), pods=(living,), answers={**EVENTS, PROOF: None}, now=at))

    removal, end = DeletePod(living.name, living.uid), NOW + timedelta(seconds=seconds)
    assert removal not in look(end - timedelta(seconds=1)).actions
    given_up = look(end)
    assert removal in given_up.actions
    assert reason in (reason_of(given_up), *(item.reason for item in given_up.actions if isinstance(item, Announce)))


def test_a_clock_that_went_back_gives_a_pod_no_more_time() -> None:
    """The time of the run's start is of no use then."""
    later = NOW - timedelta(hours=5)
    living = replace(PULLS, started_at=later - timedelta(seconds=300))
    decision = decide(world(started(), pods=(living,), now=later))
    assert DeletePod(living.name, living.uid) in decision.actions
