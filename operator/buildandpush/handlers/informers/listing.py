"""Lists everything afresh, page by page: what vanished or changed while a watch was cut gets no event."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from buildandpush.api import meta
from buildandpush.clients.errors import (
    BrokenAnswerError,
    KubernetesError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.lists import NO_VERSION, Listing
from buildandpush.clients.kubernetes.objects import is_object
from buildandpush.clients.pause import pause
from buildandpush.handlers.informers.kept import version_of
from buildandpush.handlers.informers.store import Store, find_older
from buildandpush.handlers.objects import POD_KIND, Key, Object, Place, place_of
from buildandpush.handlers.observability.health import Health, Loop
from buildandpush.handlers.workqueue.queue import WorkQueue

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 120.0
"""How often everything is listed afresh: what vanished while a watch was cut never gets an event."""
RELIST_SECONDS: Final = 1.0
"""How long after a list of kopf's: it lists all kinds and namespaces at about the same time."""
RETRY_SECONDS: Final = 1.0
"""How long until a first list that failed is tried again."""
_AT_ONCE: Final = 20
"""How many objects are taken in before others have their turn at the event loop."""

_MOST_UNANSWERED: Final = 3
"""As many reads without an answer, and the API server does not answer: no other object is asked for then."""
_FAILING_SECONDS: Final = 60.0
"""As long for reads that fail, and the API server itself is in trouble, such as one whose etcd has no leader."""
_MOST_NAMED: Final = 10
"""So many objects that cannot be read does a line of the log name."""

_PLURALS: Final = {meta.BUILD_KIND: meta.BUILD_PLURAL, meta.CONNECTOR_KIND: meta.CONNECTOR_PLURAL}
_KINDS: Final = (POD_KIND, *_PLURALS)
"""The pods first: a build without its pod looks as if it had lost it."""

Wake = Callable[[Key], None]


async def refresh(
    client: KubernetesClient,
    store: Store,
    queue: WorkQueue[Key],
    namespaces: tuple[str, ...],
    relisted: asyncio.Event,
    health: Health,
    listed: asyncio.Event,
) -> None:
    """List everything afresh every two minutes, and look again at whatever the watches missed.

    This also happens soon after kopf has listed, as at the start and after a watch that was cut for too long: kopf's
    watches tell only what changes from there on. `listed` is set when all has been listed for the first time.
    """
    await listed.wait()
    clock, took = asyncio.get_running_loop().time, 0.0
    while True:
        await pause(relisted, REFRESH_SECONDS)
        # Where kopf lists again and again, this takes no more than a third of the time.
        await asyncio.sleep(min(max(RELIST_SECONDS, 2 * took), REFRESH_SECONDS))
        relisted.clear()
        begun = clock()
        await refresh_once(client, store, queue, namespaces, health)
        took = clock() - begun


async def list_all(
    client: KubernetesClient, store: Store, queue: WorkQueue[Key], namespaces: tuple[str, ...], health: Health
) -> None:
    """List everything. Try again until the API server has answered.

    Only the first try asks for bodies. It ends without success if it takes longer than the API server keeps the state
    of a list. The others then read what is missing, so each of them gets further.
    """
    health.turn(Loop.LIST, "nothing has been listed yet")
    names_only = False
    while not await refresh_once(client, store, queue, namespaces, health, names_only=names_only):
        names_only = True
        await asyncio.sleep(RETRY_SECONDS)


async def refresh_once(
    client: KubernetesClient,
    store: Store,
    queue: WorkQueue[Key],
    namespaces: tuple[str, ...],
    health: Health,
    *,
    names_only: bool = True,
) -> bool:
    """List everything afresh. A namespace that cannot be listed does not keep others from it.

    Gives back whether the API server answered for each, be it by a refusal. The operator is able to work while at least
    one namespace can be listed, even if an object in it cannot be read. With `names_only` the lists hold no bodies, and
    only what has changed is read.
    """
    answered, listed = True, False
    for namespace in namespaces or (None,):
        try:
            for kind in _KINDS:
                await refresh_kind(client, store, queue.add, kind, namespace, names_only=names_only)
            listed = True
            health.turn(Loop.LIST)
        except (KubernetesError, UnavailableError) as error:
            answered = answered and isinstance(error, KubernetesError)
            health.turn(Loop.LIST, "" if listed else str(error))
            _log.warning("store.refresh_failed", namespace=namespace or "all", error=str(error))
    return answered


