"""Whatever the API server refuses stands in the status, in the server's words, and heals by itself."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from buildandpush.api import meta
from buildandpush.clients.errors import TroubleError, UnavailableError
from buildandpush.core.build.waiting import LONGEST_WAIT, WAIT
from buildandpush.core.build.watch import SETTLES
from buildandpush.handlers.reconcile import Reconciler
from tests.unit.core.factories import DIGEST
from tests.unit.handlers.cluster import CONNECTOR, WEB, Cluster

QUOTA = (
    'secrets "buildandpush-login-1" is forbidden: exceeded quota: few, requested: count/secrets=1, used: 5, limited: 5'
)
POLICY = 'secrets "acr-push" is forbidden: ValidatingAdmissionPolicy "no-robots" denied request'
WEBHOOK = 'Internal error occurred: failed calling webhook "x.example.com": no endpoints available for service "x"'
DENIED = 'admission webhook "gate.example.com" denied the request: come back when the gate is open'
BOTH = (("pods", "PodRefused"), ("secrets", "ApiRefused"))
GOING = "unable to create new content in namespace shop because it is being terminated"

Refuse = Callable[[str, str, str], tuple[int, str] | None]


def refuse(wanted: str, status: int, message: str) -> Refuse:
    """Refuse requests such as `POST secrets`."""
    return lambda verb, plural, name: (status, message) if f"{verb} {plural}" == wanted else None


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def reconciler(cluster: Cluster) -> Reconciler:
    """One process for the whole test."""
    return cluster.make_reconciler()


async def work(cluster: Cluster, reconciler: Reconciler) -> float | None:
    """One pass of this process, which has heard of everything."""
    cluster.watch()
    return await reconciler.reconcile(WEB)


def message_of(cluster: Cluster, kind: str = "Ready") -> str:
    found: str = next(item["message"] for item in cluster.status["conditions"] if item["type"] == kind)
    return found


BEFORE_A_POD = [
    ("POST secrets", 403, QUOTA, "QuotaExceeded"),
    ("GET secrets", 403, POLICY, "ApiRefused"),
    ("POST secrets", 403, POLICY, "ApiRefused"),
    ("POST secrets", 500, WEBHOOK, "ApiRefused"),
    ("POST secrets", 403, GOING, "ApiRefused"),
    ("POST secrets", 404, 'namespaces "shop" not found', "ApiRefused"),
    (f"GET {meta.CONNECTOR_PLURAL}", 403, "azureconnectors is forbidden", "ApiRefused"),
    ("POST pods", 500, WEBHOOK, "ApiRefused"),
    *((f"POST {plural}", status, DENIED, reason) for plural, reason in BOTH for status in (401, 404, 409, 429)),
]


@pytest.mark.parametrize(("request_", "status", "message", "reason"), BEFORE_A_POD)
async def test_a_build_that_cannot_begin_says_why_and_begins_once_it_can(
    request_: str, status: int, message: str, reason: str, cluster: Cluster, reconciler: Reconciler
) -> None:
    cluster.api.refuse = refuse(request_, status, message)
    again = await work(cluster, reconciler)
    assert cluster.ready == ("Unknown", reason)
    assert message[:100] in message_of(cluster)
    assert cluster.status["observedGeneration"] == 1
    assert {item["type"]: item["status"] for item in cluster.status["conditions"]}["Completed"] == "False"
    assert again == WAIT.total_seconds()
    assert reason in cluster.events
    assert cluster.pods == []
    before = len(cluster.api.writes)
    await work(cluster, reconciler)
    assert len(cluster.api.writes) == before, "the same refusal is no news"
    cluster.api.refuse = lambda verb, plural, name: None
    assert await work(cluster, reconciler) == SETTLES.total_seconds()
    await work(cluster, reconciler)
    assert cluster.ready == ("Unknown", "PodCreated")


async def test_a_config_map_that_may_not_be_read_is_told(cluster: Cluster, reconciler: Reconciler) -> None:
    cluster.apply(buildArgsFrom=[{"name": "A", "configMapName": "args", "key": "a"}])
    cluster.api.refuse = refuse("GET configmaps", 403, 'configmaps "args" is forbidden')
    await work(cluster, reconciler)
    assert cluster.ready == ("Unknown", "ApiRefused")
    assert 'configmaps "args" is forbidden' in message_of(cluster)


async def test_a_login_secret_that_was_refused_does_not_count_as_one(cluster: Cluster, reconciler: Reconciler) -> None:
    cluster.api.refuse = refuse("POST secrets", 403, QUOTA)
    await work(cluster, reconciler)
    await reconciler.reconcile(CONNECTOR)
    assert cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["status"].get("logins", []) == []


async def test_a_run_on_its_way_says_what_keeps_it_from_its_end_and_comes_to_it(
    cluster: Cluster, reconciler: Reconciler
) -> None:
    """The Secrets that may stand in the log have to be read before the log is shown."""
    await work(cluster, reconciler)
    cluster.start_kaniko()
    await work(cluster, reconciler)
    cluster.api.logs[cluster.pod["metadata"]["name"]] = "error building image: hunter22-secret"
    cluster.end_kaniko(1)
    cluster.api.refuse = refuse("GET secrets", 403, POLICY)
    assert await work(cluster, reconciler) == WAIT.total_seconds()
    assert cluster.ready == ("Unknown", "ApiRefused")
    assert cluster.status["phase"] == "Running"
    assert POLICY in message_of(cluster)
    assert "finishedAt" not in cluster.status["run"]
    cluster.api.refuse = lambda verb, plural, name: None
    await work(cluster, reconciler)
    assert cluster.ready == ("False", "BuildFailed")


async def test_what_is_refused_for_long_is_asked_for_less_often_until_the_resource_changes(
    cluster: Cluster, reconciler: Reconciler
) -> None:
    await work(cluster, reconciler)
    cluster.start_kaniko()
    await work(cluster, reconciler)
    cluster.api.logs[cluster.pod["metadata"]["name"]] = "error building image: no"
    cluster.end_kaniko(1)
    cluster.api.refuse = refuse("GET secrets", 403, POLICY)
    assert await work(cluster, reconciler) == WAIT.total_seconds()
    cluster.now += timedelta(minutes=5)
    assert await work(cluster, reconciler) == 30
    cluster.now += timedelta(hours=5)
    assert await work(cluster, reconciler) == LONGEST_WAIT.total_seconds()
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    cluster.api.put(meta.BUILD_PLURAL, {**body, "spec": {**body["spec"], "retries": 5}})
    assert await work(cluster, reconciler) == WAIT.total_seconds(), "the change may be what helps"


@pytest.mark.parametrize(("status", "message"), [(403, "policy x denies it"), (500, WEBHOOK)])
async def test_a_pod_that_may_not_be_stopped_is_told_until_it_may(
    status: int, message: str, cluster: Cluster, reconciler: Reconciler
) -> None:
    await work(cluster, reconciler)
    cluster.start_kaniko()
    await work(cluster, reconciler)
    cluster.apply(target="other")
    cluster.api.refuse = refuse("PATCH pods", status, message)
    assert await work(cluster, reconciler) == WAIT.total_seconds()
    assert cluster.ready == ("Unknown", "ApiRefused")
    assert message in message_of(cluster)
    before = len(cluster.api.writes)
    await work(cluster, reconciler)
    assert len(cluster.api.writes) == before, "the same refusal is no news"
    cluster.api.refuse = lambda verb, plural, name: None
    await work(cluster, reconciler)
    assert cluster.pod["spec"]["activeDeadlineSeconds"] == 1
    await work(cluster, reconciler)
    assert cluster.ready == ("Unknown", "Superseding")


async def test_a_pod_of_an_ended_run_that_may_not_be_removed_is_told_by_an_event(
    cluster: Cluster, reconciler: Reconciler
) -> None:
    await work(cluster, reconciler)
    cluster.end_kaniko(message=DIGEST)
    cluster.apply(ttlSecondsAfterFinished=0)
    cluster.now += timedelta(minutes=1)
    cluster.api.refuse = refuse("DELETE pods", 403, "policy x denies it")
    assert await work(cluster, reconciler) == WAIT.total_seconds()
    assert cluster.ready == ("True", "Succeeded")
    assert cluster.events.count("ApiRefused") == 1
    cluster.api.refuse = lambda verb, plural, name: None
    await work(cluster, reconciler)
    assert cluster.pods == [] or "deletionTimestamp" in cluster.pod["metadata"]


@pytest.mark.parametrize(
    ("status", "message"), [(422, "status.phase: Unsupported value"), (500, WEBHOOK), (409, DENIED), (404, DENIED)]
)
async def test_a_status_that_may_not_be_written_is_told_by_an_event(
    status: int, message: str, cluster: Cluster, reconciler: Reconciler
) -> None:
    cluster.api.refuse = refuse(f"PUT {meta.BUILD_PLURAL}", status, message)
    for _ in range(2):
        with pytest.raises(Exception, match=message[:20]):
            await work(cluster, reconciler)
    (event,) = cluster.api.all("events")
    assert (event["reason"], event["type"]) == ("ApiRefused", "Warning")
    assert message in event["message"]
    assert cluster.pods == []


@pytest.mark.parametrize(("status", "message"), [(403, POLICY), (403, QUOTA)])
async def test_a_connector_whose_secret_may_not_be_read_says_so_and_heals(
    status: int, message: str, cluster: Cluster, reconciler: Reconciler
) -> None:
    def ready() -> tuple[str, str, str]:
        conditions = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["status"]["conditions"]
        found = {item["type"]: item for item in conditions}
        assert "Stalled" not in found, "nobody has to touch it"
        return found["Ready"]["status"], found["Ready"]["reason"], found["Ready"]["message"]

    cluster.api.refuse = refuse("GET secrets", status, message)
    assert await reconciler.reconcile(CONNECTOR) == WAIT.total_seconds()
    for minutes, seconds in ((5, 30.0), (500, 300.0)):
        cluster.now += timedelta(minutes=minutes)
        assert await reconciler.reconcile(CONNECTOR) == seconds
    assert ready()[:2] == ("False", "QuotaExceeded" if message is QUOTA else "ApiRefused")
    assert message in ready()[2]
    cluster.api.refuse = lambda verb, plural, name: None
    cluster.watch()
    await reconciler.reconcile(CONNECTOR)
    assert ready()[:2] == ("True", "CredentialsFound")


async def test_whoever_corrects_a_connector_step_by_step_does_not_wait_as_for_one_that_nobody_touches(
    cluster: Cluster, reconciler: Reconciler
) -> None:
    cluster.api.refuse = refuse("GET secrets", 403, POLICY)
    for seconds in (WAIT, LONGEST_WAIT):
        assert await reconciler.reconcile(CONNECTOR) == seconds.total_seconds()
        cluster.now += timedelta(days=1)
    cluster.api.refuse = refuse("GET secrets", 403, QUOTA)
    assert await reconciler.reconcile(CONNECTOR) == WAIT.total_seconds(), "something else is wrong now"
    cluster.now += timedelta(days=1)
    body = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    cluster.api.put(meta.CONNECTOR_PLURAL, {**body, "spec": {**body["spec"], "registries": ["other.azurecr.io"]}})
    cluster.watch()
    assert await reconciler.reconcile(CONNECTOR) == WAIT.total_seconds(), "the change may be what helps"


async def test_a_secret_that_changed_meanwhile_is_no_news(cluster: Cluster, reconciler: Reconciler) -> None:
    """A quota that many Secrets are counted on at once answers so."""
    cluster.api.refuse = refuse("POST secrets", 409, "the object has been modified")
    with pytest.raises(UnavailableError):
        await work(cluster, reconciler)


@pytest.mark.parametrize(("status", "message"), [(401, "Unauthorized"), (409, "the object has been modified")])
async def test_what_may_go_well_a_moment_later_is_no_news(
    status: int, message: str, cluster: Cluster, reconciler: Reconciler
) -> None:
    cluster.api.refuse = refuse("GET secrets", status, message)
    with pytest.raises(UnavailableError) as caught:
        await work(cluster, reconciler)
    assert not isinstance(caught.value, TroubleError)


async def test_links_that_the_api_server_refuses_hold_no_run_up(cluster: Cluster, reconciler: Reconciler) -> None:
    cluster.apply(subscriptionId="production")
    await work(cluster, reconciler)
    cluster.end_kaniko(message=DIGEST)
    refused = refuse("GET secrets", 403, POLICY)
    # The registry is asked first.
    cluster.api.refuse = lambda verb, plural, name: refused(verb, plural, name) if cluster.registry.asked else None
    await work(cluster, reconciler)
    assert cluster.ready == ("True", "Succeeded")
    assert POLICY in message_of(cluster, "LinksResolved")
