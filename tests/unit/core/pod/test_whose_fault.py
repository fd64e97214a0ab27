"""Failures that come and go in every cluster: the kubelet's refusals, the runtime's, the network's, the registry's."""

import re
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.explanations import IDENTITY_REFUSED
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_REASON
from buildandpush.core import registrywords
from buildandpush.core.pod import failurewords
from buildandpush.core.pod.failure import FailureVerdict, classify_failure, failed_container
from buildandpush.core.pod.failurewords import MAX_LINE, error_line
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.registrywords import Answer, find_answer, find_denied_address
from tests.unit.core.factories import SOURCE_OK, container, ended_pod, pod, terminated

PUSHING = "error pushing image: failed to push to destination shop.azurecr.io/web:1: "
CHECKING = (
    "error checking push permissions -- make sure you entered the correct tag name: checking push permission for "
    '"shop.azurecr.io/web:1": '
)
PULLING = "error building image: unable to complete operation after 3 attempts, last error: "
UPLOAD = "PATCH https://shop.azurecr.io/v2/web/blobs/uploads/4711: "
PUT = "PUT https://shop.azurecr.io/v2/web/manifests/1: "
MANIFEST = "GET https://shop.azurecr.io/v2/base/manifests/1: "
INFRASTRUCTURE, USER = True, False


def of_log(log: str, *, identity: bool = False) -> FailureVerdict:
    """kaniko ended with 1 and this log."""
    return classify_failure(ended_pod(1), log, identity=identity)


def not_started(name: str, code: int, reason: str, message: str = "") -> PodObservation:
    """A container that has never run, as a kubelet tells it."""
    never = "1970-01-01T00:00:00Z"
    state = container(name, terminated={**terminated(code, reason, message), "startedAt": never})
    if name == "source":
        return pod(phase="Failed", initContainerStatuses=[state])
    return pod(phase="Failed", initContainerStatuses=[SOURCE_OK], containerStatuses=[state])


