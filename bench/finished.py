"""Measures the operator with thousands of resources: memory, how long a start takes, and how long its loop is held.

    make bench            ([KUBECONFIG=PATH] python -m bench.finished [--finished N] [--running N])

Without numbers it measures what has goals, one after the other, and adds the figures to latest.json: nothing, then
1,000 builds that run, then 10,000 that have ended.

The resources get the status that the operator writes, and their pods the status that a kubelet writes. The operator
runs as a process of this machine, as root with the Python of its image, and finds them all there. Without KUBECONFIG it
starts a control plane of its own. With it, what a run makes stays in that cluster, and the next one finds it. The
cluster needs the CRDs and no nodes.

`peak` and `at rest` are the resident memory of the process. A start ends when each resource has been looked at. The lag
is how long a probe of the operator waits for its answer, so it holds the machine's own delays too. `writes` are the
API server's own count (apiserver_request_total). All figures are of one run on one machine: compare within a run.
"""

import argparse
import asyncio
import copy
import json
import logging
import os
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import structlog
from kubernetes import aio

from bench.api import Api
from bench.builds import read_writes
from bench.goals import GOALS, LATEST, print_table, write_figures
from bench.interpreter import Command, image_python
from bench.plane import run_plane
from bench.scene import prepare
from buildandpush.api import meta
from buildandpush.clients.errors import ConflictError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Transport
from buildandpush.core import naming
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.spechash import hash_spec
from tests.unit.handlers.cluster import Cluster

FINISHED: Final = "bench-finished"
RUNNING: Final = "bench-running"
NOTHING: Final = "bench-nothing"
"""Namespaces. The operator watches those that have what is measured."""
_RUNNING: Final = 1_000
_FINISHED: Final = 10_000
_AT_ONCE: Final = 40
_PORT: Final = 18099
_PROBE_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.25
_REST_SECONDS: Final = 4.0
_REST_SHARE: Final = 0.05
"""A process that has used less of a processor than this for so many seconds is at rest."""
_MOST_METRICS: Final = 64 * 2**20
_LONGEST_SECONDS: Final = 900.0
_PASSES: Final = re.compile(r"^buildandpush_reconcile_duration_seconds_count\{.*\} (\S+)", re.MULTILINE)
_LAG: Final = re.compile(r'^buildandpush_event_loop_lag_seconds_bucket\{le="(.*)"\} (\S+)', re.MULTILINE)
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")

Object = dict[str, Any]


def make_sample(*, finished: bool) -> tuple[Object, Object]:
    """A resource as the operator leaves it, with its pod, from the operator itself and a cluster in memory."""

    async def build() -> tuple[Object, Object]:
        cluster = Cluster()
        if not finished:
            cluster.apply(envVariables={"PLUGIN_NO_PUSH": "true"}, connectorRef=None)
        await cluster.settle()
        cluster.start_kaniko()
        await cluster.settle()
        if finished:
            cluster.end_kaniko()
            await cluster.settle()
        return cluster.api.get(meta.BUILD_PLURAL, "shop", "web"), cluster.pod

    return asyncio.run(build())


class Client(KubernetesClient):
    """What others than the operator write."""

    async def create(self, path: str, body: Object) -> Object | None:
        """Create an object; None if there is one of its name, as from a run before."""
        try:
            return await self._transport.request("POST", path, body=body)
        except ConflictError:
            return None

    async def count_writes(self) -> dict[str, float]:
        """Writes that the API server has answered, by verb and resource."""
        return read_writes((await self._transport.send("GET", "/metrics", limit=_MOST_METRICS)).decode())

    async def count_builds(self, namespace: str) -> int:
        """How many builds there are, those of earlier runs included."""
        count, token = 0, ""
        while True:
            page = await self.list_custom(meta.BUILD_PLURAL, namespace, token, names_only=True)
            count, token = count + len(page.items), page.token
            if not token:
                return count

    async def patch_pod_status(self, namespace: str, name: str, status: Object) -> None:
        """As a kubelet does."""
        await self._transport.request(
            "PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}/status", body={"status": status}
        )


