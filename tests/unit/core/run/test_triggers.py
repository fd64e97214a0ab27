"""What starts a run, what ends one early, and what of the past is kept."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import MAX_RUN_NUMBER
from buildandpush.core.backoff import backoff_seconds
from buildandpush.core.build.questions import AskAllTags, AskLivePod, AskLog, AskProof, AskTags
from buildandpush.core.build.waiting import WAIT
from buildandpush.core.build.world import CancelPod, CreatePod, Decision, DeletePod, Resource
from buildandpush.core.facts import ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import (
    DIGEST,
    NOW,
    OWNER,
    SETTINGS,
    ended_pod,
    pod,
    pod_name,
    resource,
    run_label,
    running_pod,
    spec,
    world,
)
from tests.unit.core.scenes import PROOF, after, conditions, failed, reason_of, seen, started, succeeded

LOG = AskLog(pod_name(), "kaniko")


def run_of(decision: Any) -> Any:
    """The run in a decision's status."""
    assert decision.status.run is not None
    return decision.status.run


def created(decision: Any) -> list[str]:
    """Names of the pods that a decision makes."""
    return [action.name for action in decision.actions if isinstance(action, CreatePod)]


class TestRebuild:
    def test_a_new_value_starts_a_run_of_the_same_spec(self) -> None:
        decision = decide(world(replace(succeeded(), rebuild="please")))
        assert (run_of(decision).number, run_of(decision).trigger) == (2, "Rebuild")
        assert decision.status.handled_rebuilds == ["please"]

    def test_a_value_that_was_handled_asks_for_nothing(self) -> None:
        done = replace(succeeded(), rebuild="please")
        again = after(decide(world(done)), done)
        ended = replace(succeeded(), rebuild="please", status=again.status)
        finished = ended.status.run.model_copy(update={"finished_at": NOW})  # type: ignore[union-attr]
        idle = replace(ended, status=ended.status.model_copy(update={"run": finished}))
        assert decide(world(idle)).status == idle.status

    def test_only_the_last_ten_values_are_remembered(self) -> None:
        old = [f"value-{number}" for number in range(10)]
        done = succeeded()
        full = replace(done, rebuild="new", status=done.status.model_copy(update={"handled_rebuilds": old}))
        assert decide(world(full)).status.handled_rebuilds == [*old[1:], "new"]

    def test_a_value_from_before_the_first_run_is_handled_by_it(self) -> None:
        decision = decide(world(replace(resource(), rebuild="please")))
        assert run_of(decision).trigger == "Spec"
        assert decision.status.handled_rebuilds == ["please"]

    def test_a_request_waits_for_the_run_on_its_way(self) -> None:
        decision = decide(world(replace(seen(), rebuild="please"), pods=(running_pod(),)))
        assert run_of(decision).number == 1
        assert decision.status.handled_rebuilds == []

    def test_an_invalid_spec_leaves_the_request_for_later(self) -> None:
        bad = replace(succeeded(), generation=2, spec=spec(timeout="never"))
        rejected = replace(after(decide(world(bad)), bad), rebuild="please")
        later = decide(world(rejected)).status
        assert (later.run, later.handled_rebuilds) == (rejected.status.run, [])


