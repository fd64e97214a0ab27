"""Artifacts of Flux: what a run builds, how long it waits for one, and which start a run."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import AskFluxArtifact, AskLivePod, AskLog
from buildandpush.core.build.world import CreatePod, Decision, Resource
from buildandpush.core.facts import FluxArtifact, Waiting
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import (
    DIGEST,
    NOW,
    container,
    ended_pod,
    pod_name,
    resource,
    running_pod,
    spec,
    terminated,
    world,
)
from tests.unit.core.scenes import READ_BACK, VERIFIED, after, reason_of

LATER = NOW + timedelta(minutes=5)
ASKED = AskFluxArtifact("GitRepository", "shop")
OLD = FluxArtifact("http://flux.example/old.tar.gz", "sha256:" + "1" * 64, "main@sha1:" + "a" * 40)
NEW = FluxArtifact("http://flux.example/new.tar.gz", "sha256:" + "2" * 64, "main@sha1:" + "b" * 40)
ABSENT = Waiting(Reason.SOURCE_NOT_READY, "GitRepository 'shop' has no artifact: auth failed")
FETCHED = container("source", terminated=terminated(0, message=json.dumps({"facts": {"files": 3}})))
FLUX = spec(source={"fluxSource": {"kind": "GitRepository", "name": "shop"}})


def ask(of: Resource, found: FluxArtifact | Waiting, **changes: Any) -> Decision:
    """A decision for which Flux has this artifact."""
    gone = {} if changes.get("pods") else {AskLivePod(pod_name()): None}
    answers = {ASKED: found, **gone, **changes.pop("answers", {})}
    return decide(world(of, answers=answers, **changes))


def run_of(of: Resource | Decision) -> Any:
    assert of.status.run is not None
    return of.status.run


def started(found: FluxArtifact | Waiting = OLD, raw: dict[str, Any] | None = None) -> Resource:
    """A resource whose first run was accepted."""
    fresh = resource(raw or FLUX)
    return after(ask(fresh, found), fresh)


def built(raw: dict[str, Any] | None = None) -> Resource:
    """A resource whose first run has built the old artifact."""
    first = started(raw=raw)
    ended = ended_pod(0, DIGEST, initContainerStatuses=[FETCHED])
    return after(ask(first, OLD, pods=(ended,), answers={READ_BACK: VERIFIED}), first)


def failed() -> Resource:
    """A resource whose first run has failed with the old artifact."""
    first = started()
    log = {AskLog(pod_name(), "kaniko"): "error building image: it broke"}
    return after(ask(first, OLD, pods=(ended_pod(1, initContainerStatuses=[FETCHED]),), answers=log), first)


def request_of(decision: Decision) -> dict[str, Any]:
    """What the source's container is asked for."""
    (created,) = [action for action in decision.actions if isinstance(action, CreatePod)]
    found: dict[str, Any] = json.loads(created.manifest["metadata"]["annotations"]["buildandpush.dev/source"])
    return found


