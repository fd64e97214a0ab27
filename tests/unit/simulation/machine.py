"""The operator in the simulated cluster, driven step by step, and the steps that users, nodes and networks take."""

import contextlib
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.kubernetes.lists import Listing
from buildandpush.core.azure.errors import LoginProblem
from buildandpush.core.facts import Owner
from buildandpush.core.settings import BuildSettings, SlotLimits
from buildandpush.handlers.announcements import Announcements
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.informers.watch import Watcher
from buildandpush.handlers.objects import POD_KIND, Key, place_of
from buildandpush.handlers.observability.metrics import Metrics
from buildandpush.handlers.observability.runmeter import RunMeter
from buildandpush.handlers.progress import Progress
from buildandpush.handlers.quotas import Quotas
from buildandpush.handlers.reconcile import Reconciler
from buildandpush.handlers.telling import Telling
from buildandpush.handlers.workqueue.queue import WorkQueue
from tests.unit.fake_azure import make_sources
from tests.unit.simulation.cluster import (
    HOST,
    Backup,
    Client,
    Cluster,
    CrashError,
    Network,
    Registry,
    Remote,
    build_of,
    is_alive,
    is_going,
    is_touched,
    reads_back,
    stamp,
)

NAMES = ("web", "api")
SETTINGS = BuildSettings(executor_image="kaniko", source_image="operator", retries=2)
FORGED = "sha256:" + "f" * 64
LIES = ("forged", "forged-log", "forged-push")
FAULTS = st.sampled_from(["crash-before", "crash-after", "lost", "answer-lost", "late", "pause", None, None])

REFUSED = ("create-pod", "end-pod", "delete-pod", "create-secret", "read-secret")
"""Requests that the API server may refuse. A pod that a policy refuses for good ends its run, which quotas show."""


def spec(target: str = "", **changes: Any) -> dict[str, Any]:
    """A spec whose image depends on `target`."""
    base = {
        "connectorRef": "acr",
        "repository": f"{HOST}/shop/web",
        "tags": ["latest"],
        "target": target,
        "source": {"inline": {"files": {"Dockerfile": "FROM scratch"}}},
    }
    return {**base, **changes}


Lists = Callable[[str], Listing]


class PausedError(Exception):
    """The operator stands still in the middle of its work."""

    def __init__(self, work: Coroutine[Any, Any, Any], context: Context) -> None:
        super().__init__("paused")
        self.work = work
        self.context = context


