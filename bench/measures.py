"""What the bench of bursts measures. Each part gives figures by their names in goals.py."""

import asyncio
import copy
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import aiohttp

from bench.api import Api, Object, Watched, builds_path, in_turn, pods_path, watching
from bench.interpreter import Command
from bench.plane import HOSTS, Plane
from bench.recovery import recover
from bench.scene import FILLED, NAMESPACE, apply, build, check, clear, operating
from buildandpush.api import meta
from buildandpush.api.meta import Phase
from devcluster.settings import REPOSITORY_ROOT

_PHASES: Final = (Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED)
_A_SECOND: Final = 5
"""Builds that many teams start together at their busiest."""
_SLOW_SECONDS: Final = 5
_IMPORTS: Final = 5
_EVENTS: Final = "POST events "
_EVENTS_OF_BUILD: Final = 2
"""That it was accepted, and how it ended."""
_EVENTS_SECONDS: Final = 300
_LOOK_SECONDS: Final = 0.5
Figures = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """How many builds each part has."""

    burst: int = 1000
    rate: int = 300
    few: int = 100
    many: int = 10_000
    beside: int = 300
    """Builds beside the few, and beside the many, whose processor time is compared."""


@dataclass(frozen=True)
class Burst:
    """What a burst took: seconds, and for each build the operator's processor time and the writes of each kind."""

    seconds: float
    cpu_ms: float
    writes: Figures


async def measure_bursts(plane: Plane, api: Api, sizes: Sizes) -> Figures:
    """A burst with and without a push, and what the machine can do at all before and after each: its speed changes by a
    fifth in minutes, so a burst is compared with the mean of its neighbours."""
    count = sizes.burst
    async with operating(plane, api) as pod:
        pass
    await _measure_limit(plane, api, pod, count)  # in its first burst kwok writes the status of many pods twice
    limits, bursts, peaks = [await _measure_limit(plane, api, pod, count)], list[Burst](), list[float]()
    for push in (False, True):
        async with operating(plane, api):
            bursts.append(await _measure_burst(plane, api, count, push=push))
            peaks.append(plane.operator_peak_mib())
        limits.append(await _measure_limit(plane, api, pod, count))
    plain, read_back = bursts
    return {
        f"limit_{count}_s": statistics.mean(limits),
        f"burst_{count}_share_of_limit_no_push": statistics.mean(limits[:2]) / plain.seconds,
        f"burst_{count}_share_of_limit_read_back": statistics.mean(limits[1:]) / read_back.seconds,
        "cpu_ms_per_build_no_push": plain.cpu_ms,
        "cpu_ms_per_build_read_back": read_back.cpu_ms,
        "writes_per_build_without_events": _writes_of(plain, events=False),
        "writes_per_build_with_events": _writes_of(plain, events=True),
        f"peak_memory_mib_{count}": max(peaks),
    }


async def _measure_burst(plane: Plane, api: Api, count: int, *, push: bool) -> Burst:
    """Apply builds as fast as the API server takes them, and wait until each status says the end. Events come later,
    and their time and writes count as well."""
    async with watching(api, NAMESPACE) as watched:
        before, used, began = await api.count_writes(), plane.operator_cpu_seconds(), time.monotonic()
        await apply(api, watched, [build(f"burst-{number}", push=push) for number in range(count)])
        await watched.wait_for(watched.told, count)
        seconds = time.monotonic() - began
        after = await _wait_for_events(api, before, count)
        cpu = plane.operator_cpu_seconds() - used
        check(watched)
    print(f"  {count} builds: {seconds:.1f} s, {1000 * cpu / count:.1f} ms of processor time each", flush=True)
    return Burst(seconds, 1000 * cpu / count, {key: (after[key] - before.get(key, 0.0)) / count for key in after})


async def _wait_for_events(api: Api, before: Figures, count: int) -> Figures:
    """Wait until each build has its Events. Returns what is written by then."""
    async with asyncio.timeout(_EVENTS_SECONDS):
        while True:
            after = await api.count_writes()
            if after.get(_EVENTS, 0.0) - before.get(_EVENTS, 0.0) >= _EVENTS_OF_BUILD * count:
                return after
            await asyncio.sleep(_LOOK_SECONDS)


def _writes_of(burst: Burst, *, events: bool) -> float:
    """What the operator writes for a build: all but the load itself, and what the scheduler and the nodes write."""
    others = (f"POST {meta.BUILD_PLURAL} {meta.GROUP}", "POST pods/binding ", "PATCH pods/status ")
    counted = {
        key: each
        for key, each in burst.writes.items()
        if key not in others and "nodes" not in key and not key.endswith((" events.k8s.io", " coordination.k8s.io"))
    }
    return sum(each for key, each in counted.items() if events or key != _EVENTS)


async def _measure_limit(plane: Plane, api: Api, pod: Object, count: int) -> float:
    """Seconds that a bare client needs: it creates each build and its pod and patches its status three times."""
    pod = copy.deepcopy(pod)
    for added in ("nodeName", "tolerations", "priority", "preemptionPolicy"):  # by the API server and the scheduler
        pod["spec"].pop(added, None)

    async def one(name: str) -> None:
        labels = {**pod["metadata"]["labels"], meta.LABEL_NAME: name}
        metadata = {"name": name, "labels": labels, "annotations": pod["metadata"].get("annotations") or {}}
        await api.call("POST", pods_path(NAMESPACE), {"metadata": metadata, "spec": copy.deepcopy(pod["spec"])})
        for phase in _PHASES:
            status = {"status": {"observedGeneration": 1, "phase": phase}}
            await api.call("PATCH", f"{builds_path(NAMESPACE, name)}/status", status)

    names = [f"limit-{number}" for number in range(count)]
    async with watching(api, NAMESPACE) as watched:
        began = time.monotonic()
        await apply(api, watched, [build(name, push=True) for name in names])
        await in_turn([partial(one, name) for name in names])
        await watched.wait_for(watched.pod_ended, count)
        seconds = time.monotonic() - began
    await clear(plane, api)
    print(f"  {count} builds of a bare client: {seconds:.1f} s", flush=True)
    return seconds


