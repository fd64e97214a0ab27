"""The plan of a build: the spec with the values that its run has."""

from dataclasses import replace

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import RunStatus
from buildandpush.core.build.revision import find_artifact, find_codebase
from buildandpush.core.build.status import build_of
from buildandpush.core.build.world import World
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.matrix import has_strategy
from buildandpush.core.spec.plan import BuildPlan, plan_build
from buildandpush.core.spec.scope import Occasion


def occasion_of(world: World, spec: BuildAndPushACRSpec, run: RunStatus) -> Occasion:
    """The values of the build and its run, which was accepted. Raises SpecInvalidError."""
    owner = world.resource.owner
    occasion = Occasion(run.number, find_codebase(spec, run), owner.name, owner.uid, run.started_at, find_artifact(run))
    if not has_strategy(spec):
        return occasion
    key = build_of(run).key
    found = world.expansions.find(spec, occasion, key)
    if found is None:
        raise SpecInvalidError("strategy", f"it has no build {key} any more, which is on its way; restore it")
    return replace(occasion, combination=found)


def plan_run(
    world: World, spec: BuildAndPushACRSpec, run: RunStatus, settings: BuildSettings | None = None
) -> BuildPlan:
    """The plan of a build whose run was accepted. Raises SpecInvalidError."""
    return plan_build(spec, settings or world.settings, occasion_of(world, spec, run))