def drive(work: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
    """Run a coroutine that waits for nothing but itself; raises PausedError where the network lets it stand still. It
    has a context of its own, as a task has, which one that goes on has still."""
    context = context or copy_context()
    try:
        context.run(work.send, None)
    except StopIteration as end:
        return end.value
    raise PausedError(work, context)


class Operator:
    """One life of the operator process: its store, its watches and its queue."""

    def __init__(
        self,
        cluster: Cluster,
        network: Network,
        metrics: Metrics,
        lists: Lists | None = None,
        *,
        limit: int = 0,
    ) -> None:
        """`lists` is what the API server's cache has, where that lags behind. At most `limit` builds may have a pod at
        once; 0: any number."""
        self.store = Store()
        self.cluster = cluster
        self.queue: WorkQueue[Key] = WorkQueue(self._reconcile, workers=1, clock=self._seconds)
        quotas = Quotas(self._wake)
        progress = Progress(self._seconds, per_second=1 / 40, at_once=1)
        self.watcher = Watcher(self.store, self.queue, quotas.note_room, progress.left)
        self.client = Client(cluster, network, limit)
        self.client.known_pods.update(pod["metadata"]["name"] for pod in (lists or cluster.list_kind)(POD_KIND).items)
        self.remote = Remote(cluster, self._wake)
        self.reconciler = Reconciler(
            make_sources(self.client, Registry(cluster), lambda: cluster.now, cluster.azure, revisions=self.remote),
            self.store,
            replace(SETTINGS, slots=SlotLimits(namespace=limit)),
            lambda: cluster.now,
            RunMeter(metrics),
            quotas,
            self.queue.add,
            # So little that progress often has to wait.
            telling=Telling(Announcements(self.client).write, progress),
        )
        self.relist(lists or cluster.list_kind)

    def _wake(self, owner: Owner) -> None:
        self.queue.add(Key(meta.BUILD_KIND, owner.namespace, owner.name))

    def _seconds(self) -> float:
        return self.cluster.now.timestamp()

    async def _reconcile(self, key: Key) -> float | None:
        try:
            return await self.reconciler.reconcile(key)
        except (UnavailableError, KubernetesError):
            raise  # the network's doing, which the queue tries again
        except Exception as error:  # a bug, which the queue would only log
            self.cluster.violations.append(f"{key}: {error!r}")
            raise

    def relist(self, lists: Lists) -> None:
        for kind in (meta.BUILD_KIND, meta.CONNECTOR_KIND, POD_KIND):
            listing = lists(kind)
            listed = [place_of(body) for body in listing.items]
            news = [self.store.put_any(kind, body) for body in listing.items]
            gone = self.store.drop_unlisted(kind, listed, int(listing.resource_version), None)
            for key in sorted({*news, *gone} - {None}, key=str):
                for each in (key, *self.store.find_dependents(key)):
                    self.queue.add(each)

    def deliver(self, kind: str, event: str, body: dict[str, Any]) -> None:
        if kind == "Pod":
            self.watcher.on_pod(event, body)
        elif kind in (meta.BUILD_KIND, meta.CONNECTOR_KIND):
            self.watcher.on_resource(kind, event, body)

    def ready(self) -> list[Key]:
        """The keys whose turn has come."""
        return sorted((key for key, when in self.queue._due.items() if when <= self._seconds()), key=str)

    def work(self, key: Key) -> None:
        """One pass over a key that is ready. The queue gives out those that are due before it as well, as to other
        workers, which are slower."""
        others: list[Key] = []
        while (claimed := self.queue._claim()) is not None and claimed != key:
            others.append(claimed)
            self.queue._release(claimed)
        assert claimed is not None, f"the queue does not give out {key}"
        for other in others:
            self.queue.add(other)
        try:
            drive(self.queue._run_once(key))
        finally:
            self.queue._release(key)


class World(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    steps = 0

    @initialize(identity=st.booleans(), loses_last=st.booleans(), limit=st.sampled_from([0, 1]))
    def begin(self, identity: bool, loses_last: bool, limit: int) -> None:
        self.loses_last = loses_last
        self.limit = limit
        self.cluster = Cluster()
        self.network = Network()
        self.counter = 0
        self.identity = identity
        self.cluster.put_secret("acr-login", "first")
        self.put_connector()
        self.stale: dict[str, Listing] = {}
        self.backup: Backup | None = None
        self.are_statuses_lost = False
        self.paused: list[PausedError] = []
        self.metrics = Metrics()
        """What all operators have counted, one after the other."""
        self.gaps = False
        """Whether an end may have come that no operator counted: it ended itself, or the resource was gone."""
        self.operator = Operator(self.cluster, self.network, self.metrics, limit=limit)

    def _start_operator(self, lists: Lists | None = None) -> None:
        self.gaps = True
        self.operator = Operator(self.cluster, self.network, self.metrics, lists, limit=self.limit)

    def _next(self) -> str:
        self.counter += 1
        return f"v{self.counter}"

    # ---- users

    @rule(name=st.sampled_from(NAMES), retries=st.sampled_from([None, 0, 1]))
    def apply_new_image(self, name: str, retries: int | None) -> None:
        changes = {} if retries is None else {"retries": retries}
        self.cluster.apply(meta.BUILD_KIND, name, spec(self._next(), **changes))

    @rule(name=st.sampled_from(NAMES))
    def apply_numbered_tags(self, name: str) -> None:
        tags = ["<+pipeline.sequenceId>", "latest"]
        self.cluster.apply(meta.BUILD_KIND, name, spec(self._next(), tags=tags, repository=f"{HOST}/shop/{name}"))

    @rule(
        name=st.sampled_from(NAMES),
        builds=st.integers(1, 4),
        places=st.sampled_from([None, 1, 2]),
        numbered=st.sampled_from(["", "yes", "Auto"]),
        git=st.booleans(),
    )
    def apply_matrix(self, name: str, builds: int, places: int | None, numbered: str, git: bool) -> None:
        """Builds of one run, each with its own tags. The status shows what became of each."""
        strategy = {"parallelism": builds, **({"maxConcurrency": places} if places else {})}
        tags = [f"{name}-<+strategy.iteration>"]
        tags += ["<+pipeline.sequenceId>-<+strategy.iteration>"] if numbered else []
        changes: dict[str, Any] = {"strategy": strategy, "tags": tags, "repository": f"{HOST}/shop/{name}"}
        if numbered == "Auto":
            changes["firstRunNumber"] = numbered
        if git:
            changes["source"] = {"git": {"url": "https://git.example/shop.git", "revision": "main"}}
        self.cluster.apply(meta.BUILD_KIND, name, spec(self._next(), **changes))

    @rule(
        name=st.sampled_from(NAMES),
        number=st.integers(1, 12),
        build=st.integers(0, 2),
        places=st.sampled_from([None, 1, 2]),
        rounds=st.integers(0, 2),
    )
    def begin_where_somebody_else_has_pushed(
        self, name: str, number: int, build: int, places: int | None, rounds: int
    ) -> None:
        """A resource that was made anew finds numbers in its registry."""
        self.delete(name)
        self.cluster.push_elsewhere(f"{HOST}/shop/{name}", f"{number}-{build}")
        self.time_passes(1)
        self.apply_matrix(name, 3, places, "Auto", False)
        self.life_goes_on(rounds, False)

    @rule(name=st.sampled_from(NAMES), good=st.integers(0, 2), how=st.sampled_from(["run", "evicted"]))
    def one_of_several_fails_and_is_built_alone(self, name: str, good: int, how: str) -> None:
        """So that often enough a run takes over what an earlier one made."""
        self.apply_matrix(name, 3, None, "", False)
        self.life_goes_on(2, False)
        for _ in range(4 * good):
            self.node_takes_pod_a_step_further(0)
        for index in range(3):
            self.node_takes_pod_a_step_further(index)
            self.pod_fails(index, how)
        self.life_goes_on(2, False)
        self.ask_for_rebuild(name, True)
        self.life_goes_on(2, True)

    @rule(name=st.sampled_from(NAMES), action=st.sampled_from(["Ignore", "Retry"]), met=st.booleans())
    def apply_with_strategies(self, name: str, action: str, met: bool) -> None:
        settings = {"spec": {"retryCount": 2, "retryIntervals": ["20s"]}} if action == "Retry" else {}
        on_failure = {"errors": ["AllErrors"], "action": {"type": action, **settings}}
        when = {"condition": "<+pipeline.sequenceId> > 0" if met else "<+pipeline.sequenceId> > 3"}
        changed = spec(self._next(), failureStrategies=[{"onFailure": on_failure}], when=when)
        self.cluster.apply(meta.BUILD_KIND, name, changed)

    @rule(name=st.sampled_from(NAMES), flag=st.sampled_from(["NO_PUSH", "PUSH_ONLY"]))
    def apply_half_a_build(self, name: str, flag: str) -> None:
        flags: dict[str, Any] = {f"PLUGIN_{flag}": True}
        if flag == "PUSH_ONLY":
            flags["PLUGIN_SOURCE_TAR_PATH"] = f"{self._next()}.tar"
        workspace = {"persistentVolumeClaim": {"claimName": "builds"}}
        self.cluster.apply(meta.BUILD_KIND, name, spec(self._next(), envVariables=flags, workspace=workspace))

    @rule(name=st.sampled_from(NAMES), change=st.sampled_from(["timeout", "queue", "invalid", "suspend", "resume"]))
    def edit(self, name: str, change: str) -> None:
        found = self.cluster.objects.get((meta.BUILD_KIND, name))
        if found is None:
            return
        changes: dict[str, Any] = {
            "timeout": {"timeout": f"{self.counter % 50 + 10}m"},
            "queue": {"onChange": "Queue", "target": self._next()},
            "invalid": {"timeout": "never"},
            "suspend": {"suspend": True},
            "resume": {"suspend": False, "timeout": "1h"},
        }[change]
        self.cluster.apply(meta.BUILD_KIND, name, {**found["spec"], **changes})

    @rule(name=st.sampled_from(NAMES), paths=st.booleans())
    def apply_polled(self, name: str, paths: bool) -> None:
        poll = {"paths": ["web"]} if paths else {}
        source = {"git": {"url": "https://git.example/shop.git", "revision": "main", "poll": poll}}
        self.cluster.apply(meta.BUILD_KIND, name, spec(self._next(), source=source))

    @rule(commits=st.integers(1, 3), trouble=st.sampled_from(["", "", "", "away", "missing"]))
    def branch_moves(self, commits: int, trouble: str) -> None:
        self.cluster.git.number += commits
        self.cluster.git.trouble = trouble

    @rule(name=st.sampled_from(NAMES), rounds=st.integers(1, 3))
    def branch_moves_while_it_is_polled(self, name: str, rounds: int) -> None:
        """So that often enough a poll comes to its end."""
        self.apply_polled(name, rounds > 2)
        for _ in range(rounds):
            self.life_goes_on(5, True)
            self.branch_moves(1, "")
            self.time_passes(310)
            self.git_answers()

    @rule()
    def git_answers(self) -> None:
        self.operator.remote.answer()

    @rule(name=st.sampled_from(NAMES), failed=st.booleans())
    def ask_for_rebuild(self, name: str, failed: bool) -> None:
        found = self.cluster.objects.get((meta.BUILD_KIND, name))
        value = self._next().replace("v", "failed-") if failed else self._next()
        if found is not None:
            self.cluster.apply(meta.BUILD_KIND, name, found["spec"], {meta.ANNOTATION_REBUILD: value})

    @rule(name=st.sampled_from(NAMES))
    def cancel(self, name: str) -> None:
        found = self.cluster.objects.get((meta.BUILD_KIND, name))
        if found is not None:
            number = str((found["status"].get("run") or {}).get("number", 1))
            self.cluster.apply(meta.BUILD_KIND, name, found["spec"], {meta.ANNOTATION_CANCEL: number})

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.cluster.remove(meta.BUILD_KIND, name)
        self.gaps = True

    @rule()
    def rotate_secret(self) -> None:
        self.cluster.put_secret("acr-login", self._next())

    @rule(there=st.booleans())
    def connector_comes_or_goes(self, there: bool) -> None:
        if there:
            self.put_connector()
        else:
            self.cluster.remove(meta.CONNECTOR_KIND, "acr")

    @rule(identity=st.booleans())
    def connector_changes_its_credential(self, identity: bool) -> None:
        self.identity = identity
        self.put_connector()

    @rule(step=st.sampled_from(["token", "exchange", "access"]), temporary=st.booleans())
    def azure_refuses(self, step: str, temporary: bool) -> None:
        problem = LoginProblem(Reason.LOGIN_FAILED, "AADSTS7000215", temporary=temporary)
        self.cluster.azure.refuse = lambda asked, host: problem if asked == step else None

    @rule()
    def azure_answers(self) -> None:
        self.cluster.azure.refuse = lambda asked, host: None

    def put_connector(self) -> None:
        reference = {"secretRef": {"name": "acr-login"}}
        principal = {"tenantId": "contoso.com", "clientId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", **reference}
        credential = {"servicePrincipal": principal} if self.identity else {"registryCredentials": reference}
        self.cluster.apply(meta.CONNECTOR_KIND, "acr", {**credential, "registries": [HOST]})

    # ---- nodes

    def _pick(self, index: int) -> dict[str, Any] | None:
        alive = [pod for pod in self.cluster.pods() if is_alive(pod)]
        return alive[index % len(alive)] if alive else None

    @rule(index=st.integers(0, 3))
    def node_takes_pod_a_step_further(self, index: int) -> None:
        pod = self._pick(index)
        if pod is None:
            return
        if not pod["spec"].get("nodeName"):
            self.cluster.schedule(pod)
        elif pod["status"].get("phase") == "Pending":
            self.cluster.run_kaniko(pod)
        elif reads_back(pod):
            self.cluster.read_back(pod)
        else:
            digest = self.cluster.push(pod)
            builds = pod["spec"]["containers"][0]["args"][0] != "push"
            self.cluster.end_kaniko(pod, 0, message=digest if builds else "")

    @rule(index=st.integers(0, 3), how=st.sampled_from(["error", "oom", "evicted", "run", *LIES]))
    def pod_fails(self, index: int, how: str) -> None:
        pod = self._pick(index)
        if pod is None or not pod["spec"].get("nodeName"):
            return
        if how == "oom":
            self.cluster.end_kaniko(pod, 137, reason="OOMKilled")
        elif how == "evicted":
            self.cluster.change_pod(pod, phase="Failed", reason="Evicted", containerStatuses=[])
        elif how in LIES:
            self._lie(pod, how)
        else:
            self.cluster.end_kaniko(pod, 7 if how == "run" else 1)

    def _lie(self, pod: dict[str, Any], how: str) -> None:
        """A process that a RUN line left behind writes kaniko's message, and kaniko's log too."""
        if pod["spec"]["containers"][0]["args"][0] == "push":
            return  # kaniko's push command runs no RUN line
        if how == "forged-push" and not reads_back(pod):
            self.cluster.push(pod)
        if how == "forged-log":
            pod["log"] = f"INFO[0007] Pushed {HOST}/shop/web@{FORGED}"
        self.cluster.end_kaniko(pod, 0, message=FORGED)

    @rule(index=st.integers(0, 3))
    def image_cannot_be_pulled(self, index: int) -> None:
        """The pod stands there until it is given up, and its node takes its time to let it go."""
        pod = self._pick(index)
        if pod is None or not pod["spec"].get("nodeName") or pod["status"].get("phase") != "Pending":
            return
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
        self.cluster.change_pod(pod, containerStatuses=[{"name": "kaniko", "state": waiting}])
        for seconds in (310, 15):
            self.time_passes(seconds)
            self.life_goes_on(2, False)

    @rule(index=st.integers(0, 3), reason=st.sampled_from(["FailedCreatePodSandBox", "FailedMount"]))
    def pod_cannot_be_started(self, index: int, reason: str) -> None:
        """Only an Event says so. A sandbox is given up, a volume may come yet."""
        pod = self._pick(index)
        if pod is None or not pod["spec"].get("nodeName") or pod["status"].get("phase") != "Pending":
            return
        told = {"type": "Warning", "reason": reason, "message": "no", "lastTimestamp": stamp(self.cluster.now)}
        self.cluster.pod_events[pod["metadata"]["uid"]] = [told]
        for seconds in (61, 310, 15):
            self.time_passes(seconds)
            self.life_goes_on(2, False)

    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(["lost", "late", "crash-before"]))
    def no_node_takes_a_pod_and_it_cannot_be_deleted(self, name: str, how: str) -> None:
        """The pod of a last attempt, which no further attempt waits for."""
        self.network.faults.clear()
        self._mend_surroundings()
        self.apply_new_image(name, 0)
        self.life_goes_on(2, False)
        self.network.faults = [f"{how} delete-pod"]
        self.life_goes_on(1, False)
        self.time_passes(3700)
        self.life_goes_on(2, False)

    @rule(index=st.integers(0, 3), how=st.sampled_from(LIES), down=st.sampled_from(["busy", "away"]))
    def pod_lies_while_the_registry_is_away(self, index: int, how: str, down: str) -> None:
        self.cluster.registry_down = down
        self.pod_fails(index, how)
        self.life_goes_on(2, False)

    @rule(down=st.sampled_from(["busy", "away"]), cut_off=st.booleans(), minutes=st.sampled_from([0, 6]))
    def registry_is_away_when_a_build_ends(self, down: str, cut_off: bool, minutes: int) -> None:
        """So that often enough a pod has to ask it in the operator's place."""
        self.cluster.registry_down, self.cluster.nodes_cut_off = down, cut_off
        self.life_goes_on(4, True)
        self.time_passes(60 * minutes)
        self.life_goes_on(2, False)

    @rule(index=st.integers(0, 3), pushed=st.booleans())
    def pod_vanishes(self, index: int, pushed: bool) -> None:
        pod = self._pick(index)
        if pod is not None:
            if pushed and pod["status"].get("phase") == "Running" and not reads_back(pod):
                self.cluster.push(pod)
            self.cluster.remove("Pod", pod["metadata"]["name"])

    @rule(index=st.integers(0, 3))
    def node_is_lost(self, index: int) -> None:
        pod = self._pick(index)
        if pod is not None and pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
            self.cluster.mark_deleted(pod)

    @rule()
    def nodes_confirm_deletions(self) -> None:
        for pod in self.cluster.pods():
            if pod["metadata"].get("deletionTimestamp"):
                self.cluster.remove("Pod", pod["metadata"]["name"])

    # ---- the network and the API server

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=4))
    def network_will_fail(self, faults: list[str | None]) -> None:
        self.network.faults = faults

    @precondition(lambda self: self.network.late)
    @rule()
    def late_write_lands(self) -> None:
        with contextlib.suppress(KubernetesError):  # it may be refused, which nobody hears of any more
            self.network.late.pop(0)()

    @rule(full=st.booleans())
    def quota(self, full: bool) -> None:
        self.cluster.quota_full = full

    @rule(request=st.sampled_from(REFUSED), how=st.sampled_from(["policy", "webhook", "quota"]))
    def api_server_refuses(self, request: str, how: str) -> None:
        """The build that this hits says so, and nothing else comes of it."""
        self.cluster.refused[request] = "webhook" if request == "create-pod" else how
        self.life_goes_on(1, False)

    @rule()
    def api_server_refuses_nothing(self) -> None:
        self.cluster.refused.clear()

    @rule(refuses=st.booleans())
    def policy(self, refuses: bool) -> None:
        self.cluster.policy = refuses

    @rule(name=st.sampled_from(NAMES), mended=st.booleans(), minutes=st.sampled_from([9, 11, 40]))
    def pod_is_refused_and_looked_at_later(self, name: str, mended: bool, minutes: int) -> None:
        self.policy(True)
        self.apply_new_image(name, None)
        self.life_goes_on(2, False)
        self.policy(not mended)
        self.time_passes(60 * minutes)
        self.life_goes_on(2, True)

    @rule(down=st.sampled_from(["", "busy", "away"]), cut_off=st.booleans())
    def registry(self, down: str, cut_off: bool) -> None:
        self.cluster.registry_down, self.cluster.nodes_cut_off = down, cut_off

    @precondition(lambda self: self.cluster.events)
    @rule(index=st.integers(0, 5), keep=st.booleans())
    def event_arrives(self, index: int, keep: bool) -> None:
        """Out of order, and again where it is kept."""
        place = index % len(self.cluster.events)
        event = self.cluster.events[place] if keep else self.cluster.events.pop(place)
        self.operator.deliver(*event)

    @precondition(lambda self: self.cluster.events)
    @rule()
    def all_events_arrive(self) -> None:
        for event in self.cluster.events:
            self.operator.deliver(*event)
        self.cluster.events.clear()

    @precondition(lambda self: self.cluster.events)
    @rule()
    def events_are_lost(self) -> None:
        self.cluster.events.clear()

    @rule(index=st.integers(0, 3), minutes=st.sampled_from([29, 31, 70]))
    def outage_lasts_longer_than_a_runs_attempts(self, index: int, minutes: int) -> None:
        for _ in range(3):
            self.life_goes_on(2, True)
            self.pod_fails(index, "evicted")
            self.life_goes_on(1, False)
            self.time_passes(310)
        self.time_passes(60 * minutes)
        self.life_goes_on(2, True)

    @rule(seconds=st.sampled_from([1, 5, 15, 60, 310, 3700, -30]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.now += timedelta(seconds=seconds)
        self.cluster.enforce_deadlines()

    # ---- what is restored

    @rule()
    def backup_is_taken(self) -> None:
        self.backup = self.cluster.back_up()

    @precondition(lambda self: self.backup)
    @rule(pushes=st.booleans(), index=st.integers(0, 3))
    def etcd_is_restored(self, pushes: bool, index: int) -> None:
        """From an older snapshot. A container of a pod that is not in it may push before its kubelet ends it. The
        operator sees that versions went back, and ends itself."""
        assert self.backup is not None
        pod = self._pick(index)
        is_running = pod is not None and pod["status"].get("phase") == "Running" and not reads_back(pod)
        if pushes and pod is not None and is_running and ("Pod", pod["metadata"]["name"]) not in self.backup.objects:
            self.cluster.push(pod)
        self.network.faults.clear()
        self.network.late.clear()
        self.stale.clear()
        self.cluster.restore(self.backup)
        self.operator.client.leads = False
        self._start_operator()

    @precondition(lambda self: self.backup)
    @rule(knows=st.booleans())
    def statuses_are_restored(self, knows: bool) -> None:
        """By a tool that puts back what it saved of the builds alone, or by somebody's hand."""
        assert self.backup is not None
        self.are_statuses_lost = True
        self.network.late.clear()
        self.stale.clear()
        self.cluster.restore_statuses(self.backup)
        if not knows:
            self._start_operator()

    @rule(
        name=st.sampled_from(NAMES),
        rounds=st.integers(1, 5),
        changed=st.booleans(),
        pods=st.booleans(),
        pushes=st.booleans(),
    )
    def what_was_saved_knows_nothing_of_a_run(
        self, name: str, rounds: int, changed: bool, pods: bool, pushes: bool
    ) -> None:
        """So that often enough a pod is there, or its image, that no status tells of."""
        self.apply_new_image(name, None)
        self.backup_is_taken()
        self.life_goes_on(rounds, True)
        if changed:
            self.apply_new_image(name, None)
            self.life_goes_on(rounds, True)
        if pods:
            self.statuses_are_restored(pushes)
        else:
            self.etcd_is_restored(pushes, 0)
        self.life_goes_on_for_a_while(0, 15, True)

    # ---- the operator

    @rule()
    def operator_lists_afresh(self) -> None:
        self.operator.relist(self.cluster.list_kind)

    @rule()
    def api_servers_cache_falls_behind(self) -> None:
        kinds = (meta.BUILD_KIND, meta.CONNECTOR_KIND, "Pod")
        self.stale = {kind: self.cluster.list_kind(kind) for kind in kinds}

    @rule(stale=st.booleans())
    def operator_restarts(self, stale: bool) -> None:
        lists = self.stale.__getitem__ if stale and self.stale else None
        self._start_operator(lists)

    @rule(name=st.sampled_from(NAMES))
    def operator_starts_on_a_list_from_before_the_pod_and_hears_nothing(self, name: str) -> None:
        self.apply_new_image(name, None)
        self.all_events_arrive()
        self.api_servers_cache_falls_behind()
        self.life_goes_on(2, True)
        self.life_goes_on(1, False)  # the status tells of the pod, which runs and has not pushed yet
        self.operator_restarts(True)
        for _ in range(3):
            self.cluster.events.clear()
            self.life_goes_on(1, False)
            self.time_passes(15)

    @precondition(lambda self: self.operator.ready())
    @rule(index=st.integers(0, 3))
    def operator_works(self, index: int) -> None:
        ready = self.operator.ready()
        try:
            self.operator.work(ready[index % len(ready)])
        except CrashError:
            self.network.faults.clear()
            self._start_operator()
        except PausedError as paused:
            self.paused.append(paused)
            self.another_operator_leads()

    @rule()
    def another_operator_leads(self) -> None:
        """The Lease has run out or was given up; the one before lives on and does not know more than it did."""
        self.network.faults.clear()
        self.operator.client.leads = False
        self._start_operator()

    @precondition(lambda self: self.paused)
    @rule(index=st.integers(0, 3))
    def former_operator_goes_on(self, index: int) -> None:
        """It finishes what it was at when it was paused, with all that it believed then."""
        paused = self.paused.pop(index % len(self.paused))
        faults, self.network.faults = self.network.faults, []
        with contextlib.suppress(UnavailableError, KubernetesError):
            drive(paused.work, paused.context)
        self.network.faults = faults

    @rule(requests=st.integers(-4, 4), change=st.sampled_from(["vanish", "fail", "new", "none"]), stale=st.booleans())
    def leader_changes_in_the_middle(self, requests: int, change: str, stale: bool) -> None:
        """The leader is paused, after so many requests or, where that is negative, before it makes a pod; another one
        does its work, and more happens, before it wakes."""
        self.api_servers_cache_falls_behind()
        self.network.faults = [*[None] * requests, "pause"] if requests >= 0 else ["pause create-pod"]
        if self.operator.ready():
            self.operator_works(0)
        self.life_goes_on(1, True)
        if change == "vanish":
            self.pod_vanishes(0, False)
        elif change == "fail":
            self.pod_fails(0, "evicted")
        elif change == "new":
            self.apply_new_image(NAMES[0], None)
        if stale:
            self.operator_restarts(True)
        self.life_goes_on_for_a_while(0, 15, False)
        if self.paused:
            self.former_operator_goes_on(0)

    @rule(rounds=st.integers(1, 3), node=st.booleans())
    def life_goes_on(self, rounds: int, node: bool) -> None:
        """What happens most of the time; without it few runs would get far enough for anything to go wrong."""
        for _ in range(rounds):
            self.all_events_arrive()
            self.git_answers()
            for _ in range(len(self.operator.ready())):
                if self.operator.ready():
                    self.operator_works(0)
            if node:
                self.node_takes_pod_a_step_further(0)

    @rule(index=st.integers(0, 3), seconds=st.sampled_from([1, 15, 60]), after=st.booleans())
    def life_goes_on_for_a_while(self, index: int, seconds: int, after: bool) -> None:
        """The same with time, which retries and waits need."""
        self.life_goes_on(1, True)
        self.time_passes(seconds)
        self.life_goes_on(2, after)

    @rule(name=st.sampled_from(NAMES))
    def next_build_comes_the_next_day(self, name: str) -> None:
        """Whatever was made for the last one is old by then."""
        self.life_goes_on(2, True)
        self.time_passes(86400)
        self.apply_new_image(name, None)
        self.life_goes_on(2, True)

    @invariant()
    def nothing_is_violated(self) -> None:
        World.steps += 1
        assert not getattr(self, "cluster", Cluster()).violations, self.cluster.violations

    def teardown(self) -> None:
        """Once all faults end, every run comes to its end and every status speaks of the spec that stands."""
        if not hasattr(self, "cluster"):
            return
        self.network.faults.clear()
        self.network.late.clear()
        while self.paused:
            self.former_operator_goes_on(0)
        self._mend_surroundings()
        if self.loses_last:
            self._lose_a_last_request()
        self._catch_up()
        self._check_orphans()
        for _ in range(120):
            self._settle()
            if all(self._is_settled(obj) for (kind, _), obj in self.cluster.objects.items() if kind == meta.BUILD_KIND):
                break
            self._skip_to_the_next_run()
        self.nothing_is_violated()
        self._check_counts()
        for (kind, name), obj in self.cluster.objects.items():
            if kind == meta.BUILD_KIND:
                assert self._is_settled(obj), f"{name} never comes to rest: {obj}"

    def _mend_surroundings(self) -> None:
        self.cluster.quota_full = self.cluster.nodes_cut_off = self.cluster.policy = False
        self.cluster.registry_down = self.cluster.git.trouble = ""
        self.cluster.refused.clear()
        self.azure_answers()
        self.put_connector()

    def _check_counts(self) -> None:
        """Each end of a build was counted once, whatever happened to the write that told it."""
        (family,) = self.metrics.builds.collect()
        counted = sum(sample.value for sample in family.samples)
        ended = sum(self.cluster.made.values()) + self.cluster.forgotten
        assert counted == ended or (self.gaps and counted < ended), (counted, ended)

    def _skip_to_the_next_run(self) -> None:
        """Where nothing else is left to happen, hours pass until a run is due again."""
        runs = [
            obj["status"].get("run") or {} for (kind, _), obj in self.cluster.objects.items() if kind == meta.BUILD_KIND
        ]
        due = [datetime.fromisoformat(run["nextRunAt"]) for run in runs if "nextRunAt" in run]
        if due and all("finishedAt" in run for run in runs if run):
            self.cluster.now = max(self.cluster.now, min(due))

    def _lose_a_last_request(self) -> None:
        """No event will ever speak of it again: what the queue owes is all that is left."""
        self.cluster.apply(meta.BUILD_KIND, NAMES[0], spec(self._next()))
        self.network.faults = ["lost create-pod"]
        self.life_goes_on(1, False)
        self.network.faults.clear()
        self.cluster.events.clear()

    def _catch_up(self) -> None:
        """The operator does all that it owes, while no node does anything."""
        for _ in range(3):
            self.operator.relist(self.cluster.list_kind)
            for _ in range(20):
                if self.operator.ready():
                    self.operator.work(self.operator.ready()[0])
            self.cluster.now += timedelta(seconds=61)  # longer than any backoff of the queue

    def _check_orphans(self) -> None:
        """No pod that may still push is left to itself."""
        for pod in self.cluster.pods():
            owner = pod["metadata"]["ownerReferences"][0]["uid"]
            of = [obj for obj in self.cluster.objects.values() if obj["metadata"].get("uid") == owner]
            run = (of[0]["status"].get("run") or {}) if of else {}
            known = build_of(pod, run)
            build = known if known and "finishedAt" not in run and is_going(known) else {}
            awaited = (build.get("readBack") or {}).get("podName") if reads_back(pod) else build.get("podName")
            # A pod that an older status cannot know of is waited for, too: it ends before the next one is made.
            made = tuple(int(pod["metadata"]["labels"][label]) for label in (meta.LABEL_RUN, meta.LABEL_ATTEMPT))
            is_later = self.are_statuses_lost and made > (run.get("number", 0), known.get("attempt", 0))
            waited_for = awaited == pod["metadata"]["name"] or (is_later and not reads_back(pod))
            if of and is_alive(pod) and not pod["metadata"].get("deletionTimestamp") and not waited_for:
                self.cluster.violations.append(f"pod {pod['metadata']['name']} outlived its run")

    def _settle(self) -> None:
        self.nodes_confirm_deletions()
        for pod in self.cluster.pods():
            if is_alive(pod):
                self.node_takes_pod_a_step_further(0)
        self.operator.relist(self.cluster.list_kind)
        self.git_answers()
        for _ in range(20):
            ready = self.operator.ready()
            if not ready:
                break
            self.operator.work(ready[0])
        self.cluster.events.clear()
        self.cluster.now += timedelta(seconds=30)
        self.cluster.enforce_deadlines()

    def _is_settled(self, obj: dict[str, Any]) -> bool:
        status, run = obj["status"], obj["status"].get("run")
        seen: bool = status["observedGeneration"] == obj["metadata"]["generation"]
        ended = run is None or "finishedAt" in run
        invalid = obj["spec"].get("timeout") == "never"
        waits = obj["spec"].get("suspend") or invalid
        rebuild = obj["metadata"].get("annotations", {}).get(meta.ANNOTATION_REBUILD)
        handled = waits or rebuild is None or rebuild in status.get("handledRebuilds", [])
        complete = obj["spec"].get("suspend") or rebuild is None or rebuild == status.get("completedRebuild")
        # A run whose attempt must be repeated cannot go on beside an invalid spec; it waits for the correction.
        stuck = invalid and run is not None and all("podUid" not in build for build in run["builds"] if is_going(build))
        # What failed through nobody's fault, or since a policy refused its pod, is built by itself once it can be.
        refused = run is not None and any(build.get("reason") == Reason.POD_REFUSED for build in run["builds"])
        again = run is not None and ("nextRunAt" in run or refused)
        goes_on = again and not waits and "when" not in obj["spec"]
        polled = waits or "when" in obj["spec"] or self._is_built(obj)
        return seen and (ended or stuck) and handled and bool(complete) and not goes_on and polled

    def _is_built(self, obj: dict[str, Any]) -> bool:
        """Whether the commit that the branch is at has had its run, or needs none."""
        git = obj["spec"]["source"].get("git")
        run = obj["status"].get("run")
        if git is None or run is None or "poll" not in git:
            return True
        newest, built = self.cluster.git.commit, (run.get("source") or {}).get("commit")
        if newest == built:
            return True
        passed = obj["status"].get("polledCommit") == newest
        needed = built is not None and (not git["poll"].get("paths") or is_touched(built, newest))
        return passed and not needed
