"""The builds of a run: what each of them has of its own, and the world in which it is the only one.

One build's way (core/build) knows of no other builds. So a run of several builds is taken apart into worlds of one
build each, and what becomes of them is put together again: see `fold`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.status import BuildCondition, BuildStatus, Condition, Effective, RunStatus
from buildandpush.core.build.status import set_progress
from buildandpush.core.build.world import World
from buildandpush.core.conditions import ConditionSet

ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.IGNORED, Phase.CANCELLED, Phase.SUPERSEDED})
"""Phases of a build that goes no further."""


def has_ended(build: BuildStatus) -> bool:
    """Whether the build goes no further."""
    return build.phase in ENDED


def name_build(build: BuildStatus) -> str:
    """What a build of several is called in messages: its number, counted from 0, and what it was made for."""
    values = ", ".join(f"{axis}={value}" for axis, value in (build.matrix or {}).items())
    return f"build {build.key} ({values})" if values else f"build {build.key}"


def begin_with(build: BuildStatus) -> str:
    """The name of a build of several as the beginning of a sentence."""
    name = name_build(build)
    return name[:1].upper() + name[1:]


def effective_of(run: RunStatus, build: BuildStatus) -> Effective:
    """The values in force for one build of the run."""
    own = {"repository": build.repository, "cache_repository": build.cache_repository}
    return run.effective.model_copy(update={name: value for name, value in own.items() if value is not None})


def single_out(world: World, run: RunStatus, build: BuildStatus) -> World:
    """The world in which the build is the only one of its run. The pods of its siblings are not in it: they push other
    tags, so nobody has to wait for them."""
    alone = run.model_copy(
        update={
            "builds": [build],
            "effective": effective_of(run, build),
            "source": build.source or run.source,
            "next_run_at": None,
        }
    )
    status = world.resource.status
    conditions = ConditionSet(list(_restore(world, build)), generation=status.observed_generation, now=run.started_at)
    if build.reason is not None:
        set_progress(conditions, build.reason, build.message or "")
    changed = status.model_copy(update={"run": alone, "phase": build.phase, "conditions": conditions.as_list()})
    pods = {name: pod for name, pod in world.pods.items() if pod.run != run.number or pod.build == int(build.key)}
    return replace(world, resource=replace(world.resource, status=changed), pods=pods)


def _restore(world: World, build: BuildStatus) -> Iterator[Condition]:
    """The build's conditions as a resource has them."""
    status = world.resource.status
    yield from (item for item in status.conditions if item.type == ConditionType.SPEC_VALID)
    for item in build.conditions or ():
        yield Condition(
            type=item.type,
            status=item.status,
            observed_generation=status.observed_generation,
            last_transition_time=world.now,
            reason=item.reason,
            message=item.message or "",
        )


def keep_conditions(conditions: list[Condition], kinds: tuple[ConditionType, ...], room: int) -> list[BuildCondition]:
    """The conditions of these kinds as a build of several keeps them. Messages have up to `room` characters; a
    condition that is as it should be needs none."""
    return [
        BuildCondition(
            type=item.type,
            status=item.status,
            reason=item.reason,
            message=None if item.status == "True" else item.message[:room],
        )
        for item in conditions
        if item.type in kinds
    ]
