"""The Event that tells what kaniko makes of the Dockerfile in another way than Docker."""

from dataclasses import replace

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, Condition
from buildandpush.core.build.status import announce, with_status
from buildandpush.core.build.world import Decision, World


def tell_differences(world: World, decision: Decision) -> Decision:
    """The decision with an Event, once the status begins to say it. What ends the run is told by the run's end."""
    found = _find(decision.status)
    before = _find(world.resource.status)
    if found is None or (before is not None and before.message == found.message):
        return decision
    run = decision.status.run
    key = f"run-{run.number}" if run is not None else ""
    told = announce(with_status(world, decision.status), Reason.DOCKERFILE_DIFFERS, found.message, key=key)
    return replace(decision, actions=(told, *decision.actions))


def _find(status: BuildAndPushACRStatus) -> Condition | None:
    return next(
        (
            item
            for item in status.conditions
            if item.type == ConditionType.DOCKERFILE_CHECKED and item.reason == Reason.DOCKERFILE_DIFFERS
        ),
        None,
    )
