"""The init container's report to the operator: one JSON object of at most 2 KiB in its termination message."""

import errno
import json
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason

MAX_BYTES: Final = 2048
_MAX_MESSAGE: Final = 800
_MAX_WARNING: Final = 320


class SourceError(Exception):
    """The source cannot be fetched or used. Holds the reason, and the details in words."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def reason_of(error: Exception) -> Reason:
    """The reason for a file that could not be written, or a request that could not be read."""
    return Reason.NODE_DISK_FULL if is_disk_full(error) else Reason.SOURCE_INVALID


def is_disk_full(error: Exception) -> bool:
    """Whether a file could not be written for want of room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def render_failure(error: SourceError) -> str:
    """The report of a failed fetch."""
    message = _clip(str(error), _MAX_MESSAGE)
    text = json.dumps({"reason": error.reason, "message": message}, ensure_ascii=False)
    while len(text.encode()) > MAX_BYTES:  # quotes and control characters grow when they are escaped
        message = message[: len(message) * 3 // 4]
        text = json.dumps({"reason": error.reason, "message": message}, ensure_ascii=False)
    return text


def render_success(revision: str | None, commit: str | None, warnings: tuple[str, ...] | None = None) -> str:
    """The report of a good fetch. `warnings` are left out if they are None, and shortened to fit."""
    told: dict[str, Any] = {key: value for key, value in (("revision", revision), ("commit", commit)) if value}
    if warnings is None:
        return json.dumps(told)
    told["warnings"] = [_clip(warning, _MAX_WARNING) for warning in warnings]
    text = json.dumps(told, ensure_ascii=False)
    while len(text.encode()) > MAX_BYTES and told["warnings"]:
        told["warnings"].pop()
        text = json.dumps(told, ensure_ascii=False)
    return text


def _clip(text: str, size: int) -> str:
    """At most so many bytes, without bytes that are no UTF-8."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")


def write_report(text: str, path: Path) -> None:
    """Write the report where the kubelet reads it."""
    path.write_text(text)
