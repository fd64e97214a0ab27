"""Whether a change of a status says only how far builds have come. Such a change may be written a little later."""

from typing import Final

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, BuildStatus, Condition

_BEFORE: Final = frozenset({None, Reason.QUEUED, Reason.POD_CREATED})
_AFTER: Final = frozenset({Reason.POD_CREATED, Reason.BUILDING})
_TELLING: Final = frozenset(
    {
        ConditionType.SUCCEEDED,
        ConditionType.COMPLETED,
        ConditionType.READY,
        ConditionType.RECONCILING,
        ConditionType.SOURCE_READY,
        ConditionType.DOCKERFILE_CHECKED,
    }
)
"""Conditions that follow a build on its way."""


def tells_only_progress(before: BuildAndPushACRStatus, after: BuildAndPushACRStatus) -> bool:
    """Whether a status only adds that pods were created, and that sources were fetched and kaniko builds in them.

    Nobody has to act on that, and no later decision needs it: the pods themselves say it. A trouble, what is waited
    for, an end, and whatever a pod is created from are more than that.
    """
    former, run = before.run, after.run
    if former is None or run is None or run.finished_at is not None or len(run.builds) != len(former.builds):
        return False
    if not all(_comes_further(old, new) for old, new in zip(former.builds, run.builds, strict=True)):
        return False
    if _others(before.conditions) != _others(after.conditions):
        return False
    rest = run.model_copy(update={"builds": former.builds, "source": former.source})
    told = {"run": former, "conditions": before.conditions, "phase": before.phase}
    return rest == former and after.model_copy(update=told) == before


def _comes_further(old: BuildStatus, new: BuildStatus) -> bool:
    return old == new or (old.reason in _BEFORE and new.reason in _AFTER and old.attempt == new.attempt)


def _others(conditions: list[Condition]) -> list[Condition]:
    return [item for item in conditions if item.type not in _TELLING]
