"""The one decision: from what is, to the next status and the actions that follow it.

`decide` is asked again after every event and at due times. It never assumes that an earlier answer was acted on, so a
missed event, a crash or a conflict costs a repeat and nothing else. Intent is in the status before any action: the
caller writes the status first and performs the actions only if that write succeeded.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final, cast

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildAndPushACRStatus, RunStatus
from buildandpush.core.build.questions import AskLivePod
from buildandpush.core.build.revision import found_codebase
from buildandpush.core.build.status import announce, conditions_of, with_status
from buildandpush.core.build.waiting import WAIT
from buildandpush.core.build.world import Action, AskedError, CancelPod, Decision, DeletePod, HeldError, World, answer
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.facts import Commit
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run import acceptance, again, fluxsource, polling, start
from buildandpush.core.run.advance import advance, hold_run
from buildandpush.core.run.builds import has_ended
from buildandpush.core.run.cancelling import note_futile_cancel
from buildandpush.core.run.differences import tell_differences
from buildandpush.core.run.outcome import outcome_of
from buildandpush.core.run.outdated import LOOK_AGAIN, check_strategy, note_outdated
from buildandpush.core.run.planning import is_wanted, next_occasion, plan_next
from buildandpush.core.run.rebuild import wants_rebuild
from buildandpush.core.run.retention import find_expired_pods, find_lingering, find_orphans, find_spent_readers
from buildandpush.core.run.status import is_observed
from buildandpush.core.run.unreadable import recover_status, tell_unreadable
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.spechash import hash_spec
from buildandpush.core.spec.strategy import is_met


def decide(world: World) -> Decision:
    """The next status and actions, or the question to answer first.

    A question ends a decision: `answer` raises AskedError wherever it is asked, and what was decided up to there is
    dropped. The caller looks the answer up, adds it to the answers of the same world and calls `decide` again, which
    starts from its beginning. So each call repeats the steps of the one before and goes one question further. That is
    cheap, since nothing here does I/O or waits, and a decision asks only a few questions. It is safe, since a decision
    is a function of the world alone: with the same world and answers it comes to the same question.

    Some decisions have a status and a question. Such a status holds whatever the answer is, and so do its actions, so
    they need not wait for an answer that takes long.
    """
    if world.resource.deleting:
        return Decision(world.resource.status)
    if world.resource.unreadable:
        return tell_unreadable(world)
    world = with_status(world, recover_status(world))
    return note_futile_cancel(world, _decide(world))


def _decide(world: World) -> Decision:
    try:
        run = world.resource.status.run
        decision = advance(world, run) if run is not None and run.finished_at is None else _idle(world)
        if decision.questions:
            return decision
        decision = tell_differences(world, _remove_expired_pods(world, decision))
        return note_outdated(world, decision)
    except AskedError as asked:
        return Decision(world.resource.status, questions=frozenset({asked.question}))
    except HeldError as held:
        return hold_run(world, held.waiting)
    except SpecInvalidError as error:  # such as an expression that has no value for this commit, or for another number
        return acceptance.reject(world, error)


def _idle(world: World) -> Decision:
    """No run is running. Should one start?"""
    resource, status = world.resource, world.resource.status
    new_generation = not is_observed(world)
    superseded = status.run is not None and outcome_of(status.run).phase == Phase.SUPERSEDED
    changed = again.has_surroundings_changed(world)
    retried = start.is_outdated_failure(resource) or start.is_due_again(world)
    if not (new_generation or superseded or retried or wants_rebuild(world) or changed):
        return _poll(world)
    try:
        spec = parse_spec(resource.spec)
        builds = plan_next(world, spec, start.next_run_number(spec, status.run))
    except SpecInvalidError as error:
        return acceptance.reject(world, error)
    try:
        if len(builds) > 1:
            check_strategy(world)
    except SpecInvalidError as error:
        return replace(acceptance.reject(world, error), wake_at=world.now + LOOK_AGAIN)
    if spec.suspend:
        return _suspend(world, spec) if new_generation else _quiet(world)
    trigger = start.find_trigger(world, hash_spec(spec), surroundings_changed=changed)
    if trigger is None:
        return acceptance.accept(world)
    if start.asks_for_nothing(world, trigger, hash_spec(spec)):
        return acceptance.decline(world)
    wanted = is_wanted(world, spec, builds[0].plan, start.next_run_number(spec, status.run))
    if wanted is None:  # there will be an answer, which has the resource looked at again
        return Decision(status, wake_at=world.now + WAIT)
    if not wanted:
        return acceptance.skip(world)
    return _start(world, start.start_run(world, spec, builds, trigger))


def _start(world: World, status: BuildAndPushACRStatus) -> Decision:
    """The first steps of a run that this status has accepted."""
    started = with_status(world, status)
    run = cast("RunStatus", status.run)
    decision = advance(started, run)
    event = announce(started, Reason.ACCEPTED, start.tell_accepted(run))
    return decision if event in decision.actions else replace(decision, actions=(event, *decision.actions))


def _quiet(world: World) -> Decision:
    """Nothing to do now. A failed run may be tried again later."""
    return Decision(world.resource.status, wake_at=again.next_look(world))


def _poll(world: World) -> Decision:
    """Nothing in the resource asks for a run. A new commit or artifact may."""
    taken = fluxsource.look(world)
    if taken is not None and taken.run != world.resource.status.run:
        return _start(world, taken)
    world = with_status(world, taken or world.resource.status)
    polled = polling.look(world)
    world = with_status(world, polled.status)
    if polled.found is not None:
        spec = parse_spec(world.resource.spec)
        number = start.next_run_number(spec, polled.status.run)
        if _asks_for_run(world, spec, number, polled.found):
            return _start(world, start.start_for_commit(world, spec, polled.found))
        world = with_status(world, polling.pass_over(world, polled.found))
    quiet = _quiet(world)
    wake = min((when for when in (quiet.wake_at, polled.wake_at) if when is not None), default=None)
    return replace(quiet, actions=polled.actions, wake_at=wake)


def _asks_for_run(world: World, spec: BuildAndPushACRSpec, number: int, found: Commit) -> bool:
    """Whether the condition of `when` is met for a new commit. One that has no value for it counts as met, so that the
    run says why it cannot go on."""
    try:
        return is_met(spec, next_occasion(world, number, found_codebase(spec, found)))
    except SpecInvalidError:
        return True


def _suspend(world: World, spec: BuildAndPushACRSpec) -> Decision:
    """No run starts. The resource stays ready if the last good run made what the spec asks for."""
    status, generation = world.resource.status, world.resource.generation
    last = status.run.spec_hash if status.run and outcome_of(status.run).phase == Phase.SUCCEEDED else None
    current = hash_spec(spec) in (status.good_spec_hash, last)
    accepted = acceptance.accept(world)
    if current and last is not None:
        return replace(accepted, status=accepted.status.model_copy(update={"phase": Phase.SUSPENDED}))
    conditions = conditions_of(with_status(world, accepted.status), generation=generation)
    if current:  # a run that came after it, for another spec, did not end well
        reason, message = Reason.SUCCEEDED, "An earlier run made what the spec asks for."
    else:
        reason, message = Reason.SUSPENDED, describe(Reason.SUSPENDED)
    conditions.set(ConditionType.SUCCEEDED, "True" if current else "Unknown", reason, message)
    conditions.set(ConditionType.COMPLETED, "True" if current else "False", reason, message)
    changes = {"phase": Phase.SUSPENDED, "conditions": conditions.freeze()}
    return replace(accepted, status=accepted.status.model_copy(update=changes))


def _remove_expired_pods(world: World, decision: Decision) -> Decision:
    """Besides whatever was decided, pods are removed: those that are no longer kept, those that nobody waits for, and
    those that an injected container keeps running."""
    run = decision.status.run
    going = run.builds if run is not None and run.finished_at is None else []
    busy = {build.pod_name for build in going if not has_ended(build)}
    expired, due = find_expired_pods(world.pods, spec=world.resource.spec, busy=busy, now=world.now)
    orphans = _find_orphans(world, busy)
    last = world.resource.status.run
    lingering, lingers = find_lingering(world.pods, last, busy=busy, now=world.now) if last is not None else ((), None)
    wake = min((when for when in (decision.wake_at, due, lingers) if when is not None), default=None)
    readers = find_spent_readers(world.pods, run)
    removals = dict.fromkeys(DeletePod(pod.name, pod.uid) for pod in (*expired, *orphans, *readers))
    cancels = [CancelPod(pod.name, pod.uid) for pod in lingering if pod not in expired]
    further: list[Action] = [*removals, *cancels]
    actions = (*decision.actions, *(action for action in further if action not in decision.actions))
    return replace(decision, actions=actions, wake_at=wake)


_MOST_ORPHANS: Final = 16
"""How many are looked at in one pass, since each costs a request. A build leaves one or two. Whoever may create pods
can make as many as he likes that look so. The others have their turn once these are gone."""


def _find_orphans(world: World, busy: Collection[str]) -> list[PodObservation]:
    """Pods that live beside the run, by the API server's own word: one that ended meanwhile is kept for its log."""
    run = world.resource.status.run
    candidates = find_orphans(world.pods, run, busy=busy) if run is not None else ()
    lives = (answer(world, AskLivePod(pod.name)) for pod in candidates[:_MOST_ORPHANS])
    return [pod for pod in lives if pod is not None and not pod.ended and not pod.deleting]
