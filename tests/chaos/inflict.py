"""How faults are inflicted: each is a `with` that breaks something and heals it again."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster.node import supervisor
from tests.chaos.scene import Scene
from tests.e2e.harness.waiting import eventually

MANY = 20
"""Builds from which on a fault is inflicted more often."""

# ---- the operator


@contextmanager
def operator_killed(scene: Scene) -> Iterator[None]:
    """SIGKILL for the operator that leads, again and again, the last time while builds push. The moments are random. A
    new pod takes its place in between, because the kubelet delays restarts of one pod longer each time."""
    kills = 10 if len(scene.names) >= MANY else 2
    for _ in range(kills - 1):
        seen = scene.steps() + random.randint(1, 4)
        eventually(lambda due=seen: scene.steps() >= due or scene.is_idle(), "more steps of builds", within=120)
        scene.operator.kill()
        scene.operator.renew()
    scene.gate.open()
    seen = scene.steps()
    eventually(lambda: scene.steps() > seen, "a build goes on", within=60)
    scene.operator.kill()
    yield


# ---- the control plane


@contextmanager
def component_stopped(scene: Scene, name: str) -> Iterator[None]:
    """A component of the cluster is gone, as after a crash."""
    scene.shell.devcluster("stop", name, "--kill")
    try:
        yield
    finally:
        scene.shell.devcluster("start", name)


@contextmanager
def component_hung(scene: Scene, name: str) -> Iterator[None]:
    """A component of the cluster stands still, and its connections stay open."""
    record = supervisor.read_running(scene.settings, name)
    assert record is not None, f"{name} does not run"
    os.kill(record.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(record.pid, signal.SIGCONT)


# ---- pods and nodes


@contextmanager
def pods_deleted(scene: Scene) -> Iterator[None]:
    """Somebody deletes all build pods that there are."""
    for pod in scene.pods():
        scene.api.delete("Pod", pod["metadata"]["name"], scene.namespace)
    yield


# ---- the registry


@contextmanager
def registry_answers(scene: Scene, status: int, **headers: str) -> Iterator[None]:
    """The registry refuses all that the builds ask of it."""
    action = {"status": status, "headers": headers}
    path = f"/v2/{scene.namespace}/.*"
    with scene.azure.fault(action, host=scene.settings.registry_host, path=path):
        yield