class TestRegistryAnswers:
    @pytest.mark.parametrize(
        "log",
        [
            PUSHING + UPLOAD + "BLOB_UPLOAD_UNKNOWN: blob upload unknown to registry",
            PUSHING + UPLOAD + "blob_upload_unknown: blob upload unknown to registry",
            PUSHING + UPLOAD + "BLOB_UPLOAD_INVALID: blob upload invalid; map[reason:size]",
            PUSHING + PUT + "MANIFEST_BLOB_UNKNOWN: blob unknown to registry",
            PUSHING + PUT + "multiple errors returned: MANIFEST_BLOB_UNKNOWN: a; MANIFEST_BLOB_UNKNOWN: b",
            PUSHING + UPLOAD + "unexpected status code 416 Requested Range Not Satisfiable",
            PUSHING + UPLOAD + "unexpected status code 500 Internal Server Error: <html>401</html>",
            PUSHING + PUT + "TOOMANYREQUESTS: too many requests",
            PUSHING + PUT + "UNKNOWN: unknown error",
            CHECKING + "POST https://harbor.test/v2/web/blobs/uploads/: unexpected status code 503 Service Unavailable",
            "Error: pushing image: " + PUT + "UNAVAILABLE: service unavailable",
        ],
    )
    def test_a_push_that_the_registry_lost_is_tried_again(self, log: str) -> None:
        verdict = of_log(log)
        assert (verdict.reason, verdict.infrastructure, verdict.patient) == (Reason.PUSH_FAILED, True, False)

    @pytest.mark.parametrize(
        "log",
        [
            PUSHING + PUT + "MANIFEST_INVALID: manifest invalid",
            PUSHING + PUT + "unexpected status code 405 Method Not Allowed: UNSUPPORTED: the tag is locked",
            PUSHING + "could not parse reference",
        ],
    )
    def test_a_push_that_the_registry_refuses_for_good_is_not(self, log: str) -> None:
        assert (of_log(log).reason, of_log(log).infrastructure) == (Reason.PUSH_FAILED, False)

    @pytest.mark.parametrize(
        "log",
        [
            "error building image: GET https://shop.azurecr.io/v2/mirror/x/manifests/1: unexpected status code 424 "
            "Failed Dependency",
            PULLING + "GET https://ghcr.io/v2/x/manifests/1: unexpected status code 502 Bad Gateway",
            PULLING + MANIFEST + "BLOB_UNKNOWN: blob unknown to registry",
            PULLING + "HEAD https://quay.io/v2/x/blobs/1: unexpected status code 408 Request Timeout",
        ],
    )
    def test_a_base_registry_in_trouble_is_asked_again(self, log: str) -> None:
        assert (of_log(log).reason, of_log(log).infrastructure) == (Reason.REGISTRY_UNREACHABLE, True)

    @pytest.mark.parametrize(
        "answer",
        [
            "TOOMANYREQUESTS: You have reached your unauthenticated pull rate limit.",
            "toomanyrequests: rate exceeded",
            "unexpected status code 429 Too Many Requests",
        ],
    )
    @pytest.mark.parametrize("host", ["index.docker.io", "public.ecr.aws", "docker.io:443"])
    def test_a_base_registry_that_throttles_is_given_time_and_a_mirror_is_named(self, answer: str, host: str) -> None:
        verdict = of_log(f"{PULLING}GET https://{host}/v2/library/alpine/manifests/3: {answer}")
        assert (verdict.reason, verdict.infrastructure, verdict.patient) == (Reason.REGISTRY_THROTTLED, True, True)
        assert "registryMirrors" in verdict.message

    @pytest.mark.parametrize(
        "log",
        [
            CHECKING + "POST https://shop.azurecr.io/v2/web/blobs/uploads/: DENIED: client with IP '20.0.0.7' is not "
            "allowed access. Refer https://aka.ms/acr/firewall to grant access.",
            "error building image: GET https://shop.azurecr.io/oauth2/token?scope=repository%3Abase%3Apull: DENIED: "
            "client with IP '20.0.0.7' is not allowed access.",
            PULLING
            + MANIFEST
            + r'unexpected status code 403 Forbidden: {"message":"client with IP \u002720.0.0.7\u0027'
            ' is not allowed access"}',
            PUSHING + PUT + "denied: Client with ip 20.0.0.7 is not allowed access",
        ],
    )
    def test_a_firewalls_words_name_the_address_wherever_they_come_from(self, log: str) -> None:
        verdict = of_log(log)
        assert (verdict.reason, verdict.infrastructure) == (Reason.REGISTRY_NETWORK_DENIED, False)
        assert "(address 20.0.0.7: " in verdict.message
        assert "firewall" in verdict.message

    def test_an_address_of_the_sixth_version_is_one(self) -> None:
        assert find_denied_address("client with IP '2001:db8::7' is not allowed access") == "2001:db8::7"
        assert find_denied_address("client is not allowed access") is None

    @pytest.mark.parametrize(
        "words", ["UNAUTHORIZED: authentication required", "unexpected status code 401 Unauthorized"]
    )
    def test_a_refused_login_of_an_identity_speaks_of_roles_and_of_its_end(self, words: str) -> None:
        verdict = of_log(PUSHING + PUT + words, identity=True)
        assert (verdict.reason, verdict.infrastructure) == (Reason.PUSH_UNAUTHORIZED, False)
        assert verdict.message.endswith(IDENTITY_REFUSED)
        assert [word for word in ("AcrPush", "ABAC", "three hours") if word not in verdict.message] == []
        assert "Secret" not in verdict.message
        assert "Secret" in of_log(PUSHING + PUT + words).message, "a user name and password stands in one"

    @pytest.mark.parametrize(
        ("line", "answer"),
        [
            (MANIFEST + "MANIFEST_UNKNOWN: DENIED: x", Answer.NOT_FOUND),
            (MANIFEST + "SOMETHING_NEW: UNAUTHORIZED: x", Answer.OTHER),
            (MANIFEST + "internal_server_error: x", Answer.TROUBLE),
            (MANIFEST + "insufficient_scope: authorization failed", Answer.DENIED),
            ("no request at all: UNAUTHORIZED: x", None),
            (f"{MANIFEST}{'x' * 50}: DENIED: x", Answer.OTHER),
        ],
    )
    def test_the_first_word_of_an_answer_counts(self, line: str, answer: Answer | None) -> None:
        assert find_answer(line) is answer

    def test_a_push_needs_no_request_before_its_words(self) -> None:
        assert find_answer("x: y: DENIED: no", bare=True) is Answer.DENIED
        assert find_answer("x: unexpected status code 401 Unauthorized", bare=True) is Answer.REFUSED
        assert find_answer("nothing known", bare=True) is None


