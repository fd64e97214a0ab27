"""What the status says of a resource as a whole."""

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.build.status import announce
from buildandpush.core.build.world import Announce, World
from buildandpush.core.run.outcome import outcome_of


def announce_end(world: World) -> Announce | None:
    """The Event for the end of the last run; None while the run is running."""
    run = world.resource.status.run
    if run is None or run.finished_at is None:
        return None
    end = outcome_of(run)
    return announce(world, Reason(end.reason), end.message) if end.reason in list(Reason) else None


def is_observed(world: World) -> bool:
    """Whether the status is about the present spec. A refused spec is always checked again, because the installer may
    allow it now."""
    status = world.resource.status
    refused = any(item.type == ConditionType.SPEC_VALID and item.status == "False" for item in status.conditions)
    return world.resource.generation == status.observed_generation and not refused
