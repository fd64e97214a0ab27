"""A request to cancel that does not name the run on its way. It stops nothing, and the status says so."""

from dataclasses import replace
from typing import Final

from buildandpush.api.meta import ANNOTATION_CANCEL
from buildandpush.core.build.status import conditions_of, with_status
from buildandpush.core.build.world import Decision, World
from buildandpush.core.text import clip

_SHOWN: Final = 40
_DIGITS: Final = 15


def note_futile_cancel(world: World, decision: Decision) -> Decision:
    """The decision, where Ready says of such a request what to write instead. The number of an earlier run is what is
    left of a request that was met."""
    run, value = decision.status.run, world.resource.cancel.strip()
    if not value or run is None or run.finished_at is not None or run.stopping_at is not None:
        return decision
    if value == str(run.number) or _is_below(value, run.number):
        return decision
    advice = (
        f"The annotation {ANNOTATION_CANCEL} is {clip(value, _SHOWN)!r}, which is not the number of this run, so it "
        f"does not stop the run. To stop it, set the annotation to {run.number}."
    )
    conditions = conditions_of(with_status(world, decision.status)).freeze(advice)
    return replace(decision, status=decision.status.model_copy(update={"conditions": conditions}))


def _is_below(value: str, number: int) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value) < number
