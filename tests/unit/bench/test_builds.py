"""Whether the bench of builds counts only what it measures."""

from typing import Any

from bench.builds import Stopwatch
from buildandpush.api import meta


def ended_pod(name: str) -> dict[str, Any]:
    times = {"startedAt": "2026-11-24T12:00:00Z", "finishedAt": "2026-11-24T12:00:03Z"}
    status = {"containerStatuses": [{"state": {"terminated": times}}]}
    return {"metadata": {"labels": {meta.LABEL_NAME: name}}, "status": status}


def test_what_comes_late_of_a_build_before_does_not_count() -> None:
    watched = Stopwatch()
    watched.applied["warm-up"] = 0.0
    watched.see_pod(ended_pod("warm-up"))
    assert watched.kaniko_seconds == {"warm-up": 3.0}
    watched.forget()
    watched.applied["build-0"] = 1.0
    watched.see_pod(ended_pod("warm-up"))
    watched.see_build({"metadata": {"name": "warm-up"}, "status": {"run": {"finishedAt": "2026-11-24T12:00:03Z"}}})
    assert (watched.kaniko_seconds, watched.pod_ended, watched.told) == ({}, {}, {})
    watched.see_pod(ended_pod("build-0"))
    assert watched.kaniko_seconds == {"build-0": 3.0}
