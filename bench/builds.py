"""Measures builds on the dev cluster: how soon the operator acts, and what it asks of the API server.

    make bench            (python -m bench.builds [--builds N])

Times come from one watcher's monotonic clock, since the API's own times have a grain of one second. Writes per build
are the API server's own count (apiserver_request_total), between before and after. All figures are of one run on one
machine: compare within a run.
"""

import argparse
import asyncio
import re
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from kubernetes import aio

from bench.goals import GOALS, LATEST, print_table, write_figures
from buildandpush.api import meta
from devcluster.settings import Settings, read_settings

NAMESPACE: Final = "bench"
_PATIENCE_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 1.0
"""How often a kubelet looks which containers have ended. A build that begins when another ends begins just after such a
look, and so meets the same luck as that. Hence each begins at another point of this time."""
_SPREAD: Final = 0.618
"""Of its multiples the parts below one lie evenly between 0 and 1, however many there are: the golden ratio."""
_WRITES: Final = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)", re.MULTILINE)


class Stopwatch:
    """When each build was applied, got its pod, had its pod end and its status say so."""

    def __init__(self) -> None:
        self.applied: dict[str, float] = {}
        self.pod_created: dict[str, float] = {}
        self.pod_ended: dict[str, float] = {}
        self.told: dict[str, float] = {}
        self.kaniko_seconds: dict[str, float] = {}
        """By the container's own times, which have a grain of a second. Their mean has none."""
        self.finished = asyncio.Event()

    def forget(self) -> None:
        """Begin anew. What still comes of the builds before does not count."""
        for times in (self.applied, self.pod_created, self.pod_ended, self.told, self.kaniko_seconds):
            times.clear()

    def see_pod(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["labels"].get(meta.LABEL_NAME, "")
        if name not in self.applied:
            return
        self.pod_created.setdefault(name, time.monotonic())
        states = [item["state"] for item in pod.get("status", {}).get("containerStatuses") or ()]
        ended = next((state["terminated"] for state in states if "terminated" in state), None)
        if ended is not None:
            self.pod_ended.setdefault(name, time.monotonic())
            begin, end = (datetime.fromisoformat(ended[moment]) for moment in ("startedAt", "finishedAt"))
            self.kaniko_seconds[name] = (end - begin).total_seconds()

    def see_build(self, build: dict[str, Any]) -> None:
        name = build["metadata"]["name"]
        if name in self.applied and (build.get("status", {}).get("run") or {}).get("finishedAt"):
            self.told.setdefault(name, time.monotonic())
            self.finished.set()


def build_manifest(name: str, registry: str) -> dict[str, Any]:
    """A small build: one COPY on a small base."""
    return {
        "apiVersion": meta.API_VERSION,
        "kind": meta.BUILD_KIND,
        "metadata": {"name": name},
        "spec": {
            "connectorRef": "acr",
            "repository": f"{registry}/bench/{name}",
            "tags": ["latest"],
            "source": {
                "inline": {
                    "files": {"Dockerfile": f"FROM {registry}/base/busybox:1.36\nCOPY note /note\n", "note": name}
                }
            },
        },
    }


async def watch(list_call: Callable[..., Any], see: Callable[[dict[str, Any]], None], **arguments: Any) -> None:
    """Hand every change to `see`, for ever. The API server ends a watch of a kind whose CRD has just been applied."""
    while True:
        with suppress(aio.client.ApiException):
            async with aio.watch.Watch() as stream:
                async for event in stream.stream(list_call, **arguments):
                    see(event["raw_object"])
        await asyncio.sleep(_PAUSE_SECONDS)


async def count_writes(api: Any) -> dict[str, float]:
    """Writes the API server has answered, by verb and resource."""
    response = await api.call_api("GET", f"{api.configuration.host}/metrics")
    return read_writes((await response.read()).decode())


def read_writes(text: str) -> dict[str, float]:
    """Writes by verb and resource, from the API server's metrics."""
    counts: dict[str, float] = {}
    for match in _WRITES.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
        if labels["verb"] in ("POST", "PUT", "PATCH", "DELETE"):
            place = labels["resource"] + (f"/{labels['subresource']}" if labels["subresource"] else "")
            key = f"{labels['verb']} {place}"
            counts[key] = counts.get(key, 0.0) + float(match["count"])
    return counts


async def prepare(settings: Settings, core: Any, custom: Any) -> None:
    """A namespace with a login."""
    await core.create_namespace({"metadata": {"name": NAMESPACE}})
    login = {"username": settings.registry_user, "password": settings.registry_password.read_text().strip()}
    secret = {"metadata": {"name": "acr-login"}, "type": "kubernetes.io/basic-auth", "stringData": login}
    await core.create_namespaced_secret(NAMESPACE, secret)
    connector = {
        "apiVersion": meta.API_VERSION,
        "kind": meta.CONNECTOR_KIND,
        "metadata": {"name": "acr"},
        "spec": {
            "registryCredentials": {"secretRef": {"name": "acr-login"}},
            "registries": [settings.registry_host],
            "caBundle": settings.ca_certificate.read_text(),
        },
    }
    await custom.create_namespaced_custom_object(meta.GROUP, meta.VERSION, NAMESPACE, meta.CONNECTOR_PLURAL, connector)
    async with aio.watch.Watch() as stream:
        # Without its service account the namespace's first pod would be refused and tried again later.
        async for _ in stream.stream(core.list_namespaced_service_account, namespace=NAMESPACE):
            return


async def measure(settings: Settings, builds: int) -> None:
    """Build one after the other, then print what it took."""
    await aio.config.load_kube_config(str(settings.kubeconfig))
    async with aio.client.ApiClient() as api:
        core, custom = aio.client.CoreV1Api(api), aio.client.CustomObjectsApi(api)
        watched = Stopwatch()
        await prepare(settings, core, custom)
        kind = {"group": meta.GROUP, "version": meta.VERSION, "namespace": NAMESPACE, "plural": meta.BUILD_PLURAL}
        async with asyncio.TaskGroup() as group:  # a watch that fails ends the measurement
            watches = [
                group.create_task(watch(core.list_namespaced_pod, watched.see_pod, namespace=NAMESPACE)),
                group.create_task(watch(custom.list_namespaced_custom_object, watched.see_build, **kind)),
            ]
            # A new operator waits for its Lease, and the first build of a connector for its login.
            await build(custom, watched, build_manifest("warm-up", settings.registry_host))
            watched.forget()
            before = await count_writes(api)
            for number in range(builds):
                await asyncio.sleep(_LOOK_SECONDS * (number * _SPREAD % 1))
                await build(custom, watched, build_manifest(f"build-{number}", settings.registry_host))
            after = await count_writes(api)
            for task in watches:
                task.cancel()
        await core.delete_namespace(NAMESPACE)
    report(watched, before, after, builds)


async def build(custom: Any, watched: Stopwatch, manifest: dict[str, Any]) -> None:
    """One build, until its status says how it has ended."""
    name = manifest["metadata"]["name"]
    watched.applied[name] = time.monotonic()
    await custom.create_namespaced_custom_object(meta.GROUP, meta.VERSION, NAMESPACE, meta.BUILD_PLURAL, manifest)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while name not in watched.told:
            watched.finished.clear()
            await watched.finished.wait()


def report(watched: Stopwatch, before: dict[str, float], after: dict[str, float], builds: int) -> None:
    """Print the figures."""
    spans = {
        title: [ends[name] - starts[name] for name in watched.applied]
        for title, starts, ends in (
            ("apply to pod created", watched.applied, watched.pod_created),
            ("pod created to kaniko ended", watched.pod_created, watched.pod_ended),
            ("kaniko ended to status", watched.pod_ended, watched.told),
        )
    }
    print(f"{builds} builds, one after the other")
    for title, seconds in spans.items():
        print(f"  {title:<28} median {statistics.median(seconds):6.3f} s   worst {max(seconds):6.3f} s")
    print("writes the API server counted, per build (the operator's, the kubelet's and the scheduler's)")
    for key in sorted(after):
        each = (after[key] - before.get(key, 0.0)) / builds
        if each >= 0.05:
            print(f"  {key:<44} {each:5.2f}")
    to_pod, in_pod, to_status = (statistics.mean(seconds) for seconds in spans.values())
    figures = {
        "small_build_overhead_s": to_pod + in_pod + to_status - statistics.mean(watched.kaniko_seconds.values()),
        "small_build_operator_s": to_pod + to_status,
    }
    print_table(figures, GOALS)
    write_figures(LATEST, figures)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure builds on the dev cluster.")
    parser.add_argument("--builds", type=int, default=20, help="how many builds; 20 by default")
    arguments = parser.parse_args()
    asyncio.run(measure(read_settings(), arguments.builds))


if __name__ == "__main__":
    main()