class TestCancel:
    def test_the_number_of_another_run_cancels_nothing(self) -> None:
        running = replace(seen(), cancel="2")
        decision = decide(world(running, pods=(running_pod(),)))
        assert (decision.actions, decision.status.run) == ((), running.status.run)

    @pytest.mark.parametrize("value", ["true", "web-r1", "2", "01"])
    def test_a_value_that_is_not_the_runs_number_stops_nothing_and_is_told(self, value: str) -> None:
        decision = decide(world(replace(seen(), cancel=value), pods=(running_pod(),)))
        assert not decision.actions
        message = next(item.message for item in decision.status.conditions if item.type == "Ready")
        assert f"buildandpush.dev/cancel is {value!r}" in message
        assert message.endswith("To stop it, set the annotation to 1.")

    def test_flux_which_reads_reconciling_tells_it_too(self) -> None:
        decision = decide(world(replace(seen(), cancel="true"), pods=(running_pod(),)))
        told = {item.type: item.message for item in decision.status.conditions}
        assert told["Reconciling"] == told["Ready"]
        assert "annotation" not in told["Succeeded"]

    def test_it_is_told_once_however_often_the_resource_is_looked_at(self) -> None:
        asked = replace(seen(), cancel="true")
        told = decide(world(asked, pods=(running_pod(),)))
        again = decide(world(after(told, asked), pods=(running_pod(),)))
        assert again.status == told.status

    def test_it_is_told_no_more_once_the_annotation_is_gone(self) -> None:
        asked = replace(seen(), cancel="true")
        told = after(decide(world(asked, pods=(running_pod(),))), asked)
        back = decide(world(replace(told, cancel=""), pods=(running_pod(),)))
        assert "cancel" not in next(item.message for item in back.status.conditions if item.type == "Ready")

    def test_a_long_value_leaves_the_message_within_its_bound(self) -> None:
        decision = decide(world(replace(seen(), cancel="x" * 5000), pods=(running_pod(),)))
        message = next(item.message for item in decision.status.conditions if item.type == "Ready")
        assert len(message) < 1024
        assert message.startswith("kaniko builds in pod")

    @pytest.mark.parametrize("value", ["0", "", "  "])
    def test_what_is_left_of_an_earlier_request_is_told_to_nobody(self, value: str) -> None:
        decision = decide(world(replace(seen(), cancel=value), pods=(running_pod(),)))
        assert "annotation" not in next(item.message for item in decision.status.conditions if item.type == "Ready")

    def test_a_running_pod_is_ended_by_its_deadline_and_its_log_kept(self) -> None:
        running = replace(seen(), cancel="1")
        stopping = decide(world(running, pods=(running_pod(),)))
        assert stopping.actions == (CancelPod(pod_name(), "pod-1"),)
        assert reason_of(stopping) == Reason.CANCELLING
        killed = ended_pod(2, reason="Error", reason_of_pod="DeadlineExceeded")
        ended = decide(world(after(stopping, running), pods=(killed,), answers={LOG: "half way"}))
        assert (ended.status.phase, reason_of(ended)) == (Phase.CANCELLED, Reason.CANCELLED)
        assert run_of(ended).builds[0].failure.log_tail == "half way"
        assert conditions(ended)["Stalled"] == "True"

    def test_the_annotation_may_go_once_the_intent_stands(self) -> None:
        running = replace(seen(), cancel="1")
        stopping = after(decide(world(running, pods=(running_pod(),))), running)
        later = decide(world(replace(stopping, cancel=""), pods=(running_pod(),)))
        assert reason_of(later) == Reason.CANCELLING

    def test_a_run_without_a_pod_ends_at_once(self) -> None:
        decision = decide(world(replace(started(), cancel="1"), answers={AskLivePod(pod_name()): None}))
        assert decision.status.phase == Phase.CANCELLED

    def test_a_kubelet_that_does_not_listen_loses_the_pod(self) -> None:
        running = replace(seen(), cancel="1")
        stopping = after(decide(world(running, pods=(running_pod(),))), running)
        stopped = replace(running_pod(), active_deadline_seconds=1)
        late = decide(world(stopping, pods=(stopped,), now=NOW + timedelta(seconds=121)))
        assert late.actions == (DeletePod(pod_name(), "pod-1"),)

    def test_a_cancelled_run_is_not_tried_again_by_a_change_that_shapes_no_image(self) -> None:
        cancelled = decide(world(replace(started(), cancel="1"), answers={AskLivePod(pod_name()): None}))
        changed = after(cancelled, started(), generation=2, spec=spec(timeout="2h"))
        assert run_of(decide(world(changed))).number == 1


