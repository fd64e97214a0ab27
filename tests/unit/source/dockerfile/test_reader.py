"""A Dockerfile is read as BuildKit reads it, whatever its author does to its lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.source.dockerfile.reader import Heredoc, Instruction, read_dockerfile

PIECES = [*"aZ09 \t\n\r\\`#\"'$<>{}[]=-:/,.!*?", "EOF", "FROM ", "RUN ", "\ufeff", "é"]
ANY_TEXT = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def read(text: str) -> list[Instruction]:
    """The instructions of a text."""
    return read_dockerfile(text).instructions


@pytest.mark.parametrize(
    ("text", "keyword", "rest"),
    [
        ("FROM scratch", "FROM", "scratch"),
        ("from scratch", "FROM", "scratch"),
        ("  \tFrOm\t scratch  ", "FROM", "scratch"),
        ("\ufeffFROM scratch\r\n", "FROM", "scratch"),
        ("RUN a \\\n  b", "RUN", "a   b"),
        ("RUN a \\  \t\n b", "RUN", "a  b"),
        ("RUN a \\\r\n b\r\n", "RUN", "a  b"),
        ("RUN a \\\n# comment\n\n  # another\n b", "RUN", "a  b"),
        ("RUN a \\\\\nCMD b", "RUN", "a \\\\"),
        ("# comment\n\n  # c\nRUN a # b", "RUN", "a # b"),
        ("# escape=`\nRUN a `\n b", "RUN", "a  b"),
        ("#  EsCaPe = `  \nRUN a `\n b", "RUN", "a  b"),
        ("# syntax=x\n# escape=`\nRUN a `\n b", "RUN", "a  b"),
        ("# comment first\n# escape=`\nRUN a `\nCMD b", "RUN", "a `"),
        ("\n# escape=`\nRUN a `\nCMD b", "RUN", "a `"),
        ("RUN a \\", "RUN", "a"),
    ],
)
def test_the_first_instruction(text: str, keyword: str, rest: str) -> None:
    first = read(text)[0]
    assert (first.keyword, first.text) == (keyword, rest)


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    text = "# c\nFROM a\n\nRUN b \\\n  c\nCOPY <<X /x\n1\nX\nCMD d\n"
    assert [(one.line, one.keyword) for one in read(text)] == [(2, "FROM"), (4, "RUN"), (6, "COPY"), (9, "CMD")]


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("COPY --from=a --chown=1:2 x y", (("from", "a"), ("chown", "1:2")), "x y"),
        ("COPY --Exclude='a b' --link x y", (("exclude", "a b"), ("link", "")), "x y"),
        ('ADD --checksum="sha256:0" \\\n  --chmod=755 x y', (("checksum", "sha256:0"), ("chmod", "755")), "x y"),
        ("RUN -- --x", (), "--x"),
        ("RUN echo --network=none", (), "echo --network=none"),
        ("RUN --mount=type=a --mount=type=b c", (("mount", "type=a"), ("mount", "type=b")), "c"),
        ("ONBUILD ADD --checksum=a b c", (("checksum", "a"),), "b c"),
    ],
)
def test_flags_stand_in_front(text: str, flags: tuple[tuple[str, str], ...], rest: str) -> None:
    (one,) = read(text)
    assert (one.flags, one.text) == (flags, rest)


def test_a_trigger_is_the_instruction_behind_onbuild() -> None:
    one, other = read("ONBUILD  RUN a\nonbuild onbuild x")
    assert (one.keyword, one.text, one.trigger) == ("RUN", "a", True)
    assert other.keyword == "ONBUILD"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("COPY a b /c", ("a", "b", "/c")),
        ('COPY ["a b", "/c"]', ("a b", "/c")),
        ('COPY ["a", 1]', ('["a",', "1]")),
        ("COPY [a] /b", ("[a]", "/b")),
        ("COPY <<A <<'B' c /d", ("c", "/d")),
    ],
)
def test_words_are_a_json_list_or_stand_between_blanks(text: str, words: tuple[str, ...]) -> None:
    assert read(text + "\nA\nB")[0].words == words


@pytest.mark.parametrize(
    ("text", "heredocs"),
    [
        ("COPY <<EOF /x\na\n\nb\nEOF", (Heredoc("EOF", True, "a\n\nb"),)),
        ("COPY <<'EOF' /x\n$a\nEOF", (Heredoc("EOF", False, "$a"),)),
        ('COPY <<"EOF" /x\n$a\nEOF', (Heredoc("EOF", False, "$a"),)),
        ("RUN cat <<-EOF > /x\n\ta\n\tEOF", (Heredoc("EOF", True, "a"),)),
        ("COPY <<A <<B /x/\n1\nA\n2\nB", (Heredoc("A", True, "1"), Heredoc("B", True, "2"))),
        ("RUN 3<<EOF cat\na\nEOF", (Heredoc("EOF", True, "a"),)),
        ("COPY <<EOF /x\n# no comment\nCMD x \\\nEOF", (Heredoc("EOF", True, "# no comment\nCMD x \\"),)),
        ('RUN echo "a <<EOF b"', ()),
        ("RUN cat <<< x", ()),
        ("RUN echo $((1<<2))", ()),
        ("CMD cat <<EOF", ()),
        ("COPY <<EOF /x\nnever ended", (Heredoc("EOF", True, "never ended"),)),
    ],
)
def test_here_documents(text: str, heredocs: tuple[Heredoc, ...]) -> None:
    assert read(text)[0].heredocs == heredocs


def test_what_follows_a_here_document_is_read_again() -> None:
    assert [one.keyword for one in read("RUN <<EOF\nFROM x\nEOF\nCMD y")] == ["RUN", "CMD"]


@given(ANY_TEXT)
def test_any_text_is_read(text: str) -> None:
    for one in read(text):
        assert one.keyword == one.keyword.upper()
        assert 1 <= one.line <= text.count("\n") + 1
        assert isinstance(one.words, tuple)
