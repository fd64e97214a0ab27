"""Foreign text made fit for a status."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.text import clean, clip, tail

sizes = st.integers(8, 200)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;38;5;196mbold\x1b[m", "bold"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2K\x1b[1Gline", "line"),
        ("\x1b]0;title\nerror\x07", "0;title\nerror"),
        ("a\r\nb", "a\nb"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("\x1b", ""),
        ("\ud800x", "x"),
        ("naïve 日本 🚀", "naïve 日本 🚀"),
    ],
)
def test_colours_and_control_characters_go(raw: str, plain: str) -> None:
    assert clean(raw) == plain


@given(st.text())
def test_nothing_that_steers_a_terminal_stays(text: str) -> None:
    assert all(ch in "\n\t" or unicodedata.category(ch) not in ("Cc", "Cs") for ch in clean(text))


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(), sizes)
def test_clipped_text_never_exceeds_its_size_in_bytes(text: str, size: int) -> None:
    assert len(clip(text, size).encode()) <= size


@given(st.text(alphabet="日é🚀a", min_size=1), sizes)
def test_clipping_cuts_no_character_in_two(text: str, size: int) -> None:
    clipped = clip(text, size)
    assert clipped == text or text.startswith(clipped.removesuffix("…"))


@given(st.text(), sizes)
def test_clipping_twice_is_clipping_once(text: str, size: int) -> None:
    assert clip(clip(text, size), size) == clip(text, size)


def test_what_fits_is_left_whole_and_what_was_cut_is_marked() -> None:
    assert clip("x" * 10, 10) == "x" * 10
    assert clip("x" * 11, 10) == "x" * 7 + "…"
    assert clip("  spaced  ", 10) == "spaced"


@given(st.text(), st.integers(1, 5), sizes)
def test_tail_never_exceeds_its_lines_and_bytes(text: str, lines: int, size: int) -> None:
    end = tail(text, lines=lines, size=size)
    assert len(end.encode()) <= size
    assert end.count("\n") < lines


def test_tail_is_the_end_of_the_text() -> None:
    assert tail("one\ntwo\nthree\n\n", lines=2, size=100) == "two\nthree"
    assert tail("x" * 50 + "end", lines=1, size=10) == "…" + "x" * 4 + "end"
    assert tail("日" * 50, lines=1, size=10) == "…" + "日" * 2
    assert tail("", lines=3, size=10) == ""


def test_a_long_line_of_a_tail_keeps_both_ends_and_leaves_room_for_the_others() -> None:
    shown = tail("first\n" + "begin " + "x" * 5000 + " end\nlast", lines=3, size=2048)
    first, long, last = shown.split("\n")
    assert (first, last) == ("first", "last")
    assert long.startswith("begin x")
    assert long.endswith("x end")
    assert "x … x" in long
