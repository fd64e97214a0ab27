"""One pass over one resource: decide, answer, write the status, act. It repeats until nothing is left to do."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from buildandpush.api import meta
from buildandpush.clients.traffic.places import NAMESPACE
from buildandpush.core.build.questions import Answer, AskLogin, AskPusher, AskSlot, Question
from buildandpush.core.build.waiting import WAIT
from buildandpush.core.build.watch import SETTLES
from buildandpush.core.build.world import CreatePod, Decision, Refusal, Resource, World
from buildandpush.core.run.decide import decide
from buildandpush.core.settings import BuildSettings
from buildandpush.handlers.announcements import Announcements
from buildandpush.handlers.answers import Sources, answer_question
from buildandpush.handlers.connectors import ConnectorReconciler
from buildandpush.handlers.informers.store import Store, read_resource
from buildandpush.handlers.objects import Key, Object
from buildandpush.handlers.observability.runmeter import RunMeter
from buildandpush.handlers.performer import Performer
from buildandpush.handlers.progress import Progress
from buildandpush.handlers.quotas import Quotas
from buildandpush.handlers.slots import Slots
from buildandpush.handlers.statuswriter import StatusWriter, Written
from buildandpush.handlers.telling import Telling
from buildandpush.handlers.unchanged import Unchanged

_log = structlog.get_logger(__name__)

_MAX_ROUNDS: Final = 8
"""Decisions in one pass; a run needs three or four, more would be a decision that does not settle."""


class Reconciler:
    """Brings resources to the state that their specs ask for. It may be called at any time and any number of times."""

    def __init__(
        self,
        sources: Sources,
        store: Store,
        settings: BuildSettings,
        clock: Callable[[], datetime],
        meter: RunMeter,
        quotas: Quotas,
        wake: Callable[[Key], None] = lambda key: None,
        telling: Telling | None = None,
    ) -> None:
        """`wake` is called for a build that may go on, since another has ended or its connector has changed. `telling`
        says when what nobody has to act on is written; by default Events are written at once."""
        lost_after = timedelta(seconds=settings.node_lost_timeout_seconds)
        self._slots = Slots(store, settings.slots, lost_after, wake)
        self._meter = meter
        self._quotas = quotas
        self._sources = sources
        self._connectors = ConnectorReconciler(sources, store, clock, wake)
        self._store = store
        self._settings = settings
        self._clock = clock
        self._unchanged = Unchanged(clock)
        self._telling = telling or Telling(Announcements(sources.kubernetes).write, Progress(time.monotonic))
        self._statuses = StatusWriter(sources.kubernetes, store, meter, self._telling, clock)
        self._performer = Performer(sources.kubernetes, store, self._slots, quotas, self._telling, clock)

    def allow_user_namespaces(self, able: bool) -> None:
        """Set the default of userNamespace from now on. A running pod stays as it is; the next attempt follows the new
        default."""
        self._settings = replace(self._settings, user_namespaces=able)

    def know_crd(self, missing: frozenset[str]) -> None:
        """Which fields the installed CRD drops, by its own word."""
        self._statuses.pruned = missing

    async def reconcile(self, key: Key) -> float | None:
        """Work on one resource. Returns the seconds until the next look, or None."""
        asked_for = NAMESPACE.set(key.namespace)
        try:
            if key.kind == meta.CONNECTOR_KIND:
                return await self._connectors.reconcile(key)
            return await self._reconcile_build(key)
        finally:
            NAMESPACE.reset(asked_for)

    async def _reconcile_build(self, key: Key) -> float | None:
        try:
            return await self._decide_in_rounds(key)
        except Exception:
            self._slots.fail(key, self._clock())
            raise

    async def _decide_in_rounds(self, key: Key) -> float | None:
        refusals: dict[str, Refusal] = {}
        logins: dict[Question, Answer] = {}
        for _ in range(_MAX_ROUNDS):
            body = self._store.get(key)
            if body is None:
                self._forget(key)
                return None
            world = self._look(key, body, logins, refusals)
            resource = world.resource
            decision, answers, told_in = await self._decide_to_tell(key, world)
            # Of a status that cannot be read all else stays as it is.
            kept = body.get("status") or {} if resource.unreadable else {}
            written = Written.LATER if told_in else await self._statuses.write(key, resource, decision, kept)
            if written is Written.CONFLICT:
                logins = {}
                continue  # the resource changed meanwhile; decide afresh
            # What was just written changes no login. All else is looked up anew.
            logins = {asked: found for asked, found in answers.items() if isinstance(asked, AskLogin)}
            self._telling.note_end(key, resource, decision)
            refused = await self._performer.perform_all(world, decision)
            refusals |= refused
            created = any(isinstance(action, CreatePod) for action in decision.actions)
            at_most = [WAIT] if self._performer.find_obstacle(resource.owner.uid) is not None else []
            if created and not refused and _has_one_build(decision):
                self._slots.settle(key, self._clock())
                # The pod says nothing yet. A trouble or its end has it looked at sooner.
                at_most.append(self._find_rest(key, resource, decision))
                return max(SETTLES.total_seconds(), _seconds_until_due(world, decision, at_most) or 0.0)
            if written in (Written.NOTHING, Written.LATER) and not created:
                # Only a decision that changed nothing is settled: what follows from a change may not wait for an
                # event, since that event may be lost.
                await self._telling.tell_end(key, world)
                self._slots.settle(key, self._clock())
                if decision.wake_at is None:
                    self._unchanged.forget(key)  # most have come to their end
                at_most += [timedelta(seconds=told_in)] if told_in else []
                return _seconds_until_due(world, decision, at_most)
        _log.warning("reconcile.not_settled", key=str(key), rounds=_MAX_ROUNDS)
        return 1.0

    def _forget(self, key: Key) -> None:
        """The resource is gone."""
        self._telling.forget(key)
        self._unchanged.forget(key)
        self._meter.forget(key)
        self._slots.forget(key, self._clock())
        self._quotas.forget(key.namespace, key.name)
        self._sources.revisions.forget(key.namespace, key.name)

    def _look(
        self, key: Key, body: Object, logins: Mapping[Question, Answer], refusals: Mapping[str, Refusal]
    ) -> World:
        """What is known of a resource now. `logins` and `refusals` are what this pass has found out before."""
        resource = read_resource(body)
        self._meter.see(key, resource)
        uid = resource.owner.uid
        return World(
            resource,
            self._clock(),
            self._settings,
            self._store.pods_of(resource.owner.namespace, uid),
            logins,
            refusals=refusals,
            obstacle=self._performer.find_obstacle(uid),
            pruned=self._statuses.pruned,
            unchanged_since=self._unchanged.find_since(key, resource.resource_version),
            made=self._performer.find_made(resource),
        )

    async def _decide_to_tell(self, key: Key, world: World) -> tuple[Decision, Mapping[Question, Answer], float]:
        """Decide. Returns also the answers, and the seconds that the status may wait to be written."""
        decision, answers = await self._decide(world)
        told_in = self._telling.find_wait(key, world.resource, decision)
        if told_in and decision.questions:  # another build of the run needs the answers meanwhile
            decision, answers = await self._decide(replace(world, answers=answers), patient=True)
            told_in = self._telling.find_wait(key, world.resource, decision)
        return decision, answers, told_in

    def _find_rest(self, key: Key, resource: Resource, decision: Decision) -> timedelta:
        """How long the one build of a run, whose pod was just made, needs no look. A pod that was taken over, or that a
        webhook keeps from starting, may say more already, and no event of it comes any more."""
        pods = self._store.pods_of(resource.owner.namespace, resource.owner.uid)
        made = (pods.get(action.name) for action in decision.actions if isinstance(action, CreatePod))
        gets_on = all(pod is not None and pod.is_on_its_way and not pod.reads_back for pod in made)
        return self._telling.find_rest(key, decision) if gets_on else timedelta()

    async def _decide(self, world: World, *, patient: bool = False) -> tuple[Decision, Mapping[Question, Answer]]:
        """Decide, and answer what the decision asks. A status that holds whatever the answers are comes back before
        answers that take long, with its questions, so that it is written; not where the caller is `patient`. Returns
        all answers, too."""
        owner, status = world.resource.owner, world.resource.status
        while True:
            decision = decide(world)
            if not decision.questions:
                return decision, world.answers
            slow = [asked for asked in decision.questions if not self._sources.is_at_hand(owner.namespace, asked)]
            if slow and decision.status != status and not patient:
                return decision, world.answers
            answers = {question: await self._answer(world, question) for question in decision.questions}
            world = replace(world, answers={**world.answers, **answers})

    async def _answer(self, world: World, question: Question) -> Answer:
        if isinstance(question, AskPusher):
            return self._store.find_pusher(world.resource.owner, question.repository)
        if isinstance(question, AskSlot):
            return await self._answer_slot(world, question)
        return await answer_question(self._sources, world.resource, question, world.now)

    async def _answer_slot(self, world: World, question: AskSlot) -> str:
        owner, facts = world.resource.owner, self._sources.cluster
        priority = await facts.find_priority(question.priority_class) if facts is not None else 0
        lowered = await facts.find_limit(owner.namespace) if facts is not None else None
        key = Key(meta.BUILD_KIND, owner.namespace, owner.name)
        return self._slots.answer(key, question, world.now, priority=priority, lowered=lowered)


def _has_one_build(decision: Decision) -> bool:
    run = decision.status.run
    return run is not None and len(run.builds) == 1


def _seconds_until_due(world: World, decision: Decision, at_most: Sequence[timedelta]) -> float | None:
    due = [*at_most, *([decision.wake_at - world.now] if decision.wake_at is not None else [])]
    return max(0.0, min(due).total_seconds()) if due else None
