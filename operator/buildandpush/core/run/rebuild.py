"""The rebuild annotation: which value asks for a run, which run answers it, and which value has been dealt with."""

import re
from typing import Any, Final

from buildandpush.api.meta import Phase
from buildandpush.api.status import MAX_HANDLED_REBUILDS, BuildAndPushACRStatus, RunStatus
from buildandpush.core.build.world import World
from buildandpush.core.run.outcome import outcome_of

HANDLED_FIELD: Final = "status.handledRebuilds"
COMPLETED_FIELD: Final = "status.completedRebuild"


_FAILED_ONLY: Final = re.compile("failed-[0-9]+")


def wants_failed_only(value: str | None) -> bool:
    """Whether a rebuild request asks for those builds alone that failed: `failed-` and a number that tells one such
    request from the next."""
    return value is not None and _FAILED_ONLY.fullmatch(value) is not None


def wants_rebuild(world: World) -> bool:
    """Whether the annotation asks for something that was not done yet. Without the annotation nothing is asked.

    Where the API server drops the memory of what was done, nothing is: each end of a run would start the next.
    """
    resource = world.resource
    asked = bool(resource.rebuild) and resource.rebuild not in resource.status.handled_rebuilds
    return asked and HANDLED_FIELD not in world.pruned


def find_request(world: World) -> str | None:
    """The value that the next run answers, or None.

    A run that gave way to a newer spec has answered nothing: its successor answers in its place.
    """
    status = world.resource.status
    if wants_rebuild(world):
        return world.resource.rebuild
    last, handled = status.run, status.handled_rebuilds
    if last is None or last.rebuild is None or outcome_of(last).phase != Phase.SUPERSEDED:
        return None
    return last.rebuild if handled[-1:] == [last.rebuild] else None


def begin_request(status: BuildAndPushACRStatus, value: str | None) -> dict[str, Any]:
    """The changes to a status whose next run answers this value. The value is not complete until that run has ended."""
    changes = _note_handled(status, value)
    if value is not None and status.completed_rebuild == value:
        changes["completed_rebuild"] = None
    return changes


def complete_request(status: BuildAndPushACRStatus, value: str | None) -> dict[str, Any]:
    """The changes to a status that answers this value without a run."""
    return {**_note_handled(status, value), **({"completed_rebuild": value} if value is not None else {})}


def end_request(run: RunStatus, phase: str) -> dict[str, Any]:
    """The changes to a status whose run has ended in this phase."""
    answered = run.rebuild is not None and phase != Phase.SUPERSEDED
    return {"completed_rebuild": run.rebuild} if answered else {}


def refuse_request(world: World) -> dict[str, Any]:
    """The changes to a status where a request waits for a correction of the spec.

    Nothing more happens until the user acts, so a wait for the request ends. The request itself stays open.
    """
    run = world.resource.status.run
    stuck = run.rebuild if run is not None and run.finished_at is None else None
    value = find_request(world) or stuck
    return {"completed_rebuild": value} if value else {}


def resume_request(status: BuildAndPushACRStatus, run: RunStatus) -> dict[str, Any]:
    """The changes to a status whose run goes on after a correction of the spec."""
    return {"completed_rebuild": None} if run.rebuild and run.rebuild == status.completed_rebuild else {}


def _note_handled(status: BuildAndPushACRStatus, value: str | None) -> dict[str, Any]:
    if value is None or value in status.handled_rebuilds:
        return {}
    return {"handled_rebuilds": [*status.handled_rebuilds, value][-MAX_HANDLED_REBUILDS:]}
