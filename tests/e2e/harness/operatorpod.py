"""The operator's own pod: where it is, its log, and its violent end."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.waiting import eventually

NAMESPACE: Final = "buildandpush-system"
_LABELS: Final = "app.kubernetes.io/name=buildandpush-operator"
_CONTAINER: Final = "operator"


@dataclass(frozen=True)
class OperatorPod:
    """The one replica of the installed operator."""

    api: Api

    def read(self) -> Object:
        """The pod, which must be there."""
        pods = [pod for pod in self._pods() if "deletionTimestamp" not in pod["metadata"]]
        assert len(pods) == 1, f"{len(pods)} operator pods in {NAMESPACE}; run `make up`"
        return pods[0]

    def restarts(self) -> int:
        """How often kubelet started the operator again."""
        return int(_container(self.read()).get("restartCount", 0))

    def log(self, *, lines: int | None = None) -> str:
        """The log of the running container and of the one before."""
        name = self.read()["metadata"]["name"]
        before = self.api.log(NAMESPACE, name, _CONTAINER, previous=True, lines=lines)
        return before + self.api.log(NAMESPACE, name, _CONTAINER, lines=lines)

    def kill(self) -> None:
        """End the operator's process with SIGKILL; kubelet will start it again."""
        identifier = _container(self.read())["containerID"].removeprefix("containerd://")
        processes = _processes_of(identifier)
        assert processes, f"no process of container {identifier} on this machine"
        for pid in processes:
            os.kill(pid, signal.SIGKILL)

    def renew(self) -> None:
        """Put a new pod in its place and wait until it runs: kubelet delays restarts of one pod longer each time."""
        old = self._pods()[0]["metadata"]
        self.api.delete("Pod", old["name"], NAMESPACE)
        eventually(lambda: self._runs_alone(old["uid"]), "a new pod of the operator", within=90)

    def _pods(self) -> list[Object]:
        return self.api.list("Pod", NAMESPACE, labels=_LABELS)

    def _runs_alone(self, former: str) -> bool:
        pods = self._pods()
        if len(pods) != 1 or pods[0]["metadata"]["uid"] == former:
            return False
        return "running" in _container(pods[0]).get("state", {})

    def wait_restarted(self, restarts: int) -> None:
        """Wait until it runs again, started more often than `restarts` times."""

        def runs_again() -> bool:
            status = _container(self.read())
            return status.get("restartCount", 0) > restarts and "running" in status.get("state", {})

        eventually(runs_again, "the operator runs again", within=120)


def _container(pod: Object) -> Object:
    statuses = pod["status"].get("containerStatuses") or [{}]
    return dict(statuses[0])


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