class Filler:
    """Creates resources, some at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def fill(self, count: int, namespace: str, make: Callable[[str], Awaitable[None]]) -> None:
        async def one(number: int) -> None:
            async with self._places:
                await make(f"build-{number}")

        await self._client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        await asyncio.gather(*(one(number) for number in range(count)))

    async def make_finished(self, sample: Object, name: str) -> None:
        """A resource whose pod is gone."""
        created = await self._create(FINISHED, name, sample)
        if created is None:
            return
        await self._write_status(created, _renamed(sample["status"], name))

    async def make_running(self, sample: Object, pod: Object, name: str) -> None:
        """A resource whose pod runs."""
        created = await self._create(RUNNING, name, sample)
        if created is None:
            return
        uid = created["metadata"]["uid"]
        pod_name = naming.build_pod_name(name, uid, run=1, build=0, attempt=1)
        manifest = _renamed({"metadata": pod["metadata"], "spec": pod["spec"]}, name)
        for key in ("uid", "resourceVersion", "generation"):
            del manifest["metadata"][key]
        manifest["metadata"] |= {"name": pod_name, "namespace": RUNNING}
        manifest["metadata"]["ownerReferences"][0] |= {"name": name, "uid": uid}
        made = await self._client.create_pod(manifest)
        await self._client.patch_pod_status(RUNNING, pod_name, _as_a_kubelet(pod["status"]))
        status = _renamed(sample["status"], name)
        status["run"]["specHash"] = hash_spec(parse_spec(created["spec"]))
        status["run"]["builds"][0] |= {"podName": pod_name, "podUid": made["metadata"]["uid"]}
        await self._write_status(created, status)

    async def _create(self, namespace: str, name: str, sample: Object) -> Object | None:
        body = {"apiVersion": meta.API_VERSION, "kind": meta.BUILD_KIND, "spec": _renamed(sample["spec"], name)}
        applied = json.dumps({**body, "metadata": {"name": name, "namespace": namespace}})
        body["metadata"] = {
            "name": name,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
            "labels": {"app.kubernetes.io/part-of": "bench"},
        }
        path = f"/apis/{meta.API_VERSION}/namespaces/{namespace}/{meta.BUILD_PLURAL}"
        return await self._client.create(path, body)

    async def _write_status(self, body: Object, status: Object) -> None:
        metadata = body["metadata"]
        place = metadata["namespace"], metadata["name"]
        await self._client.replace_custom_status(meta.BUILD_PLURAL, *place, metadata["resourceVersion"], status)


def _renamed(value: Object, name: str) -> Object:
    renamed: Object = json.loads(json.dumps(value).replace("shop/web", f"shop/{name}"))
    return renamed


def _as_a_kubelet(status: Object) -> Object:
    """The status with what the API server asks for besides."""
    full = copy.deepcopy(status)
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in full.get(key, []):
            container |= {"image": "i", "imageID": "i", "ready": False, "restartCount": 0}
    return full


@dataclass
class Figures:
    """What was seen of one process."""

    ready_seconds: float = 0.0
    """From the start until it can work."""
    looked_seconds: float = 0.0
    """From the start until it has looked at each resource once."""
    looked_cpu_seconds: float = 0.0
    """What it had used of a processor by then."""
    peak_mib: float = 0.0
    rest_mib: float = 0.0
    lags: list[float] = field(default_factory=list)
    loop: str = ""
    writes: dict[str, float] = field(default_factory=dict)

    def lag_p99(self) -> float:
        """Seconds that a probe waits for its answer, but for one in a hundred."""
        return statistics.quantiles(self.lags, n=100)[98] if len(self.lags) > 1 else 0.0

    def __str__(self) -> str:
        return (
            f"  start {self.looked_seconds:6.1f} s, ready {self.ready_seconds:.1f} s, "
            f"processor {self.looked_cpu_seconds:.1f} s\n"
            f"  memory peak {self.peak_mib:6.0f} MiB, at rest {self.rest_mib:.0f} MiB\n"
            f"  lag p99 {1000 * self.lag_p99():6.0f} ms, most {1000 * max(self.lags, default=0):.0f} ms "
            f"of {len(self.lags)} probes\n"
            f"  {self.loop}\n"
            f"  writes {self.writes or 'none'}"
        )


class Operator:
    """The operator as a process of this machine."""

    def __init__(self, python: Command, kubeconfig: str, log: Path, namespaces: list[str]) -> None:
        self._python = python
        self._kubeconfig = kubeconfig
        self._log = log
        self._namespaces = namespaces

    async def __aenter__(self) -> "Operator":
        environment = {
            **os.environ,
            "KUBECONFIG": self._kubeconfig,
            "BUILDANDPUSH_EXECUTOR_IMAGE": "kaniko:v1.28.3",
            "BUILDANDPUSH_SOURCE_IMAGE": "operator:1",
            "BUILDANDPUSH_PORT": str(_PORT),
            "BUILDANDPUSH_NAMESPACES": ",".join(self._namespaces),
        }
        self.began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._python, "-m", "buildandpush", env=environment, stderr=log, stdout=log
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def mib(self) -> float:
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * _PAGE / 2**20

    def peak_mib(self) -> float:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


async def observe(operator: Operator, count: int) -> Figures:
    """Watch the process until it has looked at so many resources and has come to rest."""
    figures = Figures()
    async with aiohttp.ClientSession(base_url=f"http://127.0.0.1:{_PORT}") as session:
        probing = asyncio.create_task(_probe(session, operator, figures))
        try:
            await _wait_for_rest(session, operator, figures, count)
        finally:
            probing.cancel()
        figures.loop = await _read_lag(session)
    figures.peak_mib = operator.peak_mib()
    await asyncio.sleep(_REST_SECONDS)
    figures.rest_mib = operator.mib()
    return figures


async def _wait_for_rest(session: aiohttp.ClientSession, operator: Operator, figures: Figures, count: int) -> None:
    looks: list[tuple[float, float]] = []
    while time.monotonic() - operator.began < _LONGEST_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        if not operator.alive:
            raise SystemExit("the operator has ended; see its log")
        now, used = time.monotonic(), operator.cpu_seconds()
        if not figures.looked_seconds and figures.ready_seconds and await _count_passes(session) >= count:
            figures.looked_seconds, figures.looked_cpu_seconds = now - operator.began, used
        looks = [look for look in looks if now - look[0] <= _REST_SECONDS] + [(now, used)]
        rested = now - looks[0][0] >= _REST_SECONDS - _LOOK_SECONDS * 2
        if figures.looked_seconds and rested and used - looks[0][1] <= _REST_SHARE * _REST_SECONDS:
            return
    raise SystemExit(f"the operator is not at rest after {_LONGEST_SECONDS:.0f} s")


async def _count_passes(session: aiohttp.ClientSession) -> float:
    async with session.get("/metrics") as answer:
        return sum(map(float, _PASSES.findall(await answer.text())))


async def _read_lag(session: aiohttp.ClientSession) -> str:
    """How often the event loop came round late, by the operator's own count."""
    async with session.get("/metrics") as answer:
        found = dict(_LAG.findall(await answer.text()))
    total = float(found["+Inf"])
    late = {f"> {edge} s": f"{(total - float(found[edge])) / total:.1%}" for edge in ("0.05", "0.1", "0.5")}
    async with session.get("/loopz") as answer:
        longest = " ".join((await answer.text()).split())
    return f"loop late {late} of {total:.0f}; {longest}"