class TestSuspend:
    @pytest.mark.proves("suspend")
    def test_no_run_starts(self) -> None:
        decision = decide(world(resource(spec(suspend=True))))
        assert decision.status.run is None
        assert decision.actions == ()
        assert (decision.status.phase, reason_of(decision)) == (Phase.SUSPENDED, Reason.SUSPENDED)
        assert conditions(decision)["Ready"] == "Unknown"
        assert "Reconciling" not in conditions(decision)

    def test_what_the_last_good_run_left_stays_ready(self) -> None:
        decision = decide(world(replace(succeeded(), generation=2, spec=spec(suspend=True))))
        assert (decision.status.phase, conditions(decision)["Ready"]) == (Phase.SUSPENDED, "True")

    def test_going_on_builds_what_changed_meanwhile(self) -> None:
        held = resource(spec(suspend=True))
        free = after(decide(world(held)), held, generation=2, spec=spec())
        assert run_of(decide(world(free))).number == 1

    def test_going_on_with_the_same_image_shows_its_end_again(self) -> None:
        held = replace(failed(), generation=2, spec=spec(suspend=True))
        suspended = decide(world(held))
        assert reason_of(suspended) == Reason.SUSPENDED
        good = replace(succeeded(), generation=2, spec=spec(suspend=True, target="other"))
        hidden = decide(world(good))
        assert conditions(hidden)["Ready"] == "Unknown"
        back = decide(world(after(hidden, good, generation=3, spec=spec())))
        assert (back.status.phase, conditions(back)["Ready"]) == (Phase.SUCCEEDED, "True")

    def test_a_run_on_its_way_ends(self) -> None:
        held = replace(seen(), generation=2, spec=spec(suspend=True, target="other"))
        decision = decide(world(held, pods=(running_pod(),)))
        assert decision.actions == ()
        assert reason_of(decision) == Reason.BUILDING

    def test_a_rebuild_waits(self) -> None:
        held = resource(spec(suspend=True))
        asked = replace(after(decide(world(held)), held), rebuild="please")
        assert decide(world(asked)).status == asked.status


class TestQueue:
    @pytest.mark.proves("onChange")
    def test_the_run_on_its_way_ends_before_the_next_starts(self) -> None:
        changed = replace(seen(), generation=2, spec=spec(target="other", onChange="Queue"))
        decision = decide(world(changed, pods=(running_pod(),)))
        assert decision.actions == ()
        assert decision.status.observed_generation == 1

    def test_a_run_that_has_no_pod_yet_has_nothing_to_wait_for(self) -> None:
        changed = replace(started(), generation=2, spec=spec(target="other", onChange="Queue"))
        assert decide(world(changed)).status.phase == Phase.SUPERSEDED


class TestNumbers:
    @pytest.mark.proves("firstRunNumber")
    def test_the_first_number_is_the_specs(self) -> None:
        decision = decide(
            world(
                resource(spec(firstRunNumber=1042, tags=["<+pipeline.sequenceId>"])),
                answers={AskTags("contoso.azurecr.io/shop/web", ("1042",), "acr"): ReadBack({}, False)},
            )
        )
        assert (run_of(decision).number, run_of(decision).builds[0].tags) == (1042, ["1042"])

    def test_a_number_never_goes_back(self) -> None:
        decision = decide(world(replace(succeeded(), generation=2, spec=spec(target="x", firstRunNumber=1))))
        assert run_of(decision).number == 2

    def test_a_raised_first_number_jumps_ahead(self) -> None:
        decision = decide(world(replace(succeeded(), generation=2, spec=spec(target="x", firstRunNumber=50))))
        assert run_of(decision).number == 50


