"""The event source. kopf watches; every change goes into the store, and its key into the queue.

Only `on.event` handlers are used: kopf's state-keeping ones write finalizers and annotations on the objects.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import kopf
import structlog

from buildandpush.api import meta
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.kubernetes import KubernetesClient, Listing
from buildandpush.clients.pause import pause
from buildandpush.handlers.health import Health, Loop
from buildandpush.handlers.queue import WorkQueue
from buildandpush.handlers.store import POD_KIND, Key, Store, find_older

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 120.0
"""How often both kinds are listed afresh: what vanished while a watch was cut never gets an event."""

_PLURALS: Final = {meta.BUILD_KIND: meta.BUILD_PLURAL, meta.CONNECTOR_KIND: meta.CONNECTOR_PLURAL}

RELIST_SECONDS: Final = 1.0
"""How long after a list of kopf's its others have come as well."""

FIRST_RESTART_SECONDS: Final = 1.0
LAST_RESTART_SECONDS: Final = 30.0

# kopf's peers are not used; without a name of ours kopf would look up the user's, which a container may not have.
_IDENTITY: Final[Any] = meta.COMPONENT


class Watcher:
    """Feeds the store and the queue."""

    def __init__(self, store: Store, queue: WorkQueue[Key]) -> None:
        self._store = store
        self._queue = queue
        self.relisted = asyncio.Event()
        """Set when kopf has listed afresh, as after a watch that was cut for too long."""

    def on_resource(self, kind: str, event_type: str | None, body: dict[str, Any]) -> None:
        """A resource of ours was added, changed or deleted. An event without a type comes from a list."""
        if event_type is None:
            self.relisted.set()
        key = self._store.drop(kind, body) if event_type == "DELETED" else self._store.put(kind, body)
        self._queue.add(key)  # of one that is gone things are kept

    def on_pod(self, event_type: str | None, body: dict[str, Any]) -> None:
        """A build pod was added, changed or deleted. An event without a type comes from a list."""
        if event_type is None:
            self.relisted.set()
        owner = self._store.drop_pod(body) if event_type == "DELETED" else self._store.put_pod(body)
        if owner is not None:
            self._queue.add(owner)

    def on_connector(self, event_type: str | None, body: dict[str, Any]) -> None:
        """A connector changed. Builds of its namespace may wait for it."""
        self.on_resource(meta.CONNECTOR_KIND, event_type, body)
        namespace = body["metadata"]["namespace"]
        for key in self._store.keys(meta.BUILD_KIND, namespace):
            self._queue.add(key)


def build_registry(watcher: Watcher) -> kopf.OperatorRegistry:
    """kopf's handlers. Each passes its event on and returns."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry, id="configure")
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure_kopf(settings)

    @kopf.on.event(meta.GROUP, meta.VERSION, meta.BUILD_PLURAL, registry=registry, id="build")
    async def on_build(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        watcher.on_resource(meta.BUILD_KIND, type, dict(body))

    @kopf.on.event(meta.GROUP, meta.VERSION, meta.CONNECTOR_PLURAL, registry=registry, id="connector")
    async def on_connector(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002
        watcher.on_connector(type, dict(body))

    @kopf.on.event("", "v1", "pods", labels={meta.LABEL_MANAGED_BY: meta.COMPONENT}, registry=registry, id="pod")
    async def on_pod(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002
        watcher.on_pod(type, dict(body))

    return registry


def configure_kopf(settings: kopf.OperatorSettings) -> None:
    """Configure kopf: it writes nothing on any object, waits briefly, and watches only our pods."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = (0.5, 1, 2, 5)
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.label_selectors["v1", "pods"] = f"{meta.LABEL_MANAGED_BY}={meta.COMPONENT}"


