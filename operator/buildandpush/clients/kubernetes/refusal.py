"""What the API server means by an answer that is no success."""

from typing import Final

from buildandpush.clients.errors import (
    BrokenAnswerError,
    ConflictError,
    DeniedError,
    KubernetesError,
    NotFoundError,
    ThrottledError,
    TroubleError,
    UnavailableError,
)
from buildandpush.core.foreign import admit
from buildandpush.core.jsonvalue import UnreadableError, parse_json

# https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/errors/statuserror.go
_DENIED: Final = 'admission webhook "'
_CORE: Final = " /api/v1/"
"""In a request for what every API server knows. Of a group that is not installed it says 404 without a Status."""
_MAX_WORDS: Final = 256
"""Bytes that are shown of a refusal that is no Kubernetes Status."""


def classify_refusal(status: int, data: bytes, request: str) -> Exception:
    """The error that an answer stands for. Its message may be a webhook's or a kubelet's, so it is foreign text."""
    try:
        answer = parse_json(data)
        is_status = answer.get("kind") == "Status"
        reason, message = str(answer.get("reason") or ""), admit(str(answer.get("message") or ""))
    except (UnreadableError, AttributeError):
        is_status, reason = False, ""
        message = admit(data[:_MAX_WORDS].decode(errors="replace"), cut_behind=len(data) > _MAX_WORDS)
    if message.startswith(_DENIED) and status < 500:
        return DeniedError(status, reason, message)
    if status == 404 and not is_status and _CORE in request:
        # Some proxy's, which has lost its way. A pod would count as lost, and be made a second time.
        return BrokenAnswerError(f"{request}: {status}, though not in the API server's words: {message}")
    if status == 404:
        return NotFoundError(status, reason, message)
    if status == 409:
        return ConflictError(status, reason, message)
    # A server that is starting or has too much to do is nobody's news; a webhook that it cannot reach may last.
    if not request.startswith("GET ") and (status == 500 or (status > 500 and "webhook" in message)):
        return TroubleError(status, message, request)
    if status == 429:
        return ThrottledError(f"{request}: {status} {message}")
    if status == 500:
        return BrokenAnswerError(f"{request}: {status} {message}")
    if status > 500:
        return UnavailableError(f"{request}: {status} {message}")
    return KubernetesError(status, reason, message, is_own=is_status)
