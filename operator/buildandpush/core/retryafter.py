"""How long a server wants to be left alone, by its header Retry-After: seconds or a date.

https://www.rfc-editor.org/rfc/rfc9110.html#field.retry-after
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_PAUSE_SECONDS: Final = 300
"""A server may ask for any time. It is asked again after this one, since its word may be wrong."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_MAX_DATE: Final = 64
"""Characters. A date of HTTP has 29."""


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> int:
    """The seconds that an answer asks for, from 0 to 300; 0 if it asks for none, or not clearly.

    `headers` finds names in any case. A date counts from the server's own Date, since its clock may differ from ours;
    `now` stands in for one that is missing.
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return min(int(text), LONGEST_PAUSE_SECONDS)
    end = _parse_date(text)
    if end is None:
        return 0
    seconds = (end - (_parse_date(headers.get("Date", "")) or now)).total_seconds()
    return int(min(max(seconds, 0), LONGEST_PAUSE_SECONDS))


def _parse_date(text: str) -> datetime | None:
    if len(text) > _MAX_DATE:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
