"""How a pod ended, to what went wrong: every row of the table, with states as kubelets and kaniko leave them."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.explanations import NO_SUCH_HOST, RUN_AGAIN, explain
from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_LOG_TAIL
from buildandpush.core.build.progress import describe_live_pod
from buildandpush.core.foreign import admit_end
from buildandpush.core.pod.failure import classify_failure
from buildandpush.core.pod.failurewords import error_line
from buildandpush.core.pod.kanikolog import select_end
from buildandpush.core.pod.observation import PodObservation
from tests.unit.core.factories import container, ended_pod, pod, terminated
from tests.unit.core.recorded import observe

PUSH = 'error checking push permissions: checking push permission for "contoso.azurecr.io/web:v1": '
BUILD = "error building image: "
RETRIED = BUILD + "unable to complete operation after 3 attempts, last error: "
MISSING = BUILD + "failed to get files used from context: failed to get fileinfo for x: lstat /kaniko/workspace/source/"
MANIFEST = "GET https://contoso.azurecr.io/v2/base/manifests/9: "


def disrupted(by: str, **status: Any) -> PodObservation:
    """A pod that somebody ended, as its condition says."""
    return pod(phase="Failed", conditions=[{"type": "DisruptionTarget", "status": "True", "reason": by}], **status)


def source_failed(report: str, code: int = 1, reason: str = "") -> PodObservation:
    """The init container failed with this report."""
    return pod(phase="Failed", initContainerStatuses=[container("source", terminated=terminated(code, reason, report))])


INFRASTRUCTURE, USER = True, False

ROWS: list[tuple[str, PodObservation, str, Reason, bool]] = [
    ("out of memory", ended_pod(137, reason="OOMKilled"), "", Reason.OUT_OF_MEMORY, USER),
    ("out of memory with exit 0", ended_pod(0, reason="OOMKilled"), "", Reason.OUT_OF_MEMORY, USER),
    ("fetch out of memory", source_failed("", 137, "OOMKilled"), "", Reason.OUT_OF_MEMORY, USER),
    ("over its time", ended_pod(137, reason_of_pod="DeadlineExceeded"), "", Reason.TIMED_OUT, USER),
    ("over its time, no container", pod(phase="Failed", reason="DeadlineExceeded"), "", Reason.TIMED_OUT, USER),
    ("evicted for disk", pod(phase="Failed", reason="Evicted", message="low on ephemeral-storage"), "",
     Reason.EVICTED, INFRASTRUCTURE),
    ("evicted for memory", ended_pod(137, reason_of_pod="Evicted"), "", Reason.EVICTED, INFRASTRUCTURE),
    ("evicted by the API", disrupted("EvictionByEvictionAPI"), "", Reason.EVICTED, INFRASTRUCTURE),
    ("preempted", disrupted("PreemptionByScheduler"), "", Reason.PREEMPTED, INFRASTRUCTURE),
    ("tainted node", disrupted("DeletionByTaintManager"), "", Reason.NODE_LOST, INFRASTRUCTURE),
    ("node collected", disrupted("DeletionByPodGC"), "", Reason.NODE_LOST, INFRASTRUCTURE),
    ("node shut down", disrupted("TerminationByKubelet", reason="Terminated"), "", Reason.NODE_LOST, INFRASTRUCTURE),
    ("node lost", pod(phase="Failed", reason="NodeLost"), "", Reason.NODE_LOST, INFRASTRUCTURE),
    ("pod deleted", ended_pod(2, deleting=True), "", Reason.POD_LOST, INFRASTRUCTURE),
    ("sigterm", ended_pod(143), "", Reason.KILLED, INFRASTRUCTURE),
    ("sigkill", ended_pod(137), "", Reason.KILLED, INFRASTRUCTURE),
    ("go runtime ended by a signal", ended_pod(2), "", Reason.KILLED, INFRASTRUCTURE),
    ("command killed by a signal", ended_pod(1), BUILD + "error building stage: failed to execute command: waiting for "
     "process to exit: signal: killed", Reason.OUT_OF_MEMORY, USER),
    ("child of a command killed", ended_pod(137), BUILD + "error building stage: failed to execute command: waiting "
     "for process to exit: exit status 137", Reason.OUT_OF_MEMORY, USER),
    ("command ended by another signal", ended_pod(1), BUILD + "error building stage: failed to execute command: "
     "waiting for process to exit: signal: segmentation fault", Reason.BUILD_FAILED, USER),
    ("command killed with its pod", ended_pod(1, deleting=True), BUILD + "error building stage: failed to execute "
     "command: waiting for process to exit: signal: killed", Reason.POD_LOST, INFRASTRUCTURE),
    ("a command's own code", ended_pod(7), BUILD + "error building stage: failed to execute command: waiting for "
     "process to exit: exit status 7", Reason.RUN_FAILED, USER),
    ("a command's own code, kaniko's word lost", ended_pod(7), "printed\n" * 200, Reason.RUN_FAILED, USER),
    ("a command that was not found, no log", ended_pod(127), "", Reason.RUN_FAILED, USER),
    ("kaniko without a word", ended_pod(1), "", Reason.BUILD_FAILED, USER),
    ("a command ended by a signal, no log", ended_pod(255), "", Reason.BUILD_FAILED, USER),
    ("a command's code 1", ended_pod(1), BUILD + "error building stage: failed to execute command: waiting for "
     "process to exit: exit status 1", Reason.RUN_FAILED, USER),
    ("a command that prints another error", ended_pod(1), BUILD + "failed to execute command: waiting for process to "
     "exit: exit status 1\nerror pushing image: UNAUTHORIZED", Reason.RUN_FAILED, USER),
    ("no Dockerfile", ended_pod(1), "Error: error resolving dockerfile path: please provide a valid path to a "
     "Dockerfile within the build context with --dockerfile", Reason.DOCKERFILE_NOT_FOUND, USER),
    ("bad Dockerfile", ended_pod(1), BUILD + "parsing dockerfile: dockerfile parse error on line 2: unknown "
     "instruction: FORM", Reason.DOCKERFILE_INVALID, USER),
    ("base unknown", ended_pod(1), RETRIED + MANIFEST + "MANIFEST_UNKNOWN: manifest unknown",
     Reason.BASE_IMAGE_NOT_FOUND, USER),
    ("base repository unknown", ended_pod(1), RETRIED + MANIFEST + "NAME_UNKNOWN: repository name not known",
     Reason.BASE_IMAGE_NOT_FOUND, USER),
    ("base unauthorized", ended_pod(1), RETRIED + MANIFEST + "UNAUTHORIZED: authentication required",
     Reason.BASE_IMAGE_DENIED, USER),
    ("base denied", ended_pod(1), RETRIED + MANIFEST + "DENIED: requested access is denied",
     Reason.BASE_IMAGE_DENIED, USER),
    ("base registry away", ended_pod(1), RETRIED + 'Get "https://mirror.test/v2/": dial tcp 10.0.0.1:443: connect: '
     "connection refused", Reason.REGISTRY_UNREACHABLE, INFRASTRUCTURE),
    ("wrong password", ended_pod(1), PUSH + "POST https://contoso.azurecr.io/v2/web/blobs/uploads/: UNAUTHORIZED: "
     "authentication required", Reason.PUSH_UNAUTHORIZED, USER),
    ("wrong password, seen late", ended_pod(1), "error pushing image: failed to push to destination c/web:v1: HEAD "
     "https://c/v2/web: unexpected status code 401 Unauthorized", Reason.PUSH_UNAUTHORIZED, USER),
    ("no right to push", ended_pod(1), PUSH + "POST https://contoso.azurecr.io/v2/: DENIED: requested access denied",
     Reason.PUSH_DENIED, USER),
    ("registry away", ended_pod(1), PUSH + 'creating push check transport for c failed: Get "https://c/v2/": dial '
     "tcp: lookup c: no such host", Reason.REGISTRY_UNREACHABLE, INFRASTRUCTURE),
    ("registry away at the end", ended_pod(1), 'error pushing image: failed to push to destination c/web:v1: Put '
     '"https://c/v2/": dial tcp 10.0.0.1:443: connect: connection refused', Reason.REGISTRY_UNREACHABLE,
     INFRASTRUCTURE),
    ("registry of an unknown authority", ended_pod(1), PUSH + 'creating push check transport for c failed: Get '
     '"https://c/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
     Reason.CERTIFICATE_NOT_TRUSTED, USER),
    ("base registry behind a proxy", ended_pod(1), RETRIED + 'Get "https://mirror.test/v2/": x509: certificate has '
     "expired or is not yet valid", Reason.CERTIFICATE_NOT_TRUSTED, USER),
    ("image called as a push", ended_pod(1), RETRIED + "GET https://c/v2/prom/pushgateway/manifests/v1: "
     "MANIFEST_UNKNOWN: manifest unknown", Reason.BASE_IMAGE_NOT_FOUND, USER),
    ("image called as a push, no right", ended_pod(1), RETRIED + "GET https://contoso.azurecr.io/v2/push/manifests/v1: "
     "UNAUTHORIZED: authentication required", Reason.BASE_IMAGE_DENIED, USER),
    ("base by the bare status", ended_pod(1), RETRIED + "GET https://c/v2/base/manifests/9: unexpected status code 404 "
     "Not Found", Reason.BASE_IMAGE_NOT_FOUND, USER),
    ("base registry busy", ended_pod(1), RETRIED + "GET https://index.docker.io/v2/library/x/manifests/1: "
     "TOOMANYREQUESTS: You have reached your pull rate limit", Reason.REGISTRY_THROTTLED, INFRASTRUCTURE),
    ("base image's layer broke off", ended_pod(1), BUILD + "error building stage: failed to get filesystem from image: "
     "error removing usr to make way for new symlink: unexpected EOF", Reason.REGISTRY_UNREACHABLE, INFRASTRUCTURE),
    ("broken archive of the user's", ended_pod(1), BUILD + "error building stage: failed to execute command: "
     "extracting fs: unexpected EOF", Reason.BUILD_FAILED, USER),
    ("file named as a status", ended_pod(1), MISSING + "site/404.html: no such file or directory",
     Reason.COPIED_FILE_NOT_FOUND, USER),
    ("file named as a push", ended_pod(1), MISSING + "scripts/push.sh: no such file or directory",
     Reason.COPIED_FILE_NOT_FOUND, USER),
    ("file named as the Dockerfile", ended_pod(1), MISSING + "Dockerfile.d/x: no such file or directory",
     Reason.COPIED_FILE_NOT_FOUND, USER),
    ("script that may not be run", ended_pod(1), BUILD + "error building stage: failed to execute command: starting "
     "command: fork/exec /app/run.sh: permission denied", Reason.BUILD_FAILED, USER),
    ("user named as a status", ended_pod(1), BUILD + "error building stage: failed to execute command: resolving user "
     "app-401: user app-401 not found", Reason.BUILD_FAILED, USER),
    ("digest that holds a status", ended_pod(1), BUILD + "could not parse sha256:1140103f", Reason.BUILD_FAILED, USER),
    ("not root, merged /usr", ended_pod(1), BUILD + "error building stage: failed to get filesystem from image: "
     "symlink usr/bin /bin: permission denied", Reason.ROOT_REQUIRED, USER),
    ("not root, a folder that is there", ended_pod(1), BUILD + "error building stage: failed to get filesystem from "
     "image: chmod /tmp: operation not permitted", Reason.ROOT_REQUIRED, USER),
    ("registry busy", ended_pod(1), "error pushing image: failed to push to destination c/web:v1: PUT https://c/v2/: "
     "TOOMANYREQUESTS: too many requests", Reason.PUSH_FAILED, INFRASTRUCTURE),
    ("manifest rejected", ended_pod(1), "error pushing image: failed to push to destination c/web:v1: PUT "
     "https://c/v2/web/manifests/v1: MANIFEST_INVALID: manifest invalid", Reason.PUSH_FAILED, USER),
    ("not root", ended_pod(1), BUILD + "error building stage: failed to get filesystem from image: mkdir /bin: "
     "permission denied", Reason.ROOT_REQUIRED, USER),
    ("not the owner of the source's files", ended_pod(1), BUILD + "error building stage: failed to get files used from "
     "context: copying file: open /kaniko/workspace/source/a.py: operation not permitted", Reason.ROOT_REQUIRED, USER),
    ("no such stage", ended_pod(1), BUILD + "prod is not a valid target build stage", Reason.TARGET_NOT_FOUND, USER),
    ("image file missing", ended_pod(1), "Error: path /kaniko/volume/push.tar not readable: stat /kaniko/volume/"
     "push.tar: no such file or directory\nUsage:\n  executor push <path> [flags]", Reason.IMAGE_FILE_NOT_FOUND, USER),
    ("image file is no image", ended_pod(1), "Error: loading image: file manifest.json not found in tar",
     Reason.IMAGE_FILE_NOT_FOUND, USER),
    ("push command denied", ended_pod(1), "Error: checking push permissions: checking push permission for c/web:v1: "
     "POST https://c/v2/: UNAUTHORIZED: authentication required", Reason.PUSH_UNAUTHORIZED, USER),
    ("a program for another processor", ended_pod(1), BUILD + "error building stage: failed to execute command: "
     "starting command: fork/exec /bin/sh: exec format error", Reason.PLATFORM_MISMATCH, USER),
    ("anything else", ended_pod(1), BUILD + "something new", Reason.BUILD_FAILED, USER),
    ("no digest", ended_pod(0, "nonsense"), "", Reason.DIGEST_MISSING, USER),
    ("source says why", source_failed('{"reason": "RevisionNotFound", "message": "git: no v9"}'), "",
     Reason.REVISION_NOT_FOUND, USER),
    ("source ended without a word", source_failed(""), "", Reason.BUILD_FAILED, USER),
    ("source of another version", source_failed('{"reason": "NewReason", "message": "x"}'), "",
     Reason.SOURCE_INVALID, USER),
    ("sidecar goes on", ended_pod(7, phase="Running"), BUILD + "waiting for process to exit: exit status 7",
     Reason.RUN_FAILED, USER),
]  # fmt: skip


@pytest.mark.parametrize(("case", "ended", "log", "reason", "infrastructure"), ROWS, ids=[row[0] for row in ROWS])
def test_row(case: str, ended: PodObservation, log: str, reason: Reason, infrastructure: bool) -> None:
    verdict = classify_failure(ended, log)
    assert (verdict.reason, verdict.infrastructure) == (reason, infrastructure)
    assert verdict.message.startswith(explain(reason).cause.removesuffix("."))
    remedy = NO_SUCH_HOST if "no such host" in log else explain(reason).remedy
    assert verdict.message.removesuffix(RUN_AGAIN).strip().endswith(remedy.removesuffix(RUN_AGAIN).strip())


def test_the_message_has_the_code_the_line_and_the_remedy() -> None:
    verdict = classify_failure(ended_pod(1), "INFO[0001] unpacking\n" + BUILD + "something new")
    assert verdict.message == (
        f"The build ended with an error (exit code 1: {BUILD}something new). Read the message and the log tail."
    )


def test_the_message_names_files_as_the_user_knows_them() -> None:
    message = classify_failure(ended_pod(1), MISSING + "web/app.py: no such file or directory").message
    assert "lstat web/app.py" in message


def test_the_log_tail_is_twenty_lines_without_colours() -> None:
    log = "\n".join(f"\x1b[36mline {number}\x1b[0m" for number in range(100))
    failure = classify_failure(ended_pod(1), log).failure
    assert failure.log_tail == "\n".join(f"line {number}" for number in range(80, 100))
    assert (failure.container, failure.exit_code) == ("kaniko", 1)


@pytest.mark.parametrize("junk", ["://a:", "error pushing image: ", "日", "x" * 60 + "\n", "x\n"])
@pytest.mark.parametrize("before", ["", "printed without a line break"])
@pytest.mark.parametrize("behind", [0, 30, 2_000, 100_000])
def test_kanikos_last_word_stays_in_the_log_tail(junk: str, before: str, behind: int) -> None:
    """Whatever a command printed beside it: its output may come later, and in lines of any length."""
    said = f"{BUILD}failed to execute command: waiting for process to exit: exit status 3"
    log = junk * (100_000 // len(junk)) + f"\n{before}{said}\n" + junk * (behind // len(junk))
    verdict = classify_failure(ended_pod(3), admit_end(select_end(log, 60)[0]))
    assert verdict.reason is Reason.RUN_FAILED
    told = verdict.failure.log_tail or ""
    assert said in told
    assert len(told.encode()) <= MAX_LOG_TAIL
    assert told.count("\n") < 20


def test_another_error_of_kanikos_stays_in_the_log_tail() -> None:
    log = f"{PUSH}DENIED: requested access to the resource is denied\n" + "printed later\n" * 30
    told = classify_failure(ended_pod(1), log).failure.log_tail or ""
    assert told.startswith(f"{PUSH}DENIED: ")
    assert told.endswith("printed later")


def test_the_sources_failure_is_told_with_its_own_words() -> None:
    report = '{"reason": "DockerfileNotFound", "message": "dockerfile \'x\'; the source\'s root has a, b"}'
    verdict = classify_failure(source_failed(report), "DockerfileNotFound")
    assert "the source's root has a, b" in verdict.message
    assert verdict.failure.container == "source"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        (f"{BUILD}it\nlater output\n", f"{BUILD}it"),
        ("Error: unknown flag: --x\nUsage:\n  executor [flags]\n", "Error: unknown flag: --x"),
    ],
)
def test_kanikos_own_error_line(log: str, line: str) -> None:
    assert error_line(log) == line


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (BUILD + "error building stage: failed to get filesystem from image: mkdir /bin: permission denied",
         Reason.POD_CHANGED),
        (BUILD + "mkdir /kaniko/0: read-only file system", Reason.POD_CHANGED),
        (BUILD + "x: waiting for process to exit: exit status 1", Reason.RUN_FAILED),
        (BUILD + "error building stage: GET https://c/v2/base/manifests/9: MANIFEST_UNKNOWN: x",
         Reason.BASE_IMAGE_NOT_FOUND),
    ],
)  # fmt: skip
def test_a_pod_with_fewer_rights_than_it_was_given_explains_what_needs_them(log: str, reason: Reason) -> None:
    changed = replace(ended_pod(1), changes=("readOnlyRootFilesystem is true",))
    verdict = classify_failure(changed, log)
    assert verdict.reason is reason
    assert ("readOnlyRootFilesystem is true" in verdict.message) is (reason is Reason.POD_CHANGED)


def test_root_required_names_every_way_out() -> None:
    remedy = explain(Reason.ROOT_REQUIRED).remedy
    assert [
        word for word in ("runAsUser unset or 0", "userNamespace: Always", "executor's image") if word not in remedy
    ] == []


@pytest.mark.parametrize(
    ("recorded", "log", "reason", "infrastructure"),
    [
        ("deadline-exceeded", "", Reason.TIMED_OUT, USER),
        ("evicted", "", Reason.EVICTED, INFRASTRUCTURE),
        ("oom-killed", "", Reason.OUT_OF_MEMORY, USER),
        ("preempted", "", Reason.PREEMPTED, INFRASTRUCTURE),
        ("node-lost", "", Reason.NODE_LOST, INFRASTRUCTURE),
        ("succeeded-without-digest", "", Reason.DIGEST_MISSING, USER),
        ("failed-after-digest", BUILD + "x: waiting for process to exit: exit status 1", Reason.RUN_FAILED, USER),
        ("failed-after-digest", PUSH + "POST https://c/v2/: DENIED: denied", Reason.PUSH_DENIED, USER),
        ("source-failed", "", Reason.REVISION_NOT_FOUND, USER),
        ("source-killed", "", Reason.OUT_OF_MEMORY, USER),
    ],
)
def test_recorded_pods_are_classified_by_what_kubelets_write(
    recorded: str, log: str, reason: Reason, infrastructure: bool
) -> None:
    verdict = classify_failure(observe(recorded), log)
    assert (verdict.reason, verdict.infrastructure) == (reason, infrastructure)


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ("image-pull-backoff", Reason.IMAGE_PULL_FAILED),
        ("pending-unschedulable", Reason.UNSCHEDULABLE),
        ("pending-just-created", Reason.POD_CREATED),
        ("source-running", Reason.POD_CREATED),
        ("kaniko-running", Reason.BUILDING),
    ],
)
def test_recorded_pods_that_live_say_where_they_stand(recorded: str, reason: Reason) -> None:
    assert describe_live_pod(observe(recorded), "shop")[1] == reason


def test_a_pod_that_waits_for_its_upload_says_how_to_send_it() -> None:
    phase, reason, message = describe_live_pod(observe("source-running"), "shop", is_sent=True)
    assert (phase, reason) == (Phase.PENDING, Reason.UPLOAD_AWAITED)
    name = observe("source-running").name
    command = f"kubectl exec -i -n shop {name} -c source -- python3 -m buildandpush.source.upload"
    assert message.endswith(f"tar -cz . | {command}")
    assert describe_live_pod(observe("kaniko-running"), "shop", is_sent=True)[1] == Reason.BUILDING


def test_a_pod_that_builds_says_how_to_follow_it_from_any_namespace() -> None:
    message = describe_live_pod(observe("kaniko-running"), "shop")[2]
    assert message.endswith(f"kubectl logs -f -n shop {observe('kaniko-running').name}")


@pytest.mark.parametrize(
    ("line", "image"),
    [
        (
            "GET https://c.azurecr.io/v2/shop/base/manifests/9: MANIFEST_UNKNOWN: manifest unknown",
            "c.azurecr.io/shop/base",
        ),
        ("GET https://c:5000/v2/base/manifests/9: unexpected status code 404 Not Found", "c:5000/base"),
        ("GET https://c/v2/base/manifests/9: UNAUTHORIZED: authentication required", ""),
        ("GET https://c/v2/base/tags/list: NAME_UNKNOWN: x", ""),
    ],
)
def test_the_image_that_is_missing_is_found_in_the_line(line: str, image: str) -> None:
    assert classify_failure(ended_pod(1), RETRIED + line).missing_image == image
