"""Retry-After: seconds or a date, and never more than a server may ask for."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.retryafter import LONGEST_PAUSE_SECONDS, parse_retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
THEN = "Fri, 02 Jan 2026 03:04:35 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("007", 7),
        ("300", 300),
        ("301", 300),
        ("999999999", 300),
        ("9" * 400, 0),
        ("-7", 0),
        ("7.5", 0),
        ("soon", 0),
        ("", 0),
        (THEN, 30),
        ("Friday, 02-Jan-26 03:04:35 GMT", 30),
        ("Fri Jan  2 03:04:35 2026", 30),
        ("Fri, 02 Jan 2026 04:04:35 +0100", 30),
        ("Fri, 02 Jan 2026 03:04:05 GMT", 0),
        ("Fri, 02 Jan 1970 03:04:05 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        ("Fri, 32 Jan 2026 03:04:05 GMT", 0),
        ("Fri, 02 Jan 99999999999999 03:04:05 GMT", 0),
        (THEN + " " * 100 + "x", 0),
    ],
)
def test_seconds_and_dates_are_read_within_bounds(text: str, seconds: int) -> None:
    assert parse_retry_after({"Retry-After": text}, NOW) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert parse_retry_after({}, NOW) == 0


def test_a_date_counts_from_the_servers_own_clock() -> None:
    headers = {"Retry-After": THEN, "Date": "Fri, 02 Jan 2026 03:04:25 GMT"}
    assert parse_retry_after(headers, NOW) == 10
    assert parse_retry_after({**headers, "Date": "yesterday"}, NOW) == 30


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z]{3}, [0-9]{1,3} [A-Za-z]{3} [0-9]{1,6} [0-9:]{1,9}.{0,9}"))
def test_any_text_is_a_time_within_bounds(text: str) -> None:
    for headers in ({"Retry-After": text}, {"Retry-After": THEN, "Date": text}):
        assert 0 <= parse_retry_after(headers, NOW) <= LONGEST_PAUSE_SECONDS
