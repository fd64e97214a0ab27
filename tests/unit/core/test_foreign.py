"""The door for strangers' text: what comes through is bounded, without secrets, and still says what went wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.foreign import (
    MAX_LINE,
    MAX_LINES,
    MAX_LOG,
    MAX_MESSAGE,
    Admitted,
    admit,
    admit_end,
    admit_line,
    cut_end,
)
from buildandpush.core.redact import MASK, MAX_VALUES, WITHHELD, redact
from tests.unit.hostile import FRAGMENTS

PASSWORD = "hunter22-secret"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY3IifQ.c2lnbmF0dXJl"
MARK = " … (123456 characters left out) … "
foreign = st.lists(st.sampled_from((*FRAGMENTS, PASSWORD)), max_size=30).map("".join)
repeated = st.tuples(foreign, st.integers(1, 2000)).map(lambda found: found[0] * found[1])


@given(st.one_of(foreign, repeated, st.text()))
def test_what_comes_through_is_bounded_in_every_way(text: str) -> None:
    for admitted, size in ((admit(text), MAX_MESSAGE), (admit_end(text), MAX_LOG), (admit_line(text, size=256), 256)):
        assert isinstance(admitted, Admitted)
        assert len(admitted.encode()) <= size
        lines = admitted.split("\n")
        assert len(lines) <= MAX_LINES
        assert max(map(len, lines)) <= MAX_LINE + len(MARK)
    assert "\n" not in admit_line(text, size=256)


@given(st.one_of(foreign, repeated))
def test_no_known_secret_comes_through(text: str) -> None:
    for admitted in (admit(text, [PASSWORD]), admit_end(text, [PASSWORD]), admit_line(text, [PASSWORD], size=256)):
        assert PASSWORD not in admitted


@pytest.mark.parametrize("at", range(-20, 5))
def test_a_secret_on_the_edge_of_what_is_read_comes_through_in_no_part(at: int) -> None:
    edge = 2 * MAX_MESSAGE
    behind = "x " * 40_000
    begin = admit(("x " * edge)[: edge + at] + PASSWORD + behind, [PASSWORD], size=MAX_MESSAGE)
    end = admit_end(behind + PASSWORD + (" x" * edge)[: edge + at], [PASSWORD], size=MAX_MESSAGE)
    for admitted in (begin, end):
        assert not [part for part in range(len(PASSWORD) - 3) if PASSWORD[part : part + 4] in admitted]


@pytest.mark.parametrize("cut", range(2, 60, 3))
def test_a_token_that_a_cut_goes_through_goes_with_it(cut: int) -> None:
    """Its first part is the same for all tokens, so its second is as good as the whole."""
    whole = f"token {JWT} and more"
    for admitted in (
        admit_end(whole[cut:], cut_before=True),
        admit(whole[:cut], cut_behind=True),
        redact(cut_end(whole, cut)),
    ):
        assert not [part for part in (JWT[10:20], JWT[22:40], JWT[42:]) if part in admitted]


def test_of_a_long_line_both_ends_stay() -> None:
    """kaniko's error may follow in one line what a command printed without a line break."""
    error = "error building image: error building stage: waiting for process to exit: exit status 7"
    for junk in ("://a:", "eyJAAAAAAAA", "x", "x "):
        line = f"INFO[0003] begins {junk * 20_000}{error}\nand a line behind it"
        admitted = admit_end(line)
        assert admitted.startswith("INFO[0003] begins ") or len(line) > 2 * MAX_LOG
        assert f"{error}\nand a line behind it" in admitted
        assert "characters left out" in admitted


def test_a_log_keeps_its_end_and_a_message_its_beginning() -> None:
    lines = "\n".join(f"line {number}" for number in range(100_000))
    assert admit_end(lines).endswith("\nline 99999")
    assert admit(lines).startswith("line 0\n")


def test_a_short_text_comes_through_as_it_is() -> None:
    text = "fatal: unable to access 'https://git.example/x': 503\n\ttry again"
    assert (admit(text), admit_end(text)) == (text, text)
    assert admit_line(text, size=256) == " ".join(text.split())
    assert admit("") == ""


def test_colours_go_before_secrets_are_looked_for() -> None:
    assert admit(f"found {PASSWORD[:5]}\x1b[01;31m{PASSWORD[5:]}\x1b[0m here", [PASSWORD]) == f"found {MASK} here"


def test_with_more_secrets_than_can_be_looked_for_nothing_is_told() -> None:
    values = [f"value {number}" for number in range(MAX_VALUES + 1)]
    assert admit("so it is: value 7", values[:-1]) == f"so it is: {MASK}"
    assert admit("so it is: value 7", values) == WITHHELD
    assert admit(" ".join(values[:1000]), values[:1000]) == WITHHELD, "each that is found costs another pass"
    assert admit("a text of one more character than that", ["x" * 600_000]) != WITHHELD, "it cannot stand in the text"


def test_the_end_of_a_line_that_is_cut_says_how_much_is_missing() -> None:
    assert cut_end("one two three", 9) == "one two … (4 characters left out)"
    assert cut_end("one two", 7) == "one two"
