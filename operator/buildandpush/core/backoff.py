"""When the next attempt follows."""

from typing import Final

FIRST_BACKOFF_SECONDS: Final = 10


LAST_BACKOFF_SECONDS: Final = 300


def backoff_seconds(attempt: int) -> int:
    """Seconds between the end of an attempt and the start of the next: 10, doubled each time, 300 at most."""
    return int(min(FIRST_BACKOFF_SECONDS * 2 ** min(attempt - 1, 10), LAST_BACKOFF_SECONDS))
