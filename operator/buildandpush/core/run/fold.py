"""Puts together what becomes of the builds of a run: the run, its conditions, and what follows for the resource."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import (
    MAX_BUILD_CONDITION,
    MAX_MESSAGE,
    BuildCondition,
    BuildStatus,
    Effective,
    RunStatus,
    SourceStatus,
)
from buildandpush.core.build.status import build_of, conditions_of, set_progress, with_status
from buildandpush.core.build.world import Action, Announce, CreatePod, Decision, World
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.run.builds import begin_with, effective_of, has_ended, keep_conditions, name_build
from buildandpush.core.run.conclude import conclude
from buildandpush.core.run.outcome import Outcome, outcome_of
from buildandpush.core.run.status import announce_end
from buildandpush.core.text import clip

BUILD_CONDITIONS: Final = (
    ConditionType.SOURCE_READY,
    ConditionType.DOCKERFILE_CHECKED,
    ConditionType.BUILT,
    ConditionType.PUSHED,
    ConditionType.VERIFIED,
)
"""Conditions that each build has of its own."""
_ALL_TEXT: Final = 24 * 1024
"""Characters that all messages of a run's builds have together, and the ends of their logs once more."""
_LEAST_TEXT: Final = 256


def fold(world: World, run: RunStatus, steps: Mapping[str, Decision]) -> Decision:
    """The decision for the run whose builds have taken these steps, by their keys. The others stay as they are."""
    changed = _put_together(run, steps)
    status = world.resource.status
    conditions = conditions_of(world)
    _set_conditions(conditions, changed.builds)
    outcome = outcome_of(changed)
    actions = [action for build in run.builds for action in _actions(build, steps)]
    wakes = [step.wake_at for step in steps.values() if step.wake_at is not None]
    ended = all(has_ended(build) for build in changed.builds)
    if ended:
        changed = changed.model_copy(update={"finished_at": world.now})
    _set_outcome(conditions, outcome, ended=ended)
    updates: dict[str, Any] = {"run": changed, "phase": outcome.phase, "conditions": conditions.freeze()}
    status = status.model_copy(update=updates)
    if ended:
        status = conclude(world, status, changed, world.now)
        event = announce_end(with_status(world, status))
        actions += [event] if event is not None else []
        wakes += [world.now] if outcome.phase == Phase.SUPERSEDED else []
    questions = frozenset(question for step in steps.values() for question in step.questions)
    return Decision(status, tuple(actions), questions, min(wakes, default=None))


