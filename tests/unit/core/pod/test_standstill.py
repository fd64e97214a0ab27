"""What Events say of a pod that a node has and that does not start."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.pod.standstill import MAX_EVENTS, PodEvent, find_standstill, observe_events, stands_since
from tests.unit.core.factories import NOW, container, pod, running_pod, terminated

SANDBOX = 'Failed to create pod sandbox: rpc error: code = Unknown desc = plugin type="calico" failed (add): no IPs'


def event(reason: str, minutes: int, message: str = "", **more: Any) -> dict[str, Any]:
    """An Event as a kubelet writes it, seen last at so many minutes past noon."""
    at = (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = "Warning" if reason.startswith("Failed") else "Normal"
    return {"type": kind, "reason": reason, "message": message or reason, "lastTimestamp": at, **more}


def standing(**status: Any) -> Any:
    """A pod that a kubelet took at noon."""
    return replace(pod(phase="Pending", startTime="2026-11-24T12:00:00Z", **status), created_at=NOW)


WAITS = {"reason": "ContainerCreating"}
SOURCE_OK = container("source", terminated=terminated(0))

ROWS: list[tuple[str, Any, int | None]] = [
    ("nothing runs", standing(), 0),
    ("containers are being created", standing(initContainerStatuses=[container("source", waiting=WAITS)]), 0),
    ("the source is being fetched", standing(initContainerStatuses=[container("source", running={})]), None),
    ("kaniko runs", running_pod(), None),
    ("the source is there, kaniko not", standing(initContainerStatuses=[SOURCE_OK]), 31),
    ("no node has it", pod(phase="Pending", spec_changes={"nodeName": ""}), None),
    ("it is being deleted", pod(phase="Pending", deleting=True), None),
    ("it has ended", pod(phase="Failed"), None),
    ("no kubelet has taken it", replace(pod(phase="Pending"), created_at=NOW), 0),
]


@pytest.mark.parametrize(("situation", "of", "seconds"), ROWS, ids=[row[0] for row in ROWS])
def test_since_when_a_pod_stands_still(situation: str, of: Any, seconds: int | None) -> None:
    assert stands_since(of) == (None if seconds is None else NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("events", "detail", "hopeless"),
    [
        ([event("FailedCreatePodSandBox", 3, SANDBOX)], f"FailedCreatePodSandBox: {SANDBOX}", True),
        ([event("FailedMount", 3, 'volume "ws": timed out')], 'FailedMount: volume "ws": timed out', False),
        ([event("FailedAttachVolume", 3, "Multi-Attach")], "FailedAttachVolume: Multi-Attach", False),
        # A kubelet says beside each failure that it starts over.
        (
            [event("FailedCreatePodSandBox", 2, SANDBOX), event("SandboxChanged", 3)],
            f"FailedCreatePodSandBox: {SANDBOX}",
            True,
        ),
        ([event("FailedMount", 1), event("FailedCreatePodSandBox", 2, "x")], "FailedCreatePodSandBox: x", True),
        ([event("FailedMount", 2, "x"), event("FailedCreatePodSandBox", 1)], "FailedMount: x", False),
    ],
)
def test_the_newest_warning_says_what_is_in_the_way(events: list[dict[str, Any]], detail: str, hopeless: bool) -> None:
    for order in (events, events[::-1]):
        found = find_standstill(standing(), observe_events(order))
        assert found is not None
        assert (found.detail, found.hopeless) == (detail, hopeless)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("Scheduled", 0)],
        [event("FailedMount", 1), event("Pulling", 2)],
        [event("FailedCreatePodSandBox", 1), event("Created", 2), event("Started", 2)],
    ],
)
def test_a_pod_that_gets_on_is_in_nobodys_way(events: list[dict[str, Any]]) -> None:
    """A large image takes its time."""
    assert find_standstill(standing(), observe_events(events)) is None


def test_a_node_whose_kubelet_takes_no_pod_is_named() -> None:
    found = find_standstill(pod(phase="Pending"), ())
    assert found is not None
    assert "node 'node1'" in found.detail
    assert found.hopeless


SANDBOX_GONE = [{"type": "PodReadyToStartContainers", "status": "False"}]
MADE = {"containerID": "containerd://e5bc12702738"}


@pytest.mark.parametrize(
    "containers",
    [
        {"initContainerStatuses": [{**container("source", waiting={}), **MADE}]},
        {"initContainerStatuses": [SOURCE_OK], "containerStatuses": [{**container("kaniko", waiting={}), **MADE}]},
        {"initContainerStatuses": [{**SOURCE_OK, **MADE}], "containerStatuses": [container("kaniko", waiting=WAITS)]},
    ],
)
def test_a_pod_whose_node_was_started_anew_after_its_first_container_was_made_never_starts(
    containers: dict[str, Any],
) -> None:
    """The newest Event speaks of progress, and no other comes."""
    events = observe_events([event("Pulled", 1), event("Created", 1)])
    found = find_standstill(standing(conditions=SANDBOX_GONE, **containers), events)
    assert found is not None
    assert ("node 'node1' was started anew" in found.detail, found.hopeless) == (True, True)
    assert find_standstill(standing(conditions=[], **containers), events) is None
    nothing_made = standing(conditions=SANDBOX_GONE, initContainerStatuses=[container("source", waiting=WAITS)])
    assert find_standstill(nothing_made, events) is None


@pytest.mark.parametrize(
    "stamps",
    [
        {"lastTimestamp": "2026-11-24T12:05:00Z"},
        {"lastTimestamp": None, "eventTime": "2026-11-24T12:05:00.123456Z"},
        {"lastTimestamp": None, "eventTime": "x", "series": {"lastObservedTime": "2026-11-24T12:05:00.000000Z"}},
        {"lastTimestamp": None, "metadata": {"creationTimestamp": "2026-11-24T12:05:00Z"}},
    ],
)
def test_events_of_both_apis_tell_when_they_were_seen(stamps: dict[str, Any]) -> None:
    newer = {**event("FailedMount", 0, "newer"), **stamps}
    older = event("FailedMount", 4, "older")
    assert [item.message for item in observe_events([older, newer])] == ["newer", "older"]


def test_what_changes_with_each_try_is_left_out() -> None:
    """Else each look would be a new status."""
    told = [
        observe_events([event("FailedCreatePodSandBox", 1, f'sandbox "{number:064x}" for pod "web": no IPs')])
        for number in (1, 2)
    ]
    assert told[0] == told[1]
    assert told[0][0].message == 'sandbox "…" for pod "web": no IPs'


def test_words_are_bounded_and_without_logins() -> None:
    (told,) = observe_events([event("FailedMount", 1, "mount //push:hunter22@files: " + "x" * 100_000)])
    assert len(told.message) <= 384
    many = observe_events([event("FailedMount", number) for number in range(100)])
    assert len(many) == MAX_EVENTS
    assert many[0].at == NOW + timedelta(minutes=99)
    (login,) = observe_events([event("FailedMount", 1, "mount https://push:hunter22@files")])
    assert "hunter22" not in login.message


@given(st.lists(st.dictionaries(st.sampled_from(["type", "reason", "message", "series", "metadata"]), st.none())))
def test_an_event_without_anything_is_one_without_words(items: list[dict[str, Any]]) -> None:
    assert set(observe_events(items)) <= {PodEvent(False, "", "", None)}
