"""The event source. kopf watches our two kinds; every change goes into the store, and its key into the queue.

Only `on.event` handlers are used: kopf's state-keeping ones write finalizers and annotations on the objects.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import kopf
import structlog
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from buildandpush.api import meta
from buildandpush.clients.kubernetes.transport import OnAnswer
from buildandpush.clients.pause import pause
from buildandpush.core.build.watch import SETTLES
from buildandpush.handlers.informers.kopfsession import OnWatch, Sessions
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key, key_of
from buildandpush.handlers.observability.health import Health
from buildandpush.handlers.workqueue.queue import WorkQueue

_log = structlog.get_logger(__name__)

_IDLE_SECONDS: Final = 0.2
"""How long kopf keeps an object and a task for it after an event. Its default is 5 s."""

FIRST_RESTART_SECONDS: Final = 1.0
LAST_RESTART_SECONDS: Final = 30.0

# kopf's peers are not used; without a name of ours kopf would look up the user's, which a container may not have.
_IDENTITY: Final[Any] = meta.COMPONENT


class Watcher:
    """Feeds the store and the queue."""

    def __init__(
        self,
        store: Store,
        queue: WorkQueue[Key],
        note_room: Callable[[str], None],
        rest_of: Callable[[Key], float] = lambda key: 0.0,
    ) -> None:
        """`note_room` gets the namespace of a pod that no longer counts against a quota. `rest_of` gives the seconds
        for which a resource needs no look, as long as its pod gets on without trouble."""
        self._store = store
        self._queue = queue
        self._note_room = note_room
        self._rest_of = rest_of
        self.relisted = asyncio.Event()
        """Set when kopf has listed, as at the start and after a watch that was cut for too long."""

    def on_resource(self, kind: str, event_type: str | None, body: dict[str, Any]) -> None:
        """A resource of ours was added, changed or deleted. What says nothing new has nothing looked at."""
        key = key_of(kind, body)
        if event_type == "DELETED":
            self._store.drop(kind, body)  # a pass follows: it lets go of what memory keeps for the resource
        elif not self._store.put(kind, body):
            return
        for each in (key, *self._store.find_dependents(key)):
            self._queue.add(each)

    def on_pod(self, event_type: str, body: dict[str, Any]) -> None:
        """A build pod was added, changed or deleted."""
        owner = self._store.drop_pod(body) if event_type == "DELETED" else self._store.put_pod(body)
        if owner is not None:
            self._queue.add(owner, self._find_delay(owner, body))
        # https://kubernetes.io/docs/concepts/policy/resource-quotas/#object-count-quota
        if event_type == "DELETED" or (body.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            self._note_room(body["metadata"]["namespace"])

    def _find_delay(self, owner: Key, body: dict[str, Any]) -> float:
        """Seconds until a pod's news has to be looked at."""
        pod = self._store.find_pod(body)
        if pod is None or not pod.is_on_its_way:
            return 0.0
        # A pod that says nothing yet tells more a moment later. Most often both are looked at together.
        settles = SETTLES.total_seconds() if pod.says_nothing else 0.0
        siblings = self._store.pods_of(owner.namespace, pod.owner_uid).values()
        if not all(other.ended for other in siblings if other is not pod):
            return settles  # one of them may have to go
        return max(settles, self._rest_of(owner))


def build_registry(watcher: Watcher, on_answer: OnAnswer, on_watch: OnWatch) -> kopf.OperatorRegistry:
    """kopf's handlers. Each passes its event on and returns. `on_answer` and `on_watch` are told of kopf's requests:
    see `Sessions`."""
    registry, sessions = kopf.OperatorRegistry(), Sessions(on_answer, on_watch, watcher.relisted.set)

    @kopf.on.login(registry=registry, id="login")
    async def login(**kwargs: Any) -> Any:
        info = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        return info and sessions.open(info)

    @kopf.on.startup(registry=registry, id="configure")
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure_kopf(settings)

    @kopf.on.event(meta.GROUP, meta.VERSION, meta.BUILD_PLURAL, registry=registry, id="build")
    async def on_build(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        watcher.on_resource(meta.BUILD_KIND, type, dict(body))

    @kopf.on.event(meta.GROUP, meta.VERSION, meta.CONNECTOR_PLURAL, registry=registry, id="connector")
    async def on_connector(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002
        watcher.on_resource(meta.CONNECTOR_KIND, type, dict(body))

    return registry


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing to compare an object with. kopf would copy each whole object at each event, for handlers of changes
    that do not exist here."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoMemories(ResourceMemories):
    """Remembers no object. kopf would do so until it hears of the object's end, which a watch that was cut for too long
    never tells. Handlers of events need nothing of it."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def configure_kopf(settings: kopf.OperatorSettings) -> None:
    """Configure kopf: it writes nothing on any object, waits briefly, and lets go of an object soon after its event."""
    settings.posting.enabled = False
    # Else it sends SIGKILL to the process ten minutes after it has ended by an error, though it has begun again since.
    settings.process.ultimate_exiting_timeout = None
    settings.scanning.disabled = True
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = (0.5, 1, 2, 5)
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.persistence.diffbase_storage = _NoDiffBase()


async def run_kopf(
    watcher: Watcher,
    namespaces: tuple[str, ...],
    ended: asyncio.Event,
    take_signals: Callable[[], None],
    stop: asyncio.Event,
    health: Health,
    on_answer: OnAnswer,
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
                registry=build_registry(watcher, on_answer, health.watch_answered),
                memories=_NoMemories(),
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