class TestTagExists:
    SPEC = spec(tags=["latest", "1.<+pipeline.sequenceId>"])
    TAGS = AskTags("contoso.azurecr.io/shop/web", ("1.1",), "acr")
    PROOF = AskProof("contoso.azurecr.io/shop/web", ("latest", "1.1"), run_label(SPEC), "acr")
    TAKEN = ReadBack({"1.1": DIGEST}, digest_found=False)

    def test_a_numbered_tag_that_is_taken_fails_the_first_run(self) -> None:
        answers = {self.TAGS: self.TAKEN, AskLivePod(pod_name()): None, self.PROOF: None}
        decision = decide(world(resource(self.SPEC), answers=answers))
        assert reason_of(decision) == Reason.TAG_EXISTS
        assert "contoso.azurecr.io/shop/web:1.1" in decision.status.conditions[0].message
        assert not [action for action in decision.actions if isinstance(action, CreatePod)]

    def test_this_runs_own_push_is_no_collision(self) -> None:
        answers = {self.TAGS: self.TAKEN, AskLivePod(pod_name()): None, self.PROOF: DIGEST}
        assert decide(world(started_without_pod(self.SPEC), answers=answers)).status.digest == DIGEST

    def test_this_runs_own_pod_is_no_collision(self) -> None:
        answers = {self.TAGS: self.TAKEN, AskLivePod(pod_name()): running_pod()}
        assert reason_of(decide(world(started_without_pod(self.SPEC), answers=answers))) == Reason.BUILDING

    def test_a_registry_that_cannot_be_read_stops_nothing(self) -> None:
        unreadable = ReadBack({}, digest_found=False, problem="no route")
        decision = decide(world(resource(self.SPEC), answers={self.TAGS: unreadable}))
        assert [action for action in decision.actions if isinstance(action, CreatePod)]


class TestAutomaticNumbers:
    """After a restore without statuses resources count from 1 again, while the registry has their tags."""

    SPEC = spec(tags=["latest", "1.<+pipeline.sequenceId>"], firstRunNumber="Auto")
    ALL = AskAllTags("contoso.azurecr.io/shop/web", "acr")

    @staticmethod
    def ask(tag: str) -> AskTags:
        """The question whether the registry has a tag."""
        return AskTags("contoso.azurecr.io/shop/web", (tag,), "acr")

    def decide(self, found: dict[str, str | None], tags: tuple[str, ...] | Waiting | None) -> Decision:
        """The first decisions until nothing is asked any more."""
        fresh = resource(self.SPEC)
        answers: dict[Any, Any] = {self.ask(tag): ReadBack({tag: digest}, False) for tag, digest in found.items()}
        answers |= {self.ALL: tags, AskLivePod(pod_name()): None, TestTagExists.PROOF: None}
        first = decide(world(fresh, answers=answers))
        if first.wake_at != NOW or first.actions[1:]:
            return first
        return decide(world(after(first, fresh), answers=answers))

    @pytest.mark.proves("firstRunNumber")
    def test_the_first_run_counts_on_after_the_highest_tag(self) -> None:
        decision = self.decide({"1.1": DIGEST, "1.8": None}, ("latest", "1.1", "1.7", "1.x", "2.9"))
        assert run_of(decision).number == 8
        assert run_of(decision).builds[0].tags == ["latest", "1.8"]
        assert run_of(decision).builds[0].pod_name == pod_name(run=8)
        assert [action.name for action in decision.actions if isinstance(action, CreatePod)] == [pod_name(run=8)]
        assert "Run 8 was accepted" in decision.status.conditions[0].message

    def test_a_free_tag_below_others_is_no_place_to_begin(self) -> None:
        """Registries purge old images."""
        assert run_of(self.decide({"1.1": None, "1.8": None}, ("1.7",))).number == 8

    def test_the_number_is_written_before_the_pod_is_created(self) -> None:
        fresh = resource(self.SPEC)
        answers: dict[Any, Any] = {self.ask("1.1"): ReadBack({"1.1": None}, False), self.ALL: ("1.7",)}
        first = decide(world(fresh, answers=answers))
        assert (run_of(first).number, first.wake_at) == (8, NOW)
        assert not [action for action in first.actions if isinstance(action, CreatePod)]

    @pytest.mark.parametrize("tags", [(), ("latest",), None], ids=["no tags", "none of ours", "not told"])
    def test_where_no_number_is_known_the_first_is_1(self, tags: tuple[str, ...] | None) -> None:
        decision = self.decide({"1.1": None}, tags)
        assert run_of(decision).number == 1
        assert [action for action in decision.actions if isinstance(action, CreatePod)]

    def test_a_list_that_comes_later_is_waited_for(self) -> None:
        """The first number may be free, and the tags of the runs after it may not be."""
        waiting = Waiting(Reason.REGISTRY_UNREACHABLE, "contoso.azurecr.io answered 429", "Set firstRunNumber.")
        decision = self.decide({"1.1": None}, waiting)
        assert reason_of(decision) == Reason.REGISTRY_UNREACHABLE
        assert "answered 429). Set firstRunNumber." in run_of(decision).builds[0].message
        assert not [action for action in decision.actions if isinstance(action, CreatePod)]
        assert decision.wake_at > NOW

    @pytest.mark.parametrize("tags", [None, ("latest",), (f"1.{MAX_RUN_NUMBER}",)])
    def test_a_taken_tag_without_a_number_to_go_on_with_fails_the_run(self, tags: tuple[str, ...] | None) -> None:
        assert reason_of(self.decide({"1.1": DIGEST}, tags)) == Reason.TAG_EXISTS

    def test_this_runs_own_push_is_no_reason_for_another_number(self) -> None:
        started = started_without_pod(spec(tags=["latest", "1.<+pipeline.sequenceId>"]))
        restarted = replace(started, spec=self.SPEC)
        answers = {TestTagExists.TAGS: TestTagExists.TAKEN, AskLivePod(pod_name()): None, TestTagExists.PROOF: DIGEST}
        assert decide(world(restarted, answers=answers)).status.digest == DIGEST


