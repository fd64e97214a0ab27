"""The init container's report to the operator: one JSON object of at most 2 KiB in its termination message."""

import errno
import json
from functools import partial
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.source.facts import SourceFacts

MAX_BYTES: Final = 2048
_MAX_MESSAGE: Final = 800
_MAX_WARNING: Final = 320
_MAX_FACT: Final = 256
REPORTED: Final = ("revision", "ref", "commit", "author", "message", "digest")
"""The facts that the operator is told, by the names of SourceFacts."""
_LESS_NEEDED: Final = ("message", "author", "revision", "ref")
"""Quotes and control characters grow when they are escaped."""


class SourceError(Exception):
    """The source cannot be fetched or used. Holds the reason, and the details in words."""

    def __init__(self, reason: Reason, message: str, *, retry_after_seconds: int = 0) -> None:
        """`retry_after_seconds` is how long the server wants to be left alone; 0 if it does not say."""
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


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


def render_success(facts: SourceFacts, files: int, size: int, warnings: tuple[str, ...] | None = None) -> str:
    """The report of a good fetch. `warnings` are left out if they are None. What does not fit is left out, the warnings
    first: they stand in the log too."""
    texts = {name: _clip(str(getattr(facts, name) or ""), _MAX_FACT) for name in REPORTED}
    known: dict[str, Any] = {**{name: text for name, text in texts.items() if text}, "files": files, "size": size}
    told: dict[str, Any] = {"facts": known}
    if warnings is not None:
        told["warnings"] = [_clip(warning, _MAX_WARNING) for warning in warnings]
    less = [*(told["warnings"].pop for _ in warnings or ()), *(partial(known.pop, name, None) for name in _LESS_NEEDED)]
    text = json.dumps(told, ensure_ascii=False)
    while len(text.encode()) > MAX_BYTES and less:
        less.pop(0)()
        text = json.dumps(told, ensure_ascii=False)
    return text


def _clip(text: str, size: int) -> str:
    """At most so many bytes, without bytes that are no UTF-8."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")


def write_report(text: str, path: Path) -> None:
    """Write the report where the kubelet reads it."""
    path.write_text(text)