async def measure_rate(plane: Plane, api: Api, sizes: Sizes) -> Figures:
    """How soon the operator acts at a steady rate."""
    async with operating(plane, api), watching(api, NAMESPACE) as watched:
        await _apply_at_rate(api, watched, [build(f"rate-{number}", push=True) for number in range(sizes.rate)])
    starts = watched.spans(watched.applied, watched.pod_created)
    ends = watched.spans(watched.pod_ended, watched.told)
    return {
        "apply_to_pod_ms_p50": statistics.median(starts),
        "apply_to_pod_ms_p99": _p99(starts),
        "pod_end_to_status_ms_p50": statistics.median(ends),
        "pod_end_to_status_ms_p99": _p99(ends),
    }


async def _apply_at_rate(api: Api, watched: Watched, builds: list[Object]) -> None:
    tasks = []
    for each in builds:
        tasks.append(asyncio.create_task(apply(api, watched, [each])))
        await asyncio.sleep(1 / _A_SECOND)
    await asyncio.gather(*tasks)
    await watched.wait_for(watched.told, len(builds))
    check(watched)


def _p99(ordered: list[float]) -> float:
    return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


async def measure_recovery(plane: Plane, api: Api, sizes: Sizes) -> Figures:
    """Kill the operator while all builds run, let their pods end, and start it again."""
    found = await recover(plane, api, sizes.burst)
    return {
        f"recover_{sizes.burst}_s": found.seconds,
        f"recover_{sizes.burst}_lost": len(found.lost),
        f"recover_{sizes.burst}_doubled": len(found.doubled),
    }


async def measure_import(plane: Plane, api: Api, sizes: Sizes) -> Figures:
    """The processor time that the import of the operator takes, the median of some."""
    return {
        "import_cpu_s": statistics.median(
            [await asyncio.to_thread(_import_operator, plane.command) for _ in range(_IMPORTS)]
        )
    }


def _import_operator(command: Command) -> float:
    code = "import time, buildandpush.__main__; print(time.process_time())"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT / "operator")}
    return float(subprocess.run((*command, "-c", code), env=environment, capture_output=True, check=True).stdout)


async def measure_growth(plane: Plane, api: Api, sizes: Sizes) -> Figures:
    """The processor time of a build beside few builds that have ended, and beside many."""
    async with operating(plane, api):
        async with watching(api, NAMESPACE) as watched:
            await apply(api, watched, [build("model", push=False)])
            await watched.wait_for(watched.told, 1)
        model = await api.call("GET", builds_path(NAMESPACE, "model"))
    cpu: list[float] = []
    for present, more in ((0, sizes.few), (sizes.few, sizes.many)):
        await _fill(api, model, present, more)
        async with operating(plane, api):
            cpu.append((await _measure_burst(plane, api, sizes.beside, push=False)).cpu_ms)
            peak = plane.operator_peak_mib()
    await api.clear(FILLED)
    return {f"cpu_growth_{sizes.many}_over_{sizes.few}": cpu[1] / cpu[0], f"peak_memory_mib_beside_{sizes.many}": peak}


async def _fill(api: Api, model: Object, first: int, last: int) -> None:
    """Builds with the spec and status of one that has ended."""

    async def one(number: int) -> None:
        name = f"filled-{number}"
        body = {"apiVersion": meta.API_VERSION, "kind": meta.BUILD_KIND, "metadata": {"name": name}}
        await api.call("POST", builds_path(FILLED), {**body, "spec": model["spec"]})
        await api.call("PATCH", f"{builds_path(FILLED, name)}/status", {"status": model["status"]})

    await in_turn([partial(one, number) for number in range(first, last)])


async def measure_slow_registry(plane: Plane, api: Api, sizes: Sizes) -> Figures:
    """What one slow registry of ten does to the builds of the others, from their beginning to their end."""
    fault = {"match": {"host": HOSTS[-1]}, "action": {"delaySeconds": _SLOW_SECONDS}}
    hosts = {f"slow-{number}": HOSTS[number % len(HOSTS)] for number in range(sizes.rate)}
    faults, p99 = f"{plane.settings.azure_control}/faults", list[float]()
    async with aiohttp.ClientSession() as control:
        for slow in (False, True):
            async with operating(plane, api), watching(api, NAMESPACE) as watched:
                if slow:
                    await control.post(faults, json=fault)
                await _apply_at_rate(api, watched, [build(name, push=True, host=hosts[name]) for name in hosts])
                others = {name: at for name, at in watched.applied.items() if hosts[name] != HOSTS[-1]}
                p99.append(_p99(watched.spans(others, watched.told)))
        await control.delete(faults)
    return {"slow_registry_p99_ratio": p99[1] / p99[0]}


PARTS: Final[dict[str, Callable[[Plane, Api, Sizes], Awaitable[Figures]]]] = {
    "burst": measure_bursts,
    "rate": measure_rate,
    "recover": measure_recovery,
    "import": measure_import,
    "growth": measure_growth,
    "slow": measure_slow_registry,
}
