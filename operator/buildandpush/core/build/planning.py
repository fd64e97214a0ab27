"""The plan of a build: the spec with the values that its run has."""

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import RunStatus
from buildandpush.core.build.revision import find_artifact, find_codebase
from buildandpush.core.build.world import World
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.plan import BuildPlan, plan_build
from buildandpush.core.spec.scope import Occasion


def occasion_of(world: World, spec: BuildAndPushACRSpec, run: RunStatus) -> Occasion:
    """The values of a run that was accepted."""
    owner = world.resource.owner
    return Occasion(run.number, find_codebase(spec, run), owner.name, owner.uid, run.started_at, find_artifact(run))


def plan_run(
    world: World, spec: BuildAndPushACRSpec, run: RunStatus, settings: BuildSettings | None = None
) -> BuildPlan:
    """The plan of a run that was accepted. Raises SpecInvalidError."""
    return plan_build(spec, settings or world.settings, occasion_of(world, spec, run))