async def _probe(session: aiohttp.ClientSession, operator: Operator, figures: Figures) -> None:
    while True:
        began = time.monotonic()
        try:
            async with session.get("/readyz") as answer:
                await answer.read()
        except aiohttp.ClientError:
            await asyncio.sleep(_PROBE_SECONDS)
            continue
        if answer.status == 200 and not figures.ready_seconds:
            figures.ready_seconds = time.monotonic() - operator.began
        figures.lags.append(time.monotonic() - began)
        await asyncio.sleep(_PROBE_SECONDS)


@dataclass(frozen=True)
class Scene:
    """What the operator finds."""

    finished: int = 0
    running: int = 0
    seconds: int = 0
    """How much longer to run after the start."""


async def measure(
    python: Command, kubeconfig: str, scene: Scene, samples: dict[bool, tuple[Object, Object]]
) -> Figures:
    """Fill, start the operator, and print the figures."""
    (finished, _), (running, pod) = samples[True], samples[False]
    configuration = aio.client.Configuration()
    await aio.config.load_kube_config(kubeconfig, client_configuration=configuration)
    async with Transport.of(configuration) as transport:
        client = Client(transport)
        filler = Filler(client)
        await filler.fill(scene.finished, FINISHED, lambda name: filler.make_finished(finished, name))
        await filler.fill(scene.running, RUNNING, lambda name: filler.make_running(running, pod, name))
        await filler.fill(0, NOTHING, lambda name: asyncio.sleep(0))
        namespaces = [FINISHED] if scene.finished else []
        namespaces += [RUNNING] if scene.running else []
        before = await client.count_writes()
        log = Path(tempfile.mkdtemp(prefix="bench-finished-")) / "operator.log"
        counts = {namespace: await client.count_builds(namespace) for namespace in namespaces}
        print(f"{counts or 'nothing'}; the log is {log}", flush=True)
        async with Operator(python, kubeconfig, log, namespaces or [NOTHING]) as operator:
            figures = await observe(operator, sum(counts.values()))
            if scene.seconds:
                await asyncio.sleep(scene.seconds)
                print(f"  {scene.seconds} s later {operator.mib():.0f} MiB, peak {operator.peak_mib():.0f} MiB")
        after = await client.count_writes()
        figures.writes = {key: count - before.get(key, 0.0) for key, count in after.items() if _is_news(key)}
        figures.writes = {key: count for key, count in figures.writes.items() if count}
        print(figures, flush=True)
        return figures


