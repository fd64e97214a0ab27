"""A cluster in memory with one resource, its connector, and an operator that can be started anew at any time."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from buildandpush.api import meta
from buildandpush.core.azure.login import Credentials
from buildandpush.core.facts import Proof, ReadBack
from buildandpush.core.settings import BuildSettings
from buildandpush.handlers.announcements import Announcements
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key
from buildandpush.handlers.observability.metrics import Metrics
from buildandpush.handlers.observability.runmeter import RunMeter
from buildandpush.handlers.progress import Progress
from buildandpush.handlers.quotas import Quotas
from buildandpush.handlers.reconcile import Reconciler
from buildandpush.handlers.telling import Telling
from tests.unit.core.factories import DIGEST, NOW, SETTINGS, spec
from tests.unit.fake_azure import FakeAzure, FakeLinks, FakeRevisions, make_sources
from tests.unit.handlers.fake_api import FakeApi

WEB = Key(meta.BUILD_KIND, "shop", "web")
CONNECTOR = Key(meta.CONNECTOR_KIND, "shop", "acr")


@dataclass
class FakeReader:
    """The registry as the operator reads it: one digest under every tag."""

    digest: str | None = DIGEST
    asked: list[str] = field(default_factory=list)

    async def read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials
    ) -> ReadBack:
        self.asked.append(digest)
        return ReadBack(dict.fromkeys(tags, self.digest), digest_found=self.digest == digest)

    async def read_tags(self, repository: str, tags: tuple[str, ...], credentials: Credentials) -> ReadBack:
        return ReadBack(dict.fromkeys(tags, self.digest), digest_found=False)

    async def list_tags(self, repository: str, credentials: Credentials) -> tuple[str, ...] | None:
        return ()

    async def find_proof(
        self, repository: str, tags: tuple[str, ...], run_label: str, credentials: Credentials
    ) -> Proof:
        return Proof(None)


@dataclass
class Cluster:
    """The API server with what users wrote, and the operator of the moment."""

    api: FakeApi = field(default_factory=FakeApi)
    registry: FakeReader = field(default_factory=FakeReader)
    azure: FakeAzure = field(default_factory=FakeAzure)
    links: FakeLinks = field(default_factory=FakeLinks)
    revisions: FakeRevisions = field(default_factory=FakeRevisions)
    now: datetime = NOW
    settings: BuildSettings = SETTINGS
    store: Store = field(default_factory=Store)
    metrics: Metrics = field(default_factory=Metrics)
    progress: Progress | None = None

    def __post_init__(self) -> None:
        login = {"registryCredentials": {"secretRef": {"name": "acr-push"}}, "registries": ["contoso.azurecr.io"]}
        self.api.put(meta.CONNECTOR_PLURAL, {"metadata": {"namespace": "shop", "name": "acr"}, "spec": login})
        data = {key: base64.b64encode(value.encode()).decode() for key, value in _LOGIN.items()}
        self.api.put("secrets", {"metadata": {"namespace": "shop", "name": "acr-push"}, "data": data})
        self.apply()
        self.restart()

    def apply(self, **changes: Any) -> None:
        """The user applies the smallest spec with these fields changed."""
        known = self.api.objects.get((meta.BUILD_PLURAL, "shop", "web"))
        body = known or {
            "metadata": {"namespace": "shop", "name": "web"},
            "status": {"observedGeneration": -1},
        }
        self.api.put(meta.BUILD_PLURAL, {**body, "spec": spec(**changes)})

    def restart(self) -> None:
        """A new operator: it knows what the API server holds and nothing else."""
        self.store = Store()
        self.watch()

    def watch(self) -> None:
        """The watches tell of everything that changed."""
        for kind, plural in ((meta.BUILD_KIND, meta.BUILD_PLURAL), (meta.CONNECTOR_KIND, meta.CONNECTOR_PLURAL)):
            for body in self.api.all(plural):
                self.store.put(kind, body)
        for body in self.pods:
            self.store.put_pod(body)

    def make_reconciler(self) -> Reconciler:
        """One process of the operator, with what its store knows."""
        client = self.api.connect()
        sources = make_sources(
            client, self.registry, lambda: self.now, self.azure, self.links, revisions=self.revisions
        )
        quotas = Quotas(lambda owner: None)
        meter = RunMeter(self.metrics)
        telling = Telling(Announcements(client).write, self.progress) if self.progress is not None else None
        return Reconciler(sources, self.store, self.settings, lambda: self.now, meter, quotas, telling=telling)

    async def reconcile(self, key: Key = WEB) -> float | None:
        """One pass of a process that has just started."""
        return await self.make_reconciler().reconcile(key)

    async def settle(self) -> None:
        """Watch and reconcile until nothing changes any more."""
        for _ in range(20):
            before = len(self.api.writes)
            self.watch()
            await self.reconcile()
            if len(self.api.writes) == before:
                return
            self.now += timedelta(seconds=1)
        raise AssertionError("the operator does not come to rest")

    @property
    def pods(self) -> list[dict[str, Any]]:
        return self.api.all("pods")

    @property
    def pod(self) -> dict[str, Any]:
        (only,) = self.pods
        return only

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(meta.BUILD_PLURAL, "shop", "web")["status"]
        return found

    @property
    def ready(self) -> tuple[str, str]:
        """Value and reason of the condition Ready."""
        condition = next(item for item in self.status["conditions"] if item["type"] == "Ready")
        return condition["status"], condition["reason"]

    @property
    def events(self) -> list[str]:
        """Reasons of the Events that were told."""
        return [body["reason"] for body in self.api.all("events")]

    def seconds(self) -> float:
        """The time of a clock that only goes on."""
        return self.now.timestamp()

    def start_kaniko(self) -> None:
        """The kubelet has fetched the source and started kaniko."""
        self._set(self.pod, {"phase": "Running", "containerStatuses": [_kaniko(running={"startedAt": _AT})]})

    def end_kaniko(self, code: int = 0, message: str = DIGEST, **status: Any) -> None:
        """kaniko has ended."""
        reason = "Completed" if code == 0 else "Error"
        state = {"exitCode": code, "reason": reason, "message": message, "startedAt": _AT, "finishedAt": _AT}
        phase = "Succeeded" if code == 0 else "Failed"
        self._set(self.pod, {"phase": phase, "containerStatuses": [_kaniko(terminated=state)], **status})

    def _set(self, pod: dict[str, Any], status: Mapping[str, Any]) -> None:
        source = {"exitCode": 0, "reason": "Completed", "startedAt": _AT, "finishedAt": _AT}
        pod["spec"]["nodeName"] = "node1"
        pod["status"] = {"initContainerStatuses": [{"name": "source", "state": {"terminated": source}}], **status}
        self.api.put("pods", pod)


_LOGIN = {"username": "push", "password": "hunter22-secret"}
_AT = "2026-11-24T12:00:10Z"


def _kaniko(**state: Any) -> dict[str, Any]:
    return {"name": "kaniko", "state": state}
