"""What an import tells about a resource. It becomes comments above the resource."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from buildandpush.core.text import clip

_LONGEST: Final = 480
_SHOWN: Final = 80


class Level(StrEnum):
    """The headings of the comments, in their order."""

    TODO = "To do"
    """The resource does not build the image before somebody has done this."""
    INVALID = "Not valid yet"
    """The API server or the operator refuses this."""
    LEFT_OUT = "Left out"
    """The pipeline says it, and the resource does not."""
    DIFFERS = "Differs"
    """The resource says it in another way."""


@dataclass(frozen=True)
class Note:
    """One sentence on one line."""

    level: Level
    text: str


@dataclass
class Notes:
    """Collects notes; each is kept once."""

    found: dict[Note, None] = field(default_factory=dict)
    suspends: bool = False
    """Whether something stands in for a value that nobody has given yet."""
    secrets: dict[str, list[str]] = field(default_factory=dict)
    """The Secrets that the notes ask for, with their keys."""

    def add(self, level: Level, text: str) -> None:
        """Keep a note."""
        self.found[Note(level, one_line(text))] = None

    def todo(self, text: str) -> None:
        """Keep what somebody has to do."""
        self.add(Level.TODO, text)

    def stand_in(self, text: str) -> None:
        """Keep what somebody has to replace before the first run."""
        self.suspends = True
        self.add(Level.TODO, text)

    def left_out(self, text: str) -> None:
        """Keep what the resource does not say."""
        self.add(Level.LEFT_OUT, text)

    def differs(self, text: str) -> None:
        """Keep what the resource says in another way."""
        self.add(Level.DIFFERS, text)

    def sorted(self) -> tuple[Note, ...]:
        """All notes by their heading; within one as they came."""
        order = list(Level)
        return tuple(sorted(self.found, key=lambda note: order.index(note.level)))


def one_line(text: str) -> str:
    """Fit for a comment: one line, printable, of bounded length."""
    return clip(" ".join(text.split()), _LONGEST).replace("\n", " ")


def shown(text: str) -> str:
    """A stranger's text within a note."""
    text = " ".join(text[: 4 * _SHOWN].split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def join_names(names: Iterable[str], *, most: int = 12) -> str:
    """Names as a list, a long one cut with the number of the rest."""
    each = [shown(name) for name in names]
    return ", ".join(each[:most]) + (f" and {len(each) - most} more" if len(each) > most else "")
