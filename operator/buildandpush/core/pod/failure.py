"""One table: from how a pod ended to what went wrong, and who has to act.

Rows are tried in order; the first that matches names the reason. The words that they look for are in `failurewords`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from buildandpush.api.explanations import IDENTITY_REFUSED, NO_SUCH_HOST, RUN_AGAIN, explain
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_REASON, Failure
from buildandpush.core.explain import describe
from buildandpush.core.foreign import Admitted
from buildandpush.core.pod import failurewords as words
from buildandpush.core.pod.kaniko import SOURCE_ROOT
from buildandpush.core.pod.kanikolog import select_tail
from buildandpush.core.pod.manifest import KANIKO_CONTAINER, SOURCE_CONTAINER
from buildandpush.core.pod.observation import ContainerObservation, PodObservation, read_source_report
from buildandpush.core.registrywords import Answer, find_answer, find_denied_address, find_missing_image


@dataclass(frozen=True)
class FailureVerdict:
    """Why an attempt failed; `infrastructure` failures are nobody's fault in the spec."""

    reason: Reason
    message: str
    failure: Failure
    infrastructure: bool
    patient: bool = False
    """Somebody asked for fewer requests, so the next attempt waits as long as any."""
    missing_image: str = ""
    """Repository, host included, of a base image that is not there."""


_Test = Callable[[PodObservation, str], bool]


@dataclass(frozen=True)
class _Row:
    test: _Test
    reason: Reason | None
    """None: the reason that the init container reports."""
    infrastructure: bool = False
    patient: bool = False


_KILLED_CODES: Final = (2, 137, 143)
"""How kaniko ends that is killed: Go's runtime ends with 2 on SIGQUIT, the kernel tells of SIGKILL and SIGTERM."""
_COMMANDS_OWN_CODES: Final = range(3, 128)
"""kaniko ends with the code of the RUN command that failed, and with 1 for its own errors. So these codes tell of a
command, even if so much was printed that the end of the log does not hold kaniko's word."""


def _line(test: Callable[[str], bool]) -> _Test:
    """kaniko ended by itself, and its error line passes the test. Other lines may be a RUN step's, and say anything."""
    return lambda pod, log: (pod.kaniko.exit_code or 0) == 1 and test(words.error_line(log))


def _has(pattern: str) -> _Test:
    compiled = re.compile(pattern)
    return _line(lambda line: compiled.search(line) is not None)


def _push(*answers: Answer) -> _Test:
    """kaniko could not push, and the registry said one of these."""
    return _line(lambda line: _is_push(line) and find_answer(line, bare=True) in answers)


def _pull(*answers: Answer) -> _Test:
    """A registry that is read from said one of these."""
    return _line(lambda line: not _is_push(line) and find_answer(line) in answers)


def _is_push(line: str) -> bool:
    return words.PUSHING.search(line) is not None


def _reported(*reasons: Reason) -> _Test:
    """The init container reported one of these reasons, or any reason if none is named."""

    def test(pod: PodObservation, _: str) -> bool:
        reason = read_source_report(pod.source).reason if failed_container(pod) == SOURCE_CONTAINER else None
        return reason is not None and (not reasons or reason in reasons)

    return test


def _ended(test: Callable[[ContainerObservation], bool]) -> _Test:
    """The container that explains the end has ended, and passes the test."""

    def look(pod: PodObservation, _: str) -> bool:
        ended = _container(pod)
        return ended.terminated and test(ended)

    return look


def _kaniko_ended(test: Callable[[ContainerObservation], bool]) -> _Test:
    return lambda pod, _: pod.kaniko.terminated and test(pod.kaniko)


def _pod(test: Callable[[PodObservation], bool]) -> _Test:
    return lambda pod, _: test(pod)


def _ran_nothing(pod: PodObservation) -> bool:
    return pod.kaniko.state == pod.source.state == "waiting" and pod.injected is None


def _is_killed_command(pod: PodObservation, log: str) -> bool:
    """Whether a RUN command, or a child of its shell, was killed. The kernel does this when memory runs out."""
    return words.how_command_ended(log) in ("signal: killed", "exit status 137")


def _is_failed_command(pod: PodObservation, log: str) -> bool:
    """Whether kaniko says that a command ended with the exit code that kaniko itself ended with."""
    code = pod.kaniko.exit_code
    return bool(code) and words.how_command_ended(log) == f"exit status {code}"


_DRAINED: Final = ("DeletionByTaintManager", "DeletionByPodGC", "TerminationByKubelet")

