"""What is read as an expression, and what is told of a text that is none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.expressions import reader
from buildandpush.core.expressions.reader import read_condition, read_text
from buildandpush.core.expressions.tree import (
    MAX_DEPTH,
    MAX_PARTS,
    MAX_TEXT,
    Binary,
    Call,
    Conditional,
    Constant,
    ExpressionError,
    Member,
    Name,
    Node,
    Not,
    find_paths,
)

ID = Member(Name("pipeline"), Constant("sequenceId"))
BRANCH = Member(Name("codebase"), Constant("branch"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain < + > text", ("plain < + > text",)),
        ("<+pipeline.sequenceId>", (ID,)),
        ("<+ pipeline . sequenceId >", (ID,)),
        ("v<+pipeline.sequenceId>-x", ("v", ID, "-x")),
        ("<+pipeline.sequenceId><+codebase.branch>", (ID, BRANCH)),
        ("<+<+codebase.branch>>", (BRANCH,)),
        ("<+pipeline.sequenceId>=1", (ID, "=1")),
        ("<+pipeline.sequenceId>.x", (ID, ".x")),
        ("<+codebase.branch.length()> b", (Call(BRANCH, "length", ()), " b")),
        ("<+<+codebase.branch>.replace('/', \"-\")>", (Call(BRANCH, "replace", (Constant("/"), Constant("-"))),)),
        ("<+a.<+codebase.branch>>", (Member(Name("a"), BRANCH),)),
        ("<+a[0]['b c']>", (Member(Member(Name("a"), Constant(0)), Constant("b c")),)),
        (r"""<+"a\"b\\">""", (Constant('a"b\\'),)),
        ("<+1 gt 2 ? 'a' : 'b'>", (Conditional(Binary(">", Constant(1), Constant(2)), Constant("a"), Constant("b")),)),
        ("<+(1 > 2)>", (Binary(">", Constant(1), Constant(2)),)),
        ("<+a + -1.5>", (Binary("+", Name("a"), Binary("-", Constant(0), Constant(1.5))),)),
        ("<+true>", (Constant(True),)),
    ],
)
def test_text_is_read(text: str, parts: tuple[str | Node, ...]) -> None:
    assert read_text(text) == parts


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("1 > 2", Binary(">", Constant(1), Constant(2))),
        ("<+pipeline.sequenceId>>1", Binary(">", ID, Constant(1))),
        ("<+pipeline.sequenceId> >= 1", Binary(">=", ID, Constant(1))),
        ("a == 1 and b ne 2 or not c", Binary(
            "||",
            Binary("&&", Binary("==", Name("a"), Constant(1)), Binary("!=", Name("b"), Constant(2))),
            Not(Name("c")),
        )),
        ("a && (b || !c)", Binary("&&", Name("a"), Binary("||", Name("b"), Not(Name("c"))))),
        ('a =^ "x"', Binary("=^", Name("a"), Constant("x"))),
        ('a!~"x"', Binary("!~", Name("a"), Constant("x"))),
        ("a=$'x'", Binary("=$", Name("a"), Constant("x"))),
        ("a.and.or", Member(Member(Name("a"), Constant("and")), Constant("or"))),
    ],
)  # fmt: skip
def test_condition_is_read(text: str, node: Node) -> None:
    assert read_condition(text) == node


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<+", "at character 3, at the end of '<+': a value was expected"),
        (
            "<+'<+a>' == 'b'>",
            "before character 16: an expression in quotes is not replaced, and so equals nothing; write",
        ),
        ('<+a == "x-<+b.c>">', "before character 18: an expression in quotes is not replaced"),
        ('<+"<+a>".startsWith("b")>', "before character 25: an expression in quotes is not replaced"),
        ('<+a.contains("<+b>")>', "before character 21: an expression in quotes is not replaced"),
        ("<+>", "before '>': a value"),
        ("a <+b", "at character 6, at the end of '<+b': '>' was expected"),
        ("<+a b>", "before 'b>': '>' was expected"),
        ("<+a.>", "before '>': a name"),
        ("<+a.b(>", "before '>': a value"),
        ("<+a.b(1,)>", "a value was expected"),
        ("<+a[1>", "a value was expected"),
        ("<+a[1 b]>", "']' was expected"),
        ("<+(a>", "a value was expected"),
        ("<+'a>", "a value or a sign"),
        ("<+a ? b>", "':' was expected"),
        ("<+{}>", "a value or a sign"),
        ("<+and>", "a value was expected"),
        ("<+" * (MAX_DEPTH + 1), f"no more than {MAX_DEPTH} levels"),
        ("<+" + "(" * (MAX_DEPTH + 1), f"no more than {MAX_DEPTH} levels"),
        ("<+" + "!" * (MAX_DEPTH + 1) + "a>", f"no more than {MAX_DEPTH} levels"),
        ("<+" + "+".join(["a"] * (MAX_PARTS + 1)) + ">", f"no more than {MAX_PARTS}"),
        ("<+a" + ".b" * MAX_PARTS + ">", f"no more than {MAX_PARTS}"),
        ("x" * (MAX_TEXT + 1), f"{MAX_TEXT + 1} characters"),
    ],
    ids=lambda text: text[:12],
)
def test_mistake_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_text(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9" * 5000 + " > 1", "the end"),
        ("", "a value"),
        ("a b", "the end, && or ||"),
        ("a >", "a value"),
        ("a > b > c", "the end"),
        ("|| a", "a value"),
        ('<+a> = "b"', "a value or a sign was expected; write == to compare"),
        ("<+a> & <+b>", "a value or a sign was expected; write &&"),
        ("<+a> | <+b>", "a value or a sign was expected; write ||"),
        ("<+a> == \u201cb\u201d", "a value or a sign was expected; write plain quotation marks"),
    ],
)
def test_mistake_in_a_condition_is_told(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_condition(text)
    assert words in str(caught.value)


def test_paths_are_found_in_order() -> None:
    (node,) = read_text('<+a.b ? c["d"].e(f.g) : h[i.j]>')
    assert isinstance(node, Conditional)
    assert find_paths(node) == [("a", "b"), ("c", "d"), ("f", "g"), ("h",), ("i", "j")]


FRAGMENTS = st.sampled_from(
    ["<+", ">", "a", ".b", "[", "]", "(", ")", '"', "'", "\\", "1", ".", "? ", ":", "||", "&&", "!", "=~", ">=", " ",
     "and ", "not ", "null", "-", "+", ",", "é", "\n", "\0", "=$"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=60).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_text, read_condition):
        with contextlib.suppress(ExpressionError):
            read(text)


@given(st.text(max_size=200).filter(lambda text: "<+" not in text))
def test_text_without_expressions_stays_as_it_is(text: str) -> None:
    assert "".join(map(str, read_text(text))) == text


SIGNS = {"||": "or", "&&": "and", "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def write(node: Node) -> str:
    """The tree as a text, with parentheses around everything."""
    match node:
        case Constant(str() as value):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case Constant(value):
            return "null" if value is None else str(value).lower()
        case Name(name):
            return name
        case Member(of, key):
            return f"{write(of)}[{write(key)}]"
        case Call(of, method, arguments):
            return f"{write(of)}.{method}({', '.join(map(write, arguments))})"
        case Not(of):
            return f"(!({write(of)}))"
        case Binary(sign, left, right):
            return f"({write(left)} {SIGNS.get(sign, sign)} {write(right)})"
        case Conditional(condition, then, otherwise):
            return f"({write(condition)} ? {write(then)} : {write(otherwise)})"
    raise AssertionError(node)


LEAVES = st.one_of(
    st.builds(Constant, st.one_of(st.none(), st.booleans(), st.integers(0, 10**6), st.text(max_size=8))),
    st.builds(Name, st.sampled_from(["a", "pipeline", "x_1"])),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Member, inner, inner),
        st.builds(Call, inner, st.sampled_from(["trim", "replace"]), st.lists(inner, max_size=2).map(tuple)),
        st.builds(Not, inner),
        st.builds(Binary, st.sampled_from([*SIGNS, "=~", "!~", "=^", "!^", "=$", "!$", "+", "-"]), inner, inner),
        st.builds(Conditional, inner, inner, inner),
    ),
    max_leaves=12,
)


@given(TREES)
def test_what_is_written_is_read_again(node: Node) -> None:
    try:
        read = read_text(f"<+{write(node)}>")
    except ExpressionError as error:
        if "levels" not in str(error):
            raise
    else:
        assert read == (node,)


def test_each_token_of_a_text_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at for each sign that it may be, and to find it is most of the work."""
    places: list[int] = []
    find = reader._Reader._read_token

    def note(self: reader._Reader) -> tuple[str, str]:
        places.append(self.place)
        return find(self)

    monkeypatch.setattr(reader._Reader, "_read_token", note)
    text = "".join(f'<+a.b{number} + "x" == c ? (1) : !d>' for number in range(40))
    assert len(read_text(text)) == 40
    assert len(places) == len(set(places))
