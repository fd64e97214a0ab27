"""Looks for a new commit of a resource whose last run has ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.sources.git import GitSource
from buildandpush.api.status import BuildAndPushACRStatus, RunStatus
from buildandpush.core.build.questions import AskCommit, AskTouched
from buildandpush.core.build.revision import note_not_polled, note_polled, revision_of
from buildandpush.core.build.status import announce, conditions_of, with_status
from buildandpush.core.build.world import Action, World, answer
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import Commit, Trouble
from buildandpush.core.run.outcome import outcome_of
from buildandpush.core.run.planning import plan_first, plan_next
from buildandpush.core.run.start import next_run_number
from buildandpush.core.spec.plan import BuildPlan, parse_spec
from buildandpush.core.spec.poll import PollPlan, find_look

_PATIENCE: Final = 3
"""How many times in a row a server that is away is asked in vain before the status says so."""


@dataclass(frozen=True)
class Polled:
    """What came of a look."""

    status: BuildAndPushACRStatus
    wake_at: datetime | None = None
    """When to look again; None where nothing is polled."""
    found: Commit | None = None
    """A commit that asks for a run."""
    actions: tuple[Action, ...] = ()


def look(world: World) -> Polled:
    """Ask which commit the revision is at, if that is due. The status changes only where it has news to tell."""
    status, run = world.resource.status, world.resource.status.run
    if not _is_polled(world) or (run is None and status.phase != Phase.SKIPPED):
        return Polled(_forget(world))
    try:
        spec = parse_spec(world.resource.spec)
        # No run has come yet where the condition of `when` was not met: a later commit may meet it.
        if run is not None:
            plan = plan_first(world, spec, run)
        else:
            plan = plan_next(world, spec, next_run_number(spec, None))[0].plan
    except SpecInvalidError as error:
        return _tell(world, Trouble(Reason.SPEC_INVALID, str(error)))
    if plan.poll is None or plan.source.git is None or spec.suspend:
        return Polled(status)
    return _ask(world, run, plan, plan.poll, plan.source.git)


def _is_polled(world: World) -> bool:
    """Whether the spec says so. Most do not, and of those nothing more is read here."""
    source = world.resource.spec.get("source")
    git = source.get("git") if isinstance(source, dict) else None
    return isinstance(git, dict) and git.get("poll") is not None


def _forget(world: World) -> BuildAndPushACRStatus:
    """The status of what is not polled any more."""
    conditions = conditions_of(world)
    if conditions.get(ConditionType.SOURCE_POLLED) is None:
        return world.resource.status
    conditions.drop(ConditionType.SOURCE_POLLED)
    return world.resource.status.model_copy(update={"conditions": conditions.as_list()})


def _ask(world: World, run: RunStatus | None, plan: BuildPlan, poll: PollPlan, git: GitSource) -> Polled:
    due = find_look(poll, git, world.resource.owner.uid, world.now)
    asked = AskCommit(revision_of(git), due.since, details=plan.wants_details, begins=due.is_recent)
    found = answer(world, asked)
    if found is None:
        return Polled(world.resource.status, due.next_at)
    if isinstance(found, Trouble):
        return _tell(world, found, due.next_at)
    well = with_status(world, note_polled(world))
    if found.commit in (_built_commit(run), well.resource.status.polled_commit):
        return Polled(well.resource.status, due.next_at)
    touched = _is_touched(world, run, poll, git, found)
    if touched is None:  # what was told before holds until the server has answered this, too
        return Polled(world.resource.status, due.next_at)
    if isinstance(touched, Trouble):
        return _tell(world, touched, due.next_at)
    if touched:
        return Polled(well.resource.status, due.next_at, found)
    return Polled(pass_over(well, found), due.next_at)


def _built_commit(run: RunStatus | None) -> str | None:
    return run.source.commit if run is not None and run.source is not None else None


def _is_touched(
    world: World, run: RunStatus | None, poll: PollPlan, git: GitSource, found: Commit
) -> bool | Trouble | None:
    """Whether a new commit asks for a run. Commits that cannot be compared, for example after a forced push, do."""
    built = _built_commit(run)
    if built is None:  # there was no run, it was cancelled, or git did not answer
        return (
            run is None or outcome_of(run).phase != Phase.CANCELLED or world.resource.status.polled_commit is not None
        )
    if not poll.paths:
        return True
    touched = answer(world, AskTouched(revision_of(git), built, found.commit, poll.paths))
    return True if isinstance(touched, Trouble) and not touched.passing else touched


def pass_over(world: World, found: Commit) -> BuildAndPushACRStatus:
    """The status that remembers a commit which needs no run."""
    return world.resource.status.model_copy(update={"polled_commit": found.commit})


def _tell(world: World, trouble: Trouble, next_at: datetime | None = None) -> Polled:
    """The status says why the revision is not known, unless that may be over in a moment."""
    status, wake_at = world.resource.status, trouble.retry_at or next_at
    if trouble.passing and trouble.count < _PATIENCE:
        return Polled(status, wake_at)
    told = note_not_polled(world, trouble)
    before = conditions_of(world).get(ConditionType.SOURCE_POLLED)
    after = conditions_of(with_status(world, told)).get(ConditionType.SOURCE_POLLED)
    if after is None or (before is not None and (before.status, before.reason) == ("False", trouble.reason)):
        return Polled(status, wake_at)  # one write for each reason: the words may change with every answer
    event = announce(world, trouble.reason, after.message, key="poll")
    return Polled(told, wake_at, actions=(event,))
