"""The bench's own requests to the API server: plain dicts over aiohttp, and a watcher that notes when what happened."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

import aiohttp

from buildandpush.api import meta
from devcluster.settings import Settings

Object = dict[str, Any]

AT_ONCE: Final = 20
"""Requests of the load that are under way at the same time."""
_COUNT: Final = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PATIENCE_SECONDS: Final = 1800.0


class Api:
    """Requests to one API server, as its administrator."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """Log in with the administrator's certificate."""
        context = ssl.create_default_context(cafile=str(settings.ca_certificate))
        context.load_cert_chain(settings.pki / "admin.crt", settings.pki / "admin.key")
        connector = aiohttp.TCPConnector(ssl=context, limit=2 * AT_ONCE)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield cls(session, settings.api_url)

    async def call(self, method: str, path: str, body: Object | None = None) -> Object:
        """One request. RuntimeError holds what the API server says against it."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, self.base + path, data=data, headers={"Content-Type": kind}) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
            return json.loads(text)  # type: ignore[no-any-return]

    async def count_writes(self) -> dict[str, float]:
        """Writes that the API server has answered, by verb, resource and group: `POST events ` are of the core's."""
        async with self.session.get(f"{self.base}/metrics") as answer:
            text = await answer.text()
        counts: dict[str, float] = {}
        for match in _COUNT.finditer(text):
            labels = dict(_LABEL.findall(match["labels"]))
            if labels["verb"] in _WRITES:
                place = labels["resource"] + (f"/{labels['subresource']}" if labels["subresource"] else "")
                key = f"{labels['verb']} {place} {labels['group']}"
                counts[key] = counts.get(key, 0.0) + float(match["count"])
        return counts

    async def clear(self, namespace: str) -> None:
        """Delete all builds and pods of a namespace."""
        for path in (builds_path(namespace), pods_path(namespace)):
            await self.call("DELETE", f"{path}?gracePeriodSeconds=0")


def pods_path(namespace: str, *name: str) -> str:
    """Where pods are."""
    return "/".join([f"/api/v1/namespaces/{namespace}/pods", *name])


def builds_path(namespace: str, *name: str) -> str:
    """Where builds are."""
    return "/".join([f"/apis/{meta.API_VERSION}/namespaces/{namespace}/{meta.BUILD_PLURAL}", *name])


def connectors_path(namespace: str) -> str:
    """Where connectors are."""
    return f"/apis/{meta.API_VERSION}/namespaces/{namespace}/{meta.CONNECTOR_PLURAL}"


async def in_turn(works: list[Callable[[], Any]], at_once: int = AT_ONCE) -> None:
    """Do all of it, so much at a time."""
    left = iter(works)

    async def work() -> None:
        for one in left:
            await one()

    await asyncio.gather(*(work() for _ in range(at_once)))


@dataclass
class Watched:
    """Moments of the monotonic clock, by a build's name."""

    applied: dict[str, float] = field(default_factory=dict)
    pod_created: dict[str, float] = field(default_factory=dict)
    pods: dict[str, set[str]] = field(default_factory=dict)
    """The uids of all pods that there were, by a build's name."""
    pod_running: dict[str, float] = field(default_factory=dict)
    pod_ended: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    """When the status said how the run ended."""
    failed: set[str] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def see_pod(self, pod: Object) -> None:
        """A pod has changed."""
        metadata, now = pod["metadata"], time.monotonic()
        name = (metadata.get("labels") or {}).get(meta.LABEL_NAME) or metadata["name"]
        self.pod_created.setdefault(name, now)
        self.pods.setdefault(name, set()).add(metadata["uid"])
        phase = pod.get("status", {}).get("phase")
        if phase == "Running":
            self.pod_running.setdefault(name, now)
        if phase in ("Succeeded", "Failed"):
            self.pod_ended.setdefault(name, now)
        self.changed.set()

    def see_build(self, build: Object) -> None:
        """A build has changed."""
        name, status, now = build["metadata"]["name"], build.get("status") or {}, time.monotonic()
        if (status.get("run") or {}).get("finishedAt"):
            self.told.setdefault(name, now)
            if status.get("phase") != "Succeeded":
                self.failed.add(name)
        self.changed.set()

    async def wait_for(self, moments: dict[str, float], count: int) -> None:
        """Wait until so many builds are there."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while len(moments) < count:
                self.changed.clear()
                await self.changed.wait()

    def spans(self, begins: dict[str, float], ends: dict[str, float]) -> list[float]:
        """Milliseconds between two moments of each build that has both, the shortest first."""
        return sorted(1000 * (ends[name] - begins[name]) for name in begins if name in self.applied and name in ends)


@asynccontextmanager
async def watching(api: Api, namespace: str) -> AsyncIterator[Watched]:
    """Note what happens in a namespace."""
    watched = Watched()
    tasks = [
        asyncio.create_task(_watch(api, pods_path(namespace), watched.see_pod)),
        asyncio.create_task(_watch(api, builds_path(namespace), watched.see_build)),
    ]
    try:
        yield watched
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


async def _watch(api: Api, path: str, see: Callable[[Object], None]) -> None:
    version = (await api.call("GET", f"{path}?limit=1"))["metadata"]["resourceVersion"]
    timeout = aiohttp.ClientTimeout(total=None)
    while True:
        url = f"{api.base}{path}?watch=true&resourceVersion={version}&timeoutSeconds=3600"
        async with api.session.get(url, timeout=timeout, read_bufsize=2**22) as answer:
            async for line in answer.content:
                found = json.loads(line)["object"]
                version = found["metadata"]["resourceVersion"]
                see(found)
