"""When something is tried again, by clocks that may go back."""

from datetime import UTC, datetime, timedelta

import pytest

from buildandpush.core.backoff import is_due, longest_outage_seconds, outage_seconds

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds_ahead", "due"), [(-3600, True), (0, True), (1, False), (300, False), (301, True), (8 * 3600, True)]
)
def test_a_time_that_is_further_away_than_it_can_be_has_come(seconds_ahead: int, due: bool) -> None:
    assert is_due(NOW + timedelta(seconds=seconds_ahead), NOW, 300) is due


def test_no_run_waits_longer_than_the_longest() -> None:
    waits = [outage_seconds(number, 7) for number in range(3)]
    assert longest_outage_seconds(7) == max(wait for wait in waits if wait is not None)
