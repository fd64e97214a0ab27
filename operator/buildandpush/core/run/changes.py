"""What spec and annotations have come to say while a run is on its way."""

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import RunStatus
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.run import progress
from buildandpush.core.run.planning import plan_next, plan_run
from buildandpush.core.run.status import (
    is_observed,
    with_status,
)
from buildandpush.core.run.world import World
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.spechash import hash_spec


def is_cancelled(world: World, run: RunStatus) -> bool:
    """Whether the run was asked to end."""
    return bool(run.cancelled) or world.resource.cancel.strip() == str(run.number)


def asks_for_another_image(world: World, run: RunStatus) -> BuildAndPushACRSpec | None:
    """The spec, if it is new and asks for another image than the one on its way.

    A spec whose generation was observed and accepted never does, whatever its hash: an operator of another version may
    hash differently, and an upgrade rebuilds nothing.
    """
    if is_observed(world):
        return None
    try:
        spec = parse_spec(world.resource.spec)
        plan_next(world, spec, run.number + 1)
    except SpecInvalidError:
        return None
    return spec if hash_spec(spec) != run.spec_hash else None


def is_replaced(world: World, run: RunStatus) -> bool:
    """Whether the run gives way to a newer spec now: not where that would wait, queued or suspended, anyway."""
    if run.stopping_at is not None:
        return True
    spec = asks_for_another_image(world, run)
    return spec is not None and spec.on_change != "Queue" and not spec.suspend


def observe_generation(world: World, run: RunStatus) -> World:
    """The world with a status that has taken notice of the current generation, unless that wants its own run."""
    if is_observed(world) or asks_for_another_image(world, run):
        return world
    try:
        spec = parse_spec(world.resource.spec)
        plan_run(world, spec, run)
    except SpecInvalidError as error:
        return with_status(world, progress.reject(world, error, stuck=False).status)
    return with_status(world, progress.accept(world).status)
