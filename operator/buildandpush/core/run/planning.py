"""Plans of a run: the spec with the values that the run has, or that the next one would have."""

from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import RunStatus
from buildandpush.core.build.planning import plan_run
from buildandpush.core.build.questions import AskCommit
from buildandpush.core.build.revision import found_codebase, revision_of
from buildandpush.core.build.status import run_of
from buildandpush.core.build.world import World, answer
from buildandpush.core.facts import Commit
from buildandpush.core.run.builds import single_out
from buildandpush.core.spec.builds import PlannedBuild, plan_builds
from buildandpush.core.spec.codebase import Codebase
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.spec.scope import Occasion
from buildandpush.core.spec.strategy import condition_names, is_met

_FRESH: Final = timedelta(minutes=5)
"""A condition is judged by a commit that was found since the last full five minutes, so that one answer serves all."""


def next_occasion(world: World, number: int, codebase: Codebase | None = None) -> Occasion:
    """The values of a run that would start now."""
    owner = world.resource.owner
    return Occasion(number, codebase, owner.name, owner.uid, world.now)


def plan_first(world: World, spec: BuildAndPushACRSpec, run: RunStatus) -> BuildPlan:
    """The plan of the first build of a run that was accepted. What it says of the source holds for all builds. Raises
    SpecInvalidError."""
    alone = single_out(world, run, run.builds[0])
    return plan_run(alone, spec, run_of(alone))


def plan_next(
    world: World, spec: BuildAndPushACRSpec, number: int, codebase: Codebase | None = None
) -> tuple[PlannedBuild, ...]:
    """The builds of a run that would start now, with their plans. Raises SpecInvalidError."""
    return plan_builds(spec, world.settings, next_occasion(world, number, codebase))


def is_wanted(world: World, spec: BuildAndPushACRSpec, plan: BuildPlan, number: int) -> bool | None:
    """Whether the condition of `when` is met for the next run; None while the commit that it speaks of is looked up.

    `plan` is that run's. It is asked as the run itself will ask, so that one answer serves both.

    If the git server does not tell the commit, the run starts, and says so.
    """
    if not condition_names(spec.when) or plan.source.git is None:
        return is_met(spec, next_occasion(world, number))
    at = revision_of(plan.source.git)
    found = answer(world, AskCommit(at, _floor(world.now), details=plan.wants_details))
    if found is None:
        return None
    if not isinstance(found, Commit):
        return True
    return is_met(spec, next_occasion(world, number, found_codebase(spec, found)))


def _floor(now: datetime) -> datetime:
    return now - timedelta(seconds=now.timestamp() % _FRESH.total_seconds())