_TABLE: Final[tuple[_Row, ...]] = (
    # What the kubelet or a controller says of the whole pod.
    _Row(_pod(lambda pod: "OOMKilled" in (pod.kaniko.reason, pod.source.reason)), Reason.OUT_OF_MEMORY),
    _Row(_pod(lambda pod: pod.reason == "DeadlineExceeded"), Reason.TIMED_OUT),
    _Row(
        _pod(lambda pod: pod.reason == "Evicted" and words.is_own_storage_limit(pod.message)),
        Reason.STORAGE_LIMIT_EXCEEDED,
    ),
    _Row(_pod(lambda pod: pod.reason == "Evicted"), Reason.EVICTED, infrastructure=True),
    _Row(
        _pod(lambda pod: pod.disruption == "PreemptionByScheduler" or pod.reason == "Preempting"),
        Reason.PREEMPTED,
        infrastructure=True,
    ),
    _Row(_pod(lambda pod: pod.disruption == "EvictionByEvictionAPI"), Reason.EVICTED, infrastructure=True),
    _Row(
        _pod(lambda pod: pod.disruption in _DRAINED or pod.reason in words.NODE_GONE),
        Reason.NODE_LOST,
        infrastructure=True,
    ),
    _Row(
        _pod(lambda pod: words.is_rejection(pod.reason) or (bool(pod.reason) and _ran_nothing(pod))),
        Reason.POD_REJECTED,
        infrastructure=True,
    ),
    # What the container runtime says of a container.
    _Row(_ended(lambda one: one.reason in words.NOT_STARTED), Reason.CONTAINER_NOT_STARTED, infrastructure=True),
    _Row(_ended(lambda one: one.reason in words.NOT_KNOWN), Reason.NODE_LOST, infrastructure=True),
    _Row(_pod(lambda pod: pod.injected is not None), Reason.INJECTED_CONTAINER_FAILED, infrastructure=True),
    _Row(
        lambda pod, log: (
            pod.deleting and ((pod.kaniko.exit_code or 0) in _KILLED_CODES or _is_killed_command(pod, log))
        ),
        Reason.POD_LOST,
        infrastructure=True,
    ),
    # What the init container says.
    _Row(_reported(Reason.SOURCE_THROTTLED), Reason.SOURCE_THROTTLED, infrastructure=True, patient=True),
    _Row(_reported(Reason.SOURCE_UNREACHABLE), Reason.SOURCE_UNREACHABLE, infrastructure=True),
    _Row(_reported(Reason.NODE_DISK_FULL), Reason.NODE_DISK_FULL, infrastructure=True),
    _Row(_reported(), None),
    # What kaniko says. How a command ended comes before its other words: what the command prints may come after
    # kaniko's error line, and may say anything.
    _Row(_is_killed_command, Reason.OUT_OF_MEMORY),
    _Row(_is_failed_command, Reason.RUN_FAILED),
    _Row(_has(r"(resolving|reading) dockerfile (at )?path"), Reason.DOCKERFILE_NOT_FOUND),
    _Row(_has(r"parsing dockerfile|dockerfile parse error|unknown instruction"), Reason.DOCKERFILE_INVALID),
    _Row(_has(r"is not a valid target build stage$"), Reason.TARGET_NOT_FOUND),
    _Row(_line(words.misses_file), Reason.COPIED_FILE_NOT_FOUND),
    _Row(
        _line(
            lambda line: (
                words.FORBIDDEN_FILE.search(line) is not None or words.follows(line, words.UNPACKING, words.FORBIDDEN)
            )
        ),
        Reason.ROOT_REQUIRED,
    ),
    _Row(_line(lambda line: words.DISK_FULL.search(line) is not None), Reason.NODE_DISK_FULL, infrastructure=True),
    _Row(_has(r"exec format error"), Reason.PLATFORM_MISMATCH),
    _Row(_has(r"Error: (path \S+ not readable|loading image)"), Reason.IMAGE_FILE_NOT_FOUND),
    # What registries and the way to them say.
    _Row(_has(r"x509: |failed to verify certificate"), Reason.CERTIFICATE_NOT_TRUSTED),
    _Row(_line(lambda line: find_denied_address(line) is not None), Reason.REGISTRY_NETWORK_DENIED),
    _Row(_push(Answer.REFUSED), Reason.PUSH_UNAUTHORIZED),
    _Row(_push(Answer.DENIED), Reason.PUSH_DENIED),
    _Row(_push(Answer.TROUBLE, Answer.THROTTLED), Reason.PUSH_FAILED, infrastructure=True),
    _Row(_line(words.got_no_answer), Reason.REGISTRY_UNREACHABLE, infrastructure=True),
    _Row(_line(_is_push), Reason.PUSH_FAILED),
    _Row(_pull(Answer.NOT_FOUND), Reason.BASE_IMAGE_NOT_FOUND),
    _Row(_pull(Answer.REFUSED, Answer.DENIED), Reason.BASE_IMAGE_DENIED),
    _Row(_pull(Answer.THROTTLED), Reason.REGISTRY_THROTTLED, infrastructure=True, patient=True),
    _Row(_pull(Answer.TROUBLE), Reason.REGISTRY_UNREACHABLE, infrastructure=True),
    # What is left.
    _Row(_ended(lambda one: one.exit_code in _KILLED_CODES), Reason.KILLED, infrastructure=True),
    _Row(_kaniko_ended(lambda kaniko: kaniko.exit_code in _COMMANDS_OWN_CODES), Reason.RUN_FAILED),
    _Row(_kaniko_ended(lambda kaniko: kaniko.exit_code == 0), Reason.DIGEST_MISSING),
    _Row(_kaniko_ended(lambda _: True), Reason.BUILD_FAILED),
    _Row(_pod(lambda pod: pod.deleting), Reason.POD_LOST, infrastructure=True),
    _Row(lambda *_: True, Reason.BUILD_FAILED),
)

