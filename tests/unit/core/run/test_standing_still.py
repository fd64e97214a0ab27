"""A pod that stands still is told in the kubelet's words, and given up where that is hopeless."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import AskLivePod, AskLog, AskPodEvents
from buildandpush.core.build.world import CreatePod, Decision, DeletePod, Resource
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import PodEvent
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import NOW, container, pod, pod_name, spec, world
from tests.unit.core.scenes import after, reason_of, started

SANDBOX = PodEvent(True, "FailedCreatePodSandBox", "plugin failed: no IPs", NOW)
MOUNT = PodEvent(True, "FailedMount", "driver csi.example.com not found", NOW)
EVENTS = AskPodEvents(pod_name(), "pod-1")
STANDS = replace(pod(phase="Pending", startTime="2026-11-24T12:00:00Z"), created_at=NOW)


def look(of: Resource, seconds: int, *events: PodEvent, living: PodObservation = STANDS, **answers: Any) -> Decision:
    """A decision so long after the kubelet took the pod."""
    now = NOW + timedelta(seconds=seconds)
    return decide(world(of, pods=(living,), answers={EVENTS: events, **answers.pop("more", {})}, now=now))


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_events_are_not_read_before_a_pod_has_stood_still_for_a_minute() -> None:
    early = decide(world(started(), pods=(STANDS,), now=at(59)))
    assert early.questions == frozenset()
    assert reason_of(early) == Reason.POD_CREATED
    assert early.wake_at == at(60)
    assert decide(world(started(), pods=(STANDS,), now=at(60))).questions == {EVENTS}


@pytest.mark.parametrize("event", [SANDBOX, MOUNT])
def test_the_kubelets_words_stand_in_the_status_and_are_looked_at_each_minute(event: PodEvent) -> None:
    first = started()
    told = look(first, 60, event)
    assert (told.status.phase, reason_of(told)) == (Phase.PENDING, Reason.POD_NOT_STARTED)
    assert event.message in told.status.conditions[0].message
    assert told.wake_at == at(120)
    again = look(after(told, first), 120, event)
    assert again.status == told.status
    assert again.wake_at == at(180)


def test_a_pod_that_starts_after_all_is_told_so() -> None:
    first = started()
    told = after(look(first, 60, MOUNT), first)
    assert reason_of(look(told, 120, PodEvent(False, "Pulling", "image", at(110)), MOUNT)) == Reason.POD_CREATED


def test_a_sandbox_that_cannot_be_made_ends_the_attempt_after_the_start_timeout() -> None:
    waits = look(started(), 299, SANDBOX)
    assert waits.wake_at == at(300)
    assert waits.actions == ()
    ended = look(started(), 300, SANDBOX)
    assert DeletePod(pod_name(), "pod-1") in ended.actions
    assert reason_of(ended) == Reason.RETRYING
    assert ended.status.run is not None
    assert ended.status.run.builds[0].attempt == 2
    assert SANDBOX.message in (ended.status.run.builds[0].message or "")


def test_the_last_attempt_fails_with_the_kubelets_words() -> None:
    ended = look(started(spec(retries=0)), 300, SANDBOX)
    assert (ended.status.phase, reason_of(ended)) == (Phase.FAILED, Reason.POD_NOT_STARTED)
    assert SANDBOX.message in ended.status.conditions[0].message


def test_a_volume_that_another_pod_uses_is_waited_for() -> None:
    waits = look(started(), 1800, MOUNT)
    assert reason_of(waits) == Reason.POD_NOT_STARTED
    assert waits.actions == ()


def test_a_pod_that_no_kubelet_takes_is_given_up() -> None:
    """Its node may have gone without anybody's word."""
    nobodys = replace(pod(phase="Pending"), created_at=NOW)
    assert "node1" in look(started(), 60, living=nobodys).status.conditions[0].message
    ended = look(started(), 300, living=nobodys)
    assert DeletePod(pod_name(), "pod-1") in ended.actions


def test_a_cache_that_lags_behind_costs_no_attempt() -> None:
    """The live pod runs by now."""
    runs = replace(STANDS, source=replace(STANDS.source, state="running"), phase="Running")
    decision = look(started(), 300, SANDBOX, more={AskLivePod(pod_name()): runs})
    assert decision.status.run is not None
    assert decision.status.run.builds[0].attempt == 1
    assert not [action for action in decision.actions if isinstance(action, DeletePod | CreatePod)]


def test_what_the_pod_itself_says_needs_no_events() -> None:
    pulls = container("source", waiting={"reason": "ImagePullBackOff", "message": "not found"})
    stuck = replace(pod(phase="Pending", startTime="2026-11-24T12:00:00Z", initContainerStatuses=[pulls]))
    decision = decide(world(started(), pods=(stuck,), now=at(120)))
    assert reason_of(decision) == Reason.IMAGE_PULL_FAILED
    assert decision.wake_at == at(300)


@pytest.mark.parametrize(("events", "words"), [((MOUNT,), MOUNT.message), ((), "did not say why")])
def test_a_pod_whose_time_ran_out_before_it_started_took_too_long_for_nobody(
    events: tuple[PodEvent, ...], words: str
) -> None:
    """To raise the timeout would not help."""
    over = replace(STANDS, phase="Failed", reason="DeadlineExceeded")
    log = {AskLog(pod_name(), "source"): ""}
    ended = look(started(spec(retries=0)), 3601, *events, living=over, more=log)
    assert reason_of(ended) == Reason.POD_NOT_STARTED
    assert words in ended.status.conditions[0].message
    assert "timeout" not in ended.status.conditions[0].message
    again = look(started(), 3601, *events, living=over, more=log)
    assert reason_of(again) == Reason.RETRYING
