"""failureStrategies and when: which rule is taken, what it makes of a failure, and when nothing is built."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.step import FailureStrategy
from buildandpush.core.build.questions import AskLivePod, AskLog
from buildandpush.core.build.world import CreatePod, Resource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.run.decide import decide
from buildandpush.core.spec.strategy import FAILS, FailureOutcome, check_strategies, decide_failure
from tests.unit.core.factories import NOW, ended_pod, pod_name, resource, rule, spec, world
from tests.unit.core.scenes import after, failing, succeeded


def rules(*items: dict[str, Any]) -> list[FailureStrategy]:
    """Rules as values."""
    return [FailureStrategy.model_validate(item) for item in items]


def asked_again(depth: int) -> dict[str, Any]:
    """A rule in which one question follows another."""
    action: dict[str, Any] = {"type": "Ignore"}
    for _ in range(depth):
        action = {"type": "ManualIntervention", "spec": {"onTimeout": {"action": action}}}
    return {"onFailure": {"errors": ["AllErrors"], "action": action}}


IGNORED = FailureOutcome(ignored=True)


@pytest.mark.parametrize(
    ("strategies", "reason", "retried", "outcome"),
    [
        ((), Reason.RUN_FAILED, 0, FAILS),
        ((rule("Ignore"),), Reason.RUN_FAILED, 0, IGNORED),
        ((rule("MarkAsSuccess"),), Reason.OUT_OF_MEMORY, 0, IGNORED),
        ((rule("Abort"),), Reason.RUN_FAILED, 0, FAILS),
        ((rule("MarkAsFailure"), rule("Ignore")), Reason.RUN_FAILED, 0, FAILS),
        ((rule("Ignore", "Timeout"),), Reason.RUN_FAILED, 0, FAILS),
        ((rule("Ignore", "Timeout"),), Reason.TIMED_OUT, 0, IGNORED),
        ((rule("Ignore", "Authentication"),), Reason.PUSH_UNAUTHORIZED, 0, IGNORED),
        ((rule("Ignore", "Authorization"),), Reason.PUSH_DENIED, 0, IGNORED),
        ((rule("Ignore", "Connectivity"),), Reason.REGISTRY_UNREACHABLE, 0, IGNORED),
        ((rule("Ignore", "Verification"),), Reason.TAG_EXISTS, 0, IGNORED),
        ((rule("Ignore", "Unknown"),), Reason.RUN_FAILED, 0, IGNORED),
        ((rule("Abort", "InputTimeoutError"), rule("Ignore")), Reason.TIMED_OUT, 0, IGNORED),
        ((rule("Abort", "Timeout"), rule("Ignore")), Reason.RUN_FAILED, 0, IGNORED),
        ((rule("Retry", retryCount=2),), Reason.RUN_FAILED, 0, FailureOutcome(retry_after_seconds=10)),
        ((rule("Retry", retryCount=2),), Reason.RUN_FAILED, 1, FailureOutcome(retry_after_seconds=10)),
        ((rule("Retry", retryCount=2),), Reason.RUN_FAILED, 2, FAILS),
        ((rule("Retry", retryCount=3, retryIntervals=["5s", "1m"]),), Reason.RUN_FAILED, 0, FailureOutcome(False, 5)),
        ((rule("Retry", retryCount=3, retryIntervals=["5s", "1m"]),), Reason.RUN_FAILED, 2, FailureOutcome(False, 60)),
        (
            (rule("Retry", retryCount=1, onRetryFailure={"action": {"type": "Ignore"}}),),
            Reason.RUN_FAILED,
            1,
            IGNORED,
        ),
        ((rule("Retry", retryCount="2"),), Reason.RUN_FAILED, 1, FailureOutcome(retry_after_seconds=10)),
        ((rule("RetryStepGroup", retryCount=2),), Reason.RUN_FAILED, 1, FailureOutcome(retry_after_seconds=10)),
        ((rule("ManualIntervention", timeout="1d"),), Reason.RUN_FAILED, 0, FAILS),
        ((rule("ManualIntervention", onTimeout={"action": {"type": "Ignore"}}),), Reason.RUN_FAILED, 0, IGNORED),
        (
            (
                rule(
                    "Retry",
                    retryCount=1,
                    onRetryFailure={
                        "action": {"type": "ManualIntervention", "spec": {"onTimeout": {"action": {"type": "Ignore"}}}}
                    },
                ),
            ),
            Reason.RUN_FAILED,
            1,
            IGNORED,
        ),
        ((rule("StageRollback"),), Reason.RUN_FAILED, 0, FAILS),
        ((rule("ProceedWithDefaultValues"),), Reason.RUN_FAILED, 0, FAILS),
    ],
)
@pytest.mark.proves("failureStrategies")
def test_the_first_rule_that_matches_is_taken(
    strategies: tuple[dict[str, Any], ...], reason: Reason, retried: int, outcome: FailureOutcome
) -> None:
    made = rules(*strategies)
    check_strategies(made)
    assert decide_failure(made, reason, retried) == outcome


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (rule("ManualIntervention", onTimeout={"action": {"type": "Explode"}}), "'Explode' is no action"),
        (rule("ManualIntervention", onTimeout={"action": {}}), "onTimeout.action has no type"),
        (rule("Retry", retryCount=1, onRetryFailure={"action": {"type": "RetryStepGroup"}}), "raise retryCount"),
        (rule("Retry", retryCount="many"), "retryCount 'many'"),
        (rule("Retry", retryCount="11"), "retryCount 11"),
        (asked_again(5), "more than 4 actions"),
        (rule("Explode"), "use one of Abort"),
        (rule("Ignore", "Timeouts"), "'Timeouts'"),
        (rule("Retry"), "retryCount None"),
        (rule("Retry", retryCount=0), "retryCount 0"),
        (rule("Retry", retryCount=11), "1 to 10"),
        (rule("Retry", retryCount=True), "retryCount True"),
        (rule("Retry", retryCount=1, retryIntervals="10s"), "retryIntervals"),
        (rule("Retry", retryCount=1, retryIntervals=["soon"]), "no duration"),
        (rule("Retry", retryCount=1, onRetryFailure={"action": {"type": "Retry"}}), "raise retryCount"),
        (rule("Retry", retryCount=1, onRetryFailure={"action": {}}), "has no type"),
        (rule("Retry", retryCount=1, onRetryFailure={"action": {"type": "Nope"}}), "'Nope'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_use_instead(strategy: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecInvalidError, match="failureStrategies") as caught:
        check_strategies(rules(strategy))
    assert words in str(caught.value)


def shown(of: Resource, kind: str) -> tuple[str, str]:
    """Value and reason of a condition."""
    found = next(item for item in of.status.conditions if item.type == kind)
    return found.status, found.reason


def test_an_ignored_failure_keeps_its_cause_and_the_last_good_image() -> None:
    before = succeeded()
    changed = replace(
        before, generation=2, spec=spec(target="broken", failureStrategies=[rule("Ignore")]), resource_version="2"
    )
    started = after(decide(world(changed)), changed)
    assert started.status.run is not None
    pod = replace(ended_pod(7), name=started.status.run.builds[0].pod_name)
    answers = {AskLog(pod.name, "kaniko"): "error building image: it broke"}
    ended = after(decide(world(started, pods=(pod,), answers=answers)), started)
    assert shown(ended, "Ready") == ("True", "IgnoredFailure")
    assert ended.status.run is not None
    build = ended.status.run.builds[0]
    assert (build.phase, ended.status.phase) == ("Ignored", "Ignored")
    assert build.reason not in (None, "IgnoredFailure")
    assert build.failure is not None
    assert build.failure.exit_code == 7
    assert (ended.status.digest, ended.status.artifacts) == (before.status.digest, before.status.artifacts)
    assert decide(world(ended)).status == ended.status, "it is settled"


def test_suspending_and_resuming_shows_an_ignored_failure_again() -> None:
    ended = failing(rule("Ignore"))
    raw = {**ended.spec, "suspend": True}
    suspended = after(decide(world(replace(ended, generation=2, spec=raw))), replace(ended, generation=2, spec=raw))
    resumed = replace(suspended, generation=3, spec={**raw, "suspend": False})
    assert shown(after(decide(world(resumed)), resumed), "Ready") == ("True", "IgnoredFailure")


def test_a_retry_that_was_asked_for_is_an_attempt_of_the_same_run() -> None:
    waiting = failing(rule("Retry", retryCount=1, retryIntervals=["30s"]))
    assert waiting.status.run is not None
    build = waiting.status.run.builds[0]
    assert (build.attempt, build.retried, build.reason) == (2, 1, "Retrying")
    assert build.next_attempt_at == NOW + timedelta(seconds=30)
    later = NOW + timedelta(seconds=30)
    decision = decide(world(waiting, answers={AskLivePod(pod_name()): None}, now=later))
    assert [action.name for action in decision.actions if isinstance(action, CreatePod)] == [pod_name(attempt=2)]
    going = after(decision, waiting)
    ended = replace(ended_pod(7), name=build.pod_name)
    answers = {AskLog(build.pod_name, "kaniko"): "error building image: it broke"}
    failed = after(decide(world(going, pods=(ended,), answers=answers, now=later)), going)
    assert shown(failed, "Ready")[0] == "False"


@pytest.mark.proves("when.condition")
def test_a_skipped_first_run_uses_up_no_number_and_is_not_looked_at_again() -> None:
    fresh = resource(spec(when={"condition": "<+pipeline.sequenceId> > 1"}))
    skipped = after(decide(world(fresh)), fresh)
    assert shown(skipped, "Ready") == ("True", "Skipped")
    assert skipped.status.run is None
    assert decide(world(skipped)).status == skipped.status
    met = replace(skipped, generation=2, spec=spec(when={"condition": "<+pipeline.sequenceId> == 1"}))
    run = decide(world(met)).status.run
    assert run is not None
    assert (run.number, run.trigger) == (1, "Spec")


def test_a_rebuild_looks_at_the_condition_again_once() -> None:
    done = succeeded()
    raw = spec(when={"stageStatus": "Failure"})
    kept = replace(done, generation=2, spec=raw)
    settled = after(decide(world(kept)), kept)
    asked = replace(settled, rebuild="now")
    skipped = after(decide(world(asked)), asked)
    assert skipped.status.handled_rebuilds == ["now"]
    assert skipped.status.run == settled.status.run
    assert decide(world(skipped)).status == skipped.status


@pytest.mark.proves("when.stageStatus")
@pytest.mark.parametrize(("status", "built"), [("Success", True), ("All", True), ("Failure", False)])
def test_there_is_no_stage_that_could_have_failed(status: str, built: bool) -> None:
    fresh = resource(spec(when={"stageStatus": status}))
    assert (decide(world(fresh)).status.run is not None) is built


def test_a_condition_that_is_none_is_an_invalid_spec() -> None:
    fresh = resource(spec(when={"condition": "1 +"}))
    assert shown(after(decide(world(fresh)), fresh), "Ready") == ("False", "SpecInvalid")
