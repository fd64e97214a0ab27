"""Runs in the init container: `python3 -m buildandpush.source REQUEST`; REQUEST is the JSON that the pod carries."""

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.processone import end_at_sigterm
from buildandpush.source.check import check_paths
from buildandpush.source.differences import check_dockerfile
from buildandpush.source.facts import SourceFacts, measure
from buildandpush.source.kinds import KINDS, load_kind
from buildandpush.source.patience import Clock, try_again
from buildandpush.source.report import SourceError, reason_of, render_failure, render_success, write_report


@dataclass(frozen=True)
class Fetched:
    """What was fetched and looked at."""

    facts: SourceFacts = field(default_factory=SourceFacts)
    files: int = 0
    size: int = 0
    """Of the files, in bytes."""
    warnings: tuple[str, ...] | None = None
    """What kaniko makes of the Dockerfile in another way than Docker; None if that was not to be looked at."""


def fetch(request: dict[str, Any], clock: Clock) -> Fetched:
    """Fetch what the request names and look at its Dockerfile. Raises SourceError."""
    root = Path(request["root"])
    # Kubernetes may run an init container again. Its volumes are then as it left them, perhaps in the middle of a file.
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    kind = next((name for name in KINDS if name in request), None)
    if kind is None:
        raise SourceError(Reason.SOURCE_INVALID, "the request names no source")
    limits = SourceLimits.from_request(request.get("limits", {}))
    bring = load_kind(kind)
    facts = try_again(lambda: bring(request[kind], root, limits), root, clock)
    files, size = measure(root)
    print(f"Got {files} files, {size} bytes" + (f", {facts.digest}" if facts.digest else ""), flush=True)
    check_paths(root, request["dockerfile"], request["context"])
    warnings = check_dockerfile(root, request, facts.empty_submodules) if "checks" in request else None
    return Fetched(facts, files, size, warnings)


def main(arguments: list[str], clock: Clock | None = None) -> int:
    """Fetch, report, and end with 0 or 1."""
    report, request = Path(os.environ.get("TERMINATION_LOG", "/dev/termination-log")), {}
    try:
        request = json.loads(Path(arguments[0]).read_text())
        fetched = fetch(request, clock or Clock())
        for warning in fetched.warnings or ():
            print(f"Warning: {warning}", flush=True)
        write_report(render_success(fetched.facts, fetched.files, fetched.size, fetched.warnings), report)
    except (SourceError, OSError, ValueError) as raised:
        error = raised if isinstance(raised, SourceError) else SourceError(reason_of(raised), str(raised))
        print(f"{error.reason}: {error}", file=sys.stderr)
        _report_failure(error, report, request)
        return 1
    return 0


def _report_failure(error: SourceError, report: Path, request: dict[str, Any]) -> None:
    """Write the report, for which a full disk first needs room: the source lies on the same one."""
    if error.reason is Reason.NODE_DISK_FULL and "root" in request:
        shutil.rmtree(request["root"], ignore_errors=True)
    try:
        write_report(render_failure(error), report)
    except OSError as unwritten:  # others fill the disk
        print(f"The report cannot be written: {unwritten}", file=sys.stderr)


if __name__ == "__main__":
    end_at_sigterm(128 + signal.SIGTERM)
    sys.exit(main(sys.argv[1:]))
