"""One table from how a pod ended to what went wrong and whose turn it is.

Rows are tried in order; the first that matches names the reason. Messages of kaniko: its pkg/executor and the
go-containerregistry errors it wraps.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_LOG_TAIL, Failure
from buildandpush.core.explain import describe
from buildandpush.core.pod.kaniko import SOURCE_ROOT
from buildandpush.core.pod.manifest import KANIKO_CONTAINER, SOURCE_CONTAINER
from buildandpush.core.pod.observation import ContainerObservation, PodObservation, read_source_report
from buildandpush.core.text import tail


@dataclass(frozen=True)
class FailureVerdict:
    """Why an attempt failed; `infrastructure` failures are nobody's fault in the spec."""

    reason: Reason
    message: str
    failure: Failure
    infrastructure: bool


_Test = Callable[[PodObservation, str], bool]


@dataclass(frozen=True)
class _Row:
    test: _Test
    reason: Reason
    infrastructure: bool = False


def _log(pattern: str) -> _Test:
    """kaniko ended by itself and its log's last error has this; a RUN step's own output could say it too, so only
    lines that begin as kaniko's own error line are read. Files and images of the user's stand in that line as well, so
    patterns hold on to kaniko's and the registry client's own words around them."""
    compiled = re.compile(pattern)
    return lambda pod, log: (pod.kaniko.exit_code or 0) == 1 and compiled.search(error_line(log)) is not None


def _kaniko_ended(test: Callable[[ContainerObservation], bool]) -> _Test:
    return lambda pod, _: pod.kaniko.terminated and test(pod.kaniko)


_PUSH: Final = (
    r"(error pushing image|error checking push permissions?|Error: (pushing image|checking push permissions?)): "
)
# What the registry client says of a request: https://github.com/google/go-containerregistry, remote/transport/error.go
_ASKED: Final = r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) https?://\S+: "
_REFUSED: Final = r"(\bUNAUTHORIZED: |unexpected status code 401\b)"
_DENIED: Final = r"(\bDENIED: |unexpected status code 403\b|\binsufficient_scope\b)"
_NOT_FOUND: Final = r"(\b(MANIFEST|NAME)_UNKNOWN: |unexpected status code 404\b)"
_BUSY: Final = r"(\bTOOMANYREQUESTS: |\bINTERNAL\w*: |\bUNAVAILABLE: |unexpected status code (429|5\d\d)\b)"
# What Go says of a request that got no answer: https://pkg.go.dev/net/url#Error
_UNREACHABLE: Final = (
    r'\b(Get|Head|Post|Put|Patch|Delete) "https?://[^"]+": .*'
    r"(connection refused|no such host|i/o timeout|no route to host|network is unreachable|EOF$|TLS handshake|"
    r"connection reset|deadline exceeded|Client.Timeout)"
)


def _names_failed_command(log: str, exit_code: int | None) -> bool:
    """Whether kaniko itself says that a command ended with the exit code that it passed on."""
    ending = rf"^error building image: .*waiting for process to exit: exit status {exit_code}$"
    return bool(exit_code) and re.search(ending, log, re.MULTILINE) is not None