async def measure_goals(
    python: Command, kubeconfig: str, samples: dict[bool, tuple[Object, Object]]
) -> dict[str, float]:
    """The figures that have goals, by their names in goals.py."""
    nothing = await measure(python, kubeconfig, Scene(), samples)
    running = await measure(python, kubeconfig, Scene(running=_RUNNING), samples)
    finished = await measure(python, kubeconfig, Scene(finished=_FINISHED), samples)
    return {
        "rss_mb_start": nothing.peak_mib,
        "start_to_ready_s": nothing.ready_seconds,
        f"rss_mb_running_{_RUNNING}": running.peak_mib,
        f"rss_mb_finished_{_FINISHED}": finished.peak_mib,
        f"start_{_FINISHED}_s": finished.looked_seconds,
        f"start_{_FINISHED}_writes": sum(finished.writes.values()),
        f"start_{_FINISHED}_lag_ms_p99": 1000 * finished.lag_p99(),
    }


def _is_news(key: str) -> bool:
    """The API server itself renews leases and asks about logins."""
    return "leases" not in key and "reviews" not in key


def _start_plane(stack: ExitStack) -> str:
    """A control plane for this run alone. Returns the path of its kubeconfig."""
    plane = stack.enter_context(run_plane())

    async def fill() -> None:
        async with Api.connect(plane.settings) as api:
            await prepare(plane, api)

    asyncio.run(fill())
    return str(plane.settings.kubeconfig)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the operator with thousands of resources.")
    parser.add_argument("--finished", type=int, default=0, help="how many finished resources")
    parser.add_argument("--running", type=int, default=0, help="how many running ones")
    parser.add_argument("--seconds", type=int, default=0, help="how much longer to run after the start")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # of the samples
    samples = {finished: make_sample(finished=finished) for finished in (True, False)}
    with ExitStack() as stack:
        python = stack.enter_context(image_python())
        kubeconfig = os.environ.get("KUBECONFIG") or _start_plane(stack)
        if arguments.finished or arguments.running:
            scene = Scene(arguments.finished, arguments.running, arguments.seconds)
            asyncio.run(measure(python, kubeconfig, scene, samples))
        else:
            found = asyncio.run(measure_goals(python, kubeconfig, samples))
            write_figures(LATEST, found)
            print_table(found, GOALS)


if __name__ == "__main__":
    main()
