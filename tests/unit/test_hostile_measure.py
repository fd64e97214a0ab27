"""The measure of time on a stranger's text, with times that are computed: it says the same on every machine."""

from collections.abc import Callable

import pytest

from tests.unit import hostile
from tests.unit.hostile import SlowTextError, check_linear

RECIPE = ("", "a", "")

TIMES: dict[str, tuple[Callable[[int], float], bool]] = {
    "nothing": (lambda size: 0.0, True),
    "a fixed cost": (lambda size: 0.5, True),
    "linear": (lambda size: 1e-7 * size, True),
    "linear, with a fixed cost": (lambda size: 0.01 + 1e-7 * size, True),
    "with the logarithm": (lambda size: 1e-8 * size * size.bit_length(), True),
    "the square": (lambda size: 1e-9 * size**2, False),
    "the square, with a fixed cost": (lambda size: 0.0004 + 1e-9 * size**2, False),
    "the square, with a linear cost": (lambda size: 1e-7 * size + 1e-10 * size**2, False),
    "the cube": (lambda size: 1e-14 * size**3, False),
}


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("name", TIMES)
def test_what_grows_faster_than_the_text_is_found(name: str, thorough: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    takes, is_linear = TIMES[name]
    monkeypatch.setattr(hostile, "THOROUGH", thorough)
    monkeypatch.setattr(hostile, "_run", lambda work, text: takes(len(text)))
    if is_linear:
        check_linear(len, RECIPE)
    else:
        with pytest.raises(SlowTextError):
            check_linear(len, RECIPE)


def test_what_one_doubling_lets_pass_the_whole_measure_lets_pass_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With any fixed cost."""
    passed = []
    for thorough in (False, True):
        monkeypatch.setattr(hostile, "THOROUGH", thorough)
        found = set()
        for fixed in range(100):
            monkeypatch.setattr(hostile, "_run", lambda work, text, fixed=fixed: fixed * 1e-5 + 1e-10 * len(text) ** 2)
            try:
                check_linear(len, RECIPE)
                found.add(fixed)
            except SlowTextError:
                continue
        passed.append(found)
    assert passed[0] == passed[1]
