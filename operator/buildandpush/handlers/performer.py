"""Performs what decisions ask for, and keeps what came of it: pods that were made, and refusals of the API server."""

from collections.abc import Callable
from datetime import datetime

from buildandpush.api import meta
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.recent import Recent
from buildandpush.core.build.world import Announce, CreatePod, Decision, Refusal, Resource, World
from buildandpush.core.explain import describe
from buildandpush.core.facts import Waiting
from buildandpush.handlers.actions import perform
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key
from buildandpush.handlers.quotas import Quotas
from buildandpush.handlers.slots import Slots
from buildandpush.handlers.telling import Telling


class Performer:
    """Performs the actions of decisions. It may be asked for the same action again: its work is then found done."""

    def __init__(
        self,
        client: KubernetesClient,
        store: Store,
        slots: Slots,
        quotas: Quotas,
        telling: Telling,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._store = store
        self._slots = slots
        self._quotas = quotas
        self._telling = telling
        self._clock = clock
        self._obstacles: Recent[str, Waiting] = Recent()
        """How the API server refused to end a pod, by uid of the resource, until it does."""
        self._made: Recent[tuple[str, str], bool] = Recent()
        """Pods that this process has made, by uid of the resource and name. Their statuses may not say so yet."""

    def find_obstacle(self, uid: str) -> Waiting | None:
        """How the API server refused to end a pod of this resource the last time, if it did."""
        return self._obstacles.get(uid)

    def find_made(self, resource: Resource) -> frozenset[str]:
        """Pods that this process has made for builds on their way, and of which the status does not say so."""
        run, uid = resource.status.run, resource.owner.uid
        if run is None or run.finished_at is not None:
            return frozenset()
        untold = (build.pod_name for build in run.builds if build.pod_uid is None)
        return frozenset(name for name in untold if self._made.get((uid, name)))

    async def perform_all(self, world: World, decision: Decision) -> dict[str, Refusal]:
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
