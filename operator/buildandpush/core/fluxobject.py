"""What the status of a source object of Flux says: the artifact that it has fetched, or why there is none.

https://fluxcd.io/flux/components/source/gitrepositories/#artifact
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.core.facts import FluxArtifact, Waiting
from buildandpush.core.foreign import admit_line

GROUP: Final = "source.toolkit.fluxcd.io"
PLURALS: Final[Mapping[str, str]] = {
    "GitRepository": "gitrepositories",
    "OCIRepository": "ocirepositories",
    "Bucket": "buckets",
}
"""By kind: the objects that a build may name."""

MAX_URL: Final = 2048
_MAX_WORDS: Final = 512
"""Bytes of Flux's own words that a status shows."""
_URL: Final = re.compile(r"https?://[!-~]+")
_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")


def read_artifact(kind: str, name: str, body: Mapping[str, Any]) -> FluxArtifact | Waiting:
    """The artifact of an object of Flux. Waiting where it has none, or one that cannot be fetched safely."""
    status = _object(body.get("status"))
    artifact = _object(status.get("artifact"))
    if not artifact:
        told = _find_ready_message(status)
        return _wait(kind, name, f"has no artifact{f': {told}' if told else ' yet'}")
    url, digest = str(artifact.get("url") or ""), str(artifact.get("digest") or "")
    if not _DIGEST.fullmatch(digest):
        return _wait(kind, name, f"has an artifact with the digest {_quote(digest)}, which is no sha256")
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        return _wait(kind, name, f"has an artifact with the URL {_quote(url)}, which cannot be fetched")
    return FluxArtifact(url, digest, admit_line(str(artifact.get("revision") or ""), size=256))


def _find_ready_message(status: Mapping[str, Any]) -> str:
    """The message of the condition Ready; empty where there is none."""
    conditions = status.get("conditions")
    for item in map(_object, conditions if isinstance(conditions, list) else ()):
        if item.get("type") == "Ready":
            return admit_line(str(item.get("message") or ""), size=_MAX_WORDS)
    return ""


def _wait(kind: str, name: str, problem: str) -> Waiting:
    return Waiting(Reason.SOURCE_NOT_READY, f"{kind} {name!r} {problem}")


def _quote(value: str) -> str:
    return repr(str(admit_line(value, size=_MAX_WORDS // 2)))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