async def run_kopf(
    watcher: Watcher,
    namespaces: tuple[str, ...],
    ended: asyncio.Event,
    take_signals: Callable[[], None],
    stop: asyncio.Event,
    health: Health,
) -> None:
    """Watch until `ended`, or until kopf takes a signal, which sets `stop`.

    kopf ends when a namespace is forbidden or a CRD goes away. Then it starts again after 1 s, doubled each time up to
    30 s; a watch that lived for a minute begins with 1 s again.

    kopf takes the process's signals for itself while it runs, and comes back without an error when one arrives.
    `take_signals` gives them back to the caller for the time in between.
    """
    backoff = FIRST_RESTART_SECONDS
    while not ended.is_set():
        health.watch_began()
        try:
            await kopf.operator(
                registry=build_registry(watcher),
                standalone=True,
                identity=_IDENTITY,
                clusterwide=not namespaces,
                namespaces=namespaces,
                stop_flag=ended,
            )
        except Exception as error:
            take_signals()
            if health.watch_failed(f"{type(error).__name__}: {error}"):
                backoff = FIRST_RESTART_SECONDS
            _log.warning("operator.watch_restarted", retry_seconds=backoff, exc_info=True)
        else:
            take_signals()
            if not ended.is_set():
                stop.set()
                ended.set()
        await pause(ended, backoff)
        backoff = min(backoff * 2, LAST_RESTART_SECONDS)


async def refresh(
    client: KubernetesClient,
    store: Store,
    queue: WorkQueue[Key],
    namespaces: tuple[str, ...],
    relisted: asyncio.Event,
    health: Health,
) -> None:
    """List everything afresh every two minutes, and look again at whatever the watches missed.

    This also happens soon after kopf has listed afresh: an object that went while its watch was cut stands in no list
    and gets no event.
    """
    while True:
        await pause(relisted, REFRESH_SECONDS)
        await asyncio.sleep(RELIST_SECONDS)  # kopf lists several kinds, an event for each object
        relisted.clear()
        await refresh_once(client, store, queue, namespaces, health)


async def list_all(
    client: KubernetesClient, store: Store, queue: WorkQueue[Key], namespaces: tuple[str, ...], health: Health
) -> None:
    """List everything. Try again until the API server has answered."""
    health.turn(Loop.LIST, "nothing has been listed yet")
    while True:
        if await refresh_once(client, store, queue, namespaces, health):
            return
        await asyncio.sleep(RELIST_SECONDS)


async def refresh_once(
    client: KubernetesClient, store: Store, queue: WorkQueue[Key], namespaces: tuple[str, ...], health: Health
) -> bool:
    """List everything afresh. A namespace that cannot be listed does not keep others from it.

    Gives back whether the API server answered for each, be it by a refusal. The operator is able to work while at least
    one namespace can be listed.
    """
    answered, listed = True, False
    for namespace in namespaces or (None,):
        try:
            # Added at once: a later list may fail, and what this one missed is known to it alone.
            _add_all(queue, store.replace_pods(await _fetch_list(client, store, POD_KIND, namespace), namespace))
            for kind in _PLURALS:
                _add_all(queue, store.replace(kind, await _fetch_list(client, store, kind, namespace), namespace))
            listed = True
            health.turn(Loop.LIST)
        except (KubernetesError, UnavailableError) as error:
            answered = answered and isinstance(error, KubernetesError)
            health.turn(Loop.LIST, "" if listed else str(error))
            _log.warning("store.refresh_failed", namespace=namespace or "all", error=str(error))
    return answered


async def _fetch_list(client: KubernetesClient, store: Store, kind: str, namespace: str | None) -> Listing:
    """A fresh list.

    One that is behind what is known comes from an API server's cache that lags, or versions went back. An exact list is
    never behind what was known before, so it tells which.
    """
    before = store.versions(kind, namespace)
    listing = await _fetch_objects(client, kind, namespace, exact=False)
    if find_older(listing, before) is None:
        return listing
    before = store.versions(kind, namespace)
    listing = await _fetch_objects(client, kind, namespace, exact=True)
    older = find_older(listing, before)
    if older is not None:
        store.note_relapse(kind, *older)
    return listing


async def _fetch_objects(client: KubernetesClient, kind: str, namespace: str | None, *, exact: bool) -> Listing:
    if kind == POD_KIND:
        return await client.list_pods(namespace, exact=exact)
    return await client.list_custom(_PLURALS[kind], namespace, exact=exact)


def _add_all(queue: WorkQueue[Key], keys: Iterable[Key]) -> None:
    for key in keys:
        queue.add(key)
