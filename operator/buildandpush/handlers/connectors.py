"""One pass over one connector: writes into its status whether it can log in, and which login Secrets it has."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from buildandpush.api import meta
from buildandpush.api.connector import AzureConnectorStatus, LoginStatus
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, TroubleError
from buildandpush.core.azure.connector import (
    Check,
    LoggedIn,
    decide_connector,
    parse_connector,
    read_connector_status,
)
from buildandpush.core.azure.credential import Connector
from buildandpush.core.azure.errors import LoginProblem
from buildandpush.core.backoff import slow_down
from buildandpush.core.build.waiting import LONGEST_WAIT, WAIT
from buildandpush.core.facts import Waiting
from buildandpush.handlers.answers import Sources
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key, Object
from buildandpush.handlers.refusals import explain_refusal
from buildandpush.handlers.unchanged import Unchanged

_log = structlog.get_logger(__name__)

_RECHECK_SECONDS: Final = 60.0
LINGER: Final = timedelta(minutes=5)
"""By then every pass of a build has ended that had read a connector before it went."""


class ConnectorReconciler:
    """Keeps the status of connectors up to date. It may be called at any time and any number of times."""

    def __init__(
        self, sources: Sources, store: Store, clock: Callable[[], datetime], wake: Callable[[Key], None]
    ) -> None:
        """`wake` is called for each build that may wait for a connector whose status has changed."""
        self._sources = sources
        self._client = sources.kubernetes
        self._logins = sources.logins
        self._store = store
        self._clock = clock
        self._wake = wake
        self._gone: dict[Key, dict[str, datetime]] = {}
        """The uids of connectors that went a short while ago, each with the time of the last look for what is left."""
        self._unchanged = Unchanged(clock)

    async def reconcile(self, key: Key) -> float | None:
        """Work on one connector. Returns the seconds until the next look, or None."""
        body = self._store.get(key)
        await self._forget_former(key, body)
        if body is None:
            self._unchanged.forget(key)
            return self._seconds_until_last(key)
        if body["metadata"].get("deletionTimestamp"):
            return None
        connector = parse_connector(body)
        if _asks_outside(connector) and body["metadata"]["generation"] != _observed(body):
            body = await self._write(key, body, LoginProblem(Reason.LOGGING_IN, "", temporary=True), connector)
        check: Check = connector if isinstance(connector, Waiting) else await self._check(connector)
        if body is not None:
            body = await self._write(key, body, check, connector)
        if body is None:
            return None  # the change that made the conflict comes as an event of its own
        if not isinstance(check, LoggedIn):
            return self._recheck_seconds(key, body)
        self._unchanged.forget(key)
        return _RECHECK_SECONDS

    def _recheck_seconds(self, key: Key, body: Object) -> float:
        """Until the next look at a connector that cannot log in. A change of it comes as an event. One of its Secret or
        of a server does not. While it changes, or what is wrong with it, somebody is about to correct it."""
        since = self._unchanged.find_since(key, body["metadata"]["resourceVersion"])
        return slow_down(self._clock() - since, WAIT, LONGEST_WAIT).total_seconds()

    async def _check(self, connector: Connector) -> Check:
        """Whether the connector can log in, or how the API server refused the question."""
        try:
            return await self._logins.check(connector)
        except (KubernetesError, TroubleError) as error:
            return explain_refusal(error)

    async def _write(self, key: Key, body: Object, check: Check, connector: Connector | Waiting) -> Object | None:
        """Write the status if it changed. Returns the new object, or None if somebody else changed the object
        meanwhile."""
        before = read_connector_status(body)
        valid = connector if isinstance(connector, Connector) else None
        after = decide_connector(
            before,
            body["metadata"]["generation"],
            check,
            self._clock(),
            spec=valid.spec if valid else None,
            logins=await self._keep_logins(valid, before) if valid else tuple(before.logins),
            verify=valid.verify if valid else before.handled_verify or "",
        )
        # Compared with what is stored, so that what cannot be read goes.
        status = after.to_dict()
        if status == {**before.to_dict(), **_stored(body)}:
            return body
        version = body["metadata"]["resourceVersion"]
        try:
            written = await self._client.replace_custom_status(
                meta.CONNECTOR_PLURAL, key.namespace, key.name, version, status
            )
        except (ConflictError, NotFoundError):
            return None
        self._store.put(key.kind, written)
        for each in self._store.find_dependents(key):  # its event says nothing new then
            self._wake(each)
        return written

    async def _forget_former(self, key: Key, body: Object | None) -> None:
        """Drop what memory keeps for the connectors that had this name. Another one may have it now.

        Builds read their connectors themselves. So one that is under way may put something into memory afterwards, and
        it is dropped once more.
        """
        now, own = self._clock(), str(body["metadata"]["uid"]) if body is not None else None
        gone = self._gone.pop(key, {}) | dict.fromkeys(self._store.take_former(key), now + LINGER)
        gone.pop(own or "", None)
        left = {uid: last for uid, last in gone.items() if now < last}
        if left:
            self._gone[key] = left
        for uid in gone:
            await self._sources.forget_connector(key.namespace, key.name, uid)

    def _seconds_until_last(self, key: Key) -> float | None:
        """Until what is gone is forgotten for the last time; None where nothing is."""
        last = max(self._gone.get(key, {}).values(), default=None)
        return max(0.0, (last - self._clock()).total_seconds()) if last is not None else None

    async def _keep_logins(self, connector: Connector, before: AzureConnectorStatus) -> tuple[LoginStatus, ...]:
        """The logins of builds. A login that has ended is removed, because no build renews it any more."""
        known = {login.secret_name: login for login in before.logins} | self._logins.logins_of(connector.uid)
        now = self._clock()
        for name, login in sorted(known.items()):
            ended = login.expires_at is not None and login.expires_at <= now
            if ended and await self._remove_login(connector, name):
                del known[name]
        return tuple(known[name] for name in sorted(known))

    async def _remove_login(self, connector: Connector, name: str) -> bool:
        """Remove the Secret of a login; returns whether it is gone. If not, the login stays in the status for the next
        look."""
        try:
            return await self._logins.remove_login(connector, name)
        except (KubernetesError, TroubleError) as error:
            words = explain_refusal(error).message
            _log.warning("login.not_removed", namespace=connector.namespace, secret=name, error=words)
            return False


def _asks_outside(connector: Connector | Waiting) -> bool:
    """Whether the check asks Entra ID or registries, which may answer late."""
    return isinstance(connector, Connector) and connector.spec.registry_credentials is None


def _stored(body: Object) -> Mapping[str, Any]:
    """The fields of the stored status that this version knows. A newer operator's are left to it."""
    names = {field.alias for field in AzureConnectorStatus.model_fields.values()}
    return {name: value for name, value in (body.get("status") or {}).items() if name in names}


def _observed(body: Object) -> int:
    """The generation that the status speaks of; -1 for none."""
    found = (body.get("status") or {}).get("observedGeneration")
    return found if isinstance(found, int) else -1
