"""A table of what was used last, for what is keyed by words of users': it is bounded, and what went comes back."""

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES: Final = 4096


class Recent(Generic[K, V]):
    """At most `size` entries, those used last; of more only ones that are not idle."""

    def __init__(self, size: int = MAX_ENTRIES, *, is_idle: Callable[[V], bool] = lambda value: True) -> None:
        self._size = size
        self._is_idle = is_idle
        self._entries: dict[K, V] = {}
        """The one used last at the end."""

    def get(self, key: K) -> V | None:
        """The entry, used by that; None where there is none."""
        if key not in self._entries:
            return None
        self._entries[key] = found = self._entries.pop(key)
        return found

    def put(self, key: K, value: V) -> V:
        """Take in an entry, and let go of those used longest ago."""
        self._entries.pop(key, None)
        self._entries[key] = value
        over = len(self._entries) - self._size
        if over > 0:
            idle = (old for old, item in self._entries.items() if old != key and self._is_idle(item))
            for old in list(islice(idle, over)):  # no more of them are looked at than have to go
                del self._entries[old]
        return value

    def pop(self, key: K) -> None:
        """Let go of an entry, if it is there."""
        self._entries.pop(key, None)

    def drop(self, condemned: Callable[[K], bool]) -> None:
        """Let go of all entries of such keys."""
        for key in [key for key in self._entries if condemned(key)]:
            del self._entries[key]

    def items(self) -> list[tuple[K, V]]:
        """All entries, none of them used by that."""
        return list(self._entries.items())

    def __len__(self) -> int:
        return len(self._entries)
