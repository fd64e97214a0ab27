"""How faults of the control plane and the node are inflicted: each is a `with` that breaks something and heals it."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster.down import end_containers
from devcluster.node import supervisor
from devcluster.settings import NODE_NAME
from tests.chaos.scene import Scene
from tests.e2e.harness.compaction import compact_etcd
from tests.e2e.harness.waiting import eventually


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


# ---- etcd


@contextmanager
def etcd_compacted(scene: Scene) -> Iterator[None]:
    """The watches are cut, and etcd forgets what they missed."""
    with component_stopped(scene, "kube-apiserver"):
        scene.gate.open()
        compact_etcd(scene.settings)
        yield


@contextmanager
def etcd_restored(scene: Scene) -> Iterator[None]:
    """etcd is restored from a snapshot that was taken before some of the builds went on. All that keeps a state of the
    API in memory is started anew, as the instructions for etcd say. The operator has to find it out by itself."""
    # https://etcd.io/docs/v3.6/op-guide/recovery/
    eventually(scene.is_idle, "the builds run or have ended", within=120, last_seen=scene.describe)
    data, snapshot = scene.settings.state / "etcd", scene.settings.state / "etcd-snapshot"
    try:
        with component_stopped(scene, "etcd"):
            shutil.copytree(data, snapshot)
        eventually(scene.answers, "the API server answers", within=60)
        scene.gate.open()
        waiting = len(scene.in_flight())
        eventually(lambda: len(scene.in_flight()) < waiting, "a build ends", within=120, last_seen=scene.describe)
        with component_stopped(scene, "kube-apiserver"), component_stopped(scene, "etcd"):
            shutil.rmtree(data)
            snapshot.rename(data)
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)
        for name in ("kube-controller-manager", "kube-scheduler", "kubelet"):
            scene.shell.devcluster("restart", name)
    yield


# ---- the node


@contextmanager
def node_lost(scene: Scene) -> Iterator[None]:
    """The kubelet is gone until the node counts as lost and its pods are told to go. Their containers go on."""
    with component_stopped(scene, "kubelet"):
        eventually(lambda: not is_node_ready(scene), "the node is not ready", within=90)
        eventually(lambda: _all_told_to_go(scene), "the pods are told to go", within=90)
        yield
    eventually(lambda: is_node_ready(scene), "the node is ready", within=90)


@contextmanager
def node_rebooted(scene: Scene) -> Iterator[None]:
    """All containers are gone at once, and whatever runs them starts anew."""
    with component_stopped(scene, "kubelet"), component_stopped(scene, "containerd"):
        end_containers(scene.settings)
    eventually(lambda: is_node_ready(scene), "the node is ready", within=90)
    yield


def is_node_ready(scene: Scene) -> bool:
    """Whether the node says that it can take pods."""
    conditions = scene.api.get("Node", NODE_NAME)["status"]["conditions"]
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)


def _all_told_to_go(scene: Scene) -> bool:
    running = [pod for pod in scene.pods() if pod["status"].get("phase") in ("Pending", "Running")]
    return all("deletionTimestamp" in pod["metadata"] for pod in running)
