"""Writes the statuses of builds, and keeps what the API server's answers tell: fields that it drops, conflicts."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any

import structlog

from buildandpush.api import meta
from buildandpush.api.status import BuildAndPushACRStatus
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, TroubleError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.core.build.world import Announce, Decision, Resource
from buildandpush.core.crdgap import find_dropped, find_fields
from buildandpush.core.explain import describe
from buildandpush.core.facts import Waiting
from buildandpush.core.run.outcome import outcome_of
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key, Object
from buildandpush.handlers.observability.runmeter import RunMeter
from buildandpush.handlers.refusals import explain_refusal
from buildandpush.handlers.telling import Telling

_log = structlog.get_logger(__name__)


class Written(Enum):
    """The result of writing a status."""

    NOTHING = auto()
    CHANGE = auto()
    CONFLICT = auto()
    """The resource changed meanwhile. The store has it as it is now."""
    LATER = auto()
    """The caller has put it off."""


class StatusWriter:
    """Writes statuses through to the API server and to the store."""

    def __init__(
        self,
        client: KubernetesClient,
        store: Store,
        meter: RunMeter,
        telling: Telling,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._store = store
        self._meter = meter
        self._telling = telling
        self._clock = clock
        self.pruned: frozenset[str] = frozenset()
        """Fields that the API server drops since the installed CRD does not know them."""

    async def write(self, key: Key, resource: Resource, decision: Decision, kept: Mapping[str, Any]) -> Written:
        """Write the status if it changed, over what is kept of the former one. Raises KubernetesError or TroubleError
        where the API server refuses it or does not answer."""
        changed = _find_change(resource.status, decision.status)
        if changed is None:
            return Written.NOTHING
        status = {**kept, **changed}
        try:
            body = await self._send(key, resource, decision, status)
        except (ConflictError, NotFoundError):
            await self._refresh(key)
            return Written.CONFLICT
        except (KubernetesError, TroubleError) as error:
            await self._tell_unwritten(resource, explain_refusal(error))
            raise
        self._store.put(meta.BUILD_KIND, body)
        self._meter.note_written(key, resource, decision)
        self._note_pruned(status, body.get("status") or {})
        if body["metadata"]["resourceVersion"] == resource.resource_version:
            return Written.NOTHING  # all of it is what the API server drops; writing it again would not end
        _log_transition(resource, decision)
        return Written.CHANGE

    async def _send(self, key: Key, resource: Resource, decision: Decision, status: dict[str, Any]) -> Object:
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
        if not dropped <= self.pruned:
            _log.error("crd.field_dropped", fields=sorted(dropped - self.pruned))
        if self.pruned or dropped:
            self.pruned = (self.pruned - find_fields(sent)) | dropped

    async def _tell_unwritten(self, resource: Resource, refused: Waiting) -> None:
        """Announce by an Event that the status was refused: the status itself cannot say it."""
        message = describe(refused.reason, f"the status cannot be written: {refused.message}")
        told = Announce(True, refused.reason, message, key="status")
        _log.warning("status.refused", namespace=resource.owner.namespace, build=resource.owner.name, error=message)
        await self._telling.announce(resource.owner, told, self._clock())

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


def _find_change(before: BuildAndPushACRStatus, after: BuildAndPushACRStatus) -> dict[str, Any] | None:
    """The JSON of a status that says something else than before; None if it says the same."""
    if after == before:  # found sooner than by their JSON, which is most of a pass without a change
        return None
    status = after.to_dict()
    return status if status != before.to_dict() else None


def _log_transition(resource: Resource, decision: Decision) -> None:
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