def test_a_resource_restored_with_its_status_builds_nothing() -> None:
    """A backup tool makes it anew: another uid, and a generation that counts from 1."""
    before = replace(succeeded(), generation=7)
    observed = after(decide(world(before)), before)
    restored = replace(observed, generation=1, owner=replace(OWNER, uid="another"))
    decision = decide(world(restored))
    assert decision.status.run == observed.status.run
    assert (decision.status.observed_generation, decision.actions) == (1, ())


def started_without_pod(raw: dict[str, Any]) -> Resource:
    """A resource whose first run was accepted; the operator knows of no pod."""
    fresh = resource(raw)
    free = {TestTagExists.TAGS: ReadBack({}, digest_found=False)}
    return after(decide(world(fresh, answers=free)), fresh)


LOST = timedelta(seconds=5 + SETTINGS.node_lost_timeout_seconds)


class TestRetries:
    EVICTED = pod(phase="Failed", reason="Evicted", message="the node was low on disk")

    def test_a_failure_that_is_nobodys_fault_is_followed_by_another_attempt(self) -> None:
        first = seen()
        decision = decide(world(first, pods=(self.EVICTED,), answers={AskLog(pod_name(), "source"): ""}))
        build = run_of(decision).builds[0]
        assert (build.attempt, build.pod_name) == (2, pod_name(attempt=2))
        assert build.next_attempt_at == NOW + timedelta(seconds=10)
        assert build.pod_uid is None
        assert (reason_of(decision), decision.status.phase) == (Reason.RETRYING, Phase.PENDING)

    def test_the_backoff_is_kept(self) -> None:
        first = seen()
        waiting = after(decide(world(first, pods=(self.EVICTED,), answers={AskLog(pod_name(), "source"): ""})), first)
        early = decide(world(waiting, pods=(self.EVICTED,), now=NOW + timedelta(seconds=9)))
        assert (early.actions, early.wake_at) == ((), NOW + timedelta(seconds=10))
        due = decide(world(waiting, pods=(self.EVICTED,), now=NOW + timedelta(seconds=10)))
        assert [action.name for action in due.actions if isinstance(action, CreatePod)] == [pod_name(attempt=2)]

    def test_a_clock_that_goes_back_holds_no_attempt_up(self) -> None:
        first = seen()
        waiting = after(decide(world(first, pods=(self.EVICTED,), answers={AskLog(pod_name(), "source"): ""})), first)
        due = decide(world(waiting, pods=(self.EVICTED,), now=NOW - timedelta(hours=8)))
        assert [action.name for action in due.actions if isinstance(action, CreatePod)] == [pod_name(attempt=2)]

    def test_no_attempt_starts_while_the_pod_before_it_lives(self) -> None:
        first = seen()
        stuck = pod(
            phase="Pending",
            startTime="2026-11-24T12:00:00Z",
            containerStatuses=[{"name": "kaniko", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
        )
        given_up = decide(world(first, pods=(stuck,), now=NOW + timedelta(seconds=300)))
        assert given_up.actions[-1] == DeletePod(pod_name(), "pod-1")
        later, live = NOW + timedelta(seconds=400), AskLivePod(pod_name())
        waiting = decide(world(after(given_up, first), pods=(stuck,), answers={live: stuck}, now=later))
        assert (waiting.actions, waiting.wake_at) == ((DeletePod(pod_name(), "pod-1"),), later + WAIT)
        for pods in ((stuck,), ()):
            only_cached = decide(world(after(given_up, first), pods=pods, answers={live: None}, now=later))
            assert created(only_cached) == [pod_name(attempt=2)]
        not_cached = decide(world(after(given_up, first), answers={live: stuck}, now=later))
        assert not_cached.actions == (DeletePod(pod_name(), "pod-1"),)
        assert decide(world(after(given_up, first), now=later)).questions == {live}, "an empty cache proves nothing"

    def test_no_run_starts_its_pod_while_one_of_the_run_before_may_still_push(self) -> None:
        """The run before was given up past its deadline, where its kubelet was slow."""
        overdue = replace(running_pod(), started_at=NOW)
        late = NOW + timedelta(seconds=3600 + 120)
        given_up = after(decide(world(seen(), pods=(overdue,), answers={PROOF: None}, now=late)), seen())
        assert given_up.status.phase == Phase.FAILED
        again = replace(given_up, rebuild="please")
        going = replace(overdue, deleted_at=late + timedelta(seconds=5))
        ask = AskLivePod(pod_name())
        held = decide(world(again, pods=(going,), answers={ask: going}, now=late))
        assert (run_of(held).number, created(held), held.wake_at) == (2, [], late + WAIT)
        assert not [action for action in held.actions if isinstance(action, DeletePod)], "it is being deleted already"
        then = late + timedelta(minutes=4)
        for minutes, due in ((5, then + timedelta(seconds=30)), (600, late + LOST)):
            since = then - timedelta(minutes=minutes)
            long = decide(world(again, pods=(going,), answers={ask: going}, now=then, unchanged_since=since))
            assert long.wake_at == due, "its end is an event, and that its node counts as lost is none"
        lost = late + LOST
        for known, now in (
            (None, late),
            (replace(going, owner_uid="another"), late),
            (ended_pod(1), late),
            (going, lost),
        ):
            free = decide(world(again, pods=(going,), answers={ask: known}, now=now))
            assert created(free) == [pod_name(2)]

    @pytest.mark.proves("retries")
    def test_retries_are_bounded(self) -> None:
        first = seen(spec(retries=0))
        decision = decide(world(first, pods=(self.EVICTED,), answers={AskLog(pod_name(), "source"): ""}))
        assert (decision.status.phase, reason_of(decision)) == (Phase.FAILED, Reason.EVICTED)

    def test_a_users_failure_is_not_tried_again(self) -> None:
        assert failed().status.phase == Phase.FAILED

    @pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 30), (3, 90), (4, 270), (5, 300), (600, 300)])
    def test_the_backoff_is_three_times_as_long_each_time_up_to_five_minutes(self, attempt: int, seconds: int) -> None:
        assert backoff_seconds(attempt) == seconds
        assert backoff_seconds(attempt, 2) == seconds // 5

    def test_the_attempts_of_a_run_outlive_an_outage_of_ten_minutes(self) -> None:
        assert sum(backoff_seconds(attempt) for attempt in range(1, SETTINGS.retries + 1)) > 600

    def test_somebody_who_asks_for_fewer_requests_is_left_alone_for_long(self) -> None:
        log = "error building image: GET https://index.docker.io/v2/library/x/manifests/1: TOOMANYREQUESTS: slow down"
        decision = decide(world(seen(), pods=(ended_pod(1),), answers={LOG: log}))
        assert run_of(decision).builds[0].next_attempt_at == NOW + timedelta(seconds=300)

    def test_the_installer_sets_the_first_wait_and_with_it_all_others(self) -> None:
        hasty = replace(SETTINGS, first_backoff_seconds=2)
        first = replace(world(seen(), pods=(self.EVICTED,), answers={AskLog(pod_name(), "source"): ""}), settings=hasty)
        assert run_of(decide(first)).builds[0].next_attempt_at == NOW + timedelta(seconds=2)

    def test_a_pod_that_vanished_after_its_push_is_proved_by_its_image(self) -> None:
        decision = decide(world(seen(), answers={AskLivePod(pod_name()): None, PROOF: DIGEST}))
        assert decision.status.digest == DIGEST
        assert conditions(decision)["Verified"] == "True"


