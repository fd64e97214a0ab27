"""The words that tell what went wrong: kaniko's, the registry client's, Go's and the kubelet's.

A build can print anything, so every line is cut before it is searched, and no pattern joins two words by `.*`:
`follows` looks for the second behind the first. A search takes as long as its line is, and no longer.
"""

import re
from typing import Final

MAX_LINE: Final = 2000
"""Characters of a line that are looked at: its beginning and its end."""

# ---- kaniko

_ERROR_LINE: Final = re.compile(r"\berror (building|pushing|checking|resolving)|\bError: ", re.IGNORECASE)
_LOGGED: Final = re.compile(r"^(?:[A-Z]+\[[^\]]{0,40}\]\s*|time=\S{1,60}\s*)")
BUILD_ERROR: Final = "error building image"
COMMAND_ENDED: Final = ": waiting for process to exit: "
"""kaniko's words for a RUN command, before how it ended."""

PUSHING: Final = re.compile(
    r"(error pushing image|error checking push permissions?|Error: (pushing image|checking push permissions?))\b"
)
UNPACKING: Final = re.compile("failed to get filesystem from image: ")
"""kaniko reads a base image."""
RETRIED: Final = re.compile(r"unable to complete operation after \d{1,4} attempts, last error: ")
"""kaniko asked a registry several times."""
_STAT_FAILED: Final = re.compile(r"failed to get fileinfo for \S+: lstat ")
_NO_FILE: Final = re.compile(": no such file")
FORBIDDEN: Final = re.compile("permission denied|operation not permitted")
FORBIDDEN_FILE: Final = re.compile(r"(mkdir|open|chmod|l?chown) /\S*: (permission denied|operation not permitted)")
DISK_FULL: Final = re.compile("no space left on device|disk quota exceeded", re.IGNORECASE)


def cut_line(line: str) -> str:
    """A line of at most MAX_LINE characters. A longer line keeps its beginning and its end."""
    if len(line) <= MAX_LINE:
        return line
    half = MAX_LINE // 2
    return f"{line[:half]} … {line[-half:]}"


def error_line(log: str) -> str:
    """kaniko's own error: the last line of the log that begins like one, or else the last line."""
    lines = [cut_line(line.strip()) for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if _ERROR_LINE.search(line):
            return line
    return lines[-1] if lines else ""


def without_level(line: str) -> str:
    """A line of kaniko's log without the level and the time that it begins with."""
    return _LOGGED.sub("", line)


def command_error(log: str) -> str:
    """kaniko's error that says how a RUN command ended; empty without one. It leaves out what the command printed
    before it in its line."""
    for line in reversed([cut_line(line.strip()) for line in log.splitlines()]):
        _, found, error = line.rpartition(BUILD_ERROR)
        if found and COMMAND_ENDED in error:
            return found + error
    return ""


def how_command_ended(log: str) -> str:
    """How the RUN command in kaniko's error line ended, such as `exit status 3`; empty without one."""
    return command_error(log).rpartition(COMMAND_ENDED)[2]


def follows(line: str, first: re.Pattern[str], second: re.Pattern[str]) -> bool:
    """Whether the second pattern matches behind the first."""
    found = first.search(line)
    return found is not None and second.search(line, found.end()) is not None


def misses_file(line: str) -> bool:
    """Whether a COPY or ADD line names a file that is not in the context."""
    return "no source files" in line or follows(line, _STAT_FAILED, _NO_FILE)


# ---- no answer

# What Go says of a request that got no answer: https://pkg.go.dev/net/url#Error
_NO_ANSWER: Final = re.compile(r'\b(Get|Head|Post|Put|Patch|Delete) "https?://[^"]*": ')
_NETWORK: Final = re.compile(
    "|".join(
        (
            r"connection (refused|reset|timed out|aborted)",
            r"broken pipe",
            # Names: a name that nobody knows may be a wrong one, but DNS servers say the same while they start.
            r"no such host",
            r"server misbehaving",
            r"temporary failure in name resolution",
            # Ways
            r"no route to host",
            r"(network|host) is (unreachable|down)",
            # Time
            r"i/o timeout",
            r"operation timed out",
            r"TLS handshake timeout",
            r"timeout awaiting response headers",
            r"deadline exceeded",
            r"Client\.Timeout",
            # Connections that end in the middle: https://pkg.go.dev/net/http, https://pkg.go.dev/golang.org/x/net/http2
            r"\bEOF\b",
            r"\bGOAWAY\b",
            r"stream error: ",
            r"client connection (lost|force closed)",
            r"use of closed network connection",
            r"server closed (idle )?connection",
            r"transport connection broken",
            r"remote error: tls: internal error",
        )
    ),
    re.IGNORECASE,
)


def got_no_answer(line: str) -> bool:
    """Whether a request to a registry failed on its way there or back."""
    return any(follows(line, place, _NETWORK) for place in (_NO_ANSWER, PUSHING, UNPACKING, RETRIED))


# ---- the kubelet

# https://github.com/kubernetes/kubernetes, pkg/kubelet/eviction/helpers.go
_OWN_LIMIT: Final = re.compile(
    r"exceeded its local ephemeral storage limit|ephemeral local storage usage exceeds the total limit of containers|"
    r"Usage of EmptyDir volume"
)
# pkg/kubelet/lifecycle/predicate.go and the managers of CPUs, memory, devices and topology
_REJECTED: Final = frozenset(
    {
        "InvalidNodeInfo",
        "NodeAffinity",
        "NodeName",
        "NodePorts",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "SMTAlignmentError",
        "TaintToleration",
        "TopologyAffinityError",
        "UnexpectedAdmissionError",
        "UnexpectedPredicateFailureType",
        "UnknownReason",
    }
)
NODE_GONE: Final = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated"})
"""A pod's reason where its node went away, or is going and takes its pods with it."""
NOT_STARTED: Final = frozenset({"StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError"})
"""A container's reason where its runtime could not start it."""
NOT_KNOWN: Final = frozenset({"Unknown", "ContainerStatusUnknown"})
"""A container's reason where the runtime forgot it, as after a reboot of the node."""


def is_own_storage_limit(message: str) -> bool:
    """Whether the kubelet evicted the pod because it used more disk than its own limits allow."""
    return _OWN_LIMIT.search(message) is not None


def is_rejection(reason: str) -> bool:
    """Whether the kubelet refused the pod that the scheduler gave it."""
    return reason in _REJECTED or reason.startswith("OutOf")