_TABLE: Final[tuple[_Row, ...]] = (
    _Row(lambda pod, _: "OOMKilled" in (pod.kaniko.reason, pod.source.reason), Reason.OUT_OF_MEMORY),
    _Row(lambda pod, _: pod.reason == "DeadlineExceeded", Reason.TIMED_OUT),
    _Row(lambda pod, _: pod.reason == "Evicted", Reason.EVICTED, infrastructure=True),
    _Row(lambda pod, _: pod.disruption == "PreemptionByScheduler", Reason.PREEMPTED, infrastructure=True),
    _Row(lambda pod, _: pod.disruption == "EvictionByEvictionAPI", Reason.EVICTED, infrastructure=True),
    _Row(
        lambda pod, _: pod.disruption in ("DeletionByTaintManager", "DeletionByPodGC") or pod.reason == "NodeLost",
        Reason.NODE_LOST,
        infrastructure=True,
    ),
    _Row(
        lambda pod, _: pod.disruption == "TerminationByKubelet" or pod.reason in ("NodeShutdown", "Terminated"),
        Reason.NODE_LOST,
        infrastructure=True,
    ),
    _Row(lambda pod, _: pod.deleting and (pod.kaniko.exit_code or 0) in (2, 137, 143), Reason.POD_LOST, True),
    # Before kaniko's other words: what a RUN command prints may come after its error line, and may say anything.
    _Row(lambda pod, log: _names_failed_command(log, pod.kaniko.exit_code), Reason.RUN_FAILED),
    _Row(_log(r"(resolving|reading) dockerfile (at )?path"), Reason.DOCKERFILE_NOT_FOUND),
    _Row(_log(r"parsing dockerfile|dockerfile parse error|unknown instruction"), Reason.DOCKERFILE_INVALID),
    _Row(_log(r"failed to get fileinfo for \S+: lstat .*: no such file|no source files"), Reason.COPIED_FILE_NOT_FOUND),
    _Row(_log(r"(mkdir|open|chmod|l?chown) /\S*: (permission denied|operation not permitted)"), Reason.ROOT_REQUIRED),
    _Row(
        _log(r"failed to get filesystem from image: .*(permission denied|operation not permitted)"),
        Reason.ROOT_REQUIRED,
    ),
    _Row(_log(r"Error: (path \S+ not readable|loading image)"), Reason.IMAGE_FILE_NOT_FOUND),
    _Row(_log(r"x509: |failed to verify certificate"), Reason.CERTIFICATE_NOT_TRUSTED),
    _Row(_log(rf"{_PUSH}.*{_REFUSED}"), Reason.PUSH_UNAUTHORIZED),
    _Row(_log(rf"{_PUSH}.*{_DENIED}"), Reason.PUSH_DENIED),
    _Row(_log(rf"{_PUSH}.*{_BUSY}"), Reason.PUSH_FAILED, infrastructure=True),
    _Row(_log(_UNREACHABLE), Reason.REGISTRY_UNREACHABLE, infrastructure=True),
    _Row(_log(_PUSH), Reason.PUSH_FAILED),
    _Row(_log(_ASKED + _NOT_FOUND), Reason.BASE_IMAGE_NOT_FOUND),
    _Row(_log(rf"{_ASKED}({_REFUSED}|{_DENIED})"), Reason.BASE_IMAGE_DENIED),
    # A base image's layer that broke off; of the user's own archives, ADD says something else.
    _Row(
        _log(rf"{_ASKED}{_BUSY}|failed to get filesystem from image: .*(unexpected EOF|connection reset)"),
        Reason.REGISTRY_UNREACHABLE,
        infrastructure=True,
    ),
    _Row(_kaniko_ended(lambda kaniko: kaniko.exit_code in (2, 137, 143)), Reason.KILLED, infrastructure=True),
    _Row(_kaniko_ended(lambda kaniko: kaniko.exit_code == 0), Reason.DIGEST_MISSING),
    _Row(_kaniko_ended(lambda _: True), Reason.BUILD_FAILED),
    _Row(lambda pod, _: pod.deleting, Reason.POD_LOST, infrastructure=True),
    _Row(lambda *_: True, Reason.BUILD_FAILED),
)

_ERROR_LINE: Final = re.compile(r"^(.*?)(error (building|pushing|checking|resolving)|Error: )", re.IGNORECASE)


def error_line(log: str) -> str:
    """kaniko's own closing error: the last line of the log that begins as its errors do, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if _ERROR_LINE.match(line):
            return line
    return lines[-1] if lines else ""


def failed_container(pod: PodObservation) -> str:
    """The container whose log tells about the end."""
    if pod.kaniko.terminated or pod.source.exit_code == 0:
        return KANIKO_CONTAINER
    return SOURCE_CONTAINER


def classify_failure(pod: PodObservation, log: str) -> FailureVerdict:
    """Reason, message and details of an ended, unsuccessful pod. `log` is the end of the failed container's log,
    already redacted."""
    container = failed_container(pod)
    ended = pod.kaniko if container == KANIKO_CONTAINER else pod.source
    reported = _classify_source(pod) if container == SOURCE_CONTAINER else None
    row = next(row for row in _TABLE if row.test(pod, log))
    reason = reported[0] if reported and row.reason is Reason.BUILD_FAILED else row.reason
    detail = reported[1] if reported and row.reason is Reason.BUILD_FAILED else _detail(pod, ended, reason, log)
    failure = Failure(
        container=container,
        exit_code=ended.exit_code,
        reason=ended.reason or pod.reason or None,
        log_tail=tail(log, lines=20, size=MAX_LOG_TAIL) or None,
    )
    return FailureVerdict(reason, describe(reason, detail), failure, row.infrastructure)


def _classify_source(pod: PodObservation) -> tuple[Reason, str] | None:
    report = read_source_report(pod.source)
    if report.reason is None:
        return None
    known = report.reason in Reason.__members__.values()
    return (Reason(report.reason) if known else Reason.SOURCE_INVALID), report.message or ""


def _detail(pod: PodObservation, ended: ContainerObservation, reason: Reason, log: str) -> str:
    if reason in (Reason.OUT_OF_MEMORY, Reason.TIMED_OUT, Reason.EVICTED, Reason.NODE_LOST, Reason.POD_LOST):
        return pod.message
    code = f"exit code {ended.exit_code}" if ended.exit_code is not None else pod.message or pod.reason
    if reason is Reason.RUN_FAILED:
        return code
    line = re.sub(r"^(?:[A-Z]+\[[^\]]*\]\s*|time=\S+\s*)", "", error_line(log)).replace(f"{SOURCE_ROOT}/", "")
    return f"{code}: {line}" if line else code
