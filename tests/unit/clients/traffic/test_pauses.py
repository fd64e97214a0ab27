"""Pauses that servers ask for: kept until they are over, by whom they were asked of."""

from types import SimpleNamespace

import pytest

from buildandpush.clients.traffic.pauses import Pauses, read_pause, read_pause_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_pause_lasts_until_it_is_over() -> None:
    clock = Clock()
    pauses: Pauses[str, str] = Pauses(clock)
    pauses.note("a", 30, "busy")
    assert pauses.find("a") == ("busy", 30)
    assert pauses.find("b") is None, "nobody waits for what others have asked"
    clock.now += 29.5
    assert pauses.find("a") == ("busy", 1)
    clock.now += 0.5
    assert pauses.find("a") is None


def test_a_server_that_asks_for_none_gets_none() -> None:
    pauses: Pauses[str, str] = Pauses(Clock())
    pauses.note("a", 0, "busy")
    assert pauses.find("a") is None


@pytest.mark.parametrize(
    ("status", "seconds"), [(200, 0), (301, 0), (401, 0), (403, 0), (429, 9), (500, 9), (502, 9), (503, 9)]
)
def test_only_a_server_that_is_busy_can_ask_for_a_pause(status: int, seconds: int) -> None:
    headers = {"Retry-After": "9"}
    assert read_pause(status, headers) == seconds
    assert read_pause_of(SimpleNamespace(response=SimpleNamespace(status_code=status, headers=headers))) == seconds


@pytest.mark.parametrize("error", [None, ValueError("x"), SimpleNamespace(response=None)])
def test_an_error_without_an_answer_asks_for_none(error: object) -> None:
    assert read_pause_of(error) == 0
