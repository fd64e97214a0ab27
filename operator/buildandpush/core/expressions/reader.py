"""Reads expressions: text to tree, from the left to the right and each character a bounded number of times."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

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
    Template,
)

_OPEN: Final = "<+"
_SHORT: Final = 512
"""Characters of a text that is kept as it was read. A tag has no more."""
_TOKEN: Final = re.compile(
    r"""(?P<open><\+)|(?P<number>\d{1,15}(?:\.\d{1,15})?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<text>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')"""
    r"""|(?P<sign>\|\||&&|==|!=|<=|>=|=~|!~|=\^|!\^|=\$|!\$|[-+<>!().,?:\[\]])""",
    re.DOTALL,
)
_SPACE: Final = re.compile(r"\s*")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_WITHIN: Final = re.compile(r"<\+[A-Za-z]")
"""The beginning of an expression within a text in quotes. Pipelines put its value in before they compare; here it stays
as it is."""
_COMPARES: Final = ("==", "!=", "<=", ">=", "=~", "!~", "=^", "!^", "=$", "!$", "<", ">")
_WORDS: Final = {
    "or": "||", "and": "&&", "not": "!", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
_MEANT: Final = {
    "=": "write == to compare", "&": "write &&", "|": "write ||",
    **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019", "write plain quotation marks"),
}  # fmt: skip
"""What people write in place of a sign, and what helps."""
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


def read_text(text: str) -> Template:
    """The words and expressions of a text. Raises ExpressionError."""
    return _read_again(text) if len(text) <= _SHORT else _read_text(text)


@lru_cache(maxsize=256)
def _read_again(text: str) -> Template:
    """Each pass over a resource reads the same texts, and one with many builds reads them for each build."""
    return _read_text(text)


def _read_text(text: str) -> Template:
    _check_size(text)
    parts: list[str | Node] = []
    place = 0
    while (found := text.find(_OPEN, place)) >= 0:
        if found > place:
            parts.append(text[place:found])
        reader = _Reader(text, found)
        parts.append(reader.read_bracket(0))
        place = reader.place
    if place < len(text):
        parts.append(text[place:])
    return tuple(parts)


def read_condition(text: str) -> Node:
    """The tree of a condition. Raises ExpressionError."""
    _check_size(text)
    reader = _Reader(text, 0)
    node = reader.read_expression(0)
    reader.expect_end()
    return node


def _check_size(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"it has {len(text)} characters; with expressions it may have {MAX_TEXT}")


class _Reader:
    """Reads one expression. `place` is where the next character stands."""

    def __init__(self, text: str, place: int) -> None:
        self._text = text
        self.place = place
        self._parts = 0
        self._next_at = -1
        self._next = ("", "")
        """The token that stands at `_next_at`. Each is looked at a dozen times: for each sign that it may be."""
        self._brackets = [False]
        """For each parenthesis and bracket around the place: does `>` end it? The innermost one is the last."""

    def read_bracket(self, depth: int) -> Node:
        self._check_depth(depth)
        self._expect(_OPEN)
        self._brackets.append(True)
        node = self.read_expression(depth + 1)
        self._expect(">")
        self._brackets.pop()
        return node

    def read_expression(self, depth: int) -> Node:
        node = self._read_binary(("||",), lambda: self._read_binary(("&&",), lambda: self._read_not(depth)))
        if not self._take("?"):
            return node
        self._check_depth(depth)
        then = self.read_expression(depth + 1)
        self._expect(":")
        return Conditional(node, then, self.read_expression(depth + 1))

    def _read_binary(self, signs: tuple[str, ...], read: Callable[[], Node]) -> Node:
        node = read()
        while sign := self._take(*signs):
            node = Binary(sign, node, read())
        return node

    def _read_not(self, depth: int) -> Node:
        if self._take("!"):
            self._count_part()
            self._check_depth(depth)
            return Not(self._read_not(depth + 1))
        left = self._read_sum(depth)
        closes = self._brackets[-1] and self._peek()[1] in (">", ">=")
        sign = "" if closes else self._take(*_COMPARES)
        if not sign:
            return left
        right = self._read_sum(depth)
        self._refuse_quoted(left, right)
        return Binary(sign, left, right)

    def _read_sum(self, depth: int) -> Node:
        return self._read_binary(("+", "-"), lambda: self._read_operand(depth))

    def _read_operand(self, depth: int) -> Node:
        if self._take("-"):
            return Binary("-", Constant(0), self._read_members(depth))
        return self._read_members(depth)

    def _read_members(self, depth: int) -> Node:
        node = self._read_value(depth)
        while sign := self._take(".", "["):
            self._count_part()
            if sign == "[":
                node = Member(node, self._read_inside(depth, "]"))
            elif self._peek() == ("open", _OPEN):
                node = Member(node, self.read_bracket(depth + 1))
            else:
                name = self._expect_name()
                called = self._take("(")
                node = self._read_call(node, name, depth) if called else Member(node, Constant(name))
        return node

    def _read_call(self, node: Node, name: str, depth: int) -> Node:
        call = Call(node, name, self._read_arguments(depth))
        self._refuse_quoted(node, *call.arguments)
        return call

    def _refuse_quoted(self, *nodes: Node) -> None:
        if any(isinstance(node, Constant) and _WITHIN.search(str(node.value)) for node in nodes):
            raise ExpressionError(
                f"before character {self.place + 1}: an expression in quotes is not replaced, and so equals nothing; "
                "write it without the quotes, and join texts with +"
            )

    def _read_arguments(self, depth: int) -> tuple[Node, ...]:
        """What stands between the parentheses of a call; the opening one is taken already."""
        self._check_depth(depth)
        self._brackets.append(False)
        arguments: list[Node] = []
        while not (arguments == [] and self._peek() == ("sign", ")")):
            arguments.append(self.read_expression(depth + 1))
            if not self._take(","):
                break
        self._expect(")")
        self._brackets.pop()
        return tuple(arguments)

    def _read_inside(self, depth: int, end: str) -> Node:
        self._check_depth(depth)
        self._brackets.append(False)
        node = self.read_expression(depth + 1)
        self._expect(end)
        self._brackets.pop()
        return node

    def _read_value(self, depth: int) -> Node:
        self._count_part()
        if self._take("("):
            return self._read_inside(depth, ")")
        kind, written = self._peek()
        if kind == "open":
            return self.read_bracket(depth)
        if kind in ("sign", "end") or written in _WORDS:
            raise self._mistake("a value")
        self._step()
        if kind == "number":
            return Constant(float(written) if "." in written else int(written))
        if kind == "text":
            return Constant(_ESCAPE.sub(r"\1", written[1:-1]))
        return Constant(_CONSTANTS[written]) if written in _CONSTANTS else Name(written)

    def expect_end(self) -> None:
        if self._peek()[0] != "end":
            raise self._mistake("the end, && or ||")

    def _peek(self) -> tuple[str, str]:
        """Kind and text of the next token."""
        if self.place != self._next_at:
            self._skip_space()
            self._next, self._next_at = self._read_token(), self.place
        return self._next

    def _read_token(self) -> tuple[str, str]:
        match = _TOKEN.match(self._text, self.place)
        if match is None or match.lastgroup is None:
            if self.place >= len(self._text):
                return "end", ""
            raise self._mistake("a value or a sign")
        return match.lastgroup, match[match.lastgroup]

    def _step(self) -> None:
        self.place += len(self._peek()[1])

    def _take(self, *signs: str) -> str:
        """The next token as a sign, if it is one of these; then it is behind us. Empty if it is none."""
        kind, written = self._peek()
        sign = _WORDS.get(written, "") if kind == "name" else written
        if kind not in ("sign", "name", "open") or sign not in signs:
            return self._take_part(kind, written, signs)
        self.place += len(written)
        return sign

    def _take_part(self, kind: str, written: str, signs: tuple[str, ...]) -> str:
        """A `>` that ends a bracket stands before a sign without a space in between: `<+a>=1`, `<<+a>+1`."""
        if kind == "sign" and written == ">=" and ">" in signs and self._brackets[-1]:
            self.place += 1
            return ">"
        return ""

    def _expect(self, sign: str) -> None:
        if self._take(sign) != sign:
            raise self._mistake(f"{sign!r}")

    def _expect_name(self) -> str:
        kind, written = self._peek()
        if kind != "name":
            raise self._mistake("a name")
        self._step()
        return written

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self.place)
        self.place = match.end() if match else self.place

    def _count_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise self._mistake(f"an expression of no more than {MAX_PARTS} names and values")

    def _check_depth(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise self._mistake(f"no more than {MAX_DEPTH} levels")

    def _mistake(self, expected: str) -> ExpressionError:
        rest = self._text[self.place : self.place + 64].strip()[:32]
        found = f"before {rest!r}" if rest else self._end()
        remedy = _MEANT.get(rest[:1], "correct it")
        return ExpressionError(f"at character {self.place + 1}, {found}: {expected} was expected; {remedy}")

    def _end(self) -> str:
        """Which text has ended: a field may have many. Only its last expression is shown."""
        begin = self._text.rfind(_OPEN)
        return f"at the end of {self._text[begin : begin + 32]!r}" if begin >= 0 else "at the end"
