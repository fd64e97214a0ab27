"""The conditions of `when`: a small language of its own, so that nothing of a spec is ever run as code.

condition := or            or  := and { "||" and }        and := not { "&&" not }
not       := [ "!" ] comparison
comparison := value [ ( "==" | "!=" | "<=" | ">=" | "<" | ">" ) value ]
value     := "(" or ")" | number | "text" | 'text' | true | false | <+pipeline.sequenceId>
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from buildandpush.core.errors import SpecInvalidError

Value = bool | float | str

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<variable><\+[A-Za-z0-9_.]+>)|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z]+)"""
    r"""|(?P<text>"[^"]*"|'[^']*')|(?P<sign>\|\||&&|==|!=|<=|>=|[<>!()]))"""
)
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FIELD: Final = "when.condition"
_MAX_DEPTH: Final = 32


def evaluate(text: str, variables: Mapping[str, Value]) -> bool:
    """Whether a condition is met. Raises SpecInvalidError with the place of a mistake and what was expected there.

    Both sides of && and || are always evaluated, so that a mistake in either is found.
    """
    reader = _Reader(text, variables)
    value = reader.read_or(0)
    reader.expect_end()
    if not isinstance(value, bool):
        raise SpecInvalidError(_FIELD, f"{text[:128]!r} is no condition but a value; compare it with another")
    return value


class _Reader:
    """Reads one condition from the left to the right."""

    def __init__(self, text: str, variables: Mapping[str, Value]) -> None:
        self._text = text
        self._variables = variables
        self._place = 0

    def read_or(self, depth: int) -> Value:
        value = self._read_and(depth)
        while self._take("||"):
            right = self._read_and(depth)
            value = self._truth(value) | self._truth(right)
        return value

    def _read_and(self, depth: int) -> Value:
        value = self._read_not(depth)
        while self._take("&&"):
            right = self._read_not(depth)
            value = self._truth(value) & self._truth(right)
        return value

    def _read_not(self, depth: int) -> Value:
        if self._take("!"):
            self._check_depth(depth)
            return not self._truth(self._read_not(depth + 1))
        left = self._read_value(depth)
        for sign in ("==", "!=", "<=", ">=", "<", ">"):
            if self._take(sign):
                return self._compare(sign, left, self._read_value(depth))
        return left

    def _read_value(self, depth: int) -> Value:
        if self._take("("):
            self._check_depth(depth)
            value = self.read_or(depth + 1)
            if not self._take(")"):
                raise self._mistake("a closing parenthesis")
            return value
        match = _TOKEN.match(self._text, self._place)
        kind = match.lastgroup if match else None
        if match is None or kind is None or kind == "sign":
            raise self._mistake("a value")
        written = match[kind]
        if kind == "word" and written not in ("true", "false"):
            raise self._mistake("true, false, a number, a text in quotes or an expression")
        if kind == "variable" and written not in self._variables:
            raise self._mistake(f"one of {', '.join(self._variables)}")
        self._place = match.end()
        values: dict[str, Callable[[], Value]] = {
            "variable": lambda: self._variables[written],
            "number": lambda: float(written),
            "word": lambda: written == "true",
            "text": lambda: written[1:-1],
        }
        return values[kind]()

    def _compare(self, sign: str, left: Value, right: Value) -> bool:
        if sign in ("==", "!="):
            same = type(left) is type(right) and left == right
            return same if sign == "==" else not same
        if type(left) is not type(right) or isinstance(left, bool):
            raise self._mistake(f"two numbers or two texts around {sign}")
        return _ORDER[sign](left, right)

    def _truth(self, value: Value) -> bool:
        if not isinstance(value, bool):
            raise self._mistake("a comparison: this is a value")
        return value

    def _take(self, sign: str) -> bool:
        match = _TOKEN.match(self._text, self._place)
        if match is None or match["sign"] != sign:
            return False
        self._place = match.end()
        return True

    def expect_end(self) -> None:
        if self._text[self._place :].strip():
            raise self._mistake("the end, && or ||")

    def _check_depth(self, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            raise self._mistake(f"no more than {_MAX_DEPTH} levels")

    def _mistake(self, expected: str) -> SpecInvalidError:
        rest = self._text[self._place :].strip()[:32] or "the end"
        message = f"at character {self._place + 1}, before {rest!r}: {expected} was expected; correct it"
        return SpecInvalidError(_FIELD, message)
