"""An operator whose CRD is older: it notices, says so, and no field that is dropped makes a second run."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.crd import build_crd, connector_crd
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.handlers.informers import crds
from buildandpush.handlers.informers.crds import CrdWatch
from buildandpush.handlers.reconcile import Reconciler
from tests.unit.core.factories import DIGEST
from tests.unit.handlers.cluster import WEB, Cluster

OLD = frozenset({"handledRebuilds", "completedRebuild", "run.rebuild"})


def older(*fields: str) -> dict[str, Any]:
    """The CRD of BuildAndPushACR as it was before these fields of the status."""
    crd = copy.deepcopy(build_crd())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    for field in fields:
        del schema["properties"][field]
    return crd


class Installed:
    """The API server's CRDs; an exception among them is raised."""

    def __init__(self, *found: Any) -> None:
        self.found = list(found)

    async def read_crd(self, name: str) -> Any:
        for item in self.found:
            if isinstance(item, Exception):
                raise item
            if item["metadata"]["name"] == name:
                return item
        raise AssertionError(name)


class Log:
    """What stands where the log does."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **told: self.lines.append({"level": level, "event": event, **told})


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(crds, "_log", log)
    return log


async def look(*found: Any) -> list[frozenset[str]]:
    """One look; gives back what was told."""
    told: list[frozenset[str]] = []
    client: Any = Installed(*found)
    await CrdWatch(client, told.append).look()
    return told


async def test_crds_of_this_version_are_nothing_to_speak_of(log: Log) -> None:
    assert await look(build_crd(), connector_crd()) == [frozenset()]
    assert log.lines == []


async def test_an_older_crd_is_named_with_what_it_lacks_and_what_helps(log: Log) -> None:
    assert await look(older("handledRebuilds", "links"), connector_crd()) == [
        frozenset({"status.handledRebuilds", "status.links", "status.links.pullCommand", "status.links.manifestUrl"})
    ]
    (line,) = log.lines
    assert (line["level"], line["event"], line["crd"]) == ("error", "crd.outdated", "buildandpushacrs.buildandpush.dev")
    assert "status.handledRebuilds" in line["missing"]
    assert "--server-side --force-conflicts" in line["remedy"]


async def test_an_older_operator_is_named_as_such(log: Log) -> None:
    newer = copy.deepcopy(build_crd())
    status = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    status["novelty"] = {"type": "string"}
    assert await look(newer, connector_crd()) == [frozenset()]
    (line,) = log.lines
    assert (line["level"], line["event"], line["unknown"]) == ("warning", "crd.newer", ["status.novelty"])


async def test_a_crd_that_was_applied_is_told_once_and_heals(log: Log) -> None:
    told: list[frozenset[str]] = []
    client: Any = Installed(older("handledRebuilds"), connector_crd())
    watch = CrdWatch(client, told.append)
    await watch.look()
    await watch.look()
    client.found = [build_crd(), connector_crd()]
    await watch.look()
    assert told == [frozenset({"status.handledRebuilds"})] * 2 + [frozenset()]
    assert [line["event"] for line in log.lines] == ["crd.outdated", "crd.current"]


@pytest.mark.parametrize("error", [KubernetesError(403, "Forbidden", "no"), UnavailableError("no answer")])
async def test_crds_that_cannot_be_read_change_nothing(error: Exception, log: Log) -> None:
    assert await look(error) == []
    assert {line["event"] for line in log.lines} == {"crd.not_read"}


# ---- what becomes of rebuilds


@pytest.fixture
def cluster() -> Cluster:
    """A cluster with an old CRD and an ended first run."""
    return Cluster()


async def settle(cluster: Cluster, reconciler: Reconciler) -> None:
    """Passes and pods, until nothing is on its way any more."""
    for _ in range(30):
        cluster.watch()
        await reconciler.reconcile(WEB)
        living = [pod for pod in cluster.pods if pod["status"]["phase"] not in ("Succeeded", "Failed")]
        if not living:
            return
        for pod in cluster.pods[:-1]:
            cluster.api.drop("pods", "shop", pod["metadata"]["name"])
        cluster.end_kaniko(message=DIGEST)
    raise AssertionError("it does not come to rest")


def ask_for_rebuild(cluster: Cluster, value: str) -> None:
    """Set the annotation."""
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    body["metadata"]["annotations"] = {meta.ANNOTATION_REBUILD: value}
    cluster.api.put(meta.BUILD_PLURAL, body)


def condition(cluster: Cluster, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next((item for item in cluster.status["conditions"] if item["type"] == kind), {})
    return found


async def test_a_rebuild_that_the_api_server_forgets_is_one_run_and_not_one_after_the_other(cluster: Cluster) -> None:
    """The CRDs may not be read, so only what does not come back tells."""
    cluster.api.pruned = OLD
    reconciler = cluster.make_reconciler()
    await settle(cluster, reconciler)
    ask_for_rebuild(cluster, "v1")
    await settle(cluster, reconciler)
    assert cluster.status["run"]["number"] == 2
    for _ in range(3):
        await settle(cluster, reconciler)
    assert cluster.status["run"]["number"] == 2
    assert condition(cluster, "CrdCurrent")["reason"] == "CrdOutdated"
    assert cluster.ready == ("True", "Succeeded")
    assert cluster.events.count("CrdOutdated") == 1


async def test_where_the_crd_is_known_to_be_old_no_rebuild_starts_until_it_is_not(cluster: Cluster) -> None:
    cluster.api.pruned = OLD
    reconciler = cluster.make_reconciler()
    reconciler.know_crd(frozenset(f"status.{field}" for field in OLD))
    await settle(cluster, reconciler)
    ask_for_rebuild(cluster, "v1")
    await settle(cluster, reconciler)
    assert cluster.status["run"]["number"] == 1
    assert condition(cluster, "CrdCurrent")["status"] == "False"
    cluster.api.pruned = frozenset()
    reconciler.know_crd(frozenset())
    await settle(cluster, reconciler)
    assert cluster.status["run"]["number"] == 2
    assert cluster.status["completedRebuild"] == "v1"
    assert condition(cluster, "CrdCurrent") == {}


async def test_a_field_that_comes_back_is_not_dropped_any_more(cluster: Cluster) -> None:
    """As where somebody has applied the CRD since, and nobody has looked."""
    cluster.api.pruned = frozenset({"completedRebuild"})
    reconciler = cluster.make_reconciler()
    await settle(cluster, reconciler)
    ask_for_rebuild(cluster, "v1")
    await settle(cluster, reconciler)
    assert condition(cluster, "CrdCurrent")["status"] == "False"
    cluster.api.pruned = frozenset()
    ask_for_rebuild(cluster, "v2")
    await settle(cluster, reconciler)
    assert cluster.status["completedRebuild"] == "v2"
    assert condition(cluster, "CrdCurrent") == {}


async def test_a_run_goes_without_user_namespace_though_its_status_cannot_remember(cluster: Cluster) -> None:
    """As where Kubernetes before 1.33 leaves it out. It neither waits for ever nor asks without end."""
    cluster.api.maps_users = False
    cluster.api.pruned = frozenset({"run.withoutUserNamespace"})
    cluster.settings = replace(cluster.settings, user_namespaces=True)
    reconciler = cluster.make_reconciler()
    await settle(cluster, reconciler)
    assert cluster.ready == ("True", "Succeeded")
    assert "hostUsers" not in cluster.pod["spec"]
    assert "userNamespace" not in cluster.status["run"]["effective"]


SEVERAL: dict[str, Any] = {"strategy": {"parallelism": 2}, "tags": ["v<+strategy.iteration>"]}


async def test_builds_of_a_run_whose_conditions_are_dropped_write_no_status_without_end(cluster: Cluster) -> None:
    cluster.api.pruned = frozenset({"run.builds.conditions", "run.builds.matrix", "run.builds.fromRun"})
    cluster.apply(**SEVERAL)
    reconciler = cluster.make_reconciler()
    for _ in range(3):
        cluster.watch()
        await reconciler.reconcile(WEB)
    assert len(cluster.pods) == 2
    fetched = {"name": "source", "state": {"terminated": {"exitCode": 0, "message": "{}"}}}
    for pod in cluster.pods:
        running = {"phase": "Running", "initContainerStatuses": [fetched]}
        cluster.api.put("pods", {**pod, "status": running})
    cluster.watch()
    await reconciler.reconcile(WEB)
    before = len(cluster.api.requests)
    await reconciler.reconcile(WEB)
    writes = [request for request in cluster.api.requests[before:] if request.startswith("PUT")]
    assert len(writes) <= 1


async def test_where_the_builds_of_a_run_would_be_mixed_up_none_starts(cluster: Cluster) -> None:
    cluster.apply(**SEVERAL, repository="contoso.azurecr.io/shop/v<+strategy.iteration>")
    reconciler = cluster.make_reconciler()
    reconciler.know_crd(frozenset({"status.run.builds.repository", "status.run.builds.source"}))
    cluster.watch()
    assert await reconciler.reconcile(WEB)
    assert cluster.pods == []
    assert condition(cluster, "SpecValid")["message"].startswith("strategy: the CRD ")
    reconciler.know_crd(frozenset())
    cluster.watch()
    await reconciler.reconcile(WEB)
    assert len(cluster.pods) == 2


async def test_a_status_that_cannot_be_read_is_told_and_costs_no_pod(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    await settle(cluster, reconciler)
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    good = copy.deepcopy(body["status"])
    del body["status"]["run"]["effective"]["timeoutSeconds"]
    cluster.api.put(meta.BUILD_PLURAL, body)
    pods = len(cluster.pods)
    cluster.apply(target="x")
    for _ in range(2):
        cluster.watch()
        assert await reconciler.reconcile(WEB) is None
    assert cluster.ready == ("False", "StatusUnreadable")
    assert "status.run.effective.timeoutSeconds" in condition(cluster, "Ready")["message"]
    assert len(cluster.pods) == pods
    assert cluster.events.count("StatusUnreadable") == 1
    assert cluster.status["digest"] == good["digest"], "the rest stays as it is"
    repaired = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    repaired["status"]["run"]["effective"]["timeoutSeconds"] = 3600
    cluster.api.put(meta.BUILD_PLURAL, repaired)
    await settle(cluster, reconciler)
    assert cluster.status["run"]["number"] == 2
    assert cluster.ready == ("True", "Succeeded")


async def test_a_connectors_status_that_cannot_be_read_is_made_anew_and_forgets_no_login(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    body = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    login = {"secretName": "buildandpush-login-1", "registries": [], "expiresAt": "2099-01-01T00:00:00Z"}
    identity = {"kind": 7}
    body["status"] = {"conditions": [{"type": "Ready"}], "logins": [login, {"registries": 1}], "identity": identity}
    cluster.api.put(meta.CONNECTOR_PLURAL, body)
    cluster.watch()
    key = type(WEB)(meta.CONNECTOR_KIND, "shop", "acr")
    await reconciler.reconcile(key)
    status = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["status"]
    assert {item["type"]: item["status"] for item in status["conditions"]} == {"Ready": "True"}
    assert [item["secretName"] for item in status["logins"]] == ["buildandpush-login-1"]
    assert status["identity"]["kind"] == "registryCredentials"