class TestGivingUp:
    """Pods that stand but will not come to an end by themselves."""

    @pytest.mark.parametrize(
        ("stuck", "seconds", "reason"),
        [
            (pod(spec_changes={"nodeName": ""}, phase="Pending"), 3600, Reason.UNSCHEDULABLE),
            (replace(running_pod(), started_at=NOW), 3600 + 120, Reason.TIMED_OUT),
            (
                pod(
                    phase="Pending",
                    startTime="2026-11-24T12:00:00Z",
                    containerStatuses=[{"name": "kaniko", "state": {"waiting": {"reason": "InvalidImageName"}}}],
                ),
                0,
                Reason.IMAGE_NAME_INVALID,
            ),
            (
                pod(
                    phase="Pending",
                    startTime="2026-11-24T12:00:00Z",
                    containerStatuses=[
                        {"name": "kaniko", "state": {"waiting": {"reason": "CreateContainerConfigError"}}}
                    ],
                ),
                300,
                Reason.CONTAINER_CONFIG_INVALID,
            ),
        ],
    )
    def test_a_limit_ends_the_run(self, stuck: PodObservation, seconds: int, reason: Reason) -> None:
        stuck = replace(stuck, created_at=NOW)
        first = seen()
        before = decide(world(first, pods=(stuck,), now=NOW + timedelta(seconds=seconds - 1)))
        if seconds:
            assert before.status.run is not None
            assert before.status.run.finished_at is None
            assert before.wake_at == NOW + timedelta(seconds=seconds)
        decision = decide(world(first, pods=(stuck,), answers={PROOF: None}, now=NOW + timedelta(seconds=seconds)))
        assert (decision.status.phase, reason_of(decision)) == (Phase.FAILED, reason)
        assert DeletePod(pod_name(), "pod-1") in decision.actions

    @pytest.mark.parametrize("reason", ["CreateContainerError", "RunContainerError"])
    def test_a_runtime_that_makes_no_container_costs_an_attempt_and_not_the_run(self, reason: str) -> None:
        waiting = {"waiting": {"reason": reason, "message": "context deadline exceeded"}}
        begun = "2026-11-24T12:00:00Z"
        stuck = pod(phase="Pending", startTime=begun, containerStatuses=[{"name": "kaniko", "state": waiting}])
        decision = decide(world(seen(), pods=(replace(stuck, created_at=NOW),), now=NOW + timedelta(seconds=300)))
        assert (reason_of(decision), run_of(decision).builds[0].attempt) == (Reason.RETRYING, 2)
        assert "context deadline exceeded" in run_of(decision).builds[0].message

    def test_a_node_that_does_not_let_go_is_lost(self) -> None:
        going = replace(running_pod(), deleted_at=NOW)
        first = seen()
        late = NOW + timedelta(seconds=SETTINGS.node_lost_timeout_seconds)
        decision = decide(world(first, pods=(going,), answers={PROOF: None}, now=late))
        assert (run_of(decision).builds[0].attempt, reason_of(decision)) == (2, Reason.RETRYING)
        assert not [action for action in decision.actions if isinstance(action, DeletePod)]
        due = decide(world(after(decision, first), pods=(going,), now=late + timedelta(seconds=10)))
        assert [action for action in due.actions if isinstance(action, CreatePod)]


