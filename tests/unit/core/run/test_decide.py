"""The life of a run, decision by decision."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus
from buildandpush.core.build.questions import AskLivePod, AskLog
from buildandpush.core.build.waiting import WAIT
from buildandpush.core.build.world import Announce, CancelPod, CreatePod, Decision, DeletePod, Refusal, Resource
from buildandpush.core.facts import LoginSecretRef, ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import (
    DIGEST,
    LOGIN,
    NOW,
    OWNER,
    ended_pod,
    login_question,
    pod,
    pod_name,
    resource,
    running_pod,
    spec,
    world,
)
from tests.unit.core.scenes import (
    OWN,
    PROOF,
    READ_BACK,
    VERIFIED,
    after,
    asked_for_long,
    conditions,
    failed,
    reason_of,
    seen,
    started,
    succeeded,
)


class TestStart:
    def test_the_intent_is_in_the_status_that_is_written_before_the_pod_is_created(self) -> None:
        decision = decide(world(resource()))
        run = decision.status.run
        assert run is not None
        assert (run.number, run.trigger, run.builds[0].pod_name) == (1, "Spec", pod_name())
        assert [action.name for action in decision.actions if isinstance(action, CreatePod)] == [pod_name()]
        assert conditions(decision) == {
            "Ready": "Unknown",
            "Succeeded": "Unknown",
            "Completed": "False",
            "Reconciling": "True",
            "SpecValid": "True",
        }
        assert decision.status.observed_generation == 1

    def test_a_run_is_told_before_its_pod_is_made_and_again_after_a_crash_in_between(self) -> None:
        """An operator killed right after the first write left a build without its Event Accepted."""
        fresh = resource()
        for decision in (decide(world(fresh)), decide(world(started()))):
            assert [getattr(action, "reason", "pod") for action in decision.actions] == [Reason.ACCEPTED, "pod"]

    def test_a_run_is_accepted_whatever_the_login_turns_out_to_be(self) -> None:
        """An Entra ID that takes its time would keep the status at generation -1 until it has answered."""
        asked = decide(replace(world(resource()), answers={}))
        assert asked.questions == {login_question()}
        assert [action.reason for action in asked.actions if isinstance(action, Announce)] == [Reason.ACCEPTED]
        assert len(asked.actions) == 1
        assert (asked.status.observed_generation, asked.status.phase) == (1, Phase.PENDING)
        assert reason_of(asked) == Reason.ACCEPTED

    def test_an_edit_while_a_run_waits_is_observed_whatever_the_login_turns_out_to_be(self) -> None:
        edited = replace(started(), generation=2, spec=spec(timeout="2h"))
        asked = decide(replace(world(edited), answers={}))
        assert asked.questions == {login_question()}
        assert asked.status.observed_generation == 2

    def test_a_pod_that_runs_is_told_whatever_the_renewal_of_its_login_turns_out_to_be(self) -> None:
        seen_first = world(started(), pods=(running_pod(),))
        asked = decide(replace(seen_first, answers={}))
        assert asked.questions == {login_question(renewal=True)}
        assert (asked.status.phase, reason_of(asked)) == (Phase.RUNNING, Reason.BUILDING)

    def test_a_missing_connector_is_waited_for_and_then_heals(self) -> None:
        question = login_question()
        fresh = resource()
        waiting = decide(world(fresh, answers={question: Waiting(Reason.CONNECTOR_MISSING, "AzureConnector 'acr'")}))
        assert reason_of(waiting) == Reason.CONNECTOR_MISSING
        assert waiting.wake_at == NOW + WAIT
        assert not [action for action in waiting.actions if isinstance(action, CreatePod)]
        healed = decide(world(after(waiting, fresh), answers={question: LOGIN}))
        assert [action for action in healed.actions if isinstance(action, CreatePod)]

    def test_a_wait_that_goes_on_writes_nothing_new(self) -> None:
        question = login_question()
        answers = {question: Waiting(Reason.SECRET_MISSING, "Secret 'x'")}
        fresh = resource()
        waiting = after(decide(world(fresh, answers=answers)), fresh)
        again = decide(world(waiting, answers=answers, now=NOW + WAIT))
        assert again.status == waiting.status
        assert again.actions == ()

    def test_a_pipelines_identifier_names_the_connector(self) -> None:
        asked = decide(replace(world(resource(spec(connectorRef="account.My_ACR"))), answers={}))
        assert asked.questions == {login_question("my-acr")}

    @pytest.mark.parametrize(
        ("refusal", "phase", "ready"),
        [
            (Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: small", final=False), Phase.PENDING, "Unknown"),
            (Refusal(Reason.NAME_COLLISION, "pod 'x'", final=False), Phase.PENDING, "Unknown"),
            (Refusal(Reason.POD_REFUSED, 'violates PodSecurity "restricted"', final=True), Phase.FAILED, "False"),
        ],
    )
    def test_a_refused_pod_waits_or_fails_with_the_servers_words(
        self, refusal: Refusal, phase: Phase, ready: str
    ) -> None:
        decision = decide(world(started(), refusal=refusal))
        assert decision.status.phase is phase
        assert conditions(decision)["Ready"] == ready
        assert refusal.message in decision.status.conditions[0].message

    def test_a_resource_that_is_being_deleted_is_left_alone(self) -> None:
        going = replace(resource(), deleting=True)
        assert decide(world(going)) == Decision(going.status)


class TestProgress:
    def test_a_crash_before_the_pod_was_created_creates_the_pod_of_the_same_name(self) -> None:
        decision = decide(world(started()))
        assert [action.name for action in decision.actions if isinstance(action, CreatePod)] == [pod_name()]
        assert decision.status.run is not None
        assert decision.status.run.number == 1

    def test_a_running_pod_is_told_with_its_uid_and_commit(self) -> None:
        decision = decide(world(started(), pods=(running_pod(),)))
        assert decision.status.run is not None
        assert decision.status.run.builds[0].pod_uid == "pod-1"
        assert decision.status.run.source is not None
        assert decision.status.run.source.commit == "c" * 40
        assert (decision.status.phase, reason_of(decision)) == (Phase.RUNNING, Reason.BUILDING)

    def test_the_same_pod_seen_twice_changes_nothing(self) -> None:
        running = seen()
        assert decide(world(running, pods=(running_pod(),))).status == running.status

    @pytest.mark.parametrize(
        ("waiting", "reason"),
        [
            ({"reason": "ImagePullBackOff", "message": "Back-off pulling kaniko"}, Reason.IMAGE_PULL_FAILED),
            (
                {"reason": "CreateContainerConfigError", "message": "secret x not found"},
                Reason.CONTAINER_CONFIG_INVALID,
            ),
            ({"reason": "CreateContainerError", "message": "context deadline exceeded"}, Reason.CONTAINER_NOT_STARTED),
            ({"reason": "RunContainerError", "message": "runc create failed"}, Reason.CONTAINER_NOT_STARTED),
        ],
    )
    def test_a_container_that_cannot_start_says_why(self, waiting: dict[str, str], reason: Reason) -> None:
        stuck = pod(phase="Pending", containerStatuses=[{"name": "kaniko", "state": {"waiting": waiting}}])
        decision = decide(world(started(), pods=(stuck,)))
        assert reason_of(decision) == reason
        assert waiting["message"] in decision.status.conditions[0].message
        assert "run it again" not in decision.status.conditions[0].message, "it has not ended"

    def test_an_unschedulable_pod_gives_the_schedulers_words(self) -> None:
        scheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}
        stuck = pod(spec_changes={"nodeName": ""}, phase="Pending", conditions=[scheduled])
        decision = decide(world(started(), pods=(stuck,)))
        assert reason_of(decision) == Reason.UNSCHEDULABLE
        assert "Insufficient memory" in decision.status.conditions[0].message

    @pytest.mark.parametrize("minutes", [1, 61])
    @pytest.mark.parametrize(
        ("words", "remedy"),
        [
            (
                '0/1 nodes are available: persistentvolumeclaim "cache" not found. not found',
                "Create PersistentVolumeClaim 'cache' in this namespace",
            ),
            ("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "kubectl describe pvc"),
            ("0/1 nodes are available: 1 Insufficient cpu.", "Lower resources.limits"),
            ("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {a: }.", "resources.limits"),
            ("0/2 nodes are available: 2 node(s) had untolerated taint {only: db}.", "podTemplate.tolerations"),
            ("0/1 nodes are available: 1 node(s) had untolerated taint(s).", "a node without it"),
            ("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", "nodeSelector"),
        ],
    )
    def test_an_unschedulable_pod_says_what_to_do(self, words: str, remedy: str, minutes: int) -> None:
        scheduled = {"type": "PodScheduled", "status": "False", "message": words}
        stuck = replace(pod(spec_changes={"nodeName": ""}, phase="Pending", conditions=[scheduled]), created_at=NOW)
        decision = decide(world(started(), pods=(stuck,), now=NOW + timedelta(minutes=minutes)))
        message = decision.status.conditions[0].message
        assert words in message
        assert remedy in message
        assert ("resources.limits" in message) == ("resources.limits" in remedy)
        assert ("starts by itself" in message) == (minutes == 1 and "Create" not in remedy), "not once it is gone"
        assert ("run it again" in message) == (minutes == 61)


class TestEnd:
    def test_success_needs_the_registrys_word(self) -> None:
        first = seen()
        asked = decide(world(first, pods=(ended_pod(0, DIGEST),)))
        assert asked.questions == {READ_BACK}

    def test_a_pushed_and_read_back_image_is_ready(self) -> None:
        done = succeeded().status
        assert done.digest == DIGEST
        assert done.image == f"contoso.azurecr.io/shop/web@{DIGEST}"
        assert [item.image for item in done.artifacts] == ["contoso.azurecr.io/shop/web:latest"]
        values = {item.type: item.status for item in done.conditions}
        assert values == dict.fromkeys(
            ["Ready", "Succeeded", "Completed", "SpecValid", "SourceReady", "Built", "Pushed", "Verified"], "True"
        )

    def test_a_digest_the_registry_does_not_have_is_a_failure(self) -> None:
        missing = ReadBack({"latest": None}, digest_found=False)
        decision = decide(world(asked_for_long(seen()), pods=(ended_pod(0, DIGEST),), answers={READ_BACK: missing}))
        assert (conditions(decision)["Ready"], reason_of(decision)) == ("False", Reason.DIGEST_NOT_IN_REGISTRY)
        assert decision.status.digest is None

    def test_a_tag_moved_by_somebody_else_is_told_but_no_failure(self) -> None:
        moved = ReadBack({"latest": "sha256:" + "b" * 64}, digest_found=True)
        answers = {READ_BACK: moved, OWN: DIGEST}
        decision = decide(world(seen(), pods=(ended_pod(0, DIGEST),), answers=answers))
        assert conditions(decision)["Ready"] == "True"
        assert reason_of(decision, ConditionType.VERIFIED) == Reason.TAG_MOVED

    def test_the_digest_of_an_older_image_is_found_out(self) -> None:
        """A process that a RUN line left behind can write any digest that the repository has."""
        pushed = ReadBack({"latest": "sha256:" + "b" * 64}, digest_found=True)
        answers = {READ_BACK: pushed, OWN: None}
        decision = decide(world(seen(), pods=(ended_pod(0, DIGEST),), answers=answers))
        assert (decision.status.phase, reason_of(decision)) == (Phase.FAILED, Reason.DIGEST_NOT_CONFIRMED)
        assert decision.status.digest is None

    @pytest.mark.parametrize(
        ("facts", "kept"),
        [
            ({"size_bytes": 2**63 - 1, "media_type": "m" * 128, "platform": "p" * 64}, True),
            ({"size_bytes": 0, "media_type": "m/x+json", "platform": "linux/amd64"}, True),
            ({"size_bytes": 2**63, "media_type": "m" * 129, "platform": "p" * 65}, False),
            ({"size_bytes": -1, "media_type": "\ud800", "platform": "linux/\x1b[31m"}, False),
            ({"size_bytes": True, "media_type": 5, "platform": ["linux"]}, False),
            ({"size_bytes": "7", "media_type": "", "platform": ""}, False),
        ],
    )
    def test_what_a_registry_says_of_an_image_is_told_only_where_it_fits(
        self, facts: dict[str, Any], kept: bool
    ) -> None:
        """The API server refuses a status with more than that, and the run would never end."""
        read_back = ReadBack({"latest": DIGEST}, digest_found=True, **facts)
        decision = decide(world(seen(), pods=(ended_pod(0, DIGEST),), answers={READ_BACK: read_back}))
        assert decision.status.run is not None
        build = decision.status.run.builds[0]
        found = {name: getattr(build, name) for name in facts}
        assert found == (facts if kept else dict.fromkeys(facts))

    @pytest.mark.parametrize("message", ["", "sha256:short", "latest", DIGEST.upper(), DIGEST + "0"])
    def test_exit_0_without_a_well_formed_digest_is_a_failure(self, message: str) -> None:
        answers = {AskLog(pod_name(), "kaniko"): ""}
        decision = decide(world(seen(), pods=(ended_pod(0, message),), answers=answers))
        assert reason_of(decision) == Reason.DIGEST_MISSING

    def test_a_digest_beside_a_failed_exit_counts_for_nothing(self) -> None:
        answers = {AskLog(pod_name(), "kaniko"): "error building image: it broke"}
        decision = decide(world(seen(), pods=(ended_pod(1, DIGEST),), answers=answers))
        assert decision.status.phase is Phase.FAILED
        assert decision.status.digest is None

    def test_a_sidecar_that_goes_on_does_not_hide_the_end(self) -> None:
        sidecar = replace(ended_pod(0, DIGEST), phase="Running")
        decision = decide(world(seen(), pods=(sidecar,), answers={READ_BACK: VERIFIED}))
        assert decision.status.phase is Phase.SUCCEEDED

    def test_a_finished_run_never_flips(self) -> None:
        done = succeeded()
        for late in (ended_pod(1), ended_pod(0, "sha256:" + "b" * 64)):
            decision = decide(world(done, pods=(late,)))
            assert (decision.status, decision.actions) == (done.status, ())
        assert decide(world(done, pods=(running_pod(),))).status == done.status

    def test_the_last_good_image_stays_through_a_later_failure(self) -> None:
        done = replace(succeeded(), generation=2, spec=spec(target="other"))
        second = after(decide(world(done)), done)
        answers = {AskLog(pod_name(2), "kaniko"): "error building image: it broke"}
        decision = decide(world(second, pods=(ended_pod(1, run=2),), answers=answers))
        assert decision.status.phase is Phase.FAILED
        assert decision.status.digest == DIGEST


class TestLoss:
    def test_a_pod_gone_from_the_cache_is_asked_for_live(self) -> None:
        assert decide(world(seen())).questions == {AskLivePod(pod_name())}

    def test_a_pod_the_api_server_still_has_is_not_lost(self) -> None:
        running = seen()
        decision = decide(world(running, answers={AskLivePod(pod_name()): running_pod()}))
        assert decision.status == running.status

    @pytest.mark.parametrize("live", [None, replace(running_pod(), uid="another")])
    def test_a_pod_gone_or_replaced_is_lost_and_not_silently_rebuilt(self, live: PodObservation | None) -> None:
        answers = {AskLivePod(pod_name()): live, PROOF: None}
        decision = decide(world(seen(spec(retries=0)), answers=answers))
        assert reason_of(decision) == Reason.POD_LOST
        assert not [action for action in decision.actions if isinstance(action, CreatePod)]


class TestTriggers:
    def test_the_same_generation_never_starts_a_run_whatever_its_hash(self) -> None:
        """An operator that hashes differently must not rebuild everything on its first day."""
        done = succeeded()
        assert done.status.run is not None
        other = done.status.model_copy(update={"run": done.status.run.model_copy(update={"spec_hash": "v0:other"})})
        assert decide(world(replace(done, status=other))) == Decision(other)

    @pytest.mark.parametrize(
        "change", [{"timeout": "2h"}, {"runAsUser": 0}, {"resources": {"limits": {"memory": "1Gi"}}}]
    )
    def test_a_change_that_does_not_shape_the_image_starts_no_run_after_success(self, change: dict[str, Any]) -> None:
        decision = decide(world(replace(succeeded(), generation=2, spec=spec(**change))))
        assert decision.status.run is not None
        assert (decision.status.run.number, decision.status.observed_generation) == (1, 2)
        assert conditions(decision)["Ready"] == "True"

    def test_the_same_change_starts_a_run_after_a_failure(self) -> None:
        decision = decide(world(replace(failed(), generation=2, spec=spec(timeout="2h"))))
        assert decision.status.run is not None
        assert (decision.status.run.number, decision.status.run.trigger) == (2, "RetryAfterChange")

    def test_a_changed_image_starts_the_next_run(self) -> None:
        decision = decide(world(replace(succeeded(), generation=2, spec=spec(tags=["v2"]))))
        assert decision.status.run is not None
        assert (decision.status.run.number, decision.status.run.trigger) == (2, "Spec")
        assert "Verified" not in conditions(decision)


class TestInvalidSpec:
    def test_a_spec_that_cannot_be_used_says_so_and_uses_up_no_number(self) -> None:
        decision = decide(world(resource(spec(timeout="never"))))
        assert decision.status.run is None
        assert reason_of(decision) == Reason.SPEC_INVALID
        assert "timeout" in decision.status.conditions[0].message
        assert conditions(decision)["Stalled"] == "True"
        assert decision.status.phase is Phase.INVALID

    def test_a_correction_goes_on_with_the_first_number(self) -> None:
        bad = resource(spec(timeout="never"))
        fixed = replace(after(decide(world(bad)), bad), generation=2, spec=spec())
        decision = decide(world(fixed))
        assert decision.status.run is not None
        assert decision.status.run.number == 1
        assert conditions(decision)["SpecValid"] == "True"
        assert "Stalled" not in conditions(decision)

    def test_a_return_to_the_spec_of_the_last_good_run_is_ready_again(self) -> None:
        bad = replace(succeeded(), generation=2, spec=spec(timeout="never"))
        rejected = decide(world(bad))
        assert conditions(rejected)["Ready"] == "False"
        assert conditions(rejected)["Succeeded"] == "True"
        back = decide(world(after(rejected, bad, generation=3, spec=spec())))
        assert conditions(back)["Ready"] == "True"
        assert back.status.phase is Phase.SUCCEEDED

    def test_a_run_on_its_way_goes_on_beside_an_invalid_spec(self) -> None:
        bad = replace(seen(), generation=2, spec=spec(timeout="never"))
        rejected = decide(world(bad, pods=(running_pod(),)))
        assert conditions(rejected)["SpecValid"] == "False"
        assert not [action for action in rejected.actions if isinstance(action, CancelPod | DeletePod)]
        done = decide(world(after(rejected, bad), pods=(ended_pod(0, DIGEST),), answers={READ_BACK: VERIFIED}))
        assert done.status.digest == DIGEST
        assert (conditions(done)["Succeeded"], conditions(done)["Ready"]) == ("True", "False")


class TestReplace:
    def change(self, of: Resource) -> Resource:
        return replace(of, generation=2, spec=spec(target="other"))

    def test_a_running_pod_is_cancelled_by_its_deadline_so_that_its_log_stays(self) -> None:
        decision = decide(world(self.change(seen()), pods=(running_pod(),)))
        assert decision.actions == (CancelPod(pod_name(), "pod-1"),)
        assert decision.status.observed_generation == 1
        assert reason_of(decision) == Reason.SUPERSEDING

    def test_a_pod_without_a_node_is_deleted_since_no_kubelet_would_end_it(self) -> None:
        pending = pod(spec_changes={"nodeName": ""}, phase="Pending")
        decision = decide(world(self.change(started()), pods=(pending,)))
        assert decision.actions == (DeletePod(pod_name(), "pod-1"),)

    WAITS = replace(pod(spec_changes={"nodeName": ""}, phase="Pending"), unschedulable="0/1 nodes are available")

    @pytest.mark.parametrize("change", [{"resources": {"limits": {"memory": "1Gi"}}}, {"podTemplate": {}}])
    def test_an_edit_helps_a_pod_that_no_node_takes(self, change: dict[str, Any]) -> None:
        edited = replace(started(), generation=2, spec=spec(**change))
        gone = decide(world(edited, pods=(self.WAITS,)))
        assert gone.actions == (DeletePod(pod_name(), "pod-1"),)
        answers = {AskLivePod(pod_name()): None}
        ended = decide(world(after(gone, edited), answers=answers))
        assert ended.status.phase is Phase.SUPERSEDED
        second = decide(world(after(ended, edited), answers=answers))
        assert [action.name for action in second.actions if isinstance(action, CreatePod)] == [pod_name(run=2)]
        assert second.status.observed_generation == 2

    @pytest.mark.parametrize("change", [{"onChange": "Queue"}, {"suspend": True}])
    def test_an_edit_that_lets_the_run_be_leaves_a_pod_that_no_node_takes(self, change: dict[str, Any]) -> None:
        edited = replace(started(), generation=2, spec=spec(**change))
        decision = decide(world(edited, pods=(self.WAITS,)))
        assert (decision.actions, decision.status.observed_generation) == ((), 2)

    def test_an_edit_that_changes_no_image_leaves_a_pod_that_has_a_node(self) -> None:
        edited = replace(seen(), generation=2, spec=spec(timeout="3h"))
        decision = decide(world(edited, pods=(running_pod(),)))
        assert (decision.actions, decision.status.observed_generation) == ((), 2)

    def test_the_new_run_starts_once_the_old_pod_has_ended(self) -> None:
        changed = self.change(seen())
        cancelled = pod(phase="Failed", reason="DeadlineExceeded", spec_changes={"activeDeadlineSeconds": 1})
        ended = decide(world(changed, pods=(cancelled,)))
        assert ended.status.phase is Phase.SUPERSEDED
        assert ended.status.run is not None
        assert ended.status.run.finished_at == NOW
        second = decide(world(after(ended, changed), pods=(cancelled,)))
        assert second.status.run is not None
        assert (second.status.run.number, second.status.observed_generation) == (2, 2)

    def test_a_run_whose_pod_was_never_created_gives_way_at_once(self) -> None:
        decision = decide(world(self.change(started()), answers={AskLivePod(pod_name()): None}))
        assert decision.status.phase is Phase.SUPERSEDED

    def test_a_build_that_beat_its_cancellation_counts(self) -> None:
        changed = self.change(seen())
        done = decide(world(changed, pods=(ended_pod(0, DIGEST),), answers={READ_BACK: VERIFIED}))
        assert done.status.digest == DIGEST
        assert done.status.observed_generation == 1
        second = decide(world(after(done, changed)))
        assert second.status.run is not None
        assert second.status.run.number == 2

    def test_a_change_taken_back_while_cancelling_starts_the_run_anew(self) -> None:
        cancelled = pod(phase="Failed", reason="DeadlineExceeded", spec_changes={"activeDeadlineSeconds": 1})
        changed = self.change(seen())
        stopping = after(decide(world(changed, pods=(running_pod(),))), changed)
        back = replace(stopping, generation=3, spec=spec())
        ended = decide(world(back, pods=(cancelled,)))
        assert ended.status.phase is Phase.SUPERSEDED
        second = decide(world(after(ended, back)))
        assert second.status.run is not None
        assert second.status.run.number == 2


class TestSummary:
    def test_transition_times_move_only_when_a_value_flips(self) -> None:
        first = started()
        later = NOW + WAIT
        decision = decide(world(first, pods=(running_pod(),), now=later))
        ready = next(item for item in decision.status.conditions if item.type == "Ready")
        assert (ready.status, ready.last_transition_time) == ("Unknown", NOW)

    def test_events_carry_the_reason_and_are_named_after_run_and_attempt(self) -> None:
        decision = decide(world(resource()))
        assert [(item.reason, item.key) for item in decision.actions if isinstance(item, Announce)] == [
            (Reason.ACCEPTED, "run-1-attempt-1")
        ]

    def test_the_manifest_belongs_to_the_resource(self) -> None:
        decision = decide(world(resource(), answers={login_question(): LoginSecretRef("s")}))
        created = next(action for action in decision.actions if isinstance(action, CreatePod))
        assert created.manifest["metadata"]["ownerReferences"][0]["uid"] == OWNER.uid


def test_a_status_survives_the_trip_through_json() -> None:
    done = succeeded().status
    assert BuildAndPushACRStatus.model_validate(done.to_dict()) == done