NETWORK_WORDS = [
    "dial tcp 20.0.0.9:443: connect: connection refused",
    "dial tcp 20.0.0.9:443: i/o timeout",
    "dial tcp: lookup shop.azurecr.io on 10.0.0.10:53: no such host",
    "dial tcp: lookup shop.azurecr.io on 10.0.0.10:53: server misbehaving",
    "dial tcp: lookup shop.azurecr.io: Temporary failure in name resolution",
    "dial tcp 20.0.0.9:443: connect: no route to host",
    "dial tcp 20.0.0.9:443: connect: network is unreachable",
    "dial tcp 20.0.0.9:443: connect: host is down",
    "read tcp 10.1.0.4:40100->20.0.0.9:443: read: connection timed out",
    "read tcp 10.1.0.4:40100->20.0.0.9:443: read: connection reset by peer",
    "write tcp 10.1.0.4:40100->20.0.0.9:443: write: broken pipe",
    "write tcp 10.1.0.4:40100->20.0.0.9:443: use of closed network connection",
    "http2: server sent GOAWAY and closed the connection; LastStreamID=1999, ErrCode=NO_ERROR",
    "http2: client connection lost",
    "http2: client connection force closed via ClientConn.Close",
    "stream error: stream ID 5; INTERNAL_ERROR; received from peer",
    "http: server closed idle connection",
    "net/http: HTTP/1.x transport connection broken: unexpected EOF",
    "net/http: TLS handshake timeout",
    "net/http: timeout awaiting response headers",
    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    "context deadline exceeded",
    "unexpected EOF",
    "EOF",
]


class TestNetwork:
    @pytest.mark.parametrize("words", NETWORK_WORDS)
    @pytest.mark.parametrize(
        "before",
        [
            'error building image: Get "https://shop.azurecr.io/v2/": ',
            PULLING + 'Head "https://mirror.gcr.io/v2/library/alpine/manifests/3": ',
            PUSHING + 'Patch "https://shop.azurecr.io/v2/web/blobs/uploads/4711": ',
            CHECKING + 'creating push check transport for shop.azurecr.io failed: Get "https://shop.azurecr.io/v2/": ',
            PUSHING,
            PULLING,
            "error building image: error building stage: failed to get filesystem from image: ",
        ],
    )
    def test_a_broken_way_to_a_registry_is_nobodys_fault(self, before: str, words: str) -> None:
        verdict = of_log(before + words)
        assert (verdict.reason, verdict.infrastructure, verdict.patient) == (Reason.REGISTRY_UNREACHABLE, True, False)

    def test_a_name_that_nobody_knows_may_be_misspelt(self) -> None:
        log = PULLING + 'Get "https://dcoker.io/v2/": dial tcp: lookup dcoker.io on 10.0.0.10:53: no such host'
        message = of_log(log).message
        assert "misspelt" in message
        assert "dcoker.io" in message

    @pytest.mark.parametrize("words", NETWORK_WORDS)
    def test_the_same_words_of_a_command_prove_nothing(self, words: str) -> None:
        ending = "error building image: failed to execute command: waiting for process to exit: exit status 1"
        assert of_log(f"curl: {words}\n{ending}").reason is Reason.RUN_FAILED
        assert of_log(f"error building image: failed to execute command: {words}").reason is Reason.BUILD_FAILED

    @pytest.mark.parametrize(
        "words",
        [
            "http: server gave HTTP response to HTTPS client",
            "tls: first record does not look like a TLS handshake",
            "unsupported protocol scheme",
        ],
    )
    def test_a_registry_that_speaks_something_else_stays_so(self, words: str) -> None:
        assert not of_log(f'error building image: Get "https://shop.azurecr.io/v2/": {words}').infrastructure


