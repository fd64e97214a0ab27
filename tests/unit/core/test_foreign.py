"""The door for strangers' text: what comes through is bounded, without secrets, and still says what went wrong."""

import re

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
from buildandpush.core.redact import MASK, MAX_VALUES, WITHHELD, longest_form, redact
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


LEFT_OUT = re.compile(r" … \((\d+) characters left out\) … ")


@pytest.mark.parametrize("size", [40, 41, 42, 43, 100])
@pytest.mark.parametrize("text", ["a" * 40, "é" * 20, "€" * 13, "€" * 14, "\U0001f511" * 10, "a" * 41, "é€" * 30])
def test_a_text_is_cut_only_where_it_is_too_long_and_between_characters(text: str, size: int) -> None:
    begin, line, end = admit(text, size=size), admit_line(text, size=size), admit_end(text, size=size)
    if len(text.encode()) <= size:
        assert (begin, line, end) == (text, text, text)
        return
    for kept in (begin.removesuffix("…"), line.removesuffix("…")):
        assert text.startswith(kept)
        assert _is_longest(kept, text, size)
    kept = end.removeprefix("…")
    assert text.endswith(kept)
    assert _is_longest(kept, text, size)


def _is_longest(kept: str, text: str, size: int) -> bool:
    """Whether no further character fits, beside the sign of the cut."""
    room = size - len(kept.encode()) - len("…".encode())
    return 0 <= room < max(len(character.encode()) for character in text)


@pytest.mark.parametrize("words", [20_000, 60_000])
@pytest.mark.parametrize("secrets", [[], ["a secret value"]])
def test_what_is_left_out_of_a_line_is_counted(words: int, secrets: list[str]) -> None:
    line = " ".join(f"w{number}" for number in range(words))
    for admitted in (admit(line, secrets, size=len(line)), admit_end(line, secrets)):
        found = LEFT_OUT.search(admitted)
        assert found is not None
        head, tail = admitted[: found.start()], admitted[found.end() :]
        assert line.startswith(f"{head} ")
        assert line.endswith(f" {tail}")
        assert int(found[1]) == len(line) - len(head) - len(tail)
        assert 1000 < len(head) <= 1024
        assert 3000 < len(tail) <= 3072


def test_a_secret_at_the_place_where_a_long_line_is_cut_goes_whole() -> None:
    """Wherever it stands, no part of it comes through, and so for what stands beside it."""
    for at in range(0, 20_000, 7):
        line = f"{'x ' * (at // 2)}{PASSWORD}{' y' * ((20_000 - at) // 2)}"
        for admitted in (admit(line, [PASSWORD], size=30_000), admit_end(line, [PASSWORD])):
            assert "hunt" not in admitted
            assert "cret" not in admitted


@pytest.mark.parametrize("shift", range(0, 100, 3))
def test_a_secret_on_the_edge_of_what_is_kept_of_a_line_goes_whole_though_colours_fill_the_rest(shift: int) -> None:
    """Colours go before lines are cut, so that the edge of what is kept comes near to what is shown."""
    colour, secret = "\x1b[0m", "first of words " + "and of words " * 6 + "last of words"
    kept = MAX_LINE + 1024 + 2 * longest_form([secret])
    beside = colour * ((kept - 2 * len(secret)) // len(colour))
    space = " " * (kept - len(beside) - shift)
    for line in (f"{beside}{space}{secret}{colour * 40_000}", f"{colour * 40_000}{secret}{space}{beside}"):
        assert "words" not in admit_end(line, [secret])


def test_a_line_holds_what_a_stranger_writes_for_a_gap() -> None:
    gap = "\ue000"
    assert admit_end(f"one{gap}7{gap}two") == f"one{gap}7{gap}two".replace(gap, "")


@pytest.mark.parametrize("lines", [1, MAX_LINES - 1, MAX_LINES, MAX_LINES + 1, 3 * MAX_LINES])
@pytest.mark.parametrize("first", ["", "first\n", "\n", "\n\n"])
def test_of_a_log_the_last_lines_stay_in_their_order(lines: int, first: str) -> None:
    log = first + "\n".join(f"line {number}" for number in range(lines))
    assert admit_end(log).split("\n") == log.split("\n")[-MAX_LINES:]
    assert admit_end(f"{log}\n \n") == admit_end(log)


def test_of_a_log_with_long_lines_so_many_stay_as_fit() -> None:
    line = f"{'x' * 999}|"
    admitted = admit_end("\n".join([line] * 100), size=10_000)
    assert len(admitted.encode()) <= 10_000
    assert admitted.count("|") == 10
    assert admitted.endswith(f"\n{line}")


def test_a_log_that_is_read_from_its_middle_begins_behind_what_a_cut_went_through() -> None:
    assert admit_end("cret and more\nnext line", cut_before=True) == "and more\nnext line"
    assert admit_end("cret\nnext line", cut_before=True) == "next line"
    secret = "two words and a third"
    cut = f"words and a third{' is it' * 50}\nnext line"
    admitted = admit_end(cut, [secret], cut_before=True)
    assert "third" not in admitted
    assert admitted.endswith(" is it\nnext line")


def test_a_text_that_goes_on_ends_before_what_a_cut_went_through() -> None:
    secret = "two words and a third"
    for door in (admit, admit_end):
        assert door("line before\nso it is: hunt", cut_behind=True) == "line before\nso it is:"
        assert door("line before\nhunt", cut_behind=True).rstrip() == "line before"
        admitted = door(f"line before\n{'is it ' * 50}two words and", [secret], cut_behind=True)
        assert "two" not in admitted
        assert admitted.startswith("line before\nis it ")
        assert door(f"line before\n{'is it ' * 5}two words and", [secret], cut_behind=True).rstrip() == "line before"


def test_of_a_log_with_more_secrets_than_can_be_looked_for_nothing_is_told() -> None:
    assert admit_end("so it is: value 7", [f"value {number}" for number in range(MAX_VALUES + 1)]) == WITHHELD
