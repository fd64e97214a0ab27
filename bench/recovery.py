"""What becomes of many running builds if the operator is killed: when all is told, and what is lost or doubled."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.api import Api, Object, builds_path, in_turn, pods_path, watching
from bench.plane import Plane
from bench.scene import HELD, NAMESPACE, apply, build, operating
from buildandpush.api.reasons import Reason

PATIENCE_SECONDS: Final = 300.0
"""A build that has not ended by then is lost."""


@dataclass(frozen=True)
class Recovery:
    """What became of the builds."""

    in_flight: int
    """Builds whose pods ran when the operator was killed."""
    lost: tuple[str, ...]
    """Builds that have not ended in time, or not well."""
    doubled: tuple[str, ...]
    """Builds that had more than one pod."""
    seconds: float
    """From the start of the next operator until the last build ended."""


async def recover(plane: Plane, api: Api, count: int) -> Recovery:
    """Kill the operator with SIGKILL while so many builds run, let their pods end, and start it again."""
    names = [f"recover-{number}" for number in range(count)]
    async with operating(plane, api), watching(api, NAMESPACE) as watched:
        await apply(api, watched, [build(name, push=False, held=True) for name in names])
        await watched.wait_for(watched.pod_running, count)
        await asyncio.to_thread(plane.stop_operator, signal.SIGKILL)
        in_flight = count - len(watched.told)
        pods = (await api.call("GET", pods_path(NAMESPACE)))["items"]
        await in_turn([partial(_release, api, pod) for pod in pods])
        await watched.wait_for(watched.pod_ended, count)
        began = time.monotonic()
        await asyncio.to_thread(plane.start_operator)
        with suppress(TimeoutError):
            await asyncio.wait_for(watched.wait_for(watched.told, count), PATIENCE_SECONDS)
        seconds = time.monotonic() - began
        found = (await api.call("GET", builds_path(NAMESPACE)))["items"]
    return Recovery(in_flight, find_lost(names, found), find_doubled(watched.pods), seconds)


async def _release(api: Api, pod: Object) -> None:
    path = pods_path(NAMESPACE, pod["metadata"]["name"])
    await api.call("PATCH", path, {"metadata": {"labels": {HELD: None}}})


def find_lost(names: list[str], builds: list[Object]) -> tuple[str, ...]:
    """Those of the builds whose only run has not ended as a build ends that pushes nothing."""
    ends = {one["metadata"]["name"]: one for one in builds}
    return tuple(name for name in names if not _has_ended_well((ends.get(name) or {}).get("status") or {}))


def _has_ended_well(status: Object) -> bool:
    run = status.get("run") or {}
    reasons = {one["type"]: one["reason"] for one in status.get("conditions", ())}
    ended = bool(run.get("finishedAt")) and run.get("number") == 1
    return ended and reasons.get("Ready") == Reason.SUCCEEDED_WITHOUT_PUSH


def find_doubled(pods: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Builds with more than one pod, by the uids of all pods that there were: no attempt fails here."""
    return tuple(sorted(name for name, uids in pods.items() if len(uids) > 1))
