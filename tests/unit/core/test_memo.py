"""The last result is given again for the same subject, and never for another."""

import pytest

from buildandpush.core.memo import remembered

Subject = dict[str, int]


class Counter:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, subject: Subject, *more: object, **named: object) -> object:
        self.calls += 1
        if not subject:
            raise ValueError("empty")
        return (dict(subject), more, named, self.calls)


def test_a_result_is_made_once() -> None:
    counter = Counter()
    work, subject = remembered(2)(counter.__call__), {"a": 1}
    assert work(subject, "x") is work(subject, "x")
    assert counter.calls == 1


@pytest.mark.parametrize("more", [("y",), (), ("x", "y")])
def test_another_argument_is_another_result(more: tuple[str, ...]) -> None:
    work, subject = remembered(2)(Counter().__call__), {"a": 1}
    first = work(subject, "x")
    assert work(subject, *more) != first
    assert work(subject, "x") != first, "only the last result is kept"


def test_an_equal_subject_is_another_subject() -> None:
    work = remembered(2)(Counter().__call__)
    assert work({"a": 1}) != work({"a": 1})


def test_no_subject_takes_the_place_of_one_that_is_gone() -> None:
    """A new object may have the identity of one that was let go of."""
    work = remembered(4)(Counter().__call__)
    for number in range(1000):
        result = work({"a": number})
        assert isinstance(result, tuple)
        assert result[0] == {"a": number}


def test_only_the_last_subjects_are_kept() -> None:
    counter = Counter()
    work, subjects = remembered(2)(counter.__call__), [{"a": number} for number in range(3)]
    for subject in subjects:
        work(subject)
    for subject in reversed(subjects):
        work(subject)
    assert counter.calls == 4


def test_an_error_is_made_anew() -> None:
    counter = Counter()
    work, subject = remembered(2)(counter.__call__), Subject()
    for _ in range(2):
        with pytest.raises(ValueError, match="empty"):
            work(subject)
    assert counter.calls == 2
