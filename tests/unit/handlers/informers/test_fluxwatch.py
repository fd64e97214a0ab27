"""Changes of Flux's objects reach the builds that name them, and nothing is asked for where none does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import BrokenAnswerError, KubernetesError, UnavailableError
from buildandpush.clients.flux import Found, Place, Snapshot
from buildandpush.core.build.questions import AskFluxArtifact
from buildandpush.core.facts import FluxArtifact, Waiting
from buildandpush.handlers.answers import answer_question
from buildandpush.handlers.informers import fluxwatch
from buildandpush.handlers.informers.fluxwatch import (
    ABSENT_SECONDS,
    FIRST_BACKOFF_SECONDS,
    IDLE_SECONDS,
    LAST_BACKOFF_SECONDS,
    FluxWatch,
)
from buildandpush.handlers.informers.store import Store, read_resource
from buildandpush.handlers.objects import Key
from tests.unit.core.factories import spec
from tests.unit.fake_azure import make_sources
from tests.unit.handlers.cluster import Cluster

SHOP: Place = ("shop", "shop")
OLD = FluxArtifact("http://flux.example/1.tar.gz", "sha256:" + "1" * 64, "main@1")
NEW = FluxArtifact("http://flux.example/2.tar.gz", "sha256:" + "2" * 64, "main@2")


class FakeFlux:
    """What each list gives, and then the watch; an exception among them is raised."""

    def __init__(self, listing: Any = None, *events: Any) -> None:
        self.listing: Any = Snapshot({SHOP: OLD}, "7") if listing is None else listing
        self.events: Any = events
        self.asked: list[str | None] = []

    async def list_kind(self, kind: str, namespace: str | None) -> Snapshot | None:
        self.asked.append(namespace)
        if isinstance(self.listing, Exception):
            raise self.listing
        found: Snapshot | None = self.listing or None
        return found

    async def watch_kind(
        self, kind: str, namespace: str | None, version: str
    ) -> AsyncIterator[tuple[Place, Found | None]]:
        assert version == "7"
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event

    async def find_artifact(self, namespace: str, kind: str, name: str) -> Found:
        return Waiting(Reason.SOURCE_NOT_READY, f"{namespace} {kind} {name}")


class Log:
    """What stands where the log does."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **_: self.lines.append(event)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(fluxwatch, "_log", log)
    return log


def store_of(**builds: dict[str, Any]) -> Store:
    """A store with these builds, each by its source."""
    store = Store()
    for name, source in builds.items():
        metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"}
        store.put(meta.BUILD_KIND, {"metadata": metadata, "spec": spec(source=source)})
    return store


def flux(name: str = "shop", kind: str = "GitRepository") -> dict[str, Any]:
    return {"fluxSource": {"kind": kind, "name": name}}


def watch(client: FakeFlux, store: Store | None = None, namespace: str | None = None) -> tuple[FluxWatch, list[str]]:
    """A watch, and the names of the builds that it has looked at."""
    woken: list[str] = []

    def wake(key: Key) -> None:
        woken.append(key.name)

    given: Any = client
    return FluxWatch(given, store or store_of(web=flux()), wake, "GitRepository", namespace), woken


@pytest.mark.parametrize("source", [{"inline": {"files": {}}}, flux(kind="Bucket")])
async def test_without_a_build_that_names_the_kind_nothing_is_asked(source: dict[str, Any]) -> None:
    client = FakeFlux()
    followed, woken = watch(client, store_of(web=source))
    assert await followed.follow() == IDLE_SECONDS
    assert (client.asked, woken) == ([], [])


async def test_only_builds_that_name_the_changed_object_are_looked_at() -> None:
    client = FakeFlux(None, (SHOP, NEW), (("other", "shop"), NEW), (("shop", "other"), NEW))
    followed, woken = watch(client, store_of(web=flux(), api=flux("other"), plain={"inline": {"files": {}}}))
    assert await followed.follow() == FIRST_BACKOFF_SECONDS
    assert woken == ["web", "web", "api"]