_TOLD_BY_NODE: Final = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.EVICTED,
        Reason.PREEMPTED,
        Reason.STORAGE_LIMIT_EXCEEDED,
        Reason.NODE_LOST,
        Reason.POD_LOST,
    }
)
"""Reasons whose details are the kubelet's words for the pod."""
_TOLD_BY_RUNTIME: Final = frozenset({Reason.CONTAINER_NOT_STARTED, Reason.INJECTED_CONTAINER_FAILED})
"""Reasons whose details are the words for one container."""

_TOLD_BY_COMMAND: Final = frozenset({Reason.OUT_OF_MEMORY, Reason.RUN_FAILED})
"""Reasons that follow from how a RUN command ended."""

_BLAMED_ON_CHANGES: Final = frozenset({Reason.BUILD_FAILED, Reason.ROOT_REQUIRED})
"""Reasons that a pod with fewer rights than the operator gave it explains better."""

_ALSO_WAITED_FOR: Final = frozenset({Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_NETWORK_DENIED})
"""Reasons that a login gives as well. That is tried again by itself, and a run that has ended is not."""


def failed_container(pod: PodObservation) -> str:
    """The container whose log explains the end."""
    if pod.injected is not None:
        return pod.injected.name
    if pod.kaniko.terminated or pod.source.exit_code == 0:
        return KANIKO_CONTAINER
    return SOURCE_CONTAINER


def _container(pod: PodObservation) -> ContainerObservation:
    if pod.injected is not None:
        return pod.injected
    return pod.kaniko if failed_container(pod) == KANIKO_CONTAINER else pod.source


def classify_failure(pod: PodObservation, log: Admitted, *, identity: bool = False) -> FailureVerdict:
    """Reason, message and details of an ended, unsuccessful pod. `log` is the end of the failed container's log.
    `identity`: an identity of Azure's pushes, and no user name and password."""
    ended = _container(pod)
    row = next(row for row in _TABLE if row.test(pod, log))
    reason = row.reason or _reported_reason(pod)
    changed = pod.changes if reason in _BLAMED_ON_CHANGES and failed_container(pod) == KANIKO_CONTAINER else ()
    detail = "; ".join(filter(None, (*changed, _detail(pod, ended, reason, log))))
    reason = Reason.POD_CHANGED if changed else reason
    by_command = reason in _TOLD_BY_COMMAND
    failure = Failure(
        container=failed_container(pod),
        exit_code=ended.exit_code,
        reason=(ended.reason or pod.reason)[:MAX_REASON] or None,
        log_tail=select_tail(log, words.command_error(log) if by_command else words.error_line(log)) or None,
    )
    message = describe(reason, detail, _remedy(reason, log, identity=identity))
    missing = find_missing_image(words.error_line(log)) if reason is Reason.BASE_IMAGE_NOT_FOUND else ""
    return FailureVerdict(reason, message, failure, row.infrastructure, row.patient, missing)


def _reported_reason(pod: PodObservation) -> Reason:
    """The reason that the init container reports. Another version of the operator may have other reasons."""
    reported = read_source_report(pod.source).reason
    return Reason(reported) if reported in list(Reason) else Reason.SOURCE_INVALID


def _remedy(reason: Reason, log: str, *, identity: bool) -> str:
    """A remedy that fits better than the reason's own; empty for none."""
    if reason is Reason.PUSH_UNAUTHORIZED and identity:
        return IDENTITY_REFUSED
    if reason is Reason.REGISTRY_UNREACHABLE and "no such host" in words.error_line(log).lower():
        return NO_SUCH_HOST
    return f"{explain(reason).remedy} {RUN_AGAIN}" if reason in _ALSO_WAITED_FOR else ""


def _detail(pod: PodObservation, ended: ContainerObservation, reason: Reason, log: str) -> str:
    """The details of this failure."""
    report = read_source_report(pod.source)
    if failed_container(pod) == SOURCE_CONTAINER and report.reason is not None and reason is _reported_reason(pod):
        return report.message or ""
    code = f"exit code {ended.exit_code}" if ended.exit_code is not None else ""
    if reason in _TOLD_BY_RUNTIME or (reason is Reason.NODE_LOST and ended.reason in words.NOT_KNOWN):
        return ", ".join(filter(None, (f"container {failed_container(pod)}", code, ended.reason, ended.message)))
    if reason is Reason.POD_REJECTED:
        return ": ".join(filter(None, (pod.reason, pod.message)))
    if reason in _TOLD_BY_NODE or (reason is Reason.OUT_OF_MEMORY and ended.reason == "OOMKilled"):
        return pod.message
    if reason is Reason.RUN_FAILED:
        return code
    line = words.without_level(words.error_line(log)).replace(f"{SOURCE_ROOT}/", "")
    denied = find_denied_address(line) if reason is Reason.REGISTRY_NETWORK_DENIED else None
    first = f"address {denied}" if denied else code or pod.message or pod.reason
    return ": ".join(filter(None, (first, line)))
