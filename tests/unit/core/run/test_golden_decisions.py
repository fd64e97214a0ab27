"""Every kind of decision, whole: the status that is written, the actions after it, when it is looked at again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import (
    AskCacheTrouble,
    AskInputs,
    AskLinks,
    AskLivePod,
    AskLog,
    AskObjects,
    AskPodEvents,
    AskProof,
    AskTags,
)
from buildandpush.core.build.watch import SETTLES
from buildandpush.core.build.world import Decision, Refusal, Resource
from buildandpush.core.facts import Inputs, Links, LoginSecretRef, ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import PodEvent
from buildandpush.core.run.decide import decide
from tests.unit.core import golden
from tests.unit.core.factories import (
    DIGEST,
    LOGIN,
    NOW,
    REPOSITORY,
    ended_pod,
    login_question,
    pod,
    pod_name,
    reader_pod,
    resource,
    rule,
    run_label,
    running_pod,
    spec,
    world,
)
from tests.unit.core.scenes import (
    NO_LOGIN,
    NO_PUSH,
    OWN,
    PROOF,
    PUSH_LOG,
    PUSH_ONLY,
    PUSHED,
    READ_BACK,
    VERIFIED,
    after,
    asked_for_long,
    failed,
    failing,
    seen,
    seen_without_login,
    succeeded,
)

LOG = AskLog(pod_name(), "kaniko")
BROKE = "\x1b[31merror building image: it broke\x1b[0m\n"
GONE = {AskLivePod(pod_name()): None}
SEQUENCE = spec(tags=["v<+pipeline.sequenceId>", "latest"])
INPUTS = AskInputs(("acr",))
REFUSED = (
    "error pushing image: failed to push: PUT https://contoso.azurecr.io/v2/: UNAUTHORIZED: authentication required"
)
RICH = ReadBack({"latest": DIGEST}, True, size_bytes=12345, media_type="application/x", platform="linux/amd64")
OTHER = "sha256:" + "b" * 64
AWAY = ReadBack({}, False, problem="no route")
BUSY = ReadBack({}, False, problem="contoso.azurecr.io answered 503", passing=True)


def started(raw: dict[str, Any] | None = None, **surroundings: Any) -> Resource:
    fresh = resource(raw)
    return after(decide(world(fresh, **surroundings)), fresh)


def change(of: Resource, **changes: Any) -> Resource:
    return replace(of, generation=of.generation + 1, spec=spec(**changes))


def going_on(of: Resource, *pods: PodObservation, **surroundings: Any) -> Decision:
    return decide(world(of, pods=pods, **surroundings))


def end(
    read_back: ReadBack,
    raw: dict[str, Any] | None = None,
    asked: Callable[[Resource], Resource] = lambda of: of,
    **answers: Any,
) -> Decision:
    return going_on(asked(seen(raw)), ended_pod(0, DIGEST), answers={READ_BACK: read_back, **answers.pop("more", {})})


def read_by_pod(report: str | None, raw: dict[str, Any] | None = None) -> Decision:
    """The operator cannot read the registry. The pod that asks instead reports this, or is to be made."""
    answers = {READ_BACK: AWAY, PUSH_LOG: PUSHED, AskLivePod(reader_pod().name): None}
    build = ended_pod(0, "" if raw is PUSH_ONLY else DIGEST)
    first = seen(raw)
    asked = after(going_on(first, build, answers=answers), first)
    return going_on(asked, build, *([reader_pod(report)] if report else []), answers=answers)


def lost(raw: dict[str, Any] | None = None, proof: str | None = None) -> Decision:
    return going_on(seen(raw), answers={**GONE, PROOF: proof})


def with_links(links: Links) -> Decision:
    raw = spec(subscriptionId="Production", outputs={"artifactFile": True})
    question = AskLinks(REPOSITORY, ("latest",), "acr", "Production")
    return going_on(seen(raw), ended_pod(0, DIGEST), answers={READ_BACK: RICH, question: links})


def stuck(
    reason: str = "",
    *,
    message: str = "",
    minutes: int = 0,
    node: str = "node1",
    created_at: datetime = NOW,
    **more: Any,
) -> Decision:
    """A pod whose container waits, some minutes after its start."""
    waiting = {"waiting": {"reason": reason, "message": message}}
    statuses = [{"name": "kaniko", "state": waiting}] if reason else []
    begun = {"startTime": "2026-11-24T12:00:00Z"} if node else {}
    made = replace(
        pod(phase="Pending", spec_changes={"nodeName": node}, containerStatuses=statuses, **begun, **more),
        created_at=created_at,
    )
    return going_on(started(), made, now=NOW + timedelta(minutes=minutes))


def no_sandbox(minutes: int) -> Decision:
    """A pod that the kubelet has tried to start for so long."""
    made = replace(pod(phase="Pending", startTime="2026-11-24T12:00:00Z"), created_at=NOW)
    told = PodEvent(True, "FailedCreatePodSandBox", "plugin failed: no IPs", NOW)
    answers = {AskPodEvents(made.name, made.uid): (told,)}
    return going_on(started(), made, answers=answers, now=NOW + timedelta(minutes=minutes))


def taken(**answers: Any) -> Decision:
    question = AskTags(REPOSITORY, ("v1",), "acr")
    proof = AskProof(REPOSITORY, ("v1", "latest"), run_label(SEQUENCE), "acr")
    found = {
        question: ReadBack({"v1": DIGEST}, False),
        AskLivePod(pod_name()): answers.get("pod"),
        proof: None,
        LOG: answers.get("log", ""),
    }
    return decide(world(started(SEQUENCE, answers=found), answers={**found, proof: answers.get("proof")}))


def stopping(minutes: int = 0, of: Resource | None = None, living: PodObservation | None = None) -> Decision:
    """A run that was asked to stop these minutes ago."""
    asked = of or replace(seen(), cancel="1")
    living = living or running_pod()
    first = after(going_on(asked, living), asked)
    return going_on(first, living, now=NOW + timedelta(minutes=minutes))


def lost_node(proof: str | None) -> Decision:
    """A pod on a node that nobody can hear of, and what the registry has of it."""
    going = replace(running_pod(), deleted_at=NOW)
    return going_on(seen(), going, answers={PROOF: proof}, now=NOW + timedelta(minutes=6))


def given_up() -> Resource:
    """A resource whose pod no node took, and which may live on."""
    pending = replace(pod(phase="Pending", spec_changes={"nodeName": ""}), created_at=NOW)
    first = after(going_on(started(), pending), started())
    return after(going_on(first, pending, now=NOW + timedelta(minutes=61)), first)


def retrying(attempt: int) -> Decision:
    """The decision that gives up this attempt of an evicted build."""
    current = started()
    for number in range(1, attempt + 1):
        evicted = replace(ended_pod(1, reason_of_pod="Evicted"), name=pod_name(attempt=number), kaniko=NOTHING)
        now = NOW + timedelta(hours=number)
        answers = {AskLog(pod_name(attempt=number), "kaniko"): ""}
        decision = going_on(current, evicted, answers=answers, now=now)
        current = after(decision, current)
    return decision


NOTHING = pod(phase="Failed").kaniko
KEPT = tuple(
    replace(
        ended_pod(code, run=run),
        kaniko=replace(ended_pod(code).kaniko, finished_at=NOW - timedelta(minutes=age)),
    )
    for code, run, age in ((0, 2, 5), (0, 3, 10), (1, 4, 1), (1, 5, 2), (1, 6, 3), (1, 7, 4), (0, 8, 61))
)

CASES: dict[str, Callable[[], Decision]] = {
    # before there is a pod
    "start": lambda: decide(world(resource())),
    "start-asks-for-the-login": lambda: decide(replace(world(resource()), answers={})),
    "start-with-inputs": lambda: decide(
        world(resource(), answers={login_question(): LoginSecretRef("s", (), VERSION)})
    ),
    "start-again-after-a-crash": lambda: decide(world(started())),
    "start-without-connector": lambda: decide(
        world(resource(), answers={login_question(): Waiting(Reason.CONNECTOR_MISSING, "AzureConnector 'acr'")})
    ),
    "start-with-a-remedy": lambda: decide(
        world(resource(), answers={login_question(): Waiting(Reason.LOGIN_FAILED, "AADSTS7000215.", "Make a new one.")})
    ),
    "start-without-its-secret": lambda: decide(
        world(
            resource(spec(buildSecrets=[{"id": "npm", "secretName": "npm", "key": "rc"}])),
            answers={AskObjects((("Secret/npm", "rc"),)): Waiting(Reason.SECRET_MISSING, "Secret 'npm'")},
        )
    ),
    "start-with-its-secret": lambda: decide(
        world(
            resource(spec(buildSecrets=[{"id": "npm", "secretName": "npm", "key": "rc"}])),
            answers={AskObjects((("Secret/npm", "rc"),)): Inputs((("Secret/npm", "u/2"),))},
        )
    ),
    "start-refused-for-good": lambda: decide(
        world(started(), refusal=Refusal(Reason.POD_REFUSED, "violates PodSecurity", final=True))
    ),
    "start-refused-for-now": lambda: decide(
        world(started(), refusal=Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: small", final=False))
    ),
    "start-refused-by-the-servers-trouble": lambda: decide(
        world(started(), refusal=Refusal(Reason.API_REFUSED, "failed calling webhook", final=False))
    ),
    "start-at-a-number": lambda: decide(
        world(
            resource(spec(firstRunNumber=40, tags=["v<+pipeline.sequenceId>"])),
            answers={AskTags(REPOSITORY, ("v40",), "acr"): ReadBack({"v40": None}, False)},
        )
    ),
    "tag-taken": taken,
    "tag-taken-by-this-run": lambda: taken(proof=DIGEST),
    "tag-taken-while-the-pod-runs": lambda: taken(pod=running_pod()),
    "tag-taken-and-the-pod-ended": lambda: taken(pod=ended_pod(1), log=BROKE),
    "spec-invalid": lambda: decide(world(resource(spec(timeout="never")))),
    "spec-invalid-later": lambda: decide(world(change(succeeded(), timeout="never"))),
    "spec-invalid-while-running": lambda: going_on(change(seen(), timeout="never"), running_pod()),
    "spec-corrected": lambda: decide(world(change(started(spec(timeout="never"))))),
    "suspended-at-first": lambda: decide(world(resource(spec(suspend=True)))),
    "suspended-and-current": lambda: decide(world(change(succeeded(), suspend=True))),
    "suspended-and-not-current": lambda: decide(world(change(succeeded(), suspend=True, target="x"))),
    "when-not-met": lambda: decide(world(resource(spec(when={"stageStatus": "Failure"})))),
    "when-not-met-later": lambda: decide(world(change(succeeded(), when={"stageStatus": "Failure"}, target="x"))),
    "notes-of-what-has-no-effect": lambda: decide(world(resource(spec(cacheFrom=["x"], cacheTo="y", retry=3)))),
    # while there is a pod
    "running": lambda: going_on(started(), running_pod()),
    "running-with-a-login-to-renew": lambda: going_on(
        seen(),
        running_pod(),
        answers={login_question(renewal=True): replace(LOGIN, renew_at=NOW + timedelta(minutes=5))},
    ),
    "running-with-a-login-that-cannot-be-renewed": lambda: going_on(
        seen(), running_pod(), answers={login_question(renewal=True): Waiting(Reason.LOGIN_FAILED, "x")}
    ),
    "pending": lambda: stuck(created_at=NOW - SETTLES),
    "pending-without-a-sandbox": lambda: no_sandbox(minutes=2),
    "pending-without-a-sandbox-for-good": lambda: no_sandbox(minutes=6),
    "unschedulable": lambda: stuck(
        node="", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]
    ),
    "unschedulable-for-good": lambda: stuck(
        node="", minutes=61, conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]
    ),
    "unschedulable-without-a-word": lambda: stuck(node="", minutes=61),
    "image-pull": lambda: stuck("ImagePullBackOff", message="not found", minutes=1),
    "image-pull-for-good": lambda: stuck("ErrImagePull", message="not found", minutes=6),
    "image-name": lambda: stuck("InvalidImageName", message="bad"),
    "container-config": lambda: stuck("CreateContainerConfigError", message="secret x", minutes=6),
    "past-its-deadline": lambda: going_on(
        seen(), replace(running_pod(), started_at=NOW), answers={PROOF: None}, now=NOW + timedelta(minutes=63)
    ),
    "node-lost": lambda: lost_node(None),
    "node-lost-after-its-push": lambda: lost_node(DIGEST),
    # how it ends well
    "succeeded": lambda: end(RICH),
    "succeeded-asks-the-registry": lambda: going_on(seen(), ended_pod(0, DIGEST)),
    "succeeded-not-verifiable": lambda: read_by_pod('{"problem": "no route either"}', PUSH_ONLY),
    "succeeded-not-confirmed": lambda: end(AWAY, more={PUSH_LOG: PUSHED.replace(DIGEST, OTHER)}),
    "succeeded-not-confirmed-by-its-pod": lambda: read_by_pod('{"problem": "no route either"}'),
    "succeeded-confirmed-by-its-pod": lambda: read_by_pod(
        json.dumps({"found": True, "own": False, "moved": {}, "size": 12345, "platform": "linux/amd64"})
    ),
    # while the registry is asked
    "verifying": lambda: end(BUSY, more={PUSH_LOG: PUSHED}),
    "verifying-by-a-pod": lambda: end(AWAY, more={PUSH_LOG: PUSHED}),
    "verifying-by-a-pod-that-is-made": lambda: read_by_pod(None),
    "verifying-without-connector": lambda: going_on(
        seen(),
        ended_pod(0, DIGEST),
        answers={READ_BACK: Waiting(Reason.CONNECTOR_MISSING, "AzureConnector 'acr'")},
    ),
    "verifying-what-is-cancelled": lambda: going_on(
        replace(seen(), cancel="1"), ended_pod(0, DIGEST), answers={READ_BACK: BUSY, PUSH_LOG: PUSHED}
    ),
    "succeeded-tag-moved": lambda: end(ReadBack({"latest": OTHER}, True), more={OWN: DIGEST}),
    "succeeded-tag-gone": lambda: end(ReadBack({"latest": None}, True), more={OWN: DIGEST}),
    "succeeded-of-another-run": lambda: end(ReadBack({"latest": OTHER}, True), more={OWN: None}),
    "succeeded-digest-late": lambda: end(ReadBack({"latest": None}, False), more={PUSH_LOG: PUSHED}),
    "succeeded-digest-gone": lambda: end(ReadBack({"latest": None}, False), asked=asked_for_long),
    "succeeded-without-cache": lambda: end(
        VERIFIED,
        spec(remoteCacheImage="shop/cache"),
        more={AskCacheTrouble(PUSH_LOG.pod): "failed to push to destination: DENIED"},
    ),
    "succeeded-with-links": lambda: with_links(Links(Reason.LINKS_RESOLVED, "", (("latest", "https://portal/x"),))),
    "succeeded-without-links": lambda: with_links(Links(Reason.LINKS_UNAVAILABLE, "no role")),
    "succeeded-after-an-invalid-change": lambda: going_on(
        change(seen(), timeout="never"), ended_pod(0, DIGEST), answers={READ_BACK: VERIFIED}
    ),
    "succeeded-without-push": lambda: going_on(seen_without_login(NO_PUSH), ended_pod(0, DIGEST), answers=NO_LOGIN),
    "succeeded-without-build": lambda: going_on(
        seen_without_login(PUSH_ONLY), ended_pod(0), answers={LOG: PUSHED, READ_BACK: VERIFIED}
    ),
    "settled": lambda: decide(world(succeeded())),
    # how it ends badly
    "failed": lambda: going_on(seen(), ended_pod(1), answers={LOG: BROKE}),
    "failed-asks-for-the-log": lambda: going_on(seen(), ended_pod(1)),
    "failed-command": lambda: going_on(
        seen(), ended_pod(7), answers={LOG: 'error building image: command "x": exit status 7'}
    ),
    "failed-push": lambda: going_on(
        seen(), ended_pod(1), answers={LOG: "error pushing image: unexpected status code 403 Forbidden: DENIED"}
    ),
    "failed-source": lambda: going_on(
        seen(),
        pod(
            phase="Failed",
            initContainerStatuses=[
                {
                    "name": "source",
                    "state": {
                        "terminated": {"exitCode": 1, "message": '{"reason": "SourceNotFound", "message": "no ref x"}'}
                    },
                }
            ],
        ),
        answers={AskLog(pod_name(), "source"): "fatal"},
    ),
    "failed-without-memory": lambda: going_on(
        seen(spec(retries=0)), ended_pod(137, reason="OOMKilled"), answers={LOG: "half way"}
    ),
    "failed-ignored": lambda: decide(world(failing(rule("Ignore")))),
    "failed-retried-as-asked": lambda: decide(
        world(failing(rule("Retry", retryCount=2, retryIntervals=["30s", "1m"])), now=NOW + timedelta(seconds=5))
    ),
    "failed-settled": lambda: decide(world(failed())),
    "failed-settled-with-inputs": lambda: decide(
        world(with_inputs(failed(REFUSED)), answers={INPUTS: Inputs(VERSION)})
    ),
    "failed-and-its-secret-changed": lambda: decide(
        world(with_inputs(failed(REFUSED)), answers={INPUTS: Inputs((("Secret/acr-push", "hmac-sha256:2"),))})
    ),
    "refused-and-offered-again": lambda: decide(world(refused(), now=NOW + timedelta(minutes=10))),
    "outage-settled": lambda: decide(world(after(retrying(6), started()), now=NOW + timedelta(hours=6))),
    "outage-over": lambda: decide(world(after(retrying(6), started()), now=NOW + timedelta(days=1))),
    "failed-and-changed": lambda: decide(world(change(failed(), timeout="2h"))),
    "given-up-and-changed": lambda: decide(world(change(given_up(), timeout="2h"))),
    "evicted-once": lambda: retrying(1),
    "evicted-for-the-last-time": lambda: retrying(6),
    "lost": lost,
    "lost-after-its-push": lambda: lost(proof=DIGEST),
    "lost-for-good": lambda: lost(spec(retries=0)),
    "lost-without-push": lambda: going_on(seen_without_login(NO_PUSH), answers={**NO_LOGIN, **GONE}),
    "attempt-that-waits": lambda: decide(world(after(lost(), seen()), now=NOW + timedelta(seconds=9))),
    "attempt-that-follows": lambda: decide(world(after(lost(), seen()), now=NOW + timedelta(seconds=10), answers=GONE)),
    "attempt-that-asks-for-the-one-before": lambda: decide(
        world(after(lost(), seen()), now=NOW + timedelta(seconds=10))
    ),
    # how it is stopped
    "cancelling": lambda: going_on(replace(seen(), cancel=" 1 "), running_pod()),
    "cancelling-goes-on": lambda: stopping(1, living=replace(running_pod(), active_deadline_seconds=1)),
    "cancelling-takes-too-long": lambda: stopping(2),
    "cancelling-on-a-lost-node": lambda: stopping(6, living=replace(running_pod(), deleted_at=NOW)),
    "cancelled": lambda: going_on(
        replace(seen(), cancel="1"), ended_pod(2, reason_of_pod="DeadlineExceeded"), answers={LOG: "half way"}
    ),
    "cancelled-before-its-pod": lambda: going_on(replace(started(), cancel="1"), answers=GONE),
    "cancelled-too-late": lambda: going_on(
        replace(seen(), cancel="1"), ended_pod(0, DIGEST), answers={READ_BACK: VERIFIED}
    ),
    "superseding": lambda: going_on(change(seen(), target="x"), running_pod()),
    "superseded": lambda: going_on(change(seen(), target="x"), ended_pod(2, reason_of_pod="DeadlineExceeded")),
    "superseded-before-its-pod": lambda: going_on(change(started(), target="x"), answers=GONE),
    "superseding-is-refused": lambda: going_on(
        change(seen(), target="x"), running_pod(), obstacle=Waiting(Reason.API_REFUSED, "a policy denies it")
    ),
    "lost-and-not-to-be-looked-for": lambda: going_on(
        seen(), answers={AskLivePod(pod_name()): Waiting(Reason.API_REFUSED, "pods is forbidden")}
    ),
    "superseded-lost": lambda: going_on(change(seen(), target="x"), answers=GONE),
    "queued": lambda: going_on(change(seen(), target="x", onChange="Queue"), running_pod()),
    "changed-by-the-way": lambda: going_on(change(seen(), timeout="2h"), running_pod()),
    # what starts the next
    "rebuild": lambda: decide(world(replace(succeeded(), rebuild="again"))),
    "second-run": lambda: decide(world(change(succeeded(), tags=["v2"]))),
    "second-run-after-superseded": lambda: decide(
        world(
            after(
                going_on(change(seen(), target="x"), ended_pod(2, reason_of_pod="DeadlineExceeded")),
                change(seen(), target="x"),
            ),
            answers=GONE,
        )
    ),
    "expired-pods": lambda: going_on(succeeded(), *KEPT),
    "expired-pods-by-the-specs-word": lambda: going_on(
        change(succeeded(), history={"succeededPods": 2, "failedPods": 0}, ttlSecondsAfterFinished=900), *KEPT
    ),
}
VERSION = (("Secret/acr-push", "hmac-sha256:1"),)


def refused() -> Resource:
    """A resource whose pod the API server refused."""
    refusal = Refusal(Reason.POD_REFUSED, "violates PodSecurity", final=True)
    return after(decide(world(started(), refusal=refusal)), started())


def with_inputs(of: Resource) -> Resource:
    """As if the run had been made with this version of its Secret."""
    assert of.status.run is not None
    run = of.status.run.model_copy(update={"inputs": dict(VERSION)})
    return replace(of, status=of.status.model_copy(update={"run": run}))


@pytest.mark.parametrize("name", CASES)
def test_decision(name: str) -> None:
    golden.check(f"decisions/{name}", CASES[name]())


def test_no_file_is_left_of_a_case_that_went() -> None:
    assert {path.stem for path in (golden.FOLDER / "decisions").iterdir()} == set(CASES)
