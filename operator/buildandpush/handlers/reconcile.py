"""One pass over one resource: decide, answer, write the status, act. It repeats until nothing is left to do."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

import structlog

from buildandpush.api import meta
from buildandpush.api.status import BuildAndPushACRStatus
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, TroubleError, UnavailableError
from buildandpush.clients.recent import Recent
from buildandpush.core.build.questions import Answer, AskLogin, AskPusher, AskSlot, Question
from buildandpush.core.build.waiting import WAIT
from buildandpush.core.build.watch import SETTLES
from buildandpush.core.build.world import Announce, CreatePod, Decision, Refusal, Resource, World
from buildandpush.core.crdgap import find_dropped, find_fields
from buildandpush.core.explain import describe
from buildandpush.core.facts import Waiting
from buildandpush.core.run.decide import decide
from buildandpush.core.run.outcome import outcome_of
from buildandpush.core.settings import BuildSettings
from buildandpush.handlers.actions import perform
from buildandpush.handlers.announcements import Announcements
from buildandpush.handlers.answers import Sources, answer_question
from buildandpush.handlers.connectors import ConnectorReconciler
from buildandpush.handlers.informers.store import Store, read_resource
from buildandpush.handlers.objects import Key, Object
from buildandpush.handlers.observability.runmeter import RunMeter
from buildandpush.handlers.progress import Progress
from buildandpush.handlers.quotas import Quotas
from buildandpush.handlers.refusals import explain_refusal
from buildandpush.handlers.slots import Slots
from buildandpush.handlers.telling import Telling
from buildandpush.handlers.unchanged import Unchanged

_log = structlog.get_logger(__name__)

_MAX_ROUNDS: Final = 8
"""Decisions in one pass; a run needs three or four, more would be a decision that does not settle."""


class _Written(Enum):
    """The result of writing a status."""

    NOTHING = auto()
    CHANGE = auto()
    CONFLICT = auto()
    LATER = auto()


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
        self._client = sources.kubernetes
        self._connectors = ConnectorReconciler(sources, store, clock, wake)
        self._store = store
        self._settings = settings
        self._clock = clock
        self._pruned: frozenset[str] = frozenset()
        """Fields that the API server drops since the installed CRD does not know them."""
        self._obstacles: Recent[str, Waiting] = Recent()
        """How the API server refused to end a pod, by uid of the resource, until it does."""
        self._unchanged = Unchanged(clock)
        self._telling = telling or Telling(Announcements(sources.kubernetes).write, Progress(time.monotonic))
        self._made: Recent[tuple[str, str], bool] = Recent()
        """Pods that this process has made, by uid of the resource and name. Their statuses may not say so yet."""

    def allow_user_namespaces(self, able: bool) -> None:
        """Set the default of userNamespace from now on. A running pod stays as it is; the next attempt follows the new
        default."""
        self._settings = replace(self._settings, user_namespaces=able)

    def know_crd(self, missing: frozenset[str]) -> None:
        """Which fields the installed CRD drops, by its own word."""
        self._pruned = missing

    async def reconcile(self, key: Key) -> float | None:
        """Work on one resource. Returns the seconds until the next look, or None."""
        if key.kind == meta.CONNECTOR_KIND:
            return await self._connectors.reconcile(key)
        try:
            return await self._reconcile_build(key)
        except Exception:
            self._slots.fail(key, self._clock())
            raise

    async def _reconcile_build(self, key: Key) -> float | None:
        refusals: dict[str, Refusal] = {}
        logins: dict[Question, Answer] = {}
        for _ in range(_MAX_ROUNDS):
            body = self._store.get(key)
            if body is None:
                self._telling.forget(key)
                self._unchanged.forget(key)
                self._meter.forget(key)
                self._slots.forget(key, self._clock())
                self._quotas.forget(key.namespace, key.name)
                self._sources.revisions.forget(key.namespace, key.name)
                return None
            resource = read_resource(body)
            self._meter.see(key, resource)
            pods = self._store.pods_of(resource.owner.namespace, resource.owner.uid)
            obstacle = self._obstacles.get(resource.owner.uid)
            world = World(
                resource,
                self._clock(),
                self._settings,
                pods,
                logins,
                refusals=refusals,
                obstacle=obstacle,
                pruned=self._pruned,
                unchanged_since=self._unchanged.find_since(key, resource.resource_version),
                made=self._find_made(resource),
            )
            decision, answers = await self._decide(world)
            # Of a status that cannot be read all else stays as it is.
            kept = body.get("status") or {} if resource.unreadable else {}
            told_in = self._telling.find_wait(key, resource, decision)
            if told_in and decision.questions:  # another build of the run needs the answers meanwhile
                decision, answers = await self._decide(replace(world, answers=answers), patient=True)
                told_in = self._telling.find_wait(key, resource, decision)
            written = _Written.LATER if told_in else await self._write(key, resource, decision, kept)
            if written is _Written.CONFLICT:
                logins = {}
                continue  # the resource changed meanwhile; decide afresh
            # What was just written changes no login. All else is looked up anew.
            logins = {asked: found for asked, found in answers.items() if isinstance(asked, AskLogin)}
            self._telling.note_end(key, resource, decision)
            refused = await self._act(world, decision)
            refusals |= refused
            created = any(isinstance(action, CreatePod) for action in decision.actions)
            at_most = [WAIT] if self._obstacles.get(resource.owner.uid) is not None else []
            if created and not refused and _has_one_build(decision):
                self._slots.settle(key, self._clock())
                # The pod says nothing yet. A trouble or its end has it looked at sooner.
                at_most.append(self._find_rest(key, resource, decision))
                return max(SETTLES.total_seconds(), _seconds_until_due(world, decision, at_most) or 0.0)
            if written in (_Written.NOTHING, _Written.LATER) and not created:
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

    def _find_rest(self, key: Key, resource: Resource, decision: Decision) -> timedelta:
        """How long the one build of a run, whose pod was just made, needs no look. A pod that was taken over, or that a
        webhook keeps from starting, may say more already, and no event of it comes any more."""
        pods = self._store.pods_of(resource.owner.namespace, resource.owner.uid)
        made = (pods.get(action.name) for action in decision.actions if isinstance(action, CreatePod))
        gets_on = all(pod is not None and pod.is_on_its_way and not pod.reads_back for pod in made)
        return self._telling.find_rest(key, decision) if gets_on else timedelta()

    def _find_made(self, resource: Resource) -> frozenset[str]:
        """Pods that this process has made for builds on their way, and of which the status does not say so."""
        run, uid = resource.status.run, resource.owner.uid
        if run is None or run.finished_at is not None:
            return frozenset()
        untold = (build.pod_name for build in run.builds if build.pod_uid is None)
        return frozenset(name for name in untold if self._made.get((uid, name)))

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

    async def _write(self, key: Key, resource: Resource, decision: Decision, kept: Mapping[str, Any]) -> "_Written":
        """Write the status if it changed, over what is kept of the former one."""
        changed = _find_change(resource.status, decision.status)
        if changed is None:
            return _Written.NOTHING
        status = {**kept, **changed}
        try:
            body = await self._send_status(key, resource, decision, status)
        except (ConflictError, NotFoundError):
            await self._refresh(key)
            return _Written.CONFLICT
        except (KubernetesError, TroubleError) as error:
            await self._tell_unwritten(resource, explain_refusal(error))
            raise
        self._store.put(meta.BUILD_KIND, body)
        self._meter.note_written(key, resource, decision)
        self._note_pruned(status, body.get("status") or {})
        if body["metadata"]["resourceVersion"] == resource.resource_version:
            return _Written.NOTHING  # all of it is what the API server drops; writing it again would not end
        self._log_transition(resource, decision)
        return _Written.CHANGE

    async def _send_status(self, key: Key, resource: Resource, decision: Decision, status: dict[str, Any]) -> Object:
        owner = resource.owner
        try:
            return await self._client.replace_custom_status(
                meta.BUILD_PLURAL, owner.namespace, owner.name, resource.resource_version, status
            )
        except UnavailableError:
            self._meter.note_unanswered(key, resource, decision)
            raise

    def _note_pruned(self, sent: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """Fields that do not come back were dropped, whatever is known of the CRD."""
        dropped = find_dropped(sent, stored)
        if not dropped <= self._pruned:
            _log.error("crd.field_dropped", fields=sorted(dropped - self._pruned))
        if self._pruned or dropped:
            self._pruned = (self._pruned - find_fields(sent)) | dropped

    async def _tell_unwritten(self, resource: Resource, refused: Waiting) -> None:
        """Announce by an Event that the status was refused: the status itself cannot say it."""
        message = describe(refused.reason, f"the status cannot be written: {refused.message}")
        told = Announce(True, refused.reason, message, key="status")
        _log.warning("status.refused", namespace=resource.owner.namespace, build=resource.owner.name, error=message)
        await self._telling.announce(resource.owner, told, self._clock())

    def _log_transition(self, resource: Resource, decision: Decision) -> None:
        run = decision.status.run
        alone = run.builds[0] if run is not None and len(run.builds) == 1 else None
        _log.info(
            "build.status_changed",
            namespace=resource.owner.namespace,
            build=resource.owner.name,
            uid=resource.owner.uid,
            generation=resource.generation,
            run=run.number if run else None,
            phase=decision.status.phase,
            reason=outcome_of(run).reason if run else None,
            pod=alone.pod_name if alone else None,
        )

    async def _refresh(self, key: Key) -> None:
        """Read a resource from the API server."""
        known = self._store.get(key)
        try:
            body = await self._client.read_custom(meta.BUILD_PLURAL, key.namespace, key.name)
            self._store.put_answer(key.kind, body, known)
        except NotFoundError:
            known = self._store.get(key)
            if known is not None:
                self._store.drop(key.kind, known)

    async def _act(self, world: World, decision: Decision) -> dict[str, Refusal]:
        """Perform the actions. Returns how the API server refused pods, by their names."""
        refusals: dict[str, Refusal] = {}
        obstacle: Waiting | None = None
        for action in decision.actions:
            if isinstance(action, Announce):
                await self._telling.announce(world.resource.owner, action, world.now)
                continue
            if isinstance(action, CreatePod):
                refusal = await self._create_pod(world, action)
                refusals |= {action.name: refusal} if refusal is not None else {}
                continue
            refused = await perform(self._client, self._store, world.resource.owner, action)
            if isinstance(refused, Waiting):
                obstacle = refused
        await self._note_obstacle(world, decision, obstacle)
        return refusals

    async def _create_pod(self, world: World, action: CreatePod) -> Refusal | None:
        """Create a pod. Returns how it was refused. While a quota has no room, not every build asks the API server."""
        owner = world.resource.owner
        known = self._quotas.find_refusal(owner, world.now)
        if known is not None:
            return known
        self._slots.note_offered(Key(meta.BUILD_KIND, owner.namespace, owner.name), action.name, self._clock())
        refused = await perform(self._client, self._store, owner, action)
        refusal = refused if isinstance(refused, Refusal) else None
        if refusal is None:
            self._made.put((owner.uid, action.name), True)
        self._quotas.note(owner, refusal, world.now)
        return refusal

    async def _note_obstacle(self, world: World, decision: Decision, obstacle: Waiting | None) -> None:
        """Keep the refusal of a pod's removal for the status of its run. For a run that has ended, write an Event."""
        owner, run = world.resource.owner, decision.status.run
        if obstacle is None:
            self._obstacles.pop(owner.uid)
            return
        self._obstacles.put(owner.uid, obstacle)
        told = Announce(True, obstacle.reason, describe(obstacle.reason, obstacle.message), key="pod-that-stays")
        if run is None or run.finished_at is not None:
            await self._telling.announce(owner, told, world.now)


def _has_one_build(decision: Decision) -> bool:
    run = decision.status.run
    return run is not None and len(run.builds) == 1


def _find_change(before: BuildAndPushACRStatus, after: BuildAndPushACRStatus) -> dict[str, Any] | None:
    """The JSON of a status that says something else than before; None if it says the same."""
    if after == before:  # found sooner than by their JSON, which is most of a pass without a change
        return None
    status = after.to_dict()
    return status if status != before.to_dict() else None


def _seconds_until_due(world: World, decision: Decision, at_most: Sequence[timedelta]) -> float | None:
    due = [*at_most, *([decision.wake_at - world.now] if decision.wake_at is not None else [])]
    return max(0.0, min(due).total_seconds()) if due else None
