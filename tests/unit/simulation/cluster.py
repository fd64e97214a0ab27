"""A cluster in memory: an API server as strict as the real one, a kubelet in steps, and a registry.

It stands where `KubernetesClient` and the registry's reader stand, so that the real reconciler, store and decisions run
against it. Time is a value. Faults are injected by `Network`, which every request passes.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, TroubleError, UnavailableError
from buildandpush.clients.kubernetes.client import PodLog
from buildandpush.clients.kubernetes.lists import Listing
from buildandpush.core import naming
from buildandpush.core.azure.login import Credentials, read_login_secret
from buildandpush.core.build.questions import AskCommit, AskTouched
from buildandpush.core.facts import Commit, Owner, Proof, ReadBack, Trouble
from buildandpush.core.pod.observation import observe_pod
from buildandpush.core.pod.readback import Report, parse_claim, render_report
from buildandpush.core.settings import BuildSettings
from tests.unit.fake_azure import FakeAzure

Object = dict[str, Any]

NAMESPACE = "shop"
HOST = "contoso.azurecr.io"


SLACK = timedelta(minutes=2)
"""A clock may go back between a login and the pod that uses it."""


NODE_LOST = timedelta(seconds=BuildSettings(executor_image="", source_image="").node_lost_timeout_seconds)


class CrashError(BaseException):
    """The operator dies at this very request. Not an Exception: nothing of the operator may catch it."""


def stamp(when: datetime) -> str:
    """A time as the API server writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def copied(value: Any) -> Any:
    """A copy of a JSON value. copy.deepcopy takes much longer, and was half of the time of the simulation."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


@dataclass
class Network:
    """What happens to the next requests. Each fault is used once, in order; None lets a request through."""

    faults: list[str | None] = field(default_factory=list)
    late: list[Callable[[], None]] = field(default_factory=list)
    """Writes that the operator was told had failed and that land later."""

    def next_fault(self, request: str = "") -> str | None:
        """Those that name a request, as `lost delete-pod` does, wait for it."""
        if not self.faults:
            return None
        fault, _, awaited = (self.faults[0] or "").partition(" ")
        if awaited and awaited != request:
            return None
        self.faults.pop(0)
        return fault or None


class Cluster:
    """State and rules. Every change raises the version and is remembered as an event that a watch may deliver."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
        self.version = 0
        self.uids = 0
        self.objects: dict[tuple[str, str], Object] = {}
        self.events: list[tuple[str, str, Object]] = []
        self.event_names: set[str] = set()
        self.tags: dict[tuple[str, str], str] = {}
        self.foreign_tags: dict[tuple[str, str], datetime] = {}
        """When somebody else pushed a tag that nobody had pushed."""
        self.tags_untold: datetime | None = None
        """When the registry last did not say which tags it has."""
        self.labels: dict[str, str] = {}
        self.makers: dict[str, tuple[str, str]] = {}
        """The uid of the pod that made each image, and its spec as its label says it, by digest."""
        self.quota_full = False
        self.policy = False
        """Whether an admission policy refuses every pod, for good as it seems."""
        self.pod_events: dict[str, list[Object]] = {}
        """What kubelets have told of pods, by uid."""
        self.refused: dict[str, str] = {}
        """How requests, such as `create-secret`, are refused: by a policy, or since a webhook is away."""
        self.registry_down = ""
        """Why the operator cannot read the registry: `busy`, which may pass, or `away`."""
        self.nodes_cut_off = False
        """Whether the nodes cannot read it either."""
        self.azure = FakeAzure(life=timedelta(minutes=30))
        self.git = Git()
        self.commits: dict[tuple[str, int], str] = {}
        """The commit of each run that has one, by uid and number."""
        self.images = 0
        self.violations: list[str] = []
        self.created_pods: dict[str, int] = {}
        self.made: dict[tuple[str, int], int] = {}
        """How many builds each ended run made itself."""
        self.finished_runs: dict[tuple[str, int], tuple[tuple[str, str | None], ...]] = {}
        self.forgotten = 0
        """How many builds were in runs whose end was told and then forgotten."""
        self.writes = 0

    # ---- objects

    def put(self, kind: str, obj: Object, event: str) -> Object:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kind, obj["metadata"]["name"]] = obj
        self.events.append((kind, event, copied(obj)))
        return copied(obj)

    def create(self, kind: str, obj: Object) -> Object:
        name = obj["metadata"]["name"]
        if (kind, name) in self.objects:
            raise ConflictError(409, "AlreadyExists", f'{kind} "{name}" already exists')
        obj = copied(obj)
        self.uids += 1
        obj["metadata"] |= {"uid": f"uid-{self.uids}", "creationTimestamp": stamp(self.now), "namespace": NAMESPACE}
        return self.put(kind, obj, "ADDED")

    def get(self, kind: str, name: str) -> Object:
        if (kind, name) not in self.objects:
            raise NotFoundError(404, "NotFound", f'{kind} "{name}" not found')
        return self.objects[kind, name]

    def remove(self, kind: str, name: str) -> None:
        obj = self.objects.pop((kind, name), None)
        if obj is None:
            return
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((kind, "DELETED", copied(obj)))
        uid = obj["metadata"]["uid"]
        for child_kind, child in [*self.objects]:
            owners = self.objects.get((child_kind, child), {"metadata": {}})["metadata"].get("ownerReferences", [])
            if any(owner["uid"] == uid for owner in owners):
                self.remove(child_kind, child)

    def list_kind(self, kind: str) -> Listing:
        items = [copied(obj) for (one, _), obj in self.objects.items() if one == kind]
        return Listing(items, str(self.version))

    # ---- what administrators do

    def back_up(self) -> "Backup":
        """What etcd and this world know now."""
        return Backup(
            self.version, copied_objects(self.objects), {**self.finished_runs}, {**self.made}, {**self.commits}
        )

    def restore(self, backup: "Backup") -> None:
        """Everything is as it was, but the registry, the containers and the time. Kubelets tell again how pods stand.
        Versions go back."""
        pods = {pod["metadata"]["uid"]: pod for pod in self.pods()}
        self.objects, self.version = copied_objects(backup.objects), backup.version
        self._forget_since(backup)
        self.events.clear()
        for pod in self.pods():
            known = pods.get(pod["metadata"]["uid"])
            if known is not None and known["status"] != pod["status"]:
                changed = {**copied(pod), "spec": {**pod["spec"], "nodeName": known["spec"].get("nodeName")}}
                changed |= {"log": known["log"]} if "log" in known else {}
                self.put("Pod", {**changed, "status": copied(known["status"])}, "MODIFIED")

    def restore_statuses(self, backup: "Backup") -> None:
        """The builds' statuses are as they were, and nothing else is."""
        self._forget_since(backup)
        for (kind, name), old in backup.objects.items():
            obj = self.objects.get((kind, name))
            if kind == meta.BUILD_KIND and obj is not None and obj["metadata"]["uid"] == old["metadata"]["uid"]:
                self.put(kind, {**copied(obj), "status": copied(old["status"])}, "MODIFIED")

    def _forget_since(self, backup: "Backup") -> None:
        self.forgotten += sum(self.made.values()) - sum(backup.made.values())
        self.finished_runs, self.made = {**backup.finished_runs}, {**backup.made}
        self.commits = {**backup.commits}

    # ---- what users do

    def apply(self, kind: str, name: str, spec: Object, annotations: dict[str, str] | None = None) -> None:
        if (kind, name) not in self.objects:
            metadata = {"name": name, "generation": 1, "annotations": annotations or {}}
            self.create(kind, {"metadata": metadata, "spec": spec, "status": {"observedGeneration": -1}})
            return
        obj = copied(self.objects[kind, name])
        if obj["spec"] != spec:
            obj["spec"] = spec
            obj["metadata"]["generation"] += 1
        obj["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), **(annotations or {})}
        self.put(kind, obj, "MODIFIED")

    def put_secret(self, name: str, password: str) -> None:
        data = {
            "username": base64.b64encode(b"push").decode(),
            "password": base64.b64encode(password.encode()).decode(),
            "clientSecret": base64.b64encode(password.encode()).decode(),
        }
        if ("Secret", name) in self.objects:
            self.put("Secret", {**copied(self.objects["Secret", name]), "data": data}, "MODIFIED")
        else:
            self.create("Secret", {"metadata": {"name": name}, "data": data})

    # ---- what kubelets and others do to pods

    def pods(self) -> list[Object]:
        return [obj for (kind, _), obj in self.objects.items() if kind == "Pod"]

    def change_pod(self, pod: Object, **status: Any) -> None:
        changed = copied(pod)
        changed["status"] = {**changed.get("status", {}), **status}
        self.put("Pod", changed, "MODIFIED")

    def schedule(self, pod: Object) -> None:
        changed = copied(pod)
        changed["spec"]["nodeName"] = "node1"
        changed["status"] = {"phase": "Pending", "startTime": stamp(self.now)}
        self.put("Pod", changed, "MODIFIED")

    def run_kaniko(self, pod: Object) -> None:
        message = json.dumps({"facts": self._fetch(pod)})
        report = {"exitCode": 0, "reason": "Completed", "message": message, "finishedAt": stamp(self.now)}
        self.change_pod(
            pod,
            phase="Running",
            initContainerStatuses=[{"name": "source", "state": {"terminated": report}}],
            containerStatuses=[{"name": "kaniko", "state": {"running": {"startedAt": stamp(self.now)}}}],
        )

    def _fetch(self, pod: Object) -> Object:
        """What the source's container tells of what it fetched."""
        git = source_of(pod).get("git")
        return {"commit": git.get("commit") or self.git.commit, "revision": "main"} if git else {}

    def push_elsewhere(self, repository: str, tag: str) -> None:
        """Somebody else pushes an image under a tag that is free."""
        if (repository, tag) not in self.tags:
            self.images += 1
            self.tags[repository, tag] = digest = f"sha256:{self.images:064x}"
            self.labels[digest] = "somebody else's"
            self.foreign_tags[repository, tag] = self.now

    def push(self, pod: Object) -> str:
        """kaniko's push: all tags name a new digest whose image carries the run's label."""
        arguments = pod["spec"]["containers"][0]["args"]
        self.images += 1
        digest = f"sha256:{self.images:064x}"
        self.makers[digest] = (pod["metadata"]["uid"], pod["metadata"]["labels"][meta.LABEL_SPEC_HASH])
        if "--no-push=true" in arguments:
            return digest
        if arguments[0] == "push":
            self.labels[digest] = "of the one who built it"
        for argument in arguments:
            if argument.startswith("--destination="):
                repository, _, tag = argument.removeprefix("--destination=").rpartition(":")
                self.tags[repository, tag] = digest
                pod["log"] = f"INFO[0007] Pushed {repository}@{digest}"
            elif argument.startswith(f"--label={meta.IMAGE_LABEL_RUN}="):
                self.labels[digest] = argument.split("=", 2)[2]
        return digest

    def read_back(self, pod: Object) -> None:
        """What the pod does that reads a push back: it ends with its report."""
        claim = parse_claim(pod["spec"]["containers"][0]["args"][0])
        named = {tag: self.tags.get((claim.repository, tag)) for tag in claim.tags}
        found = ReadBack(named, digest_found=claim.digest in self.labels)
        if self.nodes_cut_off:
            found = ReadBack({}, digest_found=False, problem="no route to host")
        own = bool(claim.run_label) and naming.names_run(self.labels.get(claim.digest), claim.run_label)
        report = render_report(Report(found, own), claim)
        ended = {"exitCode": 0, "reason": "Completed", "message": report, "finishedAt": stamp(self.now)}
        self.change_pod(
            pod, phase="Succeeded", containerStatuses=[{"name": "read-back", "state": {"terminated": ended}}]
        )

    def end_kaniko(self, pod: Object, code: int, reason: str = "", message: str = "", **status: Any) -> None:
        ended = {"exitCode": code, "reason": reason or "Error", "message": message, "finishedAt": stamp(self.now)}
        if reads_back(pod):  # no kaniko is in it; whatever ended it kept it from its report
            self.change_pod(pod, phase="Failed", containerStatuses=[], **status)
            return
        phase = "Succeeded" if code == 0 else "Failed"
        containers = [{"name": "kaniko", "state": {"terminated": ended}}]
        self.change_pod(pod, phase=phase, containerStatuses=containers, **status)

    def enforce_deadlines(self) -> None:
        """The kubelet's part: a pod past its deadline fails, its containers killed."""
        for pod in self.pods():
            start = pod.get("status", {}).get("startTime")
            if start is None or pod["status"]["phase"] in ("Succeeded", "Failed"):
                continue
            end = datetime.fromisoformat(start) + timedelta(seconds=pod["spec"]["activeDeadlineSeconds"])
            if self.now >= end and pod["metadata"].get("deletionTimestamp") is None:
                self.end_kaniko(pod, 2)
                self.change_pod(self.objects["Pod", pod["metadata"]["name"]], reason="DeadlineExceeded")

    def is_given_up(self, pod: Object) -> bool:
        """Whether its node counts as lost: the one case in which a pod that may live has a successor."""
        deleted = pod["metadata"].get("deletionTimestamp")
        return deleted is not None and self.now >= datetime.fromisoformat(deleted) + NODE_LOST

    def mark_deleted(self, pod: Object) -> None:
        """A deletion that its node has not confirmed yet."""
        changed = copied(pod)
        changed["metadata"]["deletionTimestamp"] = stamp(self.now + timedelta(seconds=5))
        self.put("Pod", changed, "MODIFIED")


@dataclass(frozen=True)
class Backup:
    """What a cluster knew at some time."""

    version: int
    objects: dict[tuple[str, str], Object]
    finished_runs: dict[tuple[str, int], tuple[tuple[str, str | None], ...]]
    made: dict[tuple[str, int], int]
    commits: dict[tuple[str, int], str]


def copied_objects(objects: dict[tuple[str, str], Object]) -> dict[tuple[str, str], Object]:
    """A copy of all objects."""
    return {place: copied(obj) for place, obj in objects.items()}


def source_of(pod: Object) -> Object:
    """What the source's container of a build pod is asked for; empty if there is none."""
    request = pod["metadata"].get("annotations", {}).get(meta.ANNOTATION_SOURCE, "{}")
    return dict(json.loads(request))


@dataclass
class Git:
    """A git server with one branch. Every second commit touches the folder `web`."""

    number: int = 0
    trouble: str = ""
    """Why it does not answer: `away` or `missing`, as a branch that was deleted."""

    @property
    def commit(self) -> str:
        """What the branch is at."""
        return f"{self.number:040x}"


def is_touched(old: str, new: str) -> bool:
    """Whether the folder `web` differs between two commits."""
    return int(old, 16) // 2 != int(new, 16) // 2


class Remote:
    """Whom the operator asks about the git server. It answers once it is let, and wakes who asked."""

    def __init__(self, cluster: Cluster, wake: Callable[[Owner], None]) -> None:
        self._cluster = cluster
        self._wake = wake
        self._found: tuple[datetime, Commit | Trouble] | None = None
        self._waiting: set[Owner] = set()

    async def find_commit(self, owner: Owner, asked: AskCommit) -> Commit | Trouble | None:
        if self._found is not None:
            at, found = self._found
            retry_at = found.retry_at if isinstance(found, Trouble) else None
            if at >= asked.since if retry_at is None else self._cluster.now < retry_at:
                return found
        if asked.begins or self._found is not None:
            self._waiting.add(owner)
        return None

    async def find_touched(self, owner: Owner, asked: AskTouched) -> bool | Trouble | None:
        return is_touched(asked.old, asked.new)

    def forget(self, namespace: str, name: str) -> None:
        self._waiting = {owner for owner in self._waiting if (owner.namespace, owner.name) != (namespace, name)}

    def answer(self) -> None:
        """The server answers all who wait."""
        if not self._waiting:
            return
        self._found = (self._cluster.now, self._look())
        waiting, self._waiting = self._waiting, set()
        for owner in waiting:
            self._wake(owner)

    def _look(self) -> Commit | Trouble:
        git, retry_at = self._cluster.git, self._cluster.now + timedelta(seconds=30)
        if git.trouble == "missing":
            return Trouble(Reason.REVISION_NOT_FOUND, "no branch 'main'", retry_at=retry_at)
        if git.trouble:
            return Trouble(Reason.SOURCE_UNREACHABLE, "timed out", passing=True, count=3, retry_at=retry_at)
        return Commit(git.commit, "refs/heads/main")


def build_of(pod: Object, run: Object) -> Object:
    """What a status says of the build that a pod is for; empty if it has no such build."""
    key = pod["metadata"]["labels"][meta.LABEL_BUILD]
    return next((build for build in run.get("builds", ()) if build["key"] == key), {})


def is_sibling(pod: Object, other: Object) -> bool:
    """Whether two pods are for different builds of one run, whose tags differ."""
    one, two = pod["metadata"]["labels"], other["metadata"]["labels"]
    return bool(one[meta.LABEL_RUN] == two[meta.LABEL_RUN] and one[meta.LABEL_BUILD] != two[meta.LABEL_BUILD])


def is_going(build: Object) -> bool:
    """Whether a build in a status is on its way."""
    return build["phase"] in ("Pending", "Running")


def reads_back(pod: Object) -> bool:
    """Whether it is no build pod but one that reads a push back."""
    return bool(pod["metadata"]["labels"][meta.LABEL_COMPONENT] == meta.COMPONENT_READ_BACK)


def is_alive(pod: Object) -> bool:
    """Whether anything of the pod may still run."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _refusal(how: str) -> Exception:
    if how == "webhook":
        return TroubleError(500, "failed calling webhook: no endpoints available", "POST x")
    return KubernetesError(403, "Forbidden", "exceeded quota: few" if how == "quota" else "a policy denies it")


class _Pause:
    """The process stands still here, until it is driven on."""

    def __await__(self) -> Iterator[None]:
        yield


class Client:
    """The operator's view of the cluster: the methods of KubernetesClient, through an unreliable network."""

    def __init__(self, cluster: Cluster, network: Network, limit: int = 0) -> None:
        """At most `limit` builds may have a pod at once; 0: any number."""
        self._cluster = cluster
        self._network = network
        self._limit = limit
        self._is_late = False
        """Whether a write lands that the operator was told had failed."""
        self.known_pods: set[str] = set()
        """Those that this operator may know: they stood in its first list, or it made them itself."""
        self.leads = True
        """Whether this operator holds the Lease. Another that takes it over waits until this one knows: see `Lease`."""

    async def _pass(self, work: Callable[[], Any], *, writes: bool = False, request: str = "") -> Any:
        fault = self._network.next_fault(request)
        if fault == "pause":
            await _Pause()
        self._guard(writes=writes)
        if fault == "crash-before":
            raise CrashError
        if fault == "lost":
            raise UnavailableError("the request was lost")
        if fault == "late" and writes:
            self._network.late.append(lambda: self._land(work))
            raise UnavailableError("no answer yet")
        if request in self._cluster.refused:
            raise _refusal(self._cluster.refused[request])
        result = work()
        if writes:
            self._cluster.writes += 1
        if fault == "crash-after":
            raise CrashError
        if fault == "answer-lost":
            raise UnavailableError("the answer was lost")
        return copied(result)

    def _land(self, work: Callable[[], Any]) -> None:
        self._is_late = True
        try:
            work()
        finally:
            self._is_late = False

    def _guard(self, *, writes: bool) -> None:
        """As the real client: no write without the Lease."""
        if writes and not self.leads:
            raise UnavailableError("another operator may be leading by now")

    async def read_pod(self, namespace: str, name: str) -> Object:
        return await self._pass(lambda: self._cluster.get("Pod", name))

    async def read_secret(self, namespace: str, name: str) -> Object:
        return await self._pass(lambda: self._cluster.get("Secret", name), request="read-secret")

    async def read_custom(self, plural: str, namespace: str, name: str) -> Object:
        kind = meta.BUILD_KIND if plural == meta.BUILD_PLURAL else meta.CONNECTOR_KIND
        return await self._pass(lambda: self._cluster.get(kind, name))

    async def read_pod_log(
        self, namespace: str, name: str, container: str, *, lines: int, limit_bytes: int | None = None, node: str = ""
    ) -> PodLog:
        text = await self._pass(lambda: self._cluster.get("Pod", name).get("log", "error building image: it broke"))
        return PodLog(str(text), is_cut=False)

    async def list_pod_events(self, namespace: str, pod_uid: str) -> list[Object]:
        return list(await self._pass(lambda: self._cluster.pod_events.get(pod_uid, [])))

    async def create_pod(self, manifest: Object) -> Object:
        return await self._pass(lambda: self._create_pod(manifest), writes=True, request="create-pod")

    def _create_pod(self, manifest: Object) -> Object:
        cluster, name = self._cluster, manifest["metadata"]["name"]
        self._admit()
        created = cluster.create("Pod", {**manifest, "status": {"phase": "Pending"}})
        cluster.created_pods[name] = cluster.created_pods.get(name, 0) + 1
        self._check_creation(manifest)
        self._check_limit(manifest)
        return created

    def _check_limit(self, manifest: Object) -> None:
        """Never more build pods than the limit, of those that this operator may know."""
        name = manifest["metadata"]["name"]
        if not self._limit or self._is_late or reads_back(manifest):
            return
        others = [
            pod["metadata"]["name"]
            for pod in self._cluster.pods()
            if pod["metadata"]["name"] in self.known_pods - {name}
            and not observe_pod(pod).ended
            and not reads_back(pod)
            and not self._cluster.is_given_up(pod)
        ]
        self.known_pods.add(name)
        if len(others) >= self._limit:
            self._cluster.violations.append(f"pod {name} was created beyond the limit, beside {others}")

    def _check_creation(self, manifest: Object) -> None:
        """What must hold whenever a pod comes into being."""
        cluster, name = self._cluster, manifest["metadata"]["name"]
        owner = manifest["metadata"]["ownerReferences"][0]
        resource = cluster.objects.get((meta.BUILD_KIND, owner["name"]))
        if resource is None or resource["metadata"]["uid"] != owner["uid"]:
            return  # the garbage collector takes it at once
        run = resource["status"].get("run") or {}
        build = build_of(manifest, run)
        if reads_back(manifest):
            if run.get("finishedAt") or (build.get("readBack") or {}).get("podName") != name:
                cluster.violations.append(f"pod {name} was created without being announced in the status")
            return
        if run.get("finishedAt") or build.get("podName") != name:
            cluster.violations.append(f"pod {name} was created without being announced in the status")
        if build.get("podUid"):
            cluster.violations.append(f"pod {name} was created a second time for one attempt")
        others = [
            pod["metadata"]["name"]
            for pod in cluster.pods()
            if pod["metadata"]["ownerReferences"][0]["uid"] == owner["uid"]
            and pod["metadata"]["name"] != name
            and is_alive(pod)
            and not reads_back(pod)
            and not cluster.is_given_up(pod)
            and not is_sibling(pod, manifest)
        ]
        if others:
            cluster.violations.append(f"pod {name} was created while {others} lived")
        self._check_unpushed(manifest)
        self._check_places(manifest, resource, run)
        self._check_number(manifest, resource, run)
        self._check_commit(manifest, resource, run)
        secret = next(v["secret"]["secretName"] for v in manifest["spec"]["volumes"] if v["name"] == "login")
        if ("Secret", secret) not in cluster.objects:
            cluster.violations.append(f"pod {name} was created without its login")
            return
        for login in read_login_secret(cluster.objects["Secret", secret]).values():
            if login.expires_at is not None and login.expires_at <= cluster.now - SLACK:
                cluster.violations.append(f"pod {name} was created with a login that had ended")

    def _check_unpushed(self, manifest: Object) -> None:
        """No further attempt makes what an attempt before it has pushed."""
        cluster, arguments = self._cluster, manifest["spec"]["containers"][0]["args"]
        labels = [one.split("=", 2)[2] for one in arguments if one.startswith(f"--label={meta.IMAGE_LABEL_RUN}=")]
        tags = [one.removeprefix("--destination=") for one in arguments if one.startswith("--destination=")]
        named = {cluster.tags.get((place, tag)) for place, _, tag in (one.rpartition(":") for one in tags)}
        made = {cluster.labels.get(digest or "") for digest in named}
        again = int(manifest["metadata"]["labels"][meta.LABEL_ATTEMPT]) > 1
        if (
            again
            and labels
            and made == set(labels)
            and len(named) == 1
            and not (cluster.registry_down or self._is_late)
        ):
            cluster.violations.append(f"pod {manifest['metadata']['name']} was created to push what is pushed")

    def _check_places(self, manifest: Object, resource: Object, run: Object) -> None:
        """No more builds of a run are on their way than it has places."""
        places = (resource["spec"].get("strategy") or {}).get("maxConcurrency") or 64
        begun = [build["key"] for build in run.get("builds", ()) if is_going(build) and build.get("podUid")]
        beside = [key for key in begun if key != manifest["metadata"]["labels"][meta.LABEL_BUILD]]
        if len(beside) >= places:
            self._cluster.violations.append(f"pod {manifest['metadata']['name']} was created beyond {places} places")

    def _check_commit(self, manifest: Object, resource: Object, run: Object) -> None:
        """A run that polls, or has several builds, builds one commit, which its status names before there is a pod."""
        git = source_of(manifest).get("git")
        if git is None:
            return
        name, commit = resource["metadata"]["name"], git.get("commit")
        if commit is None and len(run["builds"]) == 1 and "poll" not in resource["spec"]["source"]["git"]:
            return  # its pod finds out what the branch is at
        if commit is None or commit != (run.get("source") or {}).get("commit"):
            self._cluster.violations.append(f"{name}: run {run['number']} builds {commit} without saying so")
        known = self._cluster.commits.setdefault((resource["metadata"]["uid"], run["number"]), str(commit))
        if known != commit:
            self._cluster.violations.append(f"{name}: run {run['number']} went from commit {known} to {commit}")

    async def try_pod(self, manifest: Object) -> Object:
        await self._pass(self._admit, request="try-pod")
        return manifest

    def _admit(self) -> None:
        if self._cluster.policy:
            raise KubernetesError(403, "Forbidden", 'violates PodSecurity "restricted:latest"')
        if self._cluster.quota_full:
            raise KubernetesError(403, "Forbidden", "exceeded quota: small")

    async def patch_pod_deadline(self, namespace: str, name: str, uid: str, seconds: int) -> Object:
        def work() -> Object:
            pod = copied(self._cluster.get("Pod", name))
            if pod["metadata"]["uid"] != uid:
                raise ConflictError(409, "Conflict", "uid differs")
            pod["spec"]["activeDeadlineSeconds"] = seconds
            return self._cluster.put("Pod", pod, "MODIFIED")

        return await self._pass(work, writes=True, request="end-pod")

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        def work() -> None:
            pod = self._cluster.get("Pod", name)
            if pod["metadata"]["uid"] != uid:
                raise ConflictError(409, "Conflict", "uid differs")
            if is_alive(pod) and pod["spec"].get("nodeName"):
                if not pod["metadata"].get("deletionTimestamp"):
                    self._cluster.mark_deleted(pod)
            else:
                self._cluster.remove("Pod", name)

        await self._pass(work, writes=True, request="delete-pod")

    async def create_secret(self, manifest: Object) -> Object:
        return await self._pass(lambda: self._cluster.create("Secret", manifest), writes=True, request="create-secret")

    async def patch_secret(self, namespace: str, name: str, body: Object) -> Object:
        def work() -> Object:
            secret = copied(self._cluster.get("Secret", name))
            if secret["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                raise ConflictError(409, "Conflict", "the object has been modified")
            secret["data"] = {key: value for key, value in body["data"].items() if value is not None}
            return self._cluster.put("Secret", secret, "MODIFIED")

        return await self._pass(work, writes=True)

    async def delete_secret(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        def work() -> None:
            metadata = self._cluster.get("Secret", name)["metadata"]
            if (metadata["uid"], metadata["resourceVersion"]) != (uid, version):
                raise ConflictError(409, "Conflict", "the object has been modified")
            self._cluster.remove("Secret", name)

        return await self._pass(work, writes=True)

    async def create_event(self, manifest: Object) -> None:
        await self._pass(lambda: self._cluster.event_names.add(manifest["metadata"]["name"]), writes=True)

    async def replace_custom_status(
        self, plural: str, namespace: str, name: str, version: str, status: Object
    ) -> Object:
        kind = meta.BUILD_KIND if plural == meta.BUILD_PLURAL else meta.CONNECTOR_KIND

        def work() -> Object:
            obj = copied(self._cluster.get(kind, name))
            if obj["metadata"]["resourceVersion"] != version:
                raise ConflictError(409, "Conflict", "the object has been modified")
            before = json.dumps(obj.get("status"), sort_keys=True)
            old = copied(obj.get("status") or {})
            obj["status"] = copied(status)
            if json.dumps(obj["status"], sort_keys=True) == before:
                self._cluster.violations.append(f"a write to {kind} {name} changed nothing")
            if kind == meta.BUILD_KIND:
                self._check_status(obj, old)
            return self._cluster.put(kind, obj, "MODIFIED")

        return await self._pass(work, writes=True)

    def _check_status(self, obj: Object, old: Object) -> None:
        """What must hold of every status that is written."""
        cluster, new = self._cluster, obj["status"]
        uid, name = obj["metadata"]["uid"], obj["metadata"]["name"]
        if len(json.dumps(new).encode()) > 128 * 1024:
            cluster.violations.append(f"{name}: the status is larger than 128 KiB")
        if new["observedGeneration"] < old.get("observedGeneration", -1):
            cluster.violations.append(f"{name}: observedGeneration went back")
        before, after = old.get("run") or {}, new.get("run") or {}
        if before and after.get("number", 0) < before["number"]:
            cluster.violations.append(f"{name}: the run number went back")
        if before and after["number"] > before["number"] and not before.get("finishedAt"):
            self._check_renumbering(obj, before, after)
        self._check_rebuild(obj, old)
        self._check_outage(name, before, after)
        self._check_new_commit(obj, before, after)
        self._check_taken_over(name, before, after)
        for build in after.get("builds", ()):
            if build.get("digest") and build["digest"] not in cluster.labels:
                cluster.violations.append(f"{name}: run {after['number']} names a digest that was never pushed")
            maker, made_from = cluster.makers.get(build.get("digest", ""), ("", ""))
            if maker == build.get("podUid") and made_from != naming.spec_hash_label(after["specHash"]):
                cluster.violations.append(f"{name}: run {after['number']} names an image of another spec")
        self._check_end(uid, name, after)

    def _check_renumbering(self, obj: Object, before: Object, after: Object) -> None:
        """A run takes another number only if it may choose one, and before there is a pod of it."""
        name, number = obj["metadata"]["name"], str(before["number"])
        pods = [
            pod["metadata"]["name"]
            for pod in self._cluster.pods()
            if pod["metadata"]["ownerReferences"][0]["uid"] == obj["metadata"]["uid"]
            and pod["metadata"]["labels"][meta.LABEL_RUN] == number
        ]
        if obj["spec"].get("firstRunNumber") != "Auto" or before["startedAt"] != after["startedAt"]:
            self._cluster.violations.append(f"{name}: run {number} was dropped before it ended")
        elif pods:
            self._cluster.violations.append(f"{name}: run {number} took another number, but has {pods}")

    def _check_number(self, manifest: Object, resource: Object, run: Object) -> None:
        """A run that chooses its number counts on after all that the tags of its builds have in the registry."""
        status, spec = resource["status"], resource["spec"]
        if spec.get("firstRunNumber") != "Auto" or status.get("digest") or status.get("artifacts"):
            return
        begun = any(build.get("podUid") or build["attempt"] > 1 or not is_going(build) for build in run["builds"])
        started = datetime.fromisoformat(run["startedAt"])
        untold = self._cluster.tags_untold
        if begun or self._is_late or (untold is not None and untold >= started):
            return
        for (repository, tag), pushed in self._cluster.foreign_tags.items():
            number, _, iteration = tag.partition("-")
            among = repository == spec["repository"] and int(iteration) < len(run["builds"])
            if among and pushed < started and int(number) >= run["number"]:
                name = manifest["metadata"]["name"]
                self._cluster.violations.append(f"pod {name} was created below the number of {tag}")

    def _check_end(self, uid: str, name: str, after: Object) -> None:
        """A run that has ended stays as it is."""
        cluster, place = self._cluster, (uid, after.get("number", 0))
        if not after.get("finishedAt"):
            if place in cluster.finished_runs:
                cluster.violations.append(f"{name}: run {after['number']} was opened again")
            return
        if any(map(is_going, after["builds"])):
            cluster.violations.append(f"{name}: run {after['number']} ended before its builds")
        ended = tuple((build["phase"], build.get("digest")) for build in after["builds"])
        known = cluster.finished_runs.setdefault(place, ended)
        cluster.made[place] = len([build for build in after["builds"] if "fromRun" not in build])
        if known != ended:
            cluster.violations.append(f"{name}: run {after['number']} flipped from {known} to {ended}")

    def _check_taken_over(self, name: str, before: Object, after: Object) -> None:
        """A run that is asked for failed builds alone, or follows an outage, builds nothing good again."""
        if not before or after["number"] == before["number"]:
            return
        alone = str(after.get("rebuild", "")).startswith("failed-") or after["trigger"] == "RetryAfterOutage"
        same = after["specHash"] == before["specHash"] and len(after["builds"]) == len(before["builds"]) > 1
        bad = any(build["phase"] == "Failed" for build in before["builds"])
        for old, new in zip(before["builds"], after["builds"], strict=False):
            taken = new.get("fromRun") is not None
            if taken and (old["phase"] != "Succeeded" or old.get("digest") != new.get("digest")):
                self._cluster.violations.append(f"{name}: run {after['number']} takes over what did not succeed")
            if alone and same and bad and old["phase"] == "Succeeded" and not taken:
                self._cluster.violations.append(f"{name}: run {after['number']} builds again what succeeded")

    def _check_rebuild(self, obj: Object, old: Object) -> None:
        """A value that becomes complete has had its run, or nothing happens until the user acts."""
        new, run = obj["status"], obj["status"].get("run") or {}
        value = new.get("completedRebuild")
        completed = {item["type"]: item["status"] for item in new["conditions"]}["Completed"]
        if value is not None and value != old.get("completedRebuild") and completed != "True":
            self._cluster.violations.append(f"{obj['metadata']['name']}: rebuild {value} is complete and nothing ended")
        if value is not None and value == run.get("rebuild") and not run.get("finishedAt") and completed != "True":
            self._cluster.violations.append(f"{obj['metadata']['name']}: rebuild {value} is complete before its run")

    def _check_new_commit(self, obj: Object, before: Object, after: Object) -> None:
        """What must hold of a run that a new commit starts."""
        if after.get("trigger") != "SourceRevision" or after["number"] == before["number"]:
            return
        old, new = (before.get("source") or {}).get("commit"), after["source"]["commit"]
        paths = obj["spec"]["source"]["git"]["poll"].get("paths")
        if old == new or (old is not None and paths and not is_touched(old, new)):
            self._cluster.violations.append(f"{obj['metadata']['name']}: run {after['number']} builds nothing new")

    def _check_outage(self, name: str, before: Object, after: Object) -> None:
        """What must hold of a run that is started since an outage ended the one before."""
        if after.get("trigger") != "RetryAfterOutage" or after["number"] == before["number"]:
            return
        if before.get("nextRunAt", "never") > stamp(self._cluster.now):
            self._cluster.violations.append(f"{name}: run {after['number']} started before its time")
        if after["outages"] > 3:
            self._cluster.violations.append(f"{name}: run {after['number']} is one too many for an outage")


def _merge(target: Object, patch: Object) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


class Registry:
    """The registry's reader over the cluster's registry."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def read_back(self, repository: str, tags: tuple[str, ...], digest: str, _: Credentials) -> ReadBack:
        if self._cluster.registry_down:
            busy = self._cluster.registry_down == "busy"
            return ReadBack({}, digest_found=False, problem="it does not answer", passing=busy)
        found = digest in self._cluster.labels
        return ReadBack({tag: self._cluster.tags.get((repository, tag)) for tag in tags}, digest_found=found)

    async def read_tags(self, repository: str, tags: tuple[str, ...], _: Credentials) -> ReadBack:
        if self._cluster.registry_down:
            return ReadBack({}, digest_found=False, problem="no route to host")
        return ReadBack({tag: self._cluster.tags.get((repository, tag)) for tag in tags}, digest_found=False)

    async def list_tags(self, repository: str, _: Credentials) -> tuple[str, ...] | None:
        if self._cluster.registry_down:
            self._cluster.tags_untold = self._cluster.now
            return None
        return tuple(tag for place, tag in self._cluster.tags if place == repository)

    async def find_proof(self, repository: str, tags: tuple[str, ...], run_label: str, _: Credentials) -> Proof:
        if self._cluster.registry_down:
            return Proof(None, "no route to host")
        named = {self._cluster.tags.get((repository, tag)) for tag in tags}
        digest = named.pop() if len(named) == 1 else None
        proven = digest is not None and naming.names_run(self._cluster.labels.get(digest), run_label)
        return Proof(digest if proven else None)
