"""What an older CRD keeps the operator from doing, told on the resources that it affects."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from buildandpush.api.meta import BUILD_PLURAL, GROUP, ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.build.status import announce, conditions_of, with_status
from buildandpush.core.build.world import Decision, World
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.run.rebuild import COMPLETED_FIELD, HANDLED_FIELD

_OF_BUILDS: Final = tuple(f"status.run.builds.{name}" for name in ("repository", "cacheRepository", "source"))
"""What the builds of a run have of their own. Without it one would be taken for another."""

LOOK_AGAIN: Final = timedelta(minutes=10)
"""How often a request is looked at that only a newer CRD can hold."""


def check_strategy(world: World) -> None:
    """Raise SpecInvalidError where the CRD drops what tells the builds of a run apart."""
    dropped = [field for field in _OF_BUILDS if field in world.pruned]
    if dropped:
        raise SpecInvalidError(
            "strategy",
            f"the CRD {BUILD_PLURAL}.{GROUP} is older and lacks {' and '.join(dropped)}, so the builds of a "
            "run cannot be told apart; apply the CRDs of the operator's version",
        )


def note_outdated(world: World, decision: Decision) -> Decision:
    """The decision, with a condition of its own where the CRD drops what a rebuild request needs. Ready is not touched:
    the image is what it is."""
    dropped = [field for field in (HANDLED_FIELD, COMPLETED_FIELD) if field in world.pruned]
    status = decision.status
    conditions = conditions_of(with_status(world, status))
    if not dropped or not world.resource.rebuild:
        if conditions.get(ConditionType.CRD_CURRENT) is None:
            return decision
        conditions.drop(ConditionType.CRD_CURRENT)
        return replace(decision, status=status.model_copy(update={"conditions": conditions.as_list()}))
    effect = "no rebuild starts" if HANDLED_FIELD in dropped else "no wait for a rebuild ends"
    message = describe(Reason.CRD_OUTDATED, f"{BUILD_PLURAL}.{GROUP} lacks {' and '.join(dropped)}, so {effect}")
    conditions.set(ConditionType.CRD_CURRENT, "False", Reason.CRD_OUTDATED, message)
    told = status.model_copy(update={"conditions": conditions.as_list()})
    actions = decision.actions
    if all(item.type != ConditionType.CRD_CURRENT for item in world.resource.status.conditions):
        actions = (*actions, announce(world, Reason.CRD_OUTDATED, message, key="crd"))
    wake = min(filter(None, (decision.wake_at, world.now + LOOK_AGAIN)))
    return replace(decision, status=told, actions=actions, wake_at=wake)
