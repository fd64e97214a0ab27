"""What a refusal by the API server means for a resource: a reason, and the server's own words for its status."""

from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, DeniedError, KubernetesError, TroubleError, UnavailableError
from buildandpush.core.facts import Waiting
from buildandpush.core.foreign import admit_line

MAX_WORDS: Final = 512
"""Bytes of the server's words that a status shows. A webhook may say anything."""
# The second pattern is a new quota that nobody has counted yet.
_QUOTA: Final = ("exceeded quota", "status unknown for quota")


def explain_refusal(error: KubernetesError | TroubleError) -> Waiting:
    """What the resource waits for. Raises UnavailableError if the same request may succeed a moment later: the object
    changed meanwhile, or the operator's own token is just being renewed."""
    if isinstance(error, ConflictError) or (error.status == 401 and not isinstance(error, DeniedError)):
        raise UnavailableError(str(error)) from error
    return Waiting(Reason.QUOTA_EXCEEDED if is_quota(error) else Reason.API_REFUSED, words_of(error))


def is_quota(error: KubernetesError | TroubleError) -> bool:
    """Whether a ResourceQuota has no room."""
    return error.status == 403 and any(word in error.message for word in _QUOTA)


def knows_no_dry_run(error: KubernetesError) -> bool:
    """Whether an admission webhook takes no dry run, so that only a real request tells."""
    return "does not support dry run" in error.message


def words_of(error: KubernetesError | TroubleError) -> str:
    """The server's words, bounded and without logins."""
    return admit_line(error.message, size=MAX_WORDS)
