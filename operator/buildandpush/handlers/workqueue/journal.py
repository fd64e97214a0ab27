"""Whose pass holds the event loop: in a file, so that the process that comes after knows what ended the one before.

A pass that never lets go of the event loop cannot tell anybody. The kubelet kills the process, and the next one takes
the same resource up again. So the name of the resource is written down before each step of its pass and wiped out
after it. A name that a new process finds there is a strike against the resource.

The file is in a volume of the operator's pod, which outlives its containers. Nothing is written to a resource, and the
other replica does not see it: it has to find out for itself.
"""

import json
import mmap
import os
from pathlib import Path
from typing import Final

import structlog

from buildandpush.core.jsonvalue import UnreadableError, parse_object

_log = structlog.get_logger(__name__)

SUSPECT_STRIKES: Final = 2
"""Once may be chance: somebody killed the process in just that moment."""
GOOD_PASSES: Final = 20
"""So many passes that go well take a resource's strikes away."""
_MAX_STRUCK: Final = 256
_SLOT_BYTES: Final = 1024
"""Longer than any kind, namespace and name together."""


class Journal:
    """The strikes against resources, by their keys in words, and whose pass goes on at the moment.

    Without a folder, or with one that cannot be written, all is forgotten with the process.
    """

    def __init__(self, folder: str = "") -> None:
        self._strikes: dict[str, int] = {}
        self._good: dict[str, int] = {}
        """Passes that went well since the last strike, of those that have one."""
        self._path: Path | None = None
        self._slot: mmap.mmap | None = None
        if folder:
            self._open(Path(folder))

    def _open(self, folder: Path) -> None:
        try:
            self._path = folder / "strikes.json"
            if self._path.exists():
                found = parse_object(self._path.read_bytes())
                self._strikes = {str(key): count for key, count in found.items() if isinstance(count, int)}
            with (folder / "under-way").open("a+b") as file:
                file.truncate(_SLOT_BYTES)
                # Without a place of its own, a write to the map ends the process by a signal where the disk is full.
                os.posix_fallocate(file.fileno(), 0, _SLOT_BYTES)
                self._slot = mmap.mmap(file.fileno(), _SLOT_BYTES)
        except (OSError, UnreadableError) as error:
            _log.warning("journal.not_read", folder=str(folder), error=str(error))
        if self._slot is not None:
            key = self._slot[:].partition(b"\0")[0].decode(errors="replace")
            self.end()
            if key:
                self.strike(key, "the process ended in the middle of its pass")

    def begin(self, key: str) -> None:
        """A step of this resource's pass begins."""
        if self._slot is not None:
            name = key.encode()[: _SLOT_BYTES - 1]
            # The first byte last, so that half a name is none.
            self._slot[1 : len(name) + 1] = name[1:] + b"\0"
            self._slot[:1] = name[:1]

    def end(self) -> None:
        """The step has ended."""
        if self._slot is not None:
            self._slot[:1] = b"\0"

    def strikes(self, key: str) -> int:
        """How often this resource's pass held everything up of late."""
        return self._strikes.get(key, 0)

    def strike(self, key: str, why: str) -> None:
        """Count one against a resource."""
        self._strikes[key] = self._strikes.pop(key, 0) + 1
        self._good.pop(key, None)
        if len(self._strikes) > _MAX_STRUCK:
            oldest = next(iter(self._strikes))
            del self._strikes[oldest]
            self._good.pop(oldest, None)
        _log.error("journal.strike", key=key, strikes=self._strikes[key], why=why)
        self._save()

    def acquit(self, key: str) -> None:
        """A pass over this resource went well. So many have to that one which goes well now and then does not count."""
        if key not in self._strikes:
            return
        self._good[key] = self._good.get(key, 0) + 1
        if self._good[key] >= GOOD_PASSES:
            del self._strikes[key], self._good[key]
            self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            written = self._path.with_suffix(".new")
            written.write_text(json.dumps(self._strikes))
            written.replace(self._path)
        except OSError as error:
            _log.warning("journal.not_written", path=str(self._path), error=str(error))
