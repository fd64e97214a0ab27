"""The words that tell what went wrong: kaniko's, the registry client's, Go's and the kubelet's.

A build can print anything, so every line is cut before it is searched, and no pattern joins two words by `.*`:
`follows` looks for the second behind the first. A search takes as long as its line is, and no longer.
"""

import re
from enum import Enum, auto
from typing import Final

MAX_LINE: Final = 2000
"""Characters of a line that are looked at: its beginning and its end."""

# ---- kaniko

_ERROR_LINE: Final = re.compile(r"\berror (building|pushing|checking|resolving)|\bError: ", re.IGNORECASE)
_LOGGED: Final = re.compile(r"^(?:[A-Z]+\[[^\]]{0,40}\]\s*|time=\S{1,60}\s*)")
_COMMAND_ENDED: Final = ": waiting for process to exit: "

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


def how_command_ended(log: str) -> str:
    """How the RUN command in kaniko's error line ended, such as `exit status 3`; empty without one."""
    for line in reversed([cut_line(line.strip()) for line in log.splitlines()]):
        if line.startswith("error building image: ") and _COMMAND_ENDED in line:
            return line.rpartition(_COMMAND_ENDED)[2]
    return ""


def follows(line: str, first: re.Pattern[str], second: re.Pattern[str]) -> bool:
    """Whether the second pattern matches behind the first."""
    found = first.search(line)
    return found is not None and second.search(line, found.end()) is not None


def misses_file(line: str) -> bool:
    """Whether a COPY or ADD line names a file that is not in the context."""
    return "no source files" in line or follows(line, _STAT_FAILED, _NO_FILE)


# ---- a registry's answer


class Answer(Enum):
    """What a registry said."""

    REFUSED = auto()
    """It does not know who asks."""
    DENIED = auto()
    NOT_FOUND = auto()
    THROTTLED = auto()
    TROUBLE = auto()
    """Its own trouble, which may be over a moment later: it failed, or it lost what was uploaded before."""
    OTHER = auto()


# What the registry client says of a request: https://github.com/google/go-containerregistry, remote/transport/error.go
_ASKED: Final = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) https?://\S+: (multiple errors returned: )?")
_STATUS: Final = re.compile(r"unexpected status code (\d{3})\b")
_CODE: Final = re.compile(r"\b([A-Za-z][A-Za-z_]{3,40}): ")
_CODES: Final = {
    "UNAUTHORIZED": Answer.REFUSED,
    "DENIED": Answer.DENIED,
    "INSUFFICIENT_SCOPE": Answer.DENIED,
    "MANIFEST_UNKNOWN": Answer.NOT_FOUND,
    "NAME_UNKNOWN": Answer.NOT_FOUND,
    "TOOMANYREQUESTS": Answer.THROTTLED,
    # A registry of several regions, or one behind a proxy, loses an upload or a layer that it had a moment before.
    "BLOB_UNKNOWN": Answer.TROUBLE,
    "BLOB_UPLOAD_INVALID": Answer.TROUBLE,
    "BLOB_UPLOAD_UNKNOWN": Answer.TROUBLE,
    "MANIFEST_BLOB_UNKNOWN": Answer.TROUBLE,
    "UNAVAILABLE": Answer.TROUBLE,
    "UNKNOWN": Answer.TROUBLE,
}
_STATUSES: Final = {
    401: Answer.REFUSED,
    403: Answer.DENIED,
    404: Answer.NOT_FOUND,
    408: Answer.TROUBLE,
    416: Answer.TROUBLE,  # a part of an upload that does not fit to the part before
    424: Answer.TROUBLE,  # the registry that this one caches did not answer
    425: Answer.TROUBLE,
    429: Answer.THROTTLED,
    499: Answer.TROUBLE,
}


_MANIFEST: Final = re.compile(r"\bGET https?://([A-Za-z0-9.:-]{1,260})/v2/([a-z0-9._/-]{1,255})/manifests/")


def find_missing_image(line: str) -> str:
    """The repository, host included, whose manifest a registry does not have; empty where the line names none."""
    found = _MANIFEST.search(line)
    return f"{found[1]}/{found[2]}" if found and find_answer(line) is Answer.NOT_FOUND else ""


def find_answer(line: str, *, bare: bool = False) -> Answer | None:
    """What a registry answered, by its first word after the request. `bare`: the line tells of a push, so the first
    known word counts although no request stands before it."""
    asked = _ASKED.search(line)
    if asked is not None:
        return _read_answer(line, asked.end())
    if not bare:
        return None
    status = _STATUS.search(line)
    known = next((_of_code(found[1]) for found in _CODE.finditer(line) if _of_code(found[1])), None)
    return known or (_of_status(int(status[1])) if status else None)


def _read_answer(line: str, at: int) -> Answer:
    status = _STATUS.match(line, at)
    if status is not None:
        return _of_status(int(status[1]))
    code = _CODE.match(line, at)
    return (_of_code(code[1]) if code else None) or Answer.OTHER


def _of_code(code: str) -> Answer | None:
    upper = code.upper()
    return Answer.TROUBLE if upper.startswith("INTERNAL") else _CODES.get(upper)


def _of_status(status: int) -> Answer:
    return Answer.TROUBLE if status >= 500 else _STATUSES.get(status, Answer.OTHER)


# https://learn.microsoft.com/azure/container-registry/container-registry-access-selected-networks
_FIREWALL: Final = re.compile(r"client with ip (?:'|\\u0027)?([0-9a-f.:]{2,45}?)(?:'|\\u0027)? is not allowed", re.I)


def find_denied_address(text: str) -> str | None:
    """The address that a registry's network rules refuse, if it says so."""
    found = _FIREWALL.search(text)
    return found[1] if found else None


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
