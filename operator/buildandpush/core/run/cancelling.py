"""A request to cancel that does not name the run on its way. It stops nothing, and the status says so."""

from dataclasses import replace
from typing import Final

from buildandpush.api.meta import ANNOTATION_CANCEL, ConditionType
from buildandpush.api.status import MAX_MESSAGE, Condition
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
    conditions = [_advise(item, advice) for item in decision.status.conditions]
    return replace(decision, status=decision.status.model_copy(update={"conditions": conditions}))


def _is_below(value: str, number: int) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value) < number


def _advise(condition: Condition, advice: str) -> Condition:
    if condition.type != ConditionType.READY or condition.message.endswith(advice):
        return condition
    message = condition.message.removesuffix(".")
    told = f"{clip(message, MAX_MESSAGE - len(advice) - 2)}. {advice}" if message else advice
    return condition.model_copy(update={"message": told})
