"""What is changed, late or lost while a run is on its way."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from buildandpush.api import meta
from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.core.build.limits import DEADLINE_GRACE_SECONDS, find_limit
from buildandpush.core.build.questions import AskLivePod, AskLog, AskLogin, AskProof, AskPusher, AskTags
from buildandpush.core.build.world import Announce, CancelPod, CreatePod, Decision, DeletePod, Refusal, Resource
from buildandpush.core.facts import LoginNeed, LoginSecretRef, ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from buildandpush.core.run.retention import LINGER_PATIENCE
from tests.unit.core.factories import (
    DIGEST,
    LOGIN,
    NOW,
    REPOSITORY,
    SETTINGS,
    SOURCE_OK,
    container,
    ended_pod,
    login_question,
    pod,
    pod_name,
    resource,
    run_label,
    running_pod,
    spec,
    terminated,
    world,
)
from tests.unit.core.scenes import (
    PROOF,
    PUSH_LOG,
    READ_BACK,
    VERIFIED,
    after,
    conditions,
    failed,
    reason_of,
    seen,
    started,
    succeeded,
)

LIVE = AskLivePod(pod_name())
NO_CONNECTOR = Waiting(Reason.CONNECTOR_MISSING, "AzureConnector 'acr'")
BROKEN = {PUSH_LOG: "error building image: it broke"}


def run_of(decision: Decision) -> Any:
    assert decision.status.run is not None
    return decision.status.run


def created(decision: Decision) -> list[CreatePod]:
    return [action for action in decision.actions if isinstance(action, CreatePod)]


def deleted(decision: Decision) -> list[str]:
    return [action.name for action in decision.actions if isinstance(action, DeletePod)]


def waiting() -> Resource:
    """A resource whose first run waits for its connector."""
    fresh = resource()
    return after(decide(world(fresh, answers={login_question(): NO_CONNECTOR})), fresh)


class TestChangesBeforeThePod:
    def test_a_corrected_connector_is_the_one_that_is_asked_for(self) -> None:
        corrected = replace(waiting(), generation=2, spec=spec(connectorRef="other"))
        need = LoginNeed("other", (REPOSITORY.split("/", maxsplit=1)[0],), (REPOSITORY,))
        decision = decide(world(corrected, answers={AskLogin((need,)): LOGIN}))
        assert created(decision)
        assert run_of(decision).effective.connector == "other"
        assert run_of(decision).generation == 2

    def test_a_run_that_was_made_with_the_correction_is_not_run_again_for_it(self) -> None:
        corrected = replace(waiting(), generation=2, spec=spec(timeout="2h"))
        going = after(decide(world(corrected)), corrected)
        broken = after(decide(world(going, pods=(ended_pod(1),), answers=BROKEN)), going)
        assert decide(world(broken, pods=(ended_pod(1),))).status == broken.status

    def test_a_longer_timeout_is_the_one_that_is_waited_for(self) -> None:
        changed = replace(waiting(), generation=2, spec=spec(timeout="2h"))
        decision = decide(world(changed))
        (creation,) = created(decision)
        assert creation.manifest["spec"]["activeDeadlineSeconds"] == 7200
        found = find_limit(replace(running_pod(), started_at=NOW), run_of(decision), SETTINGS, NOW)
        assert found is not None
        assert found[0] == NOW + timedelta(seconds=7200 + DEADLINE_GRACE_SECONDS)

    def test_what_the_installer_no_longer_allows_is_told_and_goes_on_once_it_is_allowed(self) -> None:
        template = spec(podTemplate={"priorityClassName": "batch"})
        fresh = resource(template)
        held = after(decide(world(fresh, answers={login_question(): NO_CONNECTOR})), fresh)
        strict = replace(SETTINGS, priority_classes=())
        refused = decide(replace(world(held), settings=strict))
        assert (reason_of(refused), run_of(refused).number) == (Reason.SPEC_INVALID, 1)
        assert not created(refused)
        again = decide(world(after(refused, held)))
        assert created(again)
        assert conditions(again)["SpecValid"] == "True"


class TestPodNames:
    """The status names the pods; a release that names pods otherwise goes on with those that are there."""

    FORMER, EARLIER = "web-666ff6-r1-b0-a2", "web-666ff6-r1-b0-a1"

    def named(self, of: Resource, name: str, **changes: Any) -> Resource:
        """The resource as an earlier release left it."""
        assert of.status.run is not None
        build = of.status.run.builds[0].model_copy(update={"pod_name": name, **changes})
        run = of.status.run.model_copy(update={"builds": [build]})
        return replace(of, status=of.status.model_copy(update={"run": run}))

    def test_a_pod_of_an_earlier_releases_name_is_made_watched_and_believed(self) -> None:
        held = self.named(started(), self.EARLIER)
        (creation,) = created(decide(world(held)))
        assert (creation.name, creation.manifest["metadata"]["name"]) == (self.EARLIER, self.EARLIER)
        running = replace(running_pod(), name=self.EARLIER)
        going = after(decide(world(held, pods=(running,))), held)
        assert run_of(decide(world(going, pods=(running,)))).builds[0].pod_uid == "pod-1"
        ended = replace(ended_pod(0, DIGEST), name=self.EARLIER)
        assert decide(world(going, pods=(ended,), answers={READ_BACK: VERIFIED})).status.digest == DIGEST

    def test_a_former_attempts_pod_of_an_earlier_releases_name_is_looked_for(self) -> None:
        held = self.named(started(), self.FORMER, attempt=2)
        assert decide(world(held)).questions == {AskLivePod(self.EARLIER)}
        living = replace(running_pod(), name=self.EARLIER)
        assert not created(decide(world(held, answers={AskLivePod(self.EARLIER): living})))
        assert created(decide(world(held, answers={AskLivePod(self.EARLIER): None})))

    def test_a_former_attempts_pod_is_looked_for_by_the_name_that_it_had(self) -> None:
        first = self.named(started(), self.EARLIER)
        evicted = replace(ended_pod(1, reason_of_pod="Evicted"), name=self.EARLIER, kaniko=pod(phase="Failed").kaniko)
        again = decide(world(first, pods=(evicted,), answers={AskLog(self.EARLIER, "kaniko"): ""}))
        build = run_of(again).builds[0]
        assert (build.former_pod_name, build.pod_name) == (self.EARLIER, pod_name(attempt=2))
        later = world(after(again, first), now=NOW + timedelta(hours=1))
        assert decide(later).questions == {AskLivePod(self.EARLIER)}

    @pytest.mark.parametrize("living", [True, False])
    def test_a_pod_that_outlived_its_run_is_looked_for_by_the_next_run(self, living: bool) -> None:
        """It was given up, deleting it failed, and a cache from before it was made knows nothing of it."""
        pending = replace(pod(phase="Pending", spec_changes={"nodeName": ""}), created_at=NOW)
        first = started()
        first = after(decide(world(first, pods=(pending,))), first)
        given_up = after(decide(world(first, pods=(pending,), now=NOW + timedelta(minutes=61))), first)
        changed = replace(given_up, generation=2, spec=spec(timeout="2h"))
        asked = decide(world(changed))
        assert asked.questions == {LIVE}
        decision = decide(world(changed, answers={LIVE: running_pod() if living else None}))
        assert bool(created(decision)) is not living
        assert run_of(decision).builds[0].former_pod_name == pod_name()

    @pytest.mark.parametrize("of", [succeeded(), failed()])
    def test_a_pod_that_ended_is_not_looked_for(self, of: Resource) -> None:
        changed = replace(of, generation=2, spec=spec(target="x"))
        assert created(decide(world(changed)))

    def test_another_owners_pod_of_the_name_is_not_waited_for(self) -> None:
        held = started()
        refusal = Refusal(Reason.NAME_COLLISION, "pod 'x'", final=False, is_taken=True)
        renamed = decide(world(held, refusal=refusal))
        assert not created(renamed)
        name = run_of(renamed).builds[0].pod_name
        assert name != pod_name()
        (told,) = (action for action in renamed.actions if isinstance(action, Announce))
        assert (told.reason, name in told.message) == (Reason.NAME_COLLISION, True)
        (creation,) = created(decide(world(after(renamed, held), refusal=refusal)))
        assert (creation.name, creation.manifest["metadata"]["name"]) == (name, name)


class TestSpecsThatWereRefused:
    """A spec that was refused and is allowed by now, since the installer changed his mind, is like a new one."""

    REFUSED = spec(target="other", serviceAccountName="builder")
    OPEN = replace(SETTINGS, service_accounts=("builder",))

    def refused(self, of: Resource, **surroundings: Any) -> Resource:
        changed = replace(of, generation=2, spec=self.REFUSED)
        decision = decide(world(changed, **surroundings))
        assert reason_of(decision) == Reason.SPEC_INVALID
        return after(decision, changed)

    def test_one_for_another_image_replaces_the_run_on_its_way(self) -> None:
        held = self.refused(seen(), pods=(running_pod(),))
        decision = decide(replace(world(held, pods=(running_pod(),)), settings=self.OPEN))
        assert decision.actions == (CancelPod(pod_name(), "pod-1"),)

    def test_one_for_another_image_is_built_after_the_run_before(self) -> None:
        held = self.refused(succeeded())
        decision = decide(replace(world(held), settings=self.OPEN))
        assert (run_of(decision).number, run_of(decision).trigger) == (2, "Spec")

    def test_it_is_told_once(self) -> None:
        held = self.refused(failed())
        again = decide(world(held))
        assert (again.status, again.actions) == (held.status, ())


class TestGivingUp:
    """The cache may lag behind a pod that has gone on, ended or is gone."""

    OVERDUE = replace(running_pod(), started_at=NOW)
    LATE = NOW + timedelta(seconds=3600 + DEADLINE_GRACE_SECONDS)

    def ask(self, live: PodObservation | None, **answers: Any) -> Decision:
        known: dict[Any, Any] = {LIVE: live, READ_BACK: VERIFIED, PROOF: answers.get("proof")}
        return decide(world(seen(), pods=(self.OVERDUE,), answers=known, now=self.LATE))

    def test_the_api_server_is_asked_before(self) -> None:
        asked = replace(world(seen(), pods=(self.OVERDUE,), now=self.LATE), answers={})
        assert decide(asked).questions == {LIVE}

    def test_one_that_has_ended_well_has_ended_well(self) -> None:
        decision = self.ask(ended_pod(0, DIGEST))
        assert (decision.status.phase, decision.status.digest) == (Phase.SUCCEEDED, DIGEST)
        assert not deleted(decision)

    @pytest.mark.parametrize("proof", [DIGEST, None])
    def test_one_that_is_gone_is_lost_unless_its_push_is_proved(self, proof: str | None) -> None:
        decision = self.ask(None, proof=proof)
        assert decision.status.digest == proof
        assert reason_of(decision) == (Reason.SUCCEEDED if proof else Reason.RETRYING)

    @pytest.mark.parametrize("proof", [DIGEST, None])
    @pytest.mark.parametrize(
        ("code", "reason", "reason_of_pod", "tells"),
        [
            (255, "Unknown", "", "NodeLost"),  # the node's runtime was away while kaniko ended
            (137, "Error", "", "Killed"),
            (137, "Error", "Evicted", "Evicted"),
        ],
    )
    def test_one_whose_end_nobody_saw_has_failed_unless_its_push_is_proved(
        self, code: int, reason: str, reason_of_pod: str, tells: str, proof: str | None
    ) -> None:
        ended = ended_pod(code, DIGEST, reason=reason, reason_of_pod=reason_of_pod)
        decision = decide(world(seen(), pods=(ended,), answers={PUSH_LOG: "", PROOF: proof}))
        assert decision.status.digest == proof
        assert reason_of(decision) == (Reason.SUCCEEDED if proof else Reason.RETRYING)
        assert (tells in (run_of(decision).builds[0].message or "")) is (proof is None)

    @pytest.mark.parametrize("proof", [DIGEST, None])
    def test_one_on_a_lost_node_has_failed_unless_its_push_is_proved(self, proof: str | None) -> None:
        going = replace(running_pod(), deleted_at=NOW)
        lost = NOW + timedelta(seconds=SETTINGS.node_lost_timeout_seconds)
        unasked = decide(world(seen(), pods=(going,), now=lost))
        assert unasked.questions == {PROOF}
        decision = decide(world(seen(), pods=(going,), answers={PROOF: proof}, now=lost))
        assert decision.status.digest == proof
        assert reason_of(decision) == (Reason.SUCCEEDED if proof else Reason.RETRYING)
        assert not deleted(decision), "it is being deleted already"

    @pytest.mark.parametrize("proof", [DIGEST, None])
    def test_one_whose_kubelet_is_silent_at_its_deadline_has_failed_unless_its_push_is_proved(
        self, proof: str | None
    ) -> None:
        decision = self.ask(self.OVERDUE, proof=proof)
        assert decision.status.digest == proof
        assert reason_of(decision) == (Reason.SUCCEEDED if proof else Reason.TIMED_OUT)
        assert deleted(decision) == [pod_name()]

    @pytest.mark.parametrize("proof", [DIGEST, None])
    def test_another_is_made_after_it_unless_its_push_is_proved_by_then(self, proof: str | None) -> None:
        """The containers on a lost node go on, and the registry may have been silent when the pod was given up."""
        going = replace(running_pod(), deleted_at=NOW)
        lost = NOW + timedelta(seconds=SETTINGS.node_lost_timeout_seconds)
        given_up = after(decide(world(seen(), pods=(going,), answers={PROOF: None}, now=lost)), seen())
        assert run_of(Decision(given_up.status)).builds[0].attempt == 2
        due = decide(world(given_up, pods=(going,), answers={PROOF: proof}, now=lost + timedelta(seconds=10)))
        assert [one.name for one in created(due)] == ([] if proof else [pod_name(attempt=2)])
        assert due.status.digest == proof

    def test_one_that_went_on_is_left_to_it(self) -> None:
        waits = replace(pod(spec_changes={"nodeName": ""}, phase="Pending"), created_at=NOW)
        later = NOW + timedelta(seconds=SETTINGS.pending_timeout_seconds)
        decision = decide(world(seen(), pods=(waits,), answers={LIVE: running_pod()}, now=later))
        assert (decision.actions, reason_of(decision)) == ((), Reason.BUILDING)

    def test_one_on_a_lost_node_that_ended_after_all_is_no_longer_waited_for(self) -> None:
        cancelled = replace(seen(), cancel="1")
        going = replace(running_pod(), deleted_at=NOW)
        lost = NOW + timedelta(seconds=SETTINGS.node_lost_timeout_seconds)
        answers: dict[Any, Any] = {LIVE: replace(ended_pod(0, DIGEST), deleted_at=NOW), READ_BACK: VERIFIED}
        decision = decide(world(cancelled, pods=(going,), answers=answers, now=lost))
        assert decision.status.digest == DIGEST

    def test_a_pod_that_fetched_for_long_has_all_the_time_to_start_kaniko(self) -> None:
        fetched = pod(
            phase="Pending",
            startTime="2026-11-24T11:50:00Z",
            initContainerStatuses=[
                {
                    "name": "source",
                    "state": {
                        "terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-11-24T12:00:00Z"}
                    },
                }
            ],
            containerStatuses=[{"name": "kaniko", "state": {"waiting": {"reason": "ErrImagePull"}}}],
        )
        decision = decide(world(seen(), pods=(fetched,)))
        assert reason_of(decision) == Reason.IMAGE_PULL_FAILED
        assert run_of(decision).builds[0].attempt == 1
        assert decision.wake_at == NOW + timedelta(seconds=SETTINGS.start_timeout_seconds)

    def test_a_pod_behind_a_scheduling_gate_waits_without_limit(self) -> None:
        gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "blocked"}
        gated = pod(spec_changes={"nodeName": ""}, phase="Pending", conditions=[gate])
        decision = decide(world(seen(), pods=(replace(gated, created_at=NOW),), now=NOW + timedelta(days=3)))
        assert (decision.status.phase, reason_of(decision)) == (Phase.PENDING, Reason.SCHEDULING_GATED)
        assert not deleted(decision)

    def test_a_gate_that_is_lifted_late_leaves_all_the_time_for_a_node(self) -> None:
        gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "blocked"}
        held = replace(pod(spec_changes={"nodeName": ""}, phase="Pending", conditions=[gate]), created_at=NOW)
        first = after(decide(world(seen(), pods=(held,))), seen())
        free = replace(held, gated=False, unschedulable="0/3 nodes are available")
        lifted = NOW + timedelta(hours=2)
        decision = decide(world(first, pods=(free,), now=lifted))
        assert reason_of(decision) == Reason.UNSCHEDULABLE
        assert not deleted(decision)
        limit = lifted + timedelta(seconds=SETTINGS.pending_timeout_seconds)
        going = after(decision, first)
        settled = decide(world(going, pods=(free,), now=lifted))
        assert settled.status == going.status
        assert settled.wake_at == limit
        assert deleted(decide(world(going, pods=(free,), now=limit))) == [pod_name()]


class TestForgottenRuns:
    """A status that was restored may know nothing of a run whose pod is there."""

    HASH = created(decide(world(resource())))[0].manifest["metadata"]["labels"][meta.LABEL_SPEC_HASH]

    @pytest.mark.parametrize("ended", [True, False])
    def test_the_pod_of_such_a_run_is_taken_for_the_new_run_of_its_number(self, ended: bool) -> None:
        known = replace(ended_pod(0, DIGEST) if ended else running_pod(), spec_hash_label=self.HASH)
        decision = decide(world(resource(), pods=(known,), answers={READ_BACK: VERIFIED}))
        assert not created(decision)
        assert not deleted(decision)
        assert (run_of(decision).number, decision.status.digest) == (1, DIGEST if ended else None)

    @pytest.mark.parametrize("ended", [True, False])
    def test_but_not_one_that_builds_another_spec(self, ended: bool) -> None:
        """Whoever creates the pod finds it there, and removes it."""
        other = replace(ended_pod(0, DIGEST) if ended else running_pod(), spec_hash_label="other")
        decision = decide(world(resource(), pods=(other,), answers={READ_BACK: VERIFIED}))
        assert [one.name for one in created(decision)] == [pod_name()]
        assert decision.status.digest is None

    def test_one_that_the_status_knows_is_watched_whatever_its_label_says(self) -> None:
        other = replace(running_pod(), spec_hash_label="other")
        assert reason_of(decide(world(seen(), pods=(other,)))) == Reason.BUILDING

    def test_a_tag_of_another_specs_pod_is_another_ones(self) -> None:
        numbered = resource(spec(tags=["<+pipeline.sequenceId>"]))
        other = replace(ended_pod(0, DIGEST), spec_hash_label="other")
        tags = AskTags(REPOSITORY, ("1",), "acr")
        proof = AskProof(REPOSITORY, ("1",), run_label(numbered.spec), "acr")
        known: dict[Any, Any] = {tags: ReadBack({"1": DIGEST}, digest_found=False), LIVE: other, proof: None}
        assert reason_of(decide(world(numbered, answers=known))) == Reason.TAG_EXISTS


class TestOrphans:
    """Pods that may still push though nobody waits for them: their deletion failed, or was never done."""

    def test_a_pod_that_outlived_its_run_goes(self) -> None:
        assert deleted(decide(world(failed(), pods=(running_pod(),)))) == [pod_name()]

    @pytest.mark.parametrize(
        "other",
        [
            replace(running_pod(), deleted_at=NOW),
            replace(running_pod(run=2)),
            replace(running_pod(), attempt=2, name=pod_name(attempt=2)),
            replace(running_pod(), run=0, attempt=0, name="somebody-elses"),
        ],
        ids=["going already", "of a later run", "of a later attempt", "not labelled"],
    )
    def test_no_other_pod_is_touched(self, other: PodObservation) -> None:
        """A status that is older than the pod says nothing of it."""
        assert not deleted(decide(world(failed(), pods=(other,))))

    def test_one_that_has_ended_meanwhile_is_kept_for_its_log(self) -> None:
        assert not deleted(decide(world(failed(), pods=(running_pod(),), answers={LIVE: ended_pod(1)})))
        assert not deleted(decide(world(failed(), pods=(running_pod(),), answers={LIVE: None})))

    def test_a_pod_of_a_later_attempt_is_waited_for_and_not_deleted(self) -> None:
        """The status is then an old one, as from an API server whose cache lags behind."""
        later = replace(running_pod(), attempt=2, name=pod_name(attempt=2), uid="later")
        decision = decide(world(started(), pods=(later,)))
        assert (decision.actions, created(decision)) == ((), [])
        assert decision.wake_at is not None

    def test_the_pod_of_the_run_on_its_way_stays(self) -> None:
        assert not deleted(decide(world(seen(), pods=(running_pod(),))))


class TestLingering:
    """Pods that a container which somebody injected keeps running after the build."""

    ended = replace(ended_pod(0), phase="Running")

    def cancelled(self, pod: PodObservation, *, later: int = 60, of: Resource | None = None) -> list[str]:
        at = cast("datetime", self.ended.kaniko.finished_at) + timedelta(seconds=later)
        actions = decide(world(of or succeeded(), pods=(pod,), now=at)).actions
        return [action.name for action in actions if isinstance(action, CancelPod)]

    def test_one_whose_injected_container_cannot_start_is_ended_too(self) -> None:
        assert self.cancelled(replace(self.ended, phase="Pending")) == [pod_name()]

    def test_one_is_ended_once_its_sidecars_had_their_time(self) -> None:
        assert self.cancelled(self.ended) == [pod_name()]
        assert self.cancelled(self.ended, later=5) == []

    def test_it_is_looked_at_again_when_that_time_is_over(self) -> None:
        at = cast("datetime", self.ended.kaniko.finished_at)
        woken = decide(world(succeeded(), pods=(self.ended,), now=at)).wake_at
        assert woken == at + LINGER_PATIENCE

    @pytest.mark.parametrize(
        "pod",
        [
            replace(ended, phase="Succeeded"),
            replace(ended, deleted_at=NOW),
            replace(ended, active_deadline_seconds=1),
            replace(ended, attempt=2),
            replace(ended, run=2),
            running_pod(),
        ],
        ids=["ended", "going already", "asked already", "of a later attempt", "of a later run", "building"],
    )
    def test_no_other_pod_is_touched(self, pod: PodObservation) -> None:
        assert self.cancelled(pod) == []

    def test_the_pod_of_the_run_on_its_way_is_left_until_its_end_is_told(self) -> None:
        assert self.cancelled(self.ended, of=seen()) == []


class TestAfterwards:
    def test_a_replaced_run_whose_successor_is_not_wanted_comes_to_rest(self) -> None:
        changed = replace(seen(), generation=2, spec=spec(target="x", when={"condition": "false"}))
        superseded = after(decide(world(changed, answers={LIVE: None})), changed)
        assert superseded.status.phase == Phase.SUPERSEDED
        skipped = decide(world(superseded))
        assert (conditions(skipped)["Ready"], reason_of(skipped)) == ("True", Reason.SKIPPED)
        assert "Reconciling" not in conditions(skipped)
        assert conditions(skipped)["Completed"] == "True"
        settled = after(skipped, superseded)
        assert decide(world(settled)).status == settled.status

    def test_a_change_made_while_a_run_failed_tries_it_again(self) -> None:
        """Such as more memory, which a running pod cannot get."""
        changed = replace(seen(), generation=2, spec=spec(resources={"limits": {"memory": "2Gi"}}))
        going = after(decide(world(changed, pods=(running_pod(),))), changed)
        assert (going.status.observed_generation, run_of(Decision(going.status)).generation) == (2, 1)
        out = after(decide(world(going, pods=(ended_pod(137, reason="OOMKilled"),), answers={PUSH_LOG: ""})), going)
        assert out.status.phase == Phase.FAILED
        again = decide(world(out, pods=(ended_pod(137, reason="OOMKilled"),)))
        assert (run_of(again).number, run_of(again).trigger, run_of(again).generation) == (2, "RetryAfterChange", 2)

    def test_a_failed_run_of_todays_spec_is_not_tried_again(self) -> None:
        assert decide(world(failed())).status == failed().status

    def test_a_suspended_resource_whose_image_an_earlier_run_pushed_is_ready(self) -> None:
        changed = replace(succeeded(), generation=2, spec=spec(target="broken"))
        second = after(decide(world(changed)), changed)
        log = replace(PUSH_LOG, pod=pod_name(2))
        broken = decide(world(second, pods=(ended_pod(1, run=2),), answers={log: "error building image: x"}))
        back = replace(after(broken, second), generation=3, spec=spec(suspend=True))
        decision = decide(world(back))
        assert (decision.status.phase, conditions(decision)["Ready"]) == (Phase.SUSPENDED, "True")
        assert not {"Stalled", "Reconciling"} & set(conditions(decision))
        assert decision.status.digest == DIGEST
        resumed = decide(world(replace(after(decision, back), generation=4, spec=spec())))
        assert run_of(resumed).number == 3, "the last run was of another spec"

    def test_a_cancelled_run_is_one_again_once_nothing_is_suspended(self) -> None:
        again = replace(succeeded(), rebuild="please")
        second = after(decide(world(again)), again)
        ask = AskLivePod(pod_name(2))
        ended = after(decide(world(replace(second, cancel="2"), answers={ask: None})), second)
        assert reason_of(Decision(ended.status)) == Reason.CANCELLED
        held = replace(ended, generation=2, spec=spec(suspend=True))
        suspended = after(decide(world(held)), held)
        assert conditions(Decision(suspended.status))["Ready"] == "True"
        resumed = decide(world(replace(suspended, generation=3, spec=spec())))
        assert (resumed.status.phase, reason_of(resumed)) == (Phase.CANCELLED, Reason.CANCELLED)
        assert conditions(resumed)["Ready"] == "False"

    def test_an_evicted_pod_is_kept_for_its_time_from_its_end(self) -> None:
        """Of kaniko's end nothing is known then, only of its source's, hours before."""
        moved = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-24T14:00:00Z"}
        evicted = pod(
            phase="Failed",
            reason="Evicted",
            startTime="2026-11-24T12:00:00Z",
            conditions=[moved],
            initContainerStatuses=[
                {
                    "name": "source",
                    "state": {
                        "terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-11-24T12:00:30Z"}
                    },
                }
            ],
        )
        at = NOW + timedelta(hours=2, minutes=59)
        early = decide(world(failed(), pods=(evicted,), now=at))
        assert (deleted(early), early.wake_at) == ([], NOW + timedelta(hours=3))
        assert deleted(decide(world(failed(), pods=(evicted,), now=NOW + timedelta(hours=3)))) == [pod_name()]

    def test_where_the_time_went_is_told(self) -> None:
        ended = replace(ended_pod(0, DIGEST), started_at=NOW + timedelta(seconds=2))
        decision = decide(world(started(), pods=(ended,), answers={READ_BACK: VERIFIED}))
        timings = run_of(decision).builds[0].timings
        assert (timings.waiting_seconds, timings.source_seconds, timings.build_seconds) == (2, 30, 30)

    @pytest.mark.parametrize("name", ["source", "kaniko"])
    def test_a_container_that_never_started_took_no_time(self, name: str) -> None:
        never = {**terminated(128, "StartError", "shim: deadline exceeded"), "startedAt": "1970-01-01T00:00:00Z"}
        state = container(name, terminated=never)
        statuses: dict[str, Any] = {"initContainerStatuses": [state]}
        if name == "kaniko":
            statuses = {"initContainerStatuses": [SOURCE_OK], "containerStatuses": [state]}
        first = seen(spec(retries=0))
        answers = {AskLog(pod_name(), name): ""}
        decision = decide(world(first, pods=(pod(phase="Failed", **statuses),), answers=answers))
        build = run_of(decision).builds[0]
        assert (build.reason, build.started_at) == (Reason.CONTAINER_NOT_STARTED, None)
        assert build.timings is None if name == "source" else build.timings.build_seconds is None
        ready = {item.type: item for item in decision.status.conditions}["SourceReady"]
        assert ready.reason == (Reason.CONTAINER_NOT_STARTED if name == "source" else Reason.SOURCE_FETCHED)

    @pytest.mark.parametrize(
        ("login", "word", "other"),
        [
            (replace(LOGIN, identity_hosts=("contoso.azurecr.io",)), "ABAC", "Secret"),
            (replace(LOGIN, identity_hosts=("other.azurecr.io",)), "Secret", "ABAC"),
            (LOGIN, "Secret", "ABAC"),
            (NO_CONNECTOR, "Secret", "ABAC"),
        ],
        ids=["identity", "identity elsewhere", "user and password", "connector gone"],
    )
    def test_a_refused_push_has_the_remedy_of_who_pushes(
        self, login: LoginSecretRef | Waiting, word: str, other: str
    ) -> None:
        log = (
            "error pushing image: failed to push: PUT https://contoso.azurecr.io/v2/: UNAUTHORIZED: a login is required"
        )
        answers = {PUSH_LOG: log, login_question(renewal=True): login}
        message = run_of(decide(world(seen(), pods=(ended_pod(1),), answers=answers))).builds[0].message
        assert word in message
        assert other not in message


def test_the_login_of_a_build_is_not_forgotten_where_nothing_changed() -> None:
    login = LoginSecretRef("buildandpush-login-0123456789ab", inputs=(("Secret/acr", "uid/1"),))
    fresh = resource()
    decision = decide(world(fresh, answers={login_question(): login}))
    assert run_of(decision).inputs == {"Secret/acr": "uid/1"}


class TestBaseImages:
    """A base image that is not there: missing, or early."""

    log = "error building image: GET https://contoso.azurecr.io/v2/shop/base/manifests/1: MANIFEST_UNKNOWN: unknown"
    asked = AskPusher("contoso.azurecr.io/shop/base")

    def end(self, pusher: str | None) -> Decision:
        answers: dict[Any, Any] = {LIVE: ended_pod(1), PUSH_LOG: self.log, self.asked: pusher}
        return decide(world(seen(), pods=(ended_pod(1),), answers=answers))

    def test_one_that_another_build_pushes_is_waited_for(self) -> None:
        decision = self.end("base")
        assert run_of(decision).finished_at is None
        (told,) = [item.message for item in decision.status.conditions if item.type == "Ready"]
        assert "contoso.azurecr.io/shop/base, by BuildAndPushACR 'base'" in told

    def test_one_that_nobody_pushes_is_missing(self) -> None:
        assert reason_of(self.end(None)) == Reason.BASE_IMAGE_NOT_FOUND
