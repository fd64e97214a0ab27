"""The events of a watch, one JSON object in each line."""

from collections.abc import AsyncIterator
from typing import Any, Final

from buildandpush.clients.bounded import TooLongError
from buildandpush.clients.errors import BrokenAnswerError, KubernetesError
from buildandpush.clients.kubernetes.objects import has_version, is_object
from buildandpush.core.foreign import admit
from buildandpush.core.jsonvalue import UnreadableError, parse_json

_MAX_EVENT: Final = 16 * 2**20
"""Bytes. An object has at most some 3 MiB."""
_CHANGES: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})


async def read_events(chunks: AsyncIterator[bytes], *, bookmarks: bool = False) -> AsyncIterator[dict[str, Any]]:
    """The changes, as `type` and `object`, with the bookmarks if they are wanted. Raises KubernetesError for
    the error that a watch ends with, such as 410 for a version that is too old, TooLongError, and BrokenAnswerError
    for what is no event or ends within one, such as some proxy's page.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes"""
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        *lines, last = rest.split(b"\n") if b"\n" in chunk else [rest]
        rest = bytearray(last)
        if len(rest) > _MAX_EVENT:
            raise TooLongError(f"an event is longer than {_MAX_EVENT} bytes")
        for line in lines:
            event = _parse_event(bytes(line))
            if event["type"] in _CHANGES or (bookmarks and event["type"] == "BOOKMARK"):
                yield event
    if rest.strip():
        _parse_event(bytes(rest))  # a line without its end
        raise BrokenAnswerError("the watch ends within an event")


def _parse_event(line: bytes) -> dict[str, Any]:
    try:
        event = parse_json(line, most_values=_MAX_EVENT)
        kind, body = event["type"], event["object"]
        if kind == "ERROR":
            code, reason = int(body.get("code") or 0), str(body.get("reason") or "")
            raise KubernetesError(code, reason, admit(str(body.get("message") or "")))
        if not isinstance(kind, str) or not (has_version if kind == "BOOKMARK" else is_object)(body):
            raise UnreadableError("it holds no object")
    except (UnreadableError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise BrokenAnswerError(f"the watch gives what is no event: {error}") from error
    return {"type": kind, "object": body}