class TestPin:
    def test_a_run_builds_the_artifact_that_flux_had_before_its_pod(self) -> None:
        decision = ask(resource(FLUX), OLD)
        source = run_of(decision).source
        assert (source.revision, source.digest, source.url) == (OLD.revision, OLD.digest, OLD.url)
        assert request_of(decision)["fluxSource"] == {
            "kind": "GitRepository",
            "name": "shop",
            "url": OLD.url,
            "digest": OLD.digest,
        }

    def test_further_attempts_build_the_same_one(self) -> None:
        first = started()
        lost = ended_pod(1, reason_of_pod="Evicted", containerStatuses=[], initContainerStatuses=[FETCHED])
        retried = after(ask(first, NEW, pods=(lost,), answers={AskLog(pod_name(), "kaniko"): ""}), first)
        assert run_of(retried).builds[0].attempt == 2
        assert request_of(ask(retried, NEW, now=LATER))["fluxSource"]["url"] == OLD.url

    def test_what_the_pod_tells_of_the_source_leaves_the_rest(self) -> None:
        source = run_of(built()).source
        assert (source.digest, source.url, source.file_count) == (OLD.digest, OLD.url, 3)

    def test_without_an_artifact_the_run_waits_and_says_what_flux_says(self) -> None:
        decision = ask(resource(FLUX), ABSENT)
        assert reason_of(decision) == Reason.SOURCE_NOT_READY
        assert "auth failed" in (run_of(decision).builds[0].message or "")
        assert decision.wake_at is not None
        assert not [action for action in decision.actions if isinstance(action, CreatePod)]
        assert request_of(ask(after(decision, resource(FLUX)), NEW))["fluxSource"]["url"] == NEW.url

    def test_a_push_alone_asks_nobody(self) -> None:
        raw = spec(
            source=FLUX["source"],
            envVariables={"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"},
            workspace={"persistentVolumeClaim": {"claimName": "builds"}},
        )
        assert ASKED not in decide(world(resource(raw))).questions
        assert "fluxSource" not in json.dumps(run_of(decide(world(resource(raw)))).to_dict())


class TestNewArtifact:
    def test_a_new_artifact_starts_a_run(self) -> None:
        decision = ask(built(), NEW, now=LATER)
        run = run_of(decision)
        assert (run.number, run.trigger, run.source.digest) == (2, "SourceRevision", NEW.digest)
        assert request_of(decision)["fluxSource"]["url"] == NEW.url

    @pytest.mark.parametrize("found", [OLD, replace(OLD, url="http://flux.example/moved.tar.gz"), ABSENT])
    def test_nothing_new_changes_nothing(self, found: FluxArtifact | Waiting) -> None:
        done = built()
        decision = ask(done, found, now=LATER)
        assert (decision.status, decision.actions) == (done.status, ())

    def test_a_failed_run_is_started_again_by_another_artifact_only(self) -> None:
        done = failed()
        assert done.status.phase == "Failed"
        assert ask(done, OLD, now=LATER).status.run == done.status.run
        assert run_of(ask(done, NEW, now=LATER)).number == 2

    def test_nothing_is_looked_for_while_a_run_is_on_its_way(self) -> None:
        assert run_of(ask(started(), NEW, pods=(running_pod(),), now=LATER)).number == 1

    @pytest.mark.parametrize("change", ["suspend", "another source", "deleted", "invalid"])
    def test_nobody_is_asked_for(self, change: str) -> None:
        raw = {
            "suspend": {**FLUX, "suspend": True},
            "another source": spec(),
            "deleted": FLUX,
            "invalid": {**FLUX, "tags": ["no tag!"]},
        }[change]
        done = built()
        decision = decide(world(replace(done, spec=raw, deleting=change == "deleted"), now=LATER))
        assert (decision.questions, decision.status) == (frozenset(), done.status)

    def test_one_whose_run_has_its_condition_not_met_is_passed_over(self) -> None:
        done = built({**FLUX, "when": {"condition": "<+pipeline.sequenceId> < 2"}})
        passed = after(ask(done, NEW, now=LATER), done)
        assert (run_of(passed).number, passed.status.polled_commit) == (1, "2" * 64)
        again = ask(passed, NEW, now=LATER)
        assert (again.status, again.actions) == (passed.status, ())

    def test_a_run_that_was_cancelled_before_its_artifact_was_known_stays_so(self) -> None:
        waiting = started(ABSENT)
        cancelled = after(ask(replace(waiting, cancel="1"), ABSENT), waiting)
        assert cancelled.status.phase == "Cancelled"
        passed = after(ask(cancelled, OLD, now=LATER), cancelled)
        assert (run_of(passed).number, passed.status.polled_commit) == (1, "1" * 64)
        assert run_of(ask(passed, NEW, now=LATER)).number == 2

    def test_a_rebuild_takes_the_artifact_of_its_time(self) -> None:
        asked = replace(built(), rebuild="again")
        assert run_of(ask(asked, NEW, now=LATER)).source.digest == NEW.digest
