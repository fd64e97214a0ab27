"""Who acts, decided from a Lease: never by the times that others' clocks wrote into it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from buildandpush.core.leadership import (
    DURATION_SECONDS,
    RELEASED_SECONDS,
    Seen,
    Step,
    build_lease_spec,
    deadline_seconds,
    decide_step,
    observe_lease,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def seen(holder: str = "other", since: float = 0.0, duration: float = DURATION_SECONDS) -> Seen:
    """A Lease that was seen."""
    return Seen(holder, "2020-01-01T00:00:00Z", 3, since, duration, "uid-1")


@pytest.mark.parametrize(
    ("known", "now", "step"),
    [
        (None, 0.0, Step.CREATE),
        (seen("me"), 0.0, Step.RENEW),
        (seen("me"), 1000.0, Step.RENEW),
        (seen("", duration=RELEASED_SECONDS), 0.0, Step.TAKE),
        (seen(""), DURATION_SECONDS - 0.1, Step.WAIT),
        (seen(""), DURATION_SECONDS, Step.TAKE),
        (seen("other"), 0.0, Step.WAIT),
        (seen("other"), DURATION_SECONDS - 0.1, Step.WAIT),
        (seen("other"), DURATION_SECONDS, Step.TAKE),
        (seen("other", since=5.0), DURATION_SECONDS, Step.WAIT),
        (seen("other", duration=40.0), 39.9, Step.WAIT),
        (seen("other", duration=40.0), 40.0, Step.TAKE),
        (seen("other", duration=5.0), DURATION_SECONDS - 0.1, Step.WAIT),
    ],
)
def test_a_lease_of_anothers_is_taken_only_after_its_whole_duration(known: Seen | None, now: float, step: Step) -> None:
    assert decide_step(known, "me", now) is step


@pytest.mark.parametrize(
    ("known", "step"),
    [(None, Step.RESTORE), (seen(""), Step.TAKE), (seen("me"), Step.RENEW), (seen("other"), Step.WAIT)],
)
def test_who_acts_goes_on_with_a_lease_that_was_deleted(known: Seen | None, step: Step) -> None:
    assert decide_step(known, "me", 0.0, acting=True) is step


def test_a_holder_stops_before_another_may_start() -> None:
    assert all(0 < deadline_seconds(duration) < duration for duration in (5.0, DURATION_SECONDS, 3600.0))


@pytest.mark.parametrize(
    ("uid", "spec", "since"),
    [
        ("uid-1", {"holderIdentity": "other", "renewTime": "2020-01-01T00:00:00Z", "leaseTransitions": 3}, 0.0),
        ("uid-2", {"holderIdentity": "other", "renewTime": "2020-01-01T00:00:00Z", "leaseTransitions": 3}, 7.0),
        ("uid-1", {"holderIdentity": "third", "renewTime": "2020-01-01T00:00:00Z", "leaseTransitions": 3}, 7.0),
        ("uid-1", {"holderIdentity": "other", "renewTime": "2020-01-01T00:00:02Z", "leaseTransitions": 3}, 7.0),
        ("uid-1", {"holderIdentity": "other", "renewTime": "2020-01-01T00:00:00Z", "leaseTransitions": 4}, 7.0),
        ("uid-1", {}, 7.0),
    ],
)
def test_a_lease_is_fresh_from_when_it_was_seen_to_change(uid: str, spec: dict[str, Any], since: float) -> None:
    assert observe_lease({"metadata": {"uid": uid}, "spec": spec}, seen(), 7.0).since == since


def test_a_holder_keeps_count_and_time_of_its_taking() -> None:
    assert build_lease_spec(seen("me"), "me", NOW) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-02T03:04:05.000678Z",
        "leaseTransitions": 3,
    }


def test_who_takes_a_lease_counts_the_change_and_its_time() -> None:
    spec = build_lease_spec(seen("other"), "me", NOW)
    assert (spec["leaseTransitions"], spec["acquireTime"]) == (4, "2026-01-02T03:04:05.000678Z")
    assert build_lease_spec(None, "me", NOW)["leaseTransitions"] == 0


def test_a_released_lease_has_no_holder_and_ends_at_once() -> None:
    spec = build_lease_spec(seen("me"), "", NOW, RELEASED_SECONDS)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("", 1, 3)
    assert observe_lease({"spec": spec}, None, 0.0).is_released()
    fresh = build_lease_spec(None, "", NOW)
    assert not observe_lease({"spec": fresh}, None, 0.0).is_released()
