"""The conditions of a status. Ready, Reconciling and Stalled are derived from the others and never set by hand.

How Flux and kubectl read them: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, Condition
from buildandpush.core.text import clip

ConditionValue = Literal["True", "False", "Unknown"]

_ORDER: Final[dict[str, int]] = {kind: place for place, kind in enumerate(ConditionType)}


class ConditionSet:
    """A mutable working copy of a status's conditions for one decision; `freeze` gives the sorted result back.

    The transition time moves only when the value flips.
    """

    def __init__(self, conditions: Sequence[Condition], *, generation: int, now: datetime) -> None:
        self._items = {item.type: item for item in conditions}
        self._generation = generation
        self._now = now

    def set(self, kind: ConditionType, value: ConditionValue, reason: str, message: str) -> None:
        """Set one condition."""
        before = self._items.get(kind)
        flipped = before is None or before.status != value
        self._items[kind] = Condition(
            type=kind,
            status=value,
            observed_generation=self._generation,
            last_transition_time=self._now if flipped or before is None else before.last_transition_time,
            reason=reason,
            message=clip(message, MAX_MESSAGE),
        )

    def drop(self, *kinds: ConditionType) -> None:
        """Remove conditions that no longer apply."""
        for kind in kinds:
            self._items.pop(kind, None)

    def get(self, kind: ConditionType) -> Condition | None:
        """One condition, if it is there."""
        return self._items.get(kind)

    def is_(self, kind: ConditionType, value: ConditionValue) -> bool:
        """Whether a condition is there with this value."""
        item = self._items.get(kind)
        return item is not None and item.status == value

    def freeze(self, advice: str = "") -> list[Condition]:
        """Derive the summary of a build's conditions and give all of them back. Advice stands at the end of its words,
        also of long ones."""
        self._derive(advice)
        return self.as_list()

    def as_list(self) -> list[Condition]:
        """All conditions in a fixed order, each stamped with the generation."""
        stamped = (item.model_copy(update={"observed_generation": self._generation}) for item in self._items.values())
        return sorted(stamped, key=lambda item: _ORDER.get(item.type, len(_ORDER)))

    def _derive(self, advice: str) -> None:
        """Ready, Reconciling and Stalled follow from SpecValid, Completed and Succeeded."""
        invalid = self.is_(ConditionType.SPEC_VALID, "False")
        deciding = self._deciding(ConditionType.SPEC_VALID if invalid else ConditionType.SUCCEEDED)
        if advice:
            deciding = deciding.model_copy(update={"message": _add(advice, deciding.message)})
        if invalid or self.is_(ConditionType.SUCCEEDED, "False"):
            self.set(ConditionType.READY, "False", deciding.reason, deciding.message)
            self.set(ConditionType.STALLED, "True", deciding.reason, deciding.message)
            self.drop(ConditionType.RECONCILING)
        elif self.is_(ConditionType.SUCCEEDED, "True") or deciding.reason == Reason.SKIPPED:
            self.set(ConditionType.READY, "True", deciding.reason, deciding.message)
            self.drop(ConditionType.RECONCILING, ConditionType.STALLED)
        else:
            self.set(ConditionType.READY, "Unknown", deciding.reason, deciding.message)
            self.drop(ConditionType.STALLED)
            if deciding.reason == Reason.SUSPENDED:
                self.drop(ConditionType.RECONCILING)
            else:
                self.set(ConditionType.RECONCILING, "True", deciding.reason, deciding.message)

    def _deciding(self, kind: ConditionType) -> Condition:
        found = self._items.get(kind)
        if found is not None:
            return found
        return Condition(
            type=kind,
            status="Unknown",
            observed_generation=self._generation,
            last_transition_time=self._now,
            reason=Reason.ACCEPTED,
            message="",
        )


def _add(advice: str, message: str) -> str:
    kept = clip(message.removesuffix("."), MAX_MESSAGE - len(advice) - 2)
    return f"{kept}. {advice}" if kept else advice


def keep_times(before: Sequence[Condition], after: Sequence[Condition]) -> list[Condition]:
    """The conditions after a decision that set some of them twice. The transition time of a value that is the same as
    before the decision stays."""
    known = {(item.type, item.status): item.last_transition_time for item in before}
    return [
        item.model_copy(update={"last_transition_time": known.get((item.type, item.status), item.last_transition_time)})
        for item in after
    ]
