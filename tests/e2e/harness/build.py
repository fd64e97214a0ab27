"""A BuildAndPushACR as a test sees it: its status in words, and waits for a state."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from tests.e2e.harness.api import BUILD, GROUP_VERSION, Api, Object
from tests.e2e.harness.waiting import WaitError, eventually

BASE: Final = "demo.azurecr.io/base/busybox:1.36"
FROM: Final = f"FROM {BASE}\n"


@dataclass(frozen=True)
class Snapshot:
    """One version of the resource."""

    raw: Object

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"]["uid"])

    def run_label(self, number: int) -> str:
        """The label that the image of the latest run has, if that run has one build and this number."""
        spec = self.run["specHash"].partition(":")[2]
        return f"{self.uid}/{number}@{spec[:12]}"

    @property
    def generation(self) -> int:
        return int(self.raw["metadata"]["generation"])

    @property
    def status(self) -> Object:
        return dict(self.raw.get("status") or {})

    @property
    def run(self) -> Object:
        return dict(self.status.get("run") or {})

    @property
    def build(self) -> Object:
        builds = self.run.get("builds") or [{}]
        return dict(builds[0])

    @property
    def builds(self) -> dict[str, Object]:
        """The builds of the run by their keys."""
        return {item["key"]: item for item in self.run.get("builds") or []}

    @property
    def failure(self) -> Object:
        return dict(self.build.get("failure") or {})

    def condition(self, kind: str) -> Object:
        """The condition of this type; empty where there is none."""
        return next((item for item in self.status.get("conditions", []) if item["type"] == kind), {})

    def told(self, kind: str) -> tuple[str | None, str | None]:
        """Status and reason of a condition."""
        found = self.condition(kind)
        return found.get("status"), found.get("reason")

    def has_ended(self, run: int) -> bool:
        """Whether this run has ended and the status speaks of the current spec."""
        ended = self.run.get("number") == run and bool(self.run.get("finishedAt"))
        return ended and self.status.get("observedGeneration") == self.generation

    def __str__(self) -> str:
        ready = self.condition("Ready")
        return (
            f"run {self.run.get('number')}, phase {self.status.get('phase')}, Ready {ready.get('status')} "
            f"{ready.get('reason')}: {ready.get('message')}"
        )


@dataclass(frozen=True)
class Build:
    """One resource in the cluster."""

    api: Api
    namespace: str
    name: str

    @property
    def repository(self) -> str:
        """Where it pushes to, unless its spec says otherwise."""
        return f"demo.azurecr.io/{self.namespace}/{self.name}"

    def read(self) -> Snapshot:
        """The resource as it is now."""
        return Snapshot(self.api.get(BUILD, self.name, self.namespace))

    def edit(self, **spec: Any) -> Snapshot:
        """Merge-patch fields of the spec."""
        return Snapshot(self.api.patch(BUILD, self.name, self.namespace, {"spec": spec}))

    def edit_dockerfile(self, text: str) -> Snapshot:
        """Give the inline source another Dockerfile."""
        return self.edit(source={"inline": {"files": {"Dockerfile": text}}})

    def touch(self) -> None:
        """Annotate it, so that the operator looks at it now and not in some minutes."""
        metadata = {"annotations": {"e2e.buildandpush.dev/touched": str(uuid4())}}
        self.api.patch(BUILD, self.name, self.namespace, {"metadata": metadata})

    def delete(self) -> None:
        """Delete it, without waiting."""
        self.api.delete(BUILD, self.name, self.namespace)

    def pods(self) -> list[Object]:
        """The build pods made for it, by name of the resource."""
        return self.api.list("Pod", self.namespace, labels=f"buildandpush.dev/name={self.name}")

    def pod(self) -> Object:
        """Its only pod, once there is one."""

        def only() -> Object | None:
            found = self.pods()
            assert len(found) <= 1, f"{len(found)} pods: {[pod['metadata']['name'] for pod in found]}"
            return found[0] if found else None

        return eventually(only, f"a pod of {self.name}", within=30, last_seen=lambda: str(self.read()))

    def events(self) -> list[tuple[str, str]]:
        """Type and reason of the Events told about it, in the order of their making."""
        mine = [
            event
            for event in self.api.list("Event", self.namespace)
            if event["involvedObject"]["kind"] == BUILD and event["involvedObject"]["name"] == self.name
        ]
        mine.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["type"], event["reason"]) for event in mine]

    def wait_event(self, kind: str, reason: str) -> None:
        """Wait until this Event was told; it is written after the status."""
        eventually(
            lambda: (kind, reason) in self.events(),
            f"Event {kind} {reason} of {self.name}",
            within=15,
            last_seen=lambda: str(self.events()),
        )

    def wait(self, check: Callable[[Snapshot], bool], what: str, *, within: float = 60) -> Snapshot:
        """Wait until the resource is as wanted.

        The API server tells each of its states, so that none is missed and nobody has to ask all the time.
        """

        def look() -> Snapshot | None:
            now = self.read()
            return now if check(now) else self._find_next(now, check)

        return eventually(look, f"{self.name}: {what}", within=within, last_seen=lambda: str(self.read()))

    def _find_next(self, now: Snapshot, check: Callable[[Snapshot], bool]) -> Snapshot | None:
        """The first of the states of the next second that is as wanted."""
        version = now.raw["metadata"]["resourceVersion"]
        states = self.api.watch(BUILD, self.name, self.namespace, version, seconds=1)
        with closing(states):
            return next((state for state in map(Snapshot, states) if check(state)), None)

    def wait_end(self, *, run: int = 1, within: float = 60) -> Snapshot:
        """Wait until this run has ended, well or not."""
        return self.wait(lambda now: now.has_ended(run), f"end of run {run}", within=within)

    def wait_succeeded(self, *, run: int = 1, within: float = 60) -> Snapshot:
        """Wait until this run has pushed its image; a run that fails ends the wait at once."""
        ended = self.wait_end(run=run, within=within)
        if ended.told("Ready")[0] != "True":
            raise WaitError(f"{self.name} did not succeed: {ended}")
        return ended

    def wait_failed(self, reason: str, *, run: int = 1, within: float = 60) -> Snapshot:
        """Wait until this run has failed, which must be for this reason, told in the same way everywhere."""
        ended = self.wait_end(run=run, within=within)
        found = {kind: ended.told(kind) for kind in ("Ready", "Succeeded", "Completed", "Stalled")}
        wanted = dict.fromkeys(found, ("False", reason)) | dict.fromkeys(("Completed", "Stalled"), ("True", reason))
        assert found == wanted, f"{reason} was expected of {ended}; it tells {found}"
        assert ended.condition("Reconciling") == {}, str(ended)
        phases = (ended.status["phase"], ended.build["phase"], ended.build["reason"])
        assert phases == ("Failed", "Failed", reason), phases
        self.wait_event("Warning", reason)
        return ended

    def wait_reason(self, reason: str, *, within: float = 30) -> Snapshot:
        """Wait until Ready gives this reason, whatever its value."""
        return self.wait(lambda now: now.told("Ready")[1] == reason, f"reason {reason}", within=within)


def build_manifest(namespace: str, name: str, spec: Object) -> Object:
    """A resource with a spec that builds a small image, `spec`'s fields in their place; None takes a field away."""
    defaults: Object = {
        "connectorRef": "acr",
        "repository": f"demo.azurecr.io/{namespace}/{name}",
        "tags": ["latest"],
        "source": {"inline": {"files": {"Dockerfile": f"{FROM}RUN echo built > /built\n"}}},
    }
    merged = {key: value for key, value in {**defaults, **spec}.items() if value is not None}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": GROUP_VERSION, "kind": BUILD, "metadata": metadata, "spec": merged}


def inline(dockerfile: str, **files: str) -> Object:
    """An inline source of a Dockerfile and further files."""
    return {"inline": {"files": {"Dockerfile": dockerfile, **files}}}
