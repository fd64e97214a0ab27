"""Progress is told at once while its budget lasts, and after half a minute at the latest."""

import pytest

from buildandpush.api import meta
from buildandpush.handlers.objects import Key
from buildandpush.handlers.progress import AT_ONCE, LATEST_SECONDS, PER_SECOND, Progress


class Clock:
    """Seconds that pass when they are told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key(number: int) -> Key:
    return Key(meta.BUILD_KIND, "shop", f"web-{number}")


def test_as_many_as_the_budget_holds_are_told_at_once(clock: Clock) -> None:
    progress = Progress(clock)
    waits = [progress.find_wait(key(number)) for number in range(AT_ONCE + 2)]
    assert waits == pytest.approx([0.0] * AT_ONCE + [1 / PER_SECOND, 2 / PER_SECOND])


def test_a_steady_rate_never_waits(clock: Clock) -> None:
    progress = Progress(clock)
    for number in range(100 * AT_ONCE):
        assert progress.find_wait(key(number)) == 0
        clock.now += 1 / PER_SECOND


def test_nobody_waits_longer_than_half_a_minute(clock: Clock) -> None:
    progress = Progress(clock)
    waiting = [number for number in range(10_000) if progress.find_wait(key(number))]
    assert max(progress.find_wait(key(number)) for number in waiting) == pytest.approx(LATEST_SECONDS)
    clock.now += LATEST_SECONDS
    assert [progress.find_wait(key(number)) for number in waiting] == [0] * len(waiting)
    assert progress.count_waiting() == 0


def test_who_waits_keeps_the_time_however_often_it_asks(clock: Clock) -> None:
    progress = Progress(clock, per_second=0.1, at_once=1)
    progress.find_wait(key(0))
    assert progress.find_wait(key(1)) == pytest.approx(10)
    clock.now += 4
    assert progress.find_wait(key(1)) == pytest.approx(6)
    clock.now += 6
    assert progress.find_wait(key(1)) == 0


def test_what_a_build_says_next_takes_from_the_budget_again(clock: Clock) -> None:
    progress = Progress(clock, per_second=0.1, at_once=2)
    waits = [progress.find_wait(key(0)) for _ in range(3)]
    assert waits == pytest.approx([0, 0, 10])


def test_what_is_reserved_is_taken_once(clock: Clock) -> None:
    progress = Progress(clock, per_second=0.1, at_once=1)
    assert [progress.reserve(key(0)), progress.left(key(0))] == [0, 0]
    assert progress.find_wait(key(0)) == 0
    assert [progress.reserve(key(1)), progress.reserve(key(1)), progress.find_wait(key(1))] == pytest.approx([10] * 3)
    clock.now += 4
    assert progress.left(key(1)) == pytest.approx(6)
    clock.now += 6
    assert [progress.left(key(1)), progress.find_wait(key(1)), progress.count_waiting()] == [0, 0, 0]
    assert progress.find_wait(key(2)) == pytest.approx(10), "nothing was taken for it before"


def test_only_who_has_reserved_needs_no_look(clock: Clock) -> None:
    progress = Progress(clock, per_second=0.1, at_once=1)
    progress.find_wait(key(0))
    assert progress.find_wait(key(1)) == pytest.approx(10)
    assert progress.left(key(1)) == 0
    progress.reserve(key(2))
    progress.forget(key(2))
    assert progress.left(key(2)) == 0


def test_what_has_ended_is_not_kept(clock: Clock) -> None:
    progress = Progress(clock, at_once=1)
    for number in range(3):
        progress.find_wait(key(number))
    assert progress.count_waiting() == 2
    for number in range(3):
        progress.forget(key(number))
    assert progress.count_waiting() == 0


def test_after_a_pause_the_budget_is_whole_again_and_no_larger(clock: Clock) -> None:
    progress = Progress(clock, per_second=1, at_once=3)
    for number in range(10):
        progress.find_wait(key(number))
    clock.now += 1000
    assert [progress.find_wait(key(number)) for number in range(20, 24)] == pytest.approx([0, 0, 0, 1])


def test_soon_after_a_burst_a_build_is_told_of_at_once(clock: Clock) -> None:
    """Most of a burst is left out, since the builds have ended. Nobody has to make up for it."""
    progress = Progress(clock)
    for number in range(10_000):
        progress.find_wait(key(number))
        progress.forget(key(number))
    clock.now += LATEST_SECONDS + AT_ONCE / PER_SECOND
    assert [progress.find_wait(key(number)) for number in range(AT_ONCE)] == pytest.approx([0] * AT_ONCE)
