"""Since when resources that wait are as they are. The longer that is, the later they are looked at again."""

from collections.abc import Callable
from datetime import datetime

from buildandpush.handlers.objects import Key


class Unchanged:
    """The versions of resources, and since when this process knows them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[str, datetime]] = {}

    def find_since(self, key: Key, version: str) -> datetime:
        """Since when the resource has this version; just now for one that is not known."""
        now = self._clock()
        known, since = self._known.get(key, (version, now))
        self._known[key] = (version, since if known == version else now)
        return self._known[key][1]

    def forget(self, key: Key) -> None:
        """The resource is gone, or waits for nothing."""
        self._known.pop(key, None)