def _put_together(run: RunStatus, steps: Mapping[str, Decision]) -> RunStatus:
    """The run with what its builds wrote into theirs."""
    runs = {key: cast("RunStatus", step.status.run) for key, step in steps.items()}
    effective = {
        build.key: runs[build.key].effective if build.key in runs else effective_of(run, build) for build in run.builds
    }
    first = effective[run.builds[0].key]
    latest = next(iter(runs.values()), run).effective
    common = latest.model_copy(update={"repository": first.repository, "cache_repository": first.cache_repository})
    alone = {build.key for build in run.builds if build.source is not None}
    source = _share_source(run.source, [found.source for key, found in runs.items() if key not in alone])
    room = max(_LEAST_TEXT, _ALL_TEXT // len(run.builds))
    builds = [
        _shorten(_keep_own(build, steps.get(build.key), effective[build.key], common, source), room)
        for build in run.builds
    ]
    everyone = (run, *runs.values())
    return run.model_copy(
        update={
            "builds": builds,
            "effective": common,
            "source": source,
            "inputs": _merge_inputs(run, runs.values()),
            "generation": max(found.generation for found in everyone),
            "without_user_namespace": any(found.without_user_namespace for found in everyone) or None,
            "cancelled": any(found.cancelled for found in everyone) or None,
            "stopping_at": _first(found.stopping_at for found in everyone),
            "next_run_at": _first(found.next_run_at for found in everyone),
        }
    )


def _share_source(known: SourceStatus | None, found: Iterable[SourceStatus | None]) -> SourceStatus | None:
    """What all builds have fetched. What is known first counts; a build that fetched something else has its own."""
    for other in found:
        if other is None or known is None:
            known = known or other
        elif not _is_other(known, other):
            missing = {name: value for name, value in other if getattr(known, name) is None}
            known = known.model_copy(update=missing)
    return known


def _is_other(known: SourceStatus | None, found: SourceStatus | None) -> bool:
    """Whether a build has fetched something else than is known."""
    if known is None or found is None:
        return False
    pairs = ((known.commit, found.commit), (known.digest, found.digest))
    return any(before and after and before != after for before, after in pairs)


def _keep_own(
    build: BuildStatus, step: Decision | None, values: Effective, common: Effective, source: SourceStatus | None
) -> BuildStatus:
    """The build after its step, with what is its own."""
    changes: dict[str, Any] = {
        "repository": values.repository if values.repository != common.repository else None,
        "cache_repository": values.cache_repository if values.cache_repository != common.cache_repository else None,
    }
    if step is None:
        return build.model_copy(update=changes)
    alone = cast("RunStatus", step.status.run)
    kept = keep_conditions(step.status.conditions, BUILD_CONDITIONS, MAX_BUILD_CONDITION)
    changes["conditions"] = kept or None
    changes["source"] = alone.source if build.source is not None or _is_other(source, alone.source) else None
    return build_of(alone).model_copy(update=changes)


def _first(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


def _merge_inputs(run: RunStatus, runs: Iterable[RunStatus]) -> dict[str, str] | None:
    """What the builds used. Of a Secret that changed between them the earliest content counts, so that whoever compares
    sees a change for the builds that used it."""
    merged: dict[str, str] = dict(run.inputs or {})
    for found in runs:
        merged = {**(found.inputs or {}), **merged}
    return merged or None


def _shorten(build: BuildStatus, room: int) -> BuildStatus:
    """The build with texts that leave room for its siblings'."""
    changes: dict[str, Any] = {}
    if build.message is not None and len(build.message) > room:
        changes["message"] = clip(build.message, room)
    failure = build.failure
    if failure is not None and failure.log_tail is not None and len(failure.log_tail) > room:
        changes["failure"] = failure.model_copy(update={"log_tail": failure.log_tail[-room:]})
    return build.model_copy(update=changes) if changes else build


def _actions(build: BuildStatus, steps: Mapping[str, Decision]) -> list[Action]:
    step = steps.get(build.key)
    if step is None:
        return []
    return [_name(action, build) if isinstance(action, Announce) else action for action in step.actions]


def _name(event: Announce, build: BuildStatus) -> Announce:
    """The Event of one build among several, which says of which."""
    message = clip(f"{begin_with(build)}: {event.message}", MAX_MESSAGE)
    return replace(event, message=message, key=f"build-{build.key}-{event.key}")


def find_clash(decision: Decision) -> SpecInvalidError | None:
    """Why pods may not be made: two builds of the run push the same tag, which only their commit tells."""
    run = decision.status.run
    if run is None or not any(isinstance(action, CreatePod) for action in decision.actions):
        return None
    pushers: dict[str, BuildStatus] = {}
    for build in run.builds:
        for tag in build.tags:
            place = f"{effective_of(run, build).repository}:{tag}"
            first = pushers.setdefault(place, build)
            if first is not build:
                both = f"{name_build(first)} and {name_build(build)} both push {place}"
                return SpecInvalidError("tags", f"{both}; put what tells them apart into tags or repository")
    return None


# ---- conditions


def _set_outcome(conditions: ConditionSet, outcome: Outcome, *, ended: bool) -> None:
    reason = outcome.reason or Reason.ACCEPTED
    if not ended or outcome.phase == Phase.SUPERSEDED:
        set_progress(conditions, reason, outcome.message)
        return
    ignored = outcome.phase == Phase.IGNORED
    message = describe(Reason.IGNORED_FAILURE, f"{reason}: {outcome.message}") if ignored else outcome.message
    shown = Reason.IGNORED_FAILURE if ignored else reason
    good = ignored or outcome.phase == Phase.SUCCEEDED
    conditions.set(ConditionType.SUCCEEDED, "True" if good else "False", shown, message)
    conditions.set(ConditionType.COMPLETED, "True", shown, message)


def _set_conditions(conditions: ConditionSet, builds: Sequence[BuildStatus]) -> None:
    """Each condition of the builds as one of the resource: False where a build says so, True once all do."""
    for kind in BUILD_CONDITIONS:
        found = [(build, item) for build in builds for item in build.conditions or () if item.type == kind]
        bad = [(build, item) for build, item in found if item.status == "False"]
        bad = bad or [(build, item) for build, item in found if item.status == "Unknown"]
        if bad:
            build, item = bad[0]
            conditions.set(kind, item.status, item.reason, _tell(build, item, len(bad) - 1))
        elif len(found) == len(builds):
            conditions.set(kind, "True", found[0][1].reason, _explain(found[0][1].reason))
        else:
            conditions.drop(kind)


def _explain(reason: str) -> str:
    return describe(Reason(reason)) if reason in list(Reason) else ""


def _tell(build: BuildStatus, item: BuildCondition, others: int) -> str:
    more = f" So it is with {others} more." if others else ""
    return clip(f"{begin_with(build)}: {item.message or ''}{more}", MAX_MESSAGE)
