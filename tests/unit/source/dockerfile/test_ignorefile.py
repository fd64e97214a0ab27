""".dockerignore leaves out what Docker leaves out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.source.dockerfile.ignorefile import is_ignored, matches_segment, read_patterns


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        ("conf", "conf", True),
        ("conf", "conf/app.yml", True),
        ("conf", "a/conf", False),
        ("/conf/", "conf/app.yml", True),
        ("./conf", "conf", True),
        ("*.env", "a.env", True),
        ("*.env", "a/b.env", False),
        ("*/*.env", "a/b.env", True),
        ("**/*.env", "b.env", True),
        ("**/*.env", "a/b/c.env", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/d/c", True),
        ("**", "a", True),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "keep/x", False),
        ("*\n!keep", "other", True),
        ("*\n!keep\nkeep/x", "keep/x", True),
        ("a\n!a/b", "a/b", False),
        ("a\n!a/b", "a/c", True),
        ("# conf\n\n  conf  ", "conf", True),
        ("#conf", "#conf", False),
        ("\ufeffconf\r\n", "conf", True),
        ("a?c", "abc", True),
        ("a[b-d]c", "acc", True),
        ("a[^b]c", "abc", False),
        ("a\\*c", "a*c", True),
        ("a\\*c", "abc", False),
        ("[", "[", True),
        (".", "a", False),
        ("../x", "x", False),
        ("!a", "a", False),
    ],
)
def test_whether_a_path_is_left_out(lines: str, path: str, ignored: bool) -> None:
    assert is_ignored(path, read_patterns(lines)) is ignored


@given(st.text("ab*?[]^-\\.", max_size=12), st.text("ab.]-", max_size=12))
def test_any_pattern_is_read(pattern: str, name: str) -> None:
    assert matches_segment(pattern, name) in (True, False)
    assert matches_segment("*", name)


def test_a_pattern_made_to_take_long_ends() -> None:
    """A regular expression would take longer than the universe lasts."""
    assert not matches_segment("*a" * 100 + "b", "a" * 250)
    assert not is_ignored("a/" * 60 + "x", read_patterns("**/a/" * 60 + "b"))
