"""How long a pod waits for an upload."""

from buildandpush.api.sources.upload import UPLOAD_SECONDS, UploadSource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.quantity import parse_duration_seconds


def plan_upload(upload: UploadSource | None, timeout_seconds: int) -> int:
    """Seconds; 0 for another source. Raises SpecInvalidError for a wait that is no shorter than the build's timeout."""
    if upload is None:
        return 0
    given = (upload.timeout or "").strip()
    if not given:
        return min(UPLOAD_SECONDS, max(timeout_seconds - 1, 1))
    seconds = parse_duration_seconds("source.upload.timeout", given)
    if seconds >= timeout_seconds:
        raise SpecInvalidError(
            "source.upload.timeout",
            f"{given!r} is no shorter than timeout, which is {timeout_seconds} s; shorten it, or raise timeout",
        )
    return seconds
