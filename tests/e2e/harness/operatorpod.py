"""The operator's own pod: where it is, its log, and its violent end."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devcluster.machine.process import read_start_ticks
from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.waiting import eventually

NAMESPACE: Final = "buildandpush-system"
_LABELS: Final = "app.kubernetes.io/name=buildandpush-operator"
_LEASE: Final = "buildandpush-operator"
_CONTAINER: Final = "operator"

Metrics = dict[str, dict[str, float]]


@dataclass
class OperatorPod:
    """The replica of the installed operator that leads."""

    api: Api
    killed: tuple[str, int] = ("", 0)
    """Uid and restarts of the pod whose operator was killed last."""
    kept: Path | None = None
    """Where the logs of operators go that are ended here, for the test that looks through all of them."""

    def read(self) -> Object:
        """The pod, which must be there."""
        return eventually(self.find_leader, "an operator that leads", within=60)

    def find_leader(self) -> Object | None:
        """The pod that the Lease names, if it is there and not on its way out."""
        holder = self.holder()
        pods = [pod for pod in self._pods() if not _goes(pod)]
        return next((pod for pod in pods if pod["metadata"]["name"] == holder), None)

    def holder(self) -> str | None:
        """Who holds the Lease; empty where nobody does, None where there is no Lease."""
        lease = self.api.find("Lease", _LEASE, NAMESPACE)
        return lease["spec"].get("holderIdentity", "") if lease else None

    def delete_lease(self) -> None:
        """Take the Lease away from the operator that leads by it."""
        self.api.delete("Lease", _LEASE, NAMESPACE)

    def wait_renewed(self) -> None:
        """Wait until an operator has renewed the Lease: it works."""
        before = self._renewed_at()
        eventually(lambda: self._renewed_at() not in ("", before), "an operator renews its Lease", within=120)

    def _renewed_at(self) -> str:
        lease = self.api.find("Lease", _LEASE, NAMESPACE) or {}
        return str(lease.get("spec", {}).get("renewTime", ""))

    def restarts(self) -> int:
        """How often kubelet started the operator again."""
        return int(_container(self.read()).get("restartCount", 0))

    def log(self, *, lines: int | None = None) -> str:
        """The logs of all replicas, of their running containers and of the ones before."""
        names = [pod["metadata"]["name"] for pod in self._pods()]
        return "".join(
            self.api.log(NAMESPACE, name, _CONTAINER, previous=previous, lines=lines)
            for name in names
            for previous in (True, False)
        )

    def held_seconds(self) -> float:
        """The longest time that the leader's event loop was held by work, since its process began."""
        lines = (line.split() for line in self._ask(self.read(), "loopz").decode().splitlines())
        return float(dict(lines)["loop_busy_seconds_max"])

    def metrics_text(self) -> bytes:
        """The metrics that the leader serves."""
        return self._ask(self.read(), "metrics")

    def metrics(self) -> Metrics:
        """The metrics of all replicas by the pod's name."""
        pods = [pod for pod in self._pods() if not _goes(pod)]
        return {pod["metadata"]["name"]: _parse_metrics(self._ask(pod, "metrics")) for pod in pods}

    def _ask(self, pod: Object, path: str) -> bytes:
        return self.api.send("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/{path}")

    def all_logs(self) -> str:
        """The logs of all replicas, and of the operators that tests have ended."""
        kept = self.kept.read_text() if self.kept and self.kept.exists() else ""
        return kept + self.log()

    def _keep_log(self) -> None:
        if self.kept:
            with self.kept.open("a") as stream:
                stream.write(self.log())

    def kill(self) -> None:
        """End the operator's process with SIGKILL; kubelet starts it again, or the other replica takes its place."""
        pod = self.read()
        self._keep_log()
        self.killed = (pod["metadata"]["uid"], int(_container(pod).get("restartCount", 0)))
        _signal(_processes(pod), signal.SIGKILL)

    def wait_clean(self) -> None:
        """Wait until the leader holds no ended process: each would keep its number for ever."""
        eventually(lambda: all(map(read_start_ticks, _processes(self.read()))), "no ended process", within=20)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the leader's process stand still for the length of a `with`, as a paused machine's would."""
        processes = _processes(self.read())
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(processes, signal.SIGCONT)

    def lose(self) -> tuple[str, set[str]]:
        """End the leader for good; it cannot give its Lease back. Returns its name and those of the others."""
        pod = self.read()
        leader, processes = pod["metadata"]["name"], _processes(pod)
        others = eventually(lambda: self._standing_by(leader), "another operator stands by", within=60)
        self._keep_log()
        _signal(processes, signal.SIGSTOP)
        self.api.delete("Pod", leader, NAMESPACE, grace_seconds=0)
        _signal(processes, signal.SIGKILL)
        return leader, others

    def renew(self) -> None:
        """Put a new pod in its place and wait until one leads: kubelet delays restarts of one pod longer each time."""
        old = self.read()["metadata"]
        self._keep_log()
        self.api.delete("Pod", old["name"], NAMESPACE)
        eventually(lambda: self._is_gone(old["uid"]), f"the end of {old['name']}", within=90)
        self.read()

    def _pods(self) -> list[Object]:
        return self.api.list("Pod", NAMESPACE, labels=_LABELS)

    def _standing_by(self, leader: str) -> set[str]:
        ready = [pod for pod in self._pods() if _container(pod).get("ready") and not _goes(pod)]
        return {pod["metadata"]["name"] for pod in ready} - {leader}

    def _is_gone(self, uid: str) -> bool:
        return all(pod["metadata"]["uid"] != uid for pod in self._pods())

    def wait_restarted(self, restarts: int) -> None:
        """Wait until one leads that is not the one that was killed, which had `restarts` restarts."""

        def runs_again() -> bool:
            pod = self.read()
            status = _container(pod)
            another = pod["metadata"]["uid"] != self.killed[0] or status.get("restartCount", 0) > restarts
            return another and "running" in status.get("state", {})

        eventually(runs_again, "the operator runs again", within=120)


def _parse_metrics(text: bytes) -> dict[str, float]:
    """Each series, as Prometheus writes it, with its value."""
    lines = (line for line in text.decode().splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


def _goes(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _container(pod: Object) -> Object:
    statuses = pod["status"].get("containerStatuses") or [{}]
    return dict(statuses[0])


def _processes(pod: Object) -> list[int]:
    identifier = _container(pod)["containerID"].removeprefix("containerd://")
    processes = _processes_of(identifier)
    assert processes, f"no process of container {identifier} on this machine"
    return processes


def _signal(processes: list[int], number: signal.Signals) -> None:
    """Send a signal. A git that the operator runs may end first, and all of a container end with its process 1."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _processes_of(container: str) -> list[int]:
    """Processes in the cgroup of a container, by the kernel's word."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and container in (folder / "cgroup").read_text():
                found.append(int(folder.name))
        except OSError:
            continue  # it ended while we looked
    return found
