"""What pods as a kubelet 1.34 writes them say about a build."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.status import SourceStatus
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.pod.observation import (
    ContainerObservation,
    PodObservation,
    observe_pod,
    parse_time,
    read_source_report,
)
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import OWNER, SETTINGS, spec
from tests.unit.core.recorded import PODS, load, observe

DIGEST = "sha256:" + "a" * 64

# What is seen of each recorded pod: ended, digest, and the states of source and kaniko.
RECORDED: dict[str, tuple[bool, str | None, str, str]] = {
    "pending-just-created": (False, None, "waiting", "waiting"),
    "pending-unschedulable": (False, None, "waiting", "waiting"),
    "source-running": (False, None, "running", "waiting"),
    "image-pull-backoff": (False, None, "waiting", "waiting"),
    "kaniko-running": (False, None, "terminated", "running"),
    "preempted": (False, None, "terminated", "running"),
    "succeeded": (True, DIGEST, "terminated", "terminated"),
    "succeeded-without-digest": (True, None, "terminated", "terminated"),
    "failed-after-digest": (True, None, "terminated", "terminated"),
    "oom-killed": (True, None, "terminated", "terminated"),
    "deadline-exceeded": (True, None, "terminated", "terminated"),
    "evicted": (True, None, "terminated", "terminated"),
    "source-failed": (True, None, "terminated", "waiting"),
    "source-killed": (True, None, "terminated", "waiting"),
    "sidecar-still-running": (True, DIGEST, "terminated", "terminated"),
    "node-lost": (True, None, "terminated", "running"),
}


def ended(code: int, message: str) -> PodObservation:
    """A pod whose kaniko ended like this."""
    raw = load("succeeded")
    raw["status"]["containerStatuses"][0]["state"]["terminated"] |= {"exitCode": code, "message": message}
    return observe_pod(raw)


def test_every_recorded_pod_is_used() -> None:
    assert {path.stem for path in PODS.glob("*.json")} == set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_pod_is_seen_for_what_it_is(name: str) -> None:
    pod = observe(name)
    assert (pod.ended, pod.digest, pod.source.state, pod.kaniko.state) == RECORDED[name]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_pod_is_known_by_name_uid_owner_and_hash(name: str) -> None:
    pod = observe(name)
    assert pod.name == "web-666ff6-r1-b0-a1"
    assert pod.uid.startswith("9f0d7c8e")
    assert pod.owner_uid == "11111111-2222-3333-4444-555555555555"
    assert pod.spec_hash_label == "v1-" + "0" * 40
    assert pod.active_deadline_seconds == 3600


def test_scheduler_words_are_kept_while_no_node_takes_the_pod() -> None:
    assert "Insufficient memory" in observe("pending-unschedulable").unschedulable
    assert observe("pending-unschedulable").node == ""
    assert observe("kaniko-running").unschedulable == ""
    assert observe("kaniko-running").node == "node1"


def test_kubelets_words_are_kept() -> None:
    pod = observe("evicted")
    assert (pod.reason, pod.disruption) == ("Evicted", "TerminationByKubelet")
    assert "ephemeral-storage" in pod.message
    assert observe("preempted").disruption == "PreemptionByScheduler"
    assert observe("preempted").deleting
    assert observe("deadline-exceeded").reason == "DeadlineExceeded"
    assert observe("oom-killed").kaniko.reason == "OOMKilled"
    assert observe("image-pull-backoff").source.reason == "ImagePullBackOff"
    assert not observe("succeeded").deleting


def test_times_of_kaniko_are_read() -> None:
    kaniko = observe("succeeded").kaniko
    assert kaniko.started_at == datetime(2026, 11, 24, 12, 0, 5, tzinfo=UTC)
    assert kaniko.finished_at == datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)


def test_a_past_disruption_target_that_was_taken_back_says_nothing() -> None:
    raw = load("preempted")
    raw["status"]["conditions"][0]["status"] = "False"
    assert observe_pod(raw).disruption == ""


def test_only_the_controller_owns_the_pod() -> None:
    raw = load("succeeded")
    raw["metadata"]["ownerReferences"][0]["controller"] = False
    assert observe_pod(raw).owner_uid == ""


@pytest.mark.parametrize(
    "message",
    [DIGEST, f"{DIGEST}\n", f"  {DIGEST}  "],
)
def test_well_formed_digest_counts(message: str) -> None:
    assert ended(0, message).digest == DIGEST


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1, DIGEST),
        (0, ""),
        (0, "sha256:" + "A" * 64),
        (0, "sha256:" + "a" * 63),
        (0, "sha256:" + "a" * 65),
        (0, "sha512:" + "a" * 64),
        (0, f"{DIGEST}\n{DIGEST}"),
        (0, f"repo@{DIGEST}"),
        (0, "a" * 64),
        (0, "sha256:" + "a" * 63 + "٣"),
    ],
)
def test_anything_else_is_no_digest(code: int, message: str) -> None:
    assert ended(code, message).digest is None


@pytest.mark.parametrize(
    "raw",
    [
        {"metadata": {"name": "p"}},
        {"metadata": {"name": "p", "labels": None, "ownerReferences": None}, "spec": None, "status": None},
        {"metadata": {"name": "p"}, "status": {"conditions": None, "containerStatuses": None}},
        {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "kaniko"}]}},
        {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "kaniko", "state": None}]}},
        {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "kaniko", "state": {"waiting": None}}]}},
        {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "kaniko", "state": {"newState": {}}}]}},
    ],
)
def test_what_says_nothing_is_a_pod_on_its_way(raw: dict[str, Any]) -> None:
    pod = observe_pod(raw)
    assert not pod.ended
    assert pod.digest is None
    assert pod.kaniko.state == "waiting"


def test_state_that_is_null_is_passed_over() -> None:
    raw = load("kaniko-running")
    raw["status"]["containerStatuses"][0]["state"] = {"waiting": None, "running": None, "terminated": {"exitCode": 0}}
    assert observe_pod(raw).kaniko.state == "terminated"


def test_pod_object_is_left_as_it_was() -> None:
    raw = load("succeeded")
    observe_pod(raw)
    assert raw == load("succeeded")


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00.000000Z", "2026-11-24T13:00:00+01:00"])
def test_times_are_aware(text: str) -> None:
    assert parse_time(text) == datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", [None, "", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z"]
)
def test_no_time_is_none(text: str | None) -> None:
    assert parse_time(text) is None


def test_source_report_of_a_good_fetch() -> None:
    report = read_source_report(observe("kaniko-running").source)
    assert (report.facts, report.reason) == ({"revision": "main", "commit": "c" * 40}, None)


def test_source_report_of_an_earlier_release_has_its_facts_at_the_top() -> None:
    """A pod that was made before an upgrade ends after it."""
    message = json.dumps({"revision": "main", "commit": "c" * 40, "warnings": ["w"]})
    report = read_source_report(ContainerObservation(state="terminated", message=message))
    assert report.facts == {"revision": "main", "commit": "c" * 40}


def test_source_report_of_a_failed_fetch() -> None:
    report = read_source_report(observe("source-failed").source)
    assert report.reason == "RevisionNotFound"
    assert "v9" in (report.message or "")


@pytest.mark.parametrize(
    "message",
    ["", "null", "[]", "1", '"text"', "{", "not json", '{"facts": null}', '{"other": 1}', "[" * 4000, "\x00"],
    ids=lambda text: text[:12] or "empty",
)
def test_report_that_is_none_is_empty(message: str) -> None:
    report = read_source_report(ContainerObservation(state="terminated", message=message))
    assert (report.facts, report.reason, report.message) == ({}, None, None)


@pytest.mark.parametrize(
    ("facts", "read"),
    [
        ({"commit": "c" * 40, "message": "Fix", "files": 3, "size": 70},
         {"commit": "c" * 40, "message": "Fix", "file_count": 3, "size_bytes": 70}),
        ({"author": "x" * 300, "digest": "y" * 300}, {"author": "x" * 256, "digest": "y" * 128}),
        ({"files": -1, "size": True}, {}),
        ({"files": "3", "size": 2**63}, {}),
        ({"commit": None, "other": "x"}, {}),
        (["commit"], {}),
    ],
    ids=str,
)  # fmt: skip
def test_facts_of_a_report_fit_into_the_status(facts: Any, read: dict[str, Any]) -> None:
    report = read_source_report(ContainerObservation(state="terminated", message=json.dumps({"facts": facts})))
    assert report.facts == read
    SourceStatus(**report.facts)


@given(st.text())
def test_no_report_breaks_the_reading(message: str) -> None:
    read_source_report(ContainerObservation(state="terminated", message=message))


class TestChanges:
    """What a policy of the cluster does to kaniko's container."""

    def changes(self, **security: Any) -> tuple[str, ...]:
        plan = plan_build(parse_spec(spec()), SETTINGS, Occasion(1))
        attempt = Attempt("web-1", 1, 0, 1, "v1:x")
        pod = build_pod_manifest(plan, owner=OWNER, attempt=attempt, login=LoginSecretRef(None), settings=SETTINGS)
        pod["spec"]["containers"][0]["securityContext"] |= security
        return observe_pod(pod).changes

    def test_a_pod_as_the_operator_makes_it_has_none(self) -> None:
        assert self.changes() == ()

    def test_a_read_only_root_is_one(self) -> None:
        assert self.changes(readOnlyRootFilesystem=True) == ("readOnlyRootFilesystem is true",)

    def test_capabilities_that_were_taken_away_are_named(self) -> None:
        (change,) = self.changes(capabilities={"drop": ["ALL"], "add": ["CHOWN"]})
        assert change.startswith("capabilities DAC_OVERRIDE, ")
        assert self.changes(capabilities={"add": ["ALL"]}) == ()

    def test_a_user_that_was_taken_away_is_one(self) -> None:
        assert self.changes(runAsUser=None) == ("runAsUser is missing",)