async def test_what_says_nothing_new_has_nothing_looked_at() -> None:
    client = FakeFlux(None, (SHOP, OLD), (("shop", "gone"), None))
    followed, woken = watch(client)
    await followed.follow()
    await followed.follow()
    assert woken == ["web"]


async def test_an_object_that_is_gone_is_told_by_the_watch_or_by_the_next_list() -> None:
    client = FakeFlux(None, (SHOP, None))
    followed, woken = watch(client)
    await followed.follow()
    assert woken == ["web", "web"]
    client.events = ()
    await followed.follow()
    client.listing = Snapshot({}, "7")
    await followed.follow()
    assert woken == ["web"] * 4


async def test_a_kind_that_the_cluster_does_not_have_is_looked_for_again_later(log: Log) -> None:
    followed, _ = watch(FakeFlux(False))
    assert await followed.follow() == ABSENT_SECONDS
    assert log.lines == []


async def test_a_version_that_is_too_old_has_the_objects_listed_again(log: Log) -> None:
    followed, _ = watch(FakeFlux(None, KubernetesError(410, "Expired", "too old")))
    assert await followed.follow() == FIRST_BACKOFF_SECONDS
    assert log.lines == []


async def test_a_refusal_is_logged_once_until_it_is_over(log: Log) -> None:
    client = FakeFlux(KubernetesError(403, "Forbidden", "no"))
    followed, woken = watch(client)
    assert [await followed.follow() for _ in range(2)] == [ABSENT_SECONDS] * 2
    assert log.lines == ["flux.not_allowed"]
    client.listing = Snapshot({SHOP: OLD}, "7")
    await followed.follow()
    assert woken == ["web"]
    client.listing = KubernetesError(403, "Forbidden", "no")
    await followed.follow()
    assert log.lines == ["flux.not_allowed"] * 2


async def test_a_server_that_is_away_is_asked_less_and_less_often(log: Log) -> None:
    followed, _ = watch(FakeFlux(UnavailableError("no answer")))
    waits = [await followed.follow() for _ in range(12)]
    assert waits[:3] == [FIRST_BACKOFF_SECONDS * factor for factor in (1, 2, 4)]
    assert waits[-1] == LAST_BACKOFF_SECONDS
    assert set(log.lines) == {"flux.watch_failed"}


async def test_a_watch_that_gives_what_is_no_event_is_asked_for_less_and_less_often(log: Log) -> None:
    """Though the lists in between can be read."""
    client = FakeFlux(None, (SHOP, NEW), BrokenAnswerError("the watch gives what is no event"))
    followed, _ = watch(client)
    waits = [await followed.follow() for _ in range(12)]
    assert waits[:3] == [FIRST_BACKOFF_SECONDS * factor for factor in (1, 2, 4)]
    assert waits[-1] == LAST_BACKOFF_SECONDS
    client.events = ()
    await followed.follow()
    client.events = (BrokenAnswerError("again"),)
    assert await followed.follow() == FIRST_BACKOFF_SECONDS


async def test_a_watch_that_is_cut_now_and_then_is_asked_for_at_once(log: Log) -> None:
    followed, _ = watch(FakeFlux(None, UnavailableError("cut")))
    assert [await followed.follow() for _ in range(3)] == [FIRST_BACKOFF_SECONDS] * 3


async def test_one_namespace_is_followed_where_the_operator_serves_no_other() -> None:
    client = FakeFlux()
    followed, _ = watch(client, namespace="shop")
    await followed.follow()
    assert client.asked == ["shop"]
    other, _ = watch(client, namespace="other")
    assert await other.follow() == IDLE_SECONDS


async def test_the_question_is_answered_for_the_builds_own_namespace() -> None:
    cluster = Cluster()
    sources = make_sources(cluster.api.connect(), cluster.registry, lambda: cluster.now, flux=FakeFlux())
    build = read_resource(cluster.api.get(meta.BUILD_PLURAL, "shop", "web"))
    found = await answer_question(sources, build, AskFluxArtifact("Bucket", "files"), cluster.now)
    assert found == Waiting(Reason.SOURCE_NOT_READY, "shop Bucket files")