class TestKubelet:
    @pytest.mark.parametrize(
        ("reason", "message"),
        [
            ("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu, requested: 4000, used: 1500"),
            ("OutOfmemory", "Node didn't have enough resource: memory, requested: 4, used: 5, capacity: 6"),
            ("OutOfpods", "Pod was rejected: Node didn't have enough resource: pods"),
            ("OutOfephemeral-storage", "Node didn't have enough resource: ephemeral-storage"),
            ("OutOfnvidia.com/gpu", "Node didn't have enough resource: nvidia.com/gpu"),
            ("UnexpectedAdmissionError", "Pod was rejected: Allocate failed due to no healthy devices present"),
            ("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's selector"),
            ("TopologyAffinityError", "Resources cannot be allocated with Topology locality"),
            ("SysctlForbidden", "forbidden sysctl"),
            ("SomethingOfALaterKubelet", "no"),
        ],
    )
    def test_a_pod_that_a_node_did_not_take_is_tried_again(self, reason: str, message: str) -> None:
        verdict = classify_failure(pod(phase="Failed", reason=reason, message=message), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.POD_REJECTED, True)
        assert f"({reason}: {message})" in verdict.message
        assert "log tail" not in verdict.message, "there is none"

    def test_a_word_of_the_kubelet_of_any_length_fits_into_the_status(self) -> None:
        verdict = classify_failure(pod(phase="Failed", reason="OutOf" + "x" * 300), "")
        assert len(verdict.failure.reason or "") == MAX_REASON

    @pytest.mark.parametrize("reason", ["NodeAffinity", "UnexpectedAdmissionError"])
    def test_a_pod_that_a_restarted_node_did_not_take_again_is_one_of_them(self, reason: str) -> None:
        ended = ended_pod(137, reason_of_pod=reason)
        assert classify_failure(ended, "").reason is Reason.POD_REJECTED

    @pytest.mark.parametrize("reason", ["NodeShutdown", "Shutdown", "Terminated"])
    def test_a_node_that_is_shut_down_is_lost(self, reason: str) -> None:
        verdict = classify_failure(ended_pod(143, reason_of_pod=reason), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.NODE_LOST, True)

    def test_a_kubelet_that_makes_room_for_a_critical_pod_preempts(self) -> None:
        message = "Preempted in order to admit critical pod"
        verdict = classify_failure(pod(phase="Failed", reason="Preempting", message=message), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.PREEMPTED, True)
        assert message in verdict.message

    @pytest.mark.parametrize(
        "message",
        [
            'Container kaniko exceeded its local ephemeral storage limit "300Mi". ',
            "Pod ephemeral local storage usage exceeds the total limit of containers 300Mi. ",
            'Usage of EmptyDir volume "workspace" exceeds the limit "1Gi". ',
        ],
    )
    def test_a_build_over_its_own_limit_of_disk_ends_at_once(self, message: str) -> None:
        verdict = classify_failure(replace(ended_pod(137, reason_of_pod="Evicted"), message=message), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.STORAGE_LIMIT_EXCEEDED, False)
        assert message.strip() in verdict.message
        assert "resources.limits.ephemeral-storage" in verdict.message

    @pytest.mark.parametrize(
        "message",
        [
            "The node was low on resource: ephemeral-storage. Threshold quantity: 1, available: 0. Container kaniko "
            "was using 3Gi, request is 0, has larger consumption of ephemeral-storage. ",
            "The node had condition: [DiskPressure]. ",
        ],
    )
    def test_a_node_short_of_disk_is_nobodys_fault(self, message: str) -> None:
        verdict = classify_failure(replace(ended_pod(137, reason_of_pod="Evicted"), message=message), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.EVICTED, True)

    @pytest.mark.parametrize("words", ["no space left on device", "disk quota exceeded"])
    def test_a_full_disk_that_kaniko_meets_is_the_nodes(self, words: str) -> None:
        verdict = of_log(f"error building image: taking snapshot: write /kaniko/1: {words}")
        assert (verdict.reason, verdict.infrastructure) == (Reason.NODE_DISK_FULL, True)


