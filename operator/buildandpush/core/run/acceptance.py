"""What becomes of a spec: it is accepted, rejected or skipped, as the status tells it. It decides nothing."""

from typing import Any, Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, RunStatus
from buildandpush.core.build.status import announce, conditions_of
from buildandpush.core.build.world import Announce, Decision, World
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.run.artifacts import build_artifact_file, wants_artifact_file
from buildandpush.core.run.outcome import outcome_of
from buildandpush.core.run.rebuild import complete_request, find_request, refuse_request, resume_request
from buildandpush.core.spec.noeffect import explain_validity
from buildandpush.core.spec.plan import parse_spec

RUN_CONDITIONS: Final = (
    ConditionType.SOURCE_READY,
    ConditionType.DOCKERFILE_CHECKED,
    ConditionType.BUILT,
    ConditionType.PUSHED,
    ConditionType.VERIFIED,
    ConditionType.LINKS_RESOLVED,
)
"""Conditions that speak of one run and go when the next one starts."""


def reject(world: World, error: SpecInvalidError, *, stuck: bool = True) -> Decision:
    """The spec cannot be used. No run number is used up, and what the last run left stays as it is.

    Where everything is `stuck` until the user corrects the spec, Completed is True, so that nobody waits for nothing.
    """
    status, generation = world.resource.status, world.resource.generation
    message = f"{error}."
    conditions = conditions_of(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "False", Reason.SPEC_INVALID, message)
    changes: dict[str, Any] = {"observed_generation": generation}
    if stuck:
        _complete(conditions, message)
        changes |= refuse_request(world)
    changes["conditions"] = conditions.freeze()
    if status.run is None or status.run.finished_at is not None:
        changes["phase"] = Phase.INVALID
    event = announce(world, Reason.SPEC_INVALID, message, key=f"generation-{generation}")
    return _tell_changes(world, status.model_copy(update=changes), event)


def _complete(conditions: ConditionSet, message: str) -> None:
    """Completed says that a correction is needed, unless it tells the end of a run."""
    completed = conditions.get(ConditionType.COMPLETED)
    if completed is None or completed.status != "True" or completed.reason == Reason.SPEC_INVALID:
        conditions.set(ConditionType.COMPLETED, "True", Reason.SPEC_INVALID, message)


def _tell_changes(world: World, status: BuildAndPushACRStatus, event: Announce) -> Decision:
    """Announce only what the status does not say already."""
    return Decision(status, (event,) if status != world.resource.status else ())


def accept(world: World) -> Decision:
    """A generation that needs no new run keeps the status of the last or the running run."""
    status, generation = world.resource.status, world.resource.generation
    conditions = conditions_of(world, generation=generation)
    conditions.set(ConditionType.SPEC_VALID, "True", *explain_validity(parse_spec(world.resource.spec)))
    run = status.run
    changes: dict[str, Any] = {"observed_generation": generation, "artifact_file": _keep_artifact_file(world)}
    changes["polled_commit"] = None  # the paths that it was judged by may be others now
    if run is not None and run.finished_at is not None:
        _restore_end(conditions, run)
    elif run is not None and conditions.is_(ConditionType.COMPLETED, "True"):
        _resume(conditions)
        changes |= resume_request(status, run)
    changes["conditions"] = conditions.freeze()
    if run is not None:
        changes["phase"] = outcome_of(run).phase
    return Decision(status.model_copy(update=changes))


def _keep_artifact_file(world: World) -> str | None:
    """The artifact list if the spec asks for it by now. Where the status has not room for all artifacts, only a list
    that was made before has them all."""
    spec, status = world.resource.spec, world.resource.status
    if status.artifacts_omitted:
        return status.artifact_file if wants_artifact_file(spec) else None
    return build_artifact_file(spec, status.artifacts)


def skip(world: World) -> Decision:
    """A trigger came, but the condition of `when` is not met. No run starts, and no number is used up."""
    status, generation = world.resource.status, world.resource.generation
    message = describe(Reason.SKIPPED)
    accepted = accept(world).status
    changes: dict[str, Any] = {}
    if status.run is None or outcome_of(status.run).phase == Phase.SUPERSEDED:
        conditions = ConditionSet(accepted.conditions, generation=generation, now=world.now)
        conditions.set(ConditionType.SUCCEEDED, "Unknown", Reason.SKIPPED, message)
        conditions.set(ConditionType.COMPLETED, "True", Reason.SKIPPED, message)
        changes = {"conditions": conditions.freeze(), "phase": Phase.SKIPPED}
    changes |= complete_request(status, find_request(world))
    event = announce(world, Reason.SKIPPED, message, key=f"generation-{generation}-{world.resource.rebuild}")
    return _tell_changes(world, accepted.model_copy(update=changes), event)


def decline(world: World) -> Decision:
    """A rebuild request asks for the failed builds alone, and none failed. No run starts, and no number is used up."""
    status, message = world.resource.status, describe(Reason.NOTHING_FAILED)
    answered = accept(world).status.model_copy(update=complete_request(status, find_request(world)))
    event = announce(world, Reason.NOTHING_FAILED, message, key=f"rebuild-{world.resource.rebuild}")
    return _tell_changes(world, answered, event)


def _resume(conditions: ConditionSet) -> None:
    """An invalid spec had stopped the run. The spec was corrected, so the run goes on from where it stood."""
    stood = conditions.get(ConditionType.SUCCEEDED)
    if stood is not None:
        conditions.set(ConditionType.COMPLETED, "False", stood.reason, stood.message)


def _restore_end(conditions: ConditionSet, run: RunStatus) -> None:
    """Suspension is over, so the status shows the end of the last run again."""
    hidden, end = conditions.get(ConditionType.SUCCEEDED), outcome_of(run)
    if hidden is None or end.reason is None:
        return
    reason: str = Reason.IGNORED_FAILURE if end.phase == Phase.IGNORED else end.reason
    if hidden.reason == reason or end.phase == Phase.SUPERSEDED:
        return
    good = end.phase in (Phase.SUCCEEDED, Phase.IGNORED)
    conditions.set(ConditionType.SUCCEEDED, "True" if good else "False", reason, end.message)
    conditions.set(ConditionType.COMPLETED, "True", reason, end.message)