class TestRetention:
    def old(self, run: int, code: int, minutes: int) -> PodObservation:
        ended = ended_pod(code, DIGEST if code == 0 else "", run=run)
        finish = NOW - timedelta(minutes=minutes)
        return replace(ended, uid=f"pod-{run}", kaniko=replace(ended.kaniko, finished_at=finish))

    def test_one_good_and_three_failed_pods_are_kept(self) -> None:
        pods = tuple(self.old(run, code, 30 - run) for run, code in enumerate([0, 0, 1, 1, 1, 1], start=2))
        decision = decide(world(succeeded(), pods=pods))
        assert {action.uid for action in decision.actions if isinstance(action, DeletePod)} == {"pod-2", "pod-4"}

    def test_a_pod_goes_an_hour_after_its_end(self) -> None:
        decision = decide(world(succeeded(), pods=(self.old(1, 0, 59),)))
        assert (decision.actions, decision.wake_at) == ((), NOW + timedelta(minutes=1))
        due = decide(world(succeeded(), pods=(self.old(1, 0, 60),)))
        assert due.actions == (DeletePod(pod_name(1), "pod-1"),)

    @pytest.mark.proves("ttlSecondsAfterFinished")
    def test_the_specs_limits_hold(self) -> None:
        raw = spec(ttlSecondsAfterFinished=0)
        decision = decide(world(replace(succeeded(), spec=raw), pods=(self.old(1, 0, 0),)))
        assert decision.actions == (DeletePod(pod_name(1), "pod-1"),)

    @pytest.mark.proves("history.succeededPods", "history.failedPods")
    @pytest.mark.parametrize(
        ("limits", "gone"),
        [
            ({"succeededPods": 2}, {"pod-4"}),
            ({"succeededPods": 0, "failedPods": 10}, {"pod-2", "pod-3"}),
            ({"failedPods": 1}, {"pod-2", "pod-4", "pod-5", "pod-6"}),
        ],
    )
    def test_the_spec_says_how_many_pods_of_each_kind_are_kept(self, limits: dict[str, int], gone: set[str]) -> None:
        pods = tuple(self.old(run, code, 30 - run) for run, code in enumerate([0, 0, 1, 1, 1, 1], start=2))
        decision = decide(world(replace(succeeded(), spec=spec(history=limits)), pods=pods))
        assert {action.uid for action in decision.actions if isinstance(action, DeletePod)} == gone

    def test_the_history_lists_runs_the_latest_first(self) -> None:
        done = replace(succeeded(), generation=2, spec=spec(target="other"))
        second = after(decide(world(done)), done)
        answers = {AskLog(pod_name(2), "kaniko"): "error building image: it broke"}
        decision = decide(world(second, pods=(ended_pod(1, run=2),), answers=answers))
        assert [(entry.number, entry.phase) for entry in decision.status.history] == [(2, "Failed"), (1, "Succeeded")]

    @pytest.mark.proves("history.succeeded", "history.failed")
    @pytest.mark.parametrize(
        ("limits", "kept"),
        [({"succeeded": 0}, [2]), ({"failed": 0}, [1]), ({"succeeded": 0, "failed": 0}, []), ({}, [2, 1])],
    )
    def test_the_history_is_bounded_by_kind(self, limits: dict[str, int], kept: list[int]) -> None:
        done = replace(succeeded(), generation=2, spec=spec(target="other", history=limits))
        second = after(decide(world(done)), done)
        answers = {AskLog(pod_name(2), "kaniko"): "error building image: it broke"}
        decision = decide(world(second, pods=(ended_pod(1, run=2),), answers=answers))
        assert [entry.number for entry in decision.status.history] == kept


@pytest.mark.parametrize(("field", "value"), [("outputs", {"configMap": "digest"})])
def test_a_field_without_effect_is_refused_and_never_ignored(field: str, value: Any) -> None:
    decision = decide(world(resource(spec(**{field: value}))))
    assert reason_of(decision) == Reason.SPEC_INVALID
    message = next(item.message for item in decision.status.conditions if item.type == ConditionType.READY)
    assert field in message
    assert "not supported yet" in message


@pytest.mark.parametrize("value", [False, "", [], {}])
def test_an_empty_field_of_that_kind_is_unset(value: Any) -> None:
    field = {bool: "caching", str: "remoteCacheImage", list: "registryMirrors", dict: "envVariables"}[type(value)]
    assert run_of(decide(world(resource(spec(**{field: value}))))).number == 1