class TestRuntime:
    @pytest.mark.parametrize("name", ["source", "kaniko"])
    @pytest.mark.parametrize(
        ("code", "reason", "message"),
        [
            (
                128,
                "StartError",
                "failed to create containerd task: failed to create shim task: context deadline exceeded",
            ),
            (127, "ContainerCannotRun", "OCI runtime create failed: container_linux.go:380"),
        ],
    )
    def test_a_container_that_could_not_be_started_is_told_with_the_runtimes_words(
        self, name: str, code: int, reason: str, message: str
    ) -> None:
        verdict = classify_failure(not_started(name, code, reason, message), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.CONTAINER_NOT_STARTED, True)
        assert f"(container {name}, exit code {code}, {reason}, {message})" in verdict.message

    @pytest.mark.parametrize("name", ["source", "kaniko"])
    @pytest.mark.parametrize(("code", "reason"), [(255, "Unknown"), (137, "ContainerStatusUnknown")])
    def test_a_container_that_the_runtime_forgot_went_with_its_node(self, name: str, code: int, reason: str) -> None:
        verdict = classify_failure(not_started(name, code, reason), "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.NODE_LOST, True)
        assert f"container {name}, exit code {code}, {reason}" in verdict.message

    def test_a_command_may_end_with_255(self) -> None:
        log = "error building image: error building stage: failed to execute command: waiting for process to exit: "
        assert classify_failure(ended_pod(255), f"{log}exit status 255").reason is Reason.RUN_FAILED
        assert not classify_failure(ended_pod(255), "").infrastructure

    @pytest.mark.parametrize("code", [137, 143])
    def test_a_fetch_that_is_killed_is_tried_again(self, code: int) -> None:
        killed = pod(phase="Failed", initContainerStatuses=[container("source", terminated=terminated(code))])
        verdict = classify_failure(killed, "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.KILLED, True)
        assert verdict.failure.container == "source"

    def test_a_fetch_that_ends_without_a_word_is_not_blamed_on_kaniko(self) -> None:
        ended = pod(phase="Failed", initContainerStatuses=[container("source", terminated=terminated(1))])
        verdict = classify_failure(ended, "Traceback\nKeyError: 'root'")
        assert (verdict.reason, verdict.infrastructure) == (Reason.BUILD_FAILED, False)
        assert "kaniko" not in verdict.message
        assert "KeyError" in verdict.message


class TestReports:
    @pytest.mark.parametrize(
        ("reason", "infrastructure", "patient"),
        [
            ("SourceUnreachable", True, False),
            ("SourceThrottled", True, True),
            ("NodeDiskFull", True, False),
            ("OutOfMemory", False, False),
            ("SourceMoved", False, False),
            ("SourceDenied", False, False),
            ("CertificateNotTrusted", False, False),
            ("RevisionNotFound", False, False),
            ("CommitIdShort", False, False),
            ("SourceInvalid", False, False),
        ],
    )
    def test_the_init_containers_report_says_whose_fault_it_is(
        self, reason: str, infrastructure: bool, patient: bool
    ) -> None:
        report = f'{{"reason": "{reason}", "message": "git: said so"}}'
        state = container("source", terminated=terminated(1, message=report))
        verdict = classify_failure(pod(phase="Failed", initContainerStatuses=[state]), "the log")
        assert (verdict.reason, verdict.infrastructure, verdict.patient) == (reason, infrastructure, patient)
        assert "(git: said so)" in verdict.message

    @pytest.mark.parametrize(
        ("reason", "advice"),
        [
            ("SourceMoved", ["new address", ".git"]),
            ("SourceThrottled", ["fewer builds"]),
            ("CertificateNotTrusted", ["source.git.caBundle", "trustedCertificates", "connector's caBundle"]),
            ("CommitIdShort", ["40 characters", "branch or tag"]),
            ("SourceDenied", ["source.git.credentialsRef"]),
        ],
    )
    def test_what_only_the_user_can_mend_comes_with_how(self, reason: str, advice: list[str]) -> None:
        state = container("source", terminated=terminated(1, message=f'{{"reason": "{reason}", "message": "git: x"}}'))
        message = classify_failure(pod(phase="Failed", initContainerStatuses=[state]), "").message
        assert [words for words in advice if words not in message] == [], message


class TestInjected:
    FAILED = container("istio-validation", terminated=terminated(126, message="iptables: nothing redirects"))
    WAITING = container("source", waiting={"reason": "PodInitializing"})

    def observed(self, *statuses: dict[str, Any], sidecars: tuple[str, ...] = (), **changes: Any) -> PodObservation:
        spec = {"initContainers": [{"name": name, "restartPolicy": "Always"} for name in sidecars]}
        return pod(phase="Failed", spec_changes=spec, initContainerStatuses=list(statuses), **changes)

    @pytest.mark.parametrize("statuses", [(FAILED, WAITING), (SOURCE_OK, FAILED)], ids=["before ours", "behind ours"])
    def test_a_container_that_was_put_in_is_named_with_its_exit_code(self, statuses: tuple[Any, ...]) -> None:
        ended = self.observed(*statuses)
        verdict = classify_failure(ended, "")
        assert (verdict.reason, verdict.infrastructure) == (Reason.INJECTED_CONTAINER_FAILED, True)
        assert "(container istio-validation, exit code 126, Error, iptables: nothing redirects)" in verdict.message
        assert (verdict.failure.container, verdict.failure.exit_code) == ("istio-validation", 126)
        assert (ended.ended, failed_container(ended)) == (True, "istio-validation")
        assert ended.finished_at is not None

    def test_a_sidecar_that_restarts_ends_no_pod(self) -> None:
        assert self.observed(self.FAILED, self.WAITING, sidecars=("istio-validation",)).injected is None

    def test_a_fetch_that_failed_is_the_end_beside_any_other(self) -> None:
        failed = container("source", terminated=terminated(1, message='{"reason": "SourceDenied", "message": "x"}'))
        assert classify_failure(self.observed(self.FAILED, failed), "").reason is Reason.SOURCE_DENIED

    def test_nobody_looks_at_it_once_kaniko_ran(self) -> None:
        ended = replace(ended_pod(1), injected=None)
        both = pod(
            phase="Failed",
            initContainerStatuses=[SOURCE_OK, self.FAILED],
            containerStatuses=[container("kaniko", terminated=terminated(1))],
        )
        assert (both.injected, failed_container(both)) == (ended.injected, "kaniko")


class TestLines:
    def test_a_line_is_looked_at_as_far_as_it_is_short(self) -> None:
        line = error_line("error building image: " + "error pushing image: " * 100_000 + "the end")
        assert len(line) <= MAX_LINE + 3
        assert line.startswith("error building image: ")
        assert line.endswith("the end")

    def test_no_pattern_joins_words_by_anything(self) -> None:
        """Over two words that both repeat, `.*` takes the square of the line's length."""
        named = {**vars(failurewords), **vars(registrywords)}
        patterns = {name: value for name, value in named.items() if isinstance(value, re.Pattern)}
        assert len(patterns) > 10
        assert [name for name, value in patterns.items() if re.search(r"\.[*+]", value.pattern)] == []
