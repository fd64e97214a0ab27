"""Writes the files of an inline source."""

from pathlib import Path
from typing import Any

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.facts import SourceFacts
from buildandpush.source.report import SourceError, reason_of


def write_files(inline: dict[str, Any], root: Path, _: SourceLimits = USUAL_LIMITS) -> SourceFacts:
    """Write each file below the root; raises SourceError for a path that is no plain relative one."""
    for name, text in sorted(inline["files"].items()):
        path = root / name
        if (path.is_absolute() and not path.is_relative_to(root)) or ".." in path.parts:
            raise SourceError(Reason.SOURCE_INVALID, f"inline file {name!r} is outside of the source")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        except OSError as error:
            raise SourceError(reason_of(error), f"inline file {name!r}: {error.strerror}") from error
    return SourceFacts()
