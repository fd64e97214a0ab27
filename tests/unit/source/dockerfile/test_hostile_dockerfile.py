"""The author of a Dockerfile may be anybody: twice the text takes at most thrice the time."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from buildandpush.source.dockerfile.context import Context, TooManyFilesError
from buildandpush.source.dockerfile.examine import NotReadableError, examine
from buildandpush.source.dockerfile.finding import Settings
from buildandpush.source.dockerfile.ignorefile import is_ignored, matches_segment, read_patterns
from buildandpush.source.dockerfile.reader import read_dockerfile
from buildandpush.source.dockerfile.words import expand
from tests.unit.hostile import SlowTextError, check_linear

PIECES: Final = (
    *("--a ", "--mount=type=bind,source=a ", "<<A ", "<<", "\\\n", "# c\n", "RUN a\n", "COPY a b\n", "FROM a\n", "\n"),
    *("RUN <<A\n", "A\n", "[", '["a",', "$(", "${A", "${A:-", "}", "$A", "'", '"', '\\"', "\\", "a=", 'a="b" ', "../"),
    *("ENV A=$A$A\n", "ARG A=$A\n", "LABEL a='", "VOLUME /v\n", "USER $A\n", "COPY --from=b a /b\n", "ONBUILD "),
    *("*", "a*", "**/", "?", "[a-", "!", "ADD https://a@", "://", "@", "setcap ", "git log ", "/var/run", "a ", "/v"),
)  # fmt: skip
BEGINNINGS: Final = (
    "",
    "FROM b\n",
    "FROM b AS a\nRUN ",
    "FROM scratch\nCOPY ",
    "FROM b\nLABEL ",
    "# escape=`\nFROM b\n",
)


def _recipes() -> Iterator[tuple[str, str, str]]:
    chance = random.Random(17)
    yield from ((chance.choice(BEGINNINGS), piece, "") for piece in PIECES)
    for _ in range(20):
        yield chance.choice(BEGINNINGS), "".join(chance.choices(PIECES, k=3)), chance.choice(PIECES)


def _examine(text: str) -> None:
    settings = Settings(False, "redo", True, False, False, "linux/amd64")
    with suppress(NotReadableError, TooManyFilesError):
        examine(text, Context(Path("/nonexistent")), settings, machine="linux/amd64")


READERS: Final[dict[str, Callable[[str], Any]]] = {
    "read_dockerfile": read_dockerfile,
    "words": lambda text: [one.words for one in read_dockerfile(text).instructions],
    "expand": lambda text: expand(text, {"A": "1"}, closed=True),
    "examine": _examine,
    "read_patterns": read_patterns,
    "is_ignored": lambda text: is_ignored("a/b/c", read_patterns(text)),
    "matches_segment": lambda text: matches_segment("*a*b?", text),
}


@pytest.mark.timed
@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_takes_at_most_thrice_the_time(name: str) -> None:
    slow = []
    for recipe in _recipes():
        try:
            check_linear(READERS[name], recipe)
        except SlowTextError as error:
            slow.append(str(error))
    assert slow == []
