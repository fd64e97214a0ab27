"""Plans of a run: the spec with the values that the run has, or that the next one would have."""

from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import RunStatus
from buildandpush.core.facts import Commit
from buildandpush.core.run.questions import AskCommit
from buildandpush.core.run.revision import find_artifact, find_codebase, found_codebase, revision_of
from buildandpush.core.run.world import World, answer
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.codebase import Codebase
from buildandpush.core.spec.plan import BuildPlan, plan_build
from buildandpush.core.spec.scope import Occasion
from buildandpush.core.spec.strategy import condition_names, is_met

_FRESH: Final = timedelta(minutes=5)
"""A condition is judged by a commit that was found since the last full five minutes, so that one answer serves all."""


def occasion_of(world: World, spec: BuildAndPushACRSpec, run: RunStatus) -> Occasion:
    """The values of a run that was accepted."""
    owner = world.resource.owner
    return Occasion(run.number, find_codebase(spec, run), owner.name, owner.uid, run.started_at, find_artifact(run))


def next_occasion(world: World, number: int, codebase: Codebase | None = None) -> Occasion:
    """The values of a run that would start now."""
    owner = world.resource.owner
    return Occasion(number, codebase, owner.name, owner.uid, world.now)


def plan_run(
    world: World, spec: BuildAndPushACRSpec, run: RunStatus, settings: BuildSettings | None = None
) -> BuildPlan:
    """The plan of a run that was accepted. Raises SpecInvalidError."""
    return plan_build(spec, settings or world.settings, occasion_of(world, spec, run))


def plan_next(world: World, spec: BuildAndPushACRSpec, number: int, codebase: Codebase | None = None) -> BuildPlan:
    """The plan of a run that would start now. Raises SpecInvalidError."""
    return plan_build(spec, world.settings, next_occasion(world, number, codebase))


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