async def refresh_kind(
    client: KubernetesClient, store: Store, wake: Wake, kind: str, namespace: str | None, *, names_only: bool = True
) -> str:
    """Take in all pages of a list. Returns its version.

    All pages have the state of the first one, which is never behind what was known before it was asked for. So an
    object that is older in it tells that versions went back.
    """

    def wake_all(key: Key) -> None:
        for each in (key, *store.find_dependents(key)):
            wake(each)

    before = store.versions(kind, namespace)
    page = await _fetch_page(client, kind, namespace, "", names_only=names_only)
    if page.resource_version == NO_VERSION:
        # All that it lacks would look as if versions had gone back.
        raise UnavailableError(f"the list of {kind} has no version, so it is none of the API server's")
    version = int(page.resource_version)
    listed: dict[Place, int] = {}
    while True:
        listed |= {place_of(body): version_of(body) for body in page.items}
        if not names_only:
            await _take_in(store, wake_all, kind, page.items)
        if not page.token:
            break
        page = await _fetch_page(client, kind, namespace, page.token, names_only=names_only)
    if names_only:  # after the last page, since the API server keeps the state of a list for minutes only
        await _read_changed(client, store, wake_all, kind, listed)
    older = find_older(listed, version, before)
    if older is not None:
        store.note_relapse(kind, *older)
    for key in store.drop_unlisted(kind, listed, version, namespace):
        wake_all(key)
    return str(version)


async def _fetch_page(
    client: KubernetesClient, kind: str, namespace: str | None, token: str, *, names_only: bool
) -> Listing:
    if kind == POD_KIND:
        return await client.list_pods(namespace, token, names_only=names_only)
    return await client.list_custom(_PLURALS[kind], namespace, token, names_only=names_only)


async def _take_in(store: Store, wake: Wake, kind: str, bodies: Iterable[Object]) -> None:
    """Store whole objects. What this list has brought is looked at even if a later one fails."""
    for number, body in enumerate(bodies, start=1):
        try:
            key = store.put_any(kind, body)
        except Exception:  # one that nobody foresaw keeps no other from being worked on
            _log.warning("store.not_taken", kind=kind, place="/".join(place_of(body)), exc_info=True)
            key = None
        if key is not None:
            wake(key)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


class _Unread:
    """The objects that could not be read after one list. One of them is no reason to stop; an API server that is in
    trouble is one."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._errors: dict[Place, str] = {}
        self._unanswered = 0
        self._seconds = 0.0

    def add(self, place: Place, error: KubernetesError | UnavailableError, seconds: float) -> None:
        """A read failed after so many seconds. Raises its error where any other read is likely to fail too."""
        self._errors[place] = str(error)
        self._seconds += seconds
        self._unanswered += not isinstance(error, KubernetesError | BrokenAnswerError)
        is_away = self._unanswered >= _MOST_UNANSWERED or self._seconds > _FAILING_SECONDS
        if is_away or isinstance(error, ThrottledError):
            raise error

    def tell(self) -> None:
        """Log them in one line."""
        if self._errors:
            places = [f"{namespace}/{name}" for namespace, name in list(self._errors)[:_MOST_NAMED]]
            error = next(iter(self._errors.values()))
            _log.warning("store.unread", kind=self._kind, count=len(self._errors), objects=places, error=error)


async def _read_changed(
    client: KubernetesClient, store: Store, wake: Wake, kind: str, listed: Mapping[Place, int]
) -> None:
    """Read the objects that are newer than what is known of them.

    One that cannot be read keeps no other from it. It stays as it was known, and the next list has it read again.
    Raises the error of a read where the API server itself seems to be in trouble.
    """
    clock, unread = asyncio.get_running_loop().time, _Unread(kind)
    for place in [place for place, version in listed.items() if version > store.version(kind, place)]:
        begun = clock()
        try:
            body = await _read(client, kind, place)
        except NotFoundError:
            continue  # the watch tells of its end, or the next list
        except (KubernetesError, UnavailableError) as error:
            unread.add(place, error, clock() - begun)
            continue
        await _take_in(store, wake, kind, (body,))
    unread.tell()


async def _read(client: KubernetesClient, kind: str, place: Place) -> Object:
    body = await (client.read_pod(*place) if kind == POD_KIND else client.read_custom(_PLURALS[kind], *place))
    if not is_object(body):
        raise BrokenAnswerError(f"{kind} {'/'.join(place)}: the answer is no object")
    return body
