"""What a fault finds: the cluster, and builds in flight in a namespace of their own.

All builds are read in one request, so that twenty cost no more than one.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from buildandpush.api import meta
from devcluster.settings import Settings
from tests.e2e.harness.api import BUILD, CONNECTOR, UNREACHED, Api, Object
from tests.e2e.harness.azure import Azure
from tests.e2e.harness.build import FROM, Snapshot, build_manifest, inline
from tests.e2e.harness.fixtures import connector_manifest, secret_manifest
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Shell
from tests.e2e.harness.waiting import eventually

SMALL: Final = {"requests": {"memory": "32Mi", "cpu": "10m"}, "limits": {"memory": "300Mi"}}
"""Twenty such builds fit on a node of two cores."""


@dataclass
class Scene:
    """The cluster as faults see it."""

    api: Api
    azure: Azure
    gate: Gate
    namespace: str
    operator: OperatorPod
    registry: Registry
    settings: Settings
    shell: Shell
    names: list[str] = field(default_factory=list)
    """The builds, in the order in which they were made."""
    pushed_before: Counter[str] = field(default_factory=Counter)
    """Pushes that the emulated Azure counted before it was started anew."""
    since: str = field(default_factory=Azure.now)

    # ---- what builds need

    def make_namespace(self) -> None:
        """Make the namespace, and wait for the account that pods run as."""
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        eventually(lambda: self.api.find("ServiceAccount", "default", self.namespace), "a service account", within=30)

    def log_in(self) -> None:
        """Make the Secret and the connector `acr`, or make them again."""
        login = {"username": self.registry.user, "password": self.registry.password}
        self.api.apply(secret_manifest(self.namespace, login))
        self.api.apply(connector_manifest(self.namespace, self.settings, {}))

    # ---- builds

    def start(self, count: int, *, gated: bool = False, below: str = "", **spec: Any) -> list[str]:
        """Create builds; gives back their names. Those that are gated wait in a RUN line until the gate opens. `below`
        makes their repositories' names longer."""
        names = [f"build-{number}" for number in range(len(self.names), len(self.names) + count)]
        for name in names:
            dockerfile = f"{FROM}{self.gate.run_line if gated else ''}RUN echo {name} > /built\n"
            repository = f"{self.settings.registry_host}/{self.namespace}/{name}{below}"
            changes = {"repository": repository, "source": inline(dockerfile), "resources": SMALL, **spec}
            self.api.create(build_manifest(self.namespace, name, changes))
            self.names.append(name)
        return names

    def builds(self) -> dict[str, Snapshot]:
        """The builds by name, as they are now."""
        return {item["metadata"]["name"]: Snapshot(item) for item in self.api.list(BUILD, self.namespace)}

    def in_flight(self) -> list[str]:
        """The builds that have not ended."""
        now = self.builds()
        return [name for name in self.names if not is_over(now.get(name))]

    def steps(self) -> int:
        """A clock that runs with the work: how many steps all builds have taken together."""
        phases = {"Pending": 1, "Running": 2, "Succeeded": 3}
        return sum(phases.get(build.status.get("phase", ""), 0) for build in self.builds().values())

    def is_idle(self) -> bool:
        """Whether each build has ended or waits at the gate."""
        phases = {build.status.get("phase") for build in self.builds().values()}
        return phases <= {"Running", "Succeeded"}

    def wait_running(self) -> None:
        """Wait until the pods of all builds so far run."""

        def all_run() -> bool:
            now = self.builds()
            return all(now[name].status.get("phase") == "Running" for name in self.names)

        eventually(all_run, "all builds run", within=300, last_seen=self.describe)

    def pods(self) -> list[Object]:
        """The build pods."""
        return self.api.list("Pod", self.namespace, labels=f"{meta.LABEL_COMPONENT}={meta.COMPONENT_BUILD}")

    def told(self) -> set[str]:
        """The reasons of all Events about builds."""
        events = self.api.list("Event", self.namespace)
        return {event["reason"] for event in events if event["involvedObject"]["kind"] == BUILD}

    def describe(self) -> str:
        """The builds in words."""
        with suppress(*UNREACHED):
            return "; ".join(f"{name}: {now}" for name, now in self.builds().items())
        return "the API server does not answer"

    def answers(self) -> bool:
        """Whether the API server answers."""
        return self.api.answers()

    # ---- pushes

    def pushes(self) -> Counter[str]:
        """How often the registry took a manifest, by `<build>/<tag>`, by the count of the emulated Azure."""
        found = Counter(self.pushed_before)
        for entry in self._manifest_puts():
            if entry["status"] == 201:
                _, _, _, build, *_, tag = entry["path"].split("/")
                found[f"{build}/{tag}"] += 1
        return found

    def _manifest_puts(self) -> list[Object]:
        path = f"/v2/{self.namespace}/.*/manifests/.*"
        return self.azure.requests(host=self.settings.registry_host, method="PUT", path=path, since=self.since)

    @contextmanager
    def pushes_kept(self) -> Iterator[None]:
        """Keep the count of pushes while the emulated Azure is stopped and started: it counts in memory. It gets no
        more of them from here on, so that none is taken after the count."""
        host, path = self.settings.registry_host, f"/v2/{self.namespace}/.*"
        self.azure.add_fault({"drop": True}, host=host, path=path)

        def has_answered_all() -> bool:
            return all(entry["status"] for entry in self._manifest_puts())

        eventually(has_answered_all, "answers to all pushes before the stop", within=30)
        self.pushed_before = self.pushes()
        yield
        self.since = Azure.now()

    # ---- what must not be left

    def orphans(self) -> list[str]:
        """Build pods that no status tells of, and Secrets of the operator that no connector tells of."""
        owners = {now.uid: now for now in self.builds().values()}
        found = []
        for pod in self.pods():
            owner = owners.get(pod["metadata"]["ownerReferences"][0]["uid"])
            if owner is None or not _tells_of(owner, pod):
                found.append(f"Pod {pod['metadata']['name']}")
        connectors = str([item.get("status") for item in self.api.list(CONNECTOR, self.namespace)])
        names = [secret["metadata"]["name"] for secret in self.login_secrets()]
        return found + [f"Secret {name}" for name in names if name not in connectors]

    def login_secrets(self) -> list[Object]:
        """The Secrets that the operator made."""
        return self.api.list("Secret", self.namespace, labels=f"{meta.LABEL_LOGIN}=true")

    def clear(self) -> None:
        """Delete builds and connectors. What the operator made for them has to go with them, and nothing else does
        that. After an outage of the API server the garbage collector first reads everything anew."""
        for kind in (BUILD, CONNECTOR):
            for item in self.api.list(kind, self.namespace):
                self.api.delete(kind, item["metadata"]["name"], self.namespace)

        def left() -> list[str]:
            return [item["metadata"]["name"] for item in (*self.pods(), *self.login_secrets())]

        eventually(
            lambda: not left(), "pods and Secrets go with their owners", within=300, last_seen=lambda: str(left())
        )


def is_over(build: Snapshot | None) -> bool:
    """Whether a build is there and has ended."""
    return build is not None and bool(build.run.get("finishedAt"))


def _tells_of(owner: Snapshot, pod: Object) -> bool:
    """Whether a pod belongs to an attempt of its owner's only run."""
    labels = pod["metadata"]["labels"]
    number, attempt = int(labels[meta.LABEL_RUN]), int(labels[meta.LABEL_ATTEMPT])
    return number == owner.run.get("number") and attempt <= int(owner.build.get("attempt", 0))
