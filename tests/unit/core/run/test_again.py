"""What starts a failed run anew though its spec is the same: Secrets, an API server that relents, an outage's end."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, BuildAndPushACRStatus
from buildandpush.core.build.questions import (
    Answer,
    AskAdmission,
    AskInputs,
    AskLivePod,
    AskLog,
    AskObjects,
    AskPusher,
    Question,
)
from buildandpush.core.build.world import CreatePod, Decision, Refusal, Resource
from buildandpush.core.facts import Inputs
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import (
    NOW,
    SETTINGS,
    container,
    pod,
    pod_name,
    resource,
    running_pod,
    spec,
    terminated,
    world,
)
from tests.unit.core.scenes import PROOF, after, conditions, failed, reason_of, seen, started

PUT = "error pushing image: failed to push: PUT https://contoso.azurecr.io/v2/: "
UNAUTHORIZED = f"{PUT}UNAUTHORIZED: authentication required"
RUN = "error building image: waiting for process to exit: exit status 1"
OLD, NEW = "hmac-sha256:1", "hmac-sha256:2"
CONNECTORS = AskInputs(("acr",))
NPM = spec(buildSecrets=[{"id": "npm", "secretName": "npm", "key": "rc"}])
NPM_KEY = ("Secret/npm", "rc")


def run_of(decision: Decision) -> Any:
    assert decision.status.run is not None
    return decision.status.run


def with_inputs(of: Resource, **inputs: str) -> Resource:
    """As if the run had been made with these Secrets."""
    assert of.status.run is not None
    known = {f"Secret/{name}": content for name, content in inputs.items()}
    return replace(of, status=of.status.model_copy(update={"run": of.status.run.model_copy(update={"inputs": known})}))


def inputs(**contents: str) -> Inputs:
    return Inputs(tuple((f"Secret/{name}", content) for name, content in contents.items()))


def failed_with(log: str, raw: dict[str, Any] | None = None) -> Resource:
    """A run of this spec whose kaniko ended with 1 and this log."""
    base = failed(log, {AskPusher("contoso.azurecr.io/base"): None})
    return replace(base, spec=raw or base.spec)


class TestSecrets:
    @pytest.mark.parametrize(
        "log",
        [
            UNAUTHORIZED,
            f"{PUT}DENIED: requested access is denied",
            "error building image: GET https://contoso.azurecr.io/v2/base/manifests/1: UNAUTHORIZED: no",
            "error building image: GET https://contoso.azurecr.io/v2/base/manifests/1: MANIFEST_UNKNOWN: no",
        ],
    )
    def test_another_login_tries_a_refused_run_again(self, log: str) -> None:
        broken = with_inputs(failed_with(log), acr=OLD)
        decision = decide(world(broken, answers={CONNECTORS: inputs(acr=NEW)}))
        assert (run_of(decision).number, run_of(decision).trigger) == (2, "RetryAfterChange")

    @pytest.mark.parametrize("now", [inputs(acr=OLD), Inputs()], ids=["the same", "unreadable"])
    def test_the_same_login_is_looked_at_later(self, now: Inputs) -> None:
        broken = with_inputs(failed_with(UNAUTHORIZED), acr=OLD)
        decision = decide(world(broken, answers={CONNECTORS: now}))
        assert decision.status == broken.status
        assert decision.wake_at == NOW + timedelta(seconds=10)

    @pytest.mark.parametrize(("hours", "seconds"), [(0, 10), (1, 360), (24, 900), (7200, 900)])
    def test_what_has_not_changed_for_long_is_looked_at_less_often(self, hours: int, seconds: int) -> None:
        broken = with_inputs(failed_with(UNAUTHORIZED), acr=OLD)
        now = NOW + timedelta(hours=hours)
        decision = decide(world(broken, answers={CONNECTORS: inputs(acr=OLD)}, now=now))
        assert decision.wake_at == now + timedelta(seconds=seconds)

    @pytest.mark.parametrize("log", [RUN, "error building image: something new", f"{PUT}MANIFEST_INVALID: no"])
    def test_a_failure_that_no_login_cures_asks_nobody(self, log: str) -> None:
        broken = with_inputs(failed_with(log), acr=OLD)
        decision = decide(world(broken))
        assert (decision.status, decision.questions, decision.wake_at) == (broken.status, frozenset(), None)

    def test_a_command_that_failed_may_need_another_build_secret(self) -> None:
        broken = with_inputs(failed_with(RUN, NPM), acr=OLD, npm=OLD)
        ask = AskInputs((), (NPM_KEY,))
        assert decide(world(broken, answers={ask: inputs(npm=OLD)})).status == broken.status
        changed = {ask: inputs(npm=NEW), AskObjects((NPM_KEY,)): inputs(npm=NEW)}
        decision = decide(world(broken, answers=changed))
        assert run_of(decision).trigger == "RetryAfterChange"
        assert run_of(decision).inputs == {"Secret/npm": NEW}

    def test_a_build_secret_may_be_a_login_as_well(self) -> None:
        broken = with_inputs(failed_with(UNAUTHORIZED, NPM), acr=OLD, npm=OLD)
        ask = AskInputs(("acr",), (NPM_KEY,))
        assert decide(world(broken, answers={ask: inputs(acr=OLD, npm=OLD)})).status == broken.status
        changed = {ask: inputs(acr=OLD, npm=NEW), AskObjects((NPM_KEY,)): inputs(npm=NEW)}
        assert run_of(decide(world(broken, answers=changed))).number == 2

    def test_a_connector_that_names_another_secret_has_another_login(self) -> None:
        broken = with_inputs(failed_with(UNAUTHORIZED), acr=OLD)
        assert run_of(decide(world(broken, answers={CONNECTORS: inputs(other=OLD)}))).number == 2

    @pytest.mark.parametrize(
        ("source", "cured"),
        [
            ({"oci": {"image": "contoso.azurecr.io/source/shop:v1"}}, True),
            ({"git": {"url": "https://dev.azure.com/x/y/_git/z", "connectorRef": "acr"}}, True),
            ({"git": {"url": "https://git.example/x.git"}}, False),
        ],
    )
    def test_another_login_may_fetch_a_refused_source(self, source: dict[str, Any], cured: bool) -> None:
        report = json.dumps({"reason": "SourceDenied", "message": "no"})
        status = container("source", terminated=terminated(1, message=report))
        first = started(spec(source=source))
        refused = pod(phase="Failed", initContainerStatuses=[status], containerStatuses=[container("kaniko")])
        answers = {AskLog(refused.name, "source"): "", AskLog(refused.name, "kaniko"): ""}
        broken = with_inputs(after(decide(world(first, pods=[refused], answers=answers)), first), acr=OLD)
        assert reason_of(broken) == "SourceDenied"
        decision = decide(world(broken))
        assert bool(decision.questions) is cured

    def test_what_an_older_operator_wrote_down_starts_no_run(self) -> None:
        broken = with_inputs(failed_with(UNAUTHORIZED), acr="6e2b5c2e-uid/4711")
        decision = decide(world(broken, answers={CONNECTORS: inputs(acr=NEW)}))
        assert decision.status == broken.status

    def test_nothing_is_looked_at_while_it_is_suspended(self) -> None:
        broken = with_inputs(failed_with(UNAUTHORIZED, spec(suspend=True)), acr=OLD)
        decision = decide(world(broken))
        assert (decision.questions, decision.wake_at) == (frozenset(), None)


class TestRefusal:
    TAKEN = AskAdmission(pod_name(2), {})

    def refused(self, raw: dict[str, Any] | None = None) -> Resource:
        first = started(raw)
        refusal = Refusal(Reason.POD_REFUSED, "maximum memory usage per Container is 100Mi", final=True)
        return after(decide(world(first, refusal=refusal)), first)

    def test_a_refused_pod_is_offered_again_after_ten_minutes(self) -> None:
        refused = self.refused()
        early = decide(world(refused, now=NOW + timedelta(minutes=9)))
        assert (early.questions, early.wake_at) == (frozenset(), NOW + timedelta(minutes=10))
        due = decide(world(refused, now=NOW + timedelta(minutes=10)))
        assert due.questions == {self.TAKEN}
        (question,) = due.questions
        assert isinstance(question, AskAdmission)
        assert question.manifest["metadata"]["name"] == pod_name(2)
        assert question.manifest["spec"]["containers"]

    def test_a_clock_that_goes_back_holds_no_offer_up(self) -> None:
        assert decide(world(self.refused(), now=NOW - timedelta(hours=8))).questions == {self.TAKEN}

    def test_one_that_is_still_refused_stays_as_it_is(self) -> None:
        refused, now = self.refused(), NOW + timedelta(minutes=25)
        decision = decide(world(refused, answers={self.TAKEN: False}, now=now))
        assert decision.status == refused.status
        assert (conditions(decision)["Stalled"], reason_of(decision)) == ("True", Reason.POD_REFUSED)
        assert decision.wake_at == now + timedelta(minutes=10)

    def test_one_that_would_be_taken_by_now_starts_the_next_run(self) -> None:
        decision = decide(world(self.refused(), answers={self.TAKEN: True}, now=NOW + timedelta(minutes=10)))
        assert (run_of(decision).number, run_of(decision).trigger) == (2, "RetryAfterChange")
        assert [action.name for action in decision.actions if isinstance(action, CreatePod)] == [pod_name(2)]

    def test_no_other_failure_offers_a_pod(self) -> None:
        assert decide(world(failed(), now=NOW + timedelta(days=1))).questions == frozenset()

    def test_a_suspended_resource_offers_none(self) -> None:
        held = replace(self.refused(), spec=spec(suspend=True))
        decision = decide(world(held, now=NOW + timedelta(days=1)))
        assert (decision.questions, decision.wake_at) == (frozenset(), None)


class TestOutage:
    EVICTED = pod(phase="Failed", reason="Evicted", message="the node was low on disk")

    def lost(self, of: Resource, now: datetime, **answers: Answer) -> Decision:
        """The run's only attempt fails, through nobody's fault."""
        run = of.status.run
        assert run is not None
        build = run.builds[0]
        gone = replace(self.EVICTED, name=build.pod_name, uid=build.pod_uid or self.EVICTED.uid)
        known: dict[Question, Answer] = {AskLog(build.pod_name, "source"): ""}
        last = run.model_copy(update={"builds": [build.model_copy(update={"attempt": 2})]})
        spent = replace(of, status=of.status.model_copy(update={"run": last}))
        return decide(world(spent, pods=(gone,), answers=known, now=now))

    def spent(self, raw: dict[str, Any] | None = None) -> Resource:
        first = seen(raw or spec(retries=1))
        return after(self.lost(first, NOW), first)

    def at_its_last_attempt(self) -> Resource:
        """A resource whose run has one pod left."""
        first = seen(spec(retries=1))
        run = first.status.run
        assert run is not None
        last = run.model_copy(update={"builds": [run.builds[0].model_copy(update={"attempt": 2})]})
        return replace(first, status=first.status.model_copy(update={"run": last}))

    def test_a_run_that_an_outage_ended_is_started_anew_after_half_an_hour(self) -> None:
        ended = self.spent()
        assert (ended.status.phase, reason_of(Decision(ended.status))) == (Phase.FAILED, Reason.EVICTED)
        assert conditions(Decision(ended.status))["Stalled"] == "True"
        due = NOW + timedelta(minutes=30)
        assert run_of(Decision(ended.status)).next_run_at == due
        early = decide(world(ended, now=due - timedelta(seconds=1)))
        assert (early.status, early.wake_at) == (ended.status, due)
        again = decide(world(ended, now=due))
        assert (run_of(again).number, run_of(again).trigger, run_of(again).outages) == (2, "RetryAfterOutage", 1)
        assert run_of(again).next_run_at is None

    def test_a_clock_that_goes_back_holds_no_run_up(self) -> None:
        again = decide(world(self.spent(), now=NOW - timedelta(hours=8)))
        assert (run_of(again).number, run_of(again).trigger) == (2, "RetryAfterOutage")

    def test_the_message_says_when_and_how_to_have_it_at_once(self) -> None:
        build = run_of(Decision(self.spent().status)).builds[0]
        assert "A new run starts by itself at 2026-11-24 12:30 UTC." in build.message
        assert build.message.endswith("Set the annotation buildandpush.dev/rebuild to a new value to start it now.")
        assert "to run it again" not in build.message

    def test_the_message_says_so_however_much_the_kubelet_says(self) -> None:
        chatty = replace(self.EVICTED, message="The node was low on resource. " * 100)
        decision = decide(world(self.at_its_last_attempt(), pods=(chatty,), answers={AskLog(pod_name(), "source"): ""}))
        message = run_of(decision).builds[0].message
        assert message.endswith("to start it now.")
        assert len(message.encode()) <= MAX_MESSAGE

    def test_three_more_runs_follow_each_after_a_longer_time_and_then_none(self) -> None:
        ended, now = self.spent(), NOW
        for number, wait in enumerate((30, 60, 120), start=2):
            now += timedelta(minutes=wait)
            assert run_of(Decision(ended.status)).next_run_at == now
            begun = after(decide(world(ended, now=now)), ended)
            assert run_of(Decision(begun.status)).outages == number - 1
            ended = after(self.lost(begun, now), begun)
        assert run_of(Decision(ended.status)).next_run_at is None
        last = decide(world(ended, now=now + timedelta(days=9)))
        assert (last.status, last.wake_at) == (ended.status, None)
        assert "run it again" in run_of(last).builds[0].message

    def test_a_change_by_the_user_starts_the_count_afresh(self) -> None:
        ended = self.spent()
        begun = after(decide(world(ended, now=NOW + timedelta(hours=1))), ended)
        second = after(self.lost(begun, NOW + timedelta(hours=1)), begun)
        rebuilt = decide(world(replace(second, rebuild="now"), now=NOW + timedelta(hours=1)))
        assert (run_of(rebuilt).trigger, run_of(rebuilt).outages) == ("Rebuild", None)
        changed = replace(second, generation=2, spec=spec(retries=1, timeout="2h"))
        assert run_of(decide(world(changed, now=NOW + timedelta(hours=9)))).outages is None

    @pytest.mark.parametrize(
        "raw",
        [
            spec(retries=0),
            spec(retries=1, failureStrategies=[{"onFailure": {"errors": ["AllErrors"], "action": {"type": "Ignore"}}}]),
        ],
        ids=["no further attempts are wanted", "the failure is ignored"],
    )
    def test_nothing_follows_where_the_spec_wants_nothing(self, raw: dict[str, Any]) -> None:
        ended = self.spent(raw)
        assert run_of(Decision(ended.status)).next_run_at is None
        assert decide(world(ended, now=NOW + timedelta(days=1))).status == ended.status

    def test_a_users_failure_is_not_started_anew(self) -> None:
        assert run_of(Decision(failed().status)).next_run_at is None

    def test_a_suspended_resource_waits_without_being_looked_at_all_the_time(self) -> None:
        held = replace(self.spent(), spec=spec(retries=1, suspend=True))
        late = decide(world(held, now=NOW + timedelta(days=1)))
        assert (late.status, late.wake_at) == (held.status, None)
        freed = replace(held, spec=spec(retries=1))
        assert run_of(decide(world(freed, now=NOW + timedelta(days=1)))).number == 2

    def test_a_pod_that_vanished_and_a_pod_that_was_given_up_are_outages_too(self) -> None:
        spent = self.at_its_last_attempt()
        lost = decide(world(spent, answers={AskLivePod(pod_name()): None, PROOF: None}))
        assert (reason_of(lost), run_of(lost).next_run_at) == (Reason.POD_LOST, NOW + timedelta(minutes=30))
        going = replace(running_pod(), deleted_at=NOW)
        late = NOW + timedelta(seconds=SETTINGS.node_lost_timeout_seconds)
        given_up = decide(world(spent, pods=(going,), answers={PROOF: None}, now=late))
        assert (reason_of(given_up), run_of(given_up).next_run_at) == (Reason.NODE_LOST, late + timedelta(minutes=30))

    def test_a_status_of_an_older_operator_starts_nothing(self) -> None:
        raw = self.spent().status.to_dict()
        del raw["run"]["nextRunAt"]
        old = replace(self.spent(), status=BuildAndPushACRStatus.model_validate(raw))
        assert decide(world(old, now=NOW + timedelta(days=9))).status == old.status

    def test_the_first_wait_sets_the_others(self) -> None:
        hasty = replace(SETTINGS, first_backoff_seconds=1)
        spent = self.at_its_last_attempt()
        of = replace(world(spent, pods=(self.EVICTED,), answers={AskLog(pod_name(), "source"): ""}), settings=hasty)
        assert run_of(decide(of)).next_run_at == NOW + timedelta(minutes=3)


class TestWaiting:
    @pytest.mark.parametrize(("waited", "seconds"), [(0, 10), (60, 10), (600, 60), (3600, 300), (86400, 300)])
    def test_what_is_missing_for_long_is_looked_for_less_often(self, waited: int, seconds: int) -> None:
        now = NOW + timedelta(seconds=waited)
        refusal = Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota", final=False)
        assert decide(world(started(), refusal=refusal, now=now)).wake_at == now + timedelta(seconds=seconds)

    def test_a_new_resource_is_looked_at_soon(self) -> None:
        refusal = Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota", final=False)
        assert decide(world(resource(), refusal=refusal)).wake_at == NOW + timedelta(seconds=10)
