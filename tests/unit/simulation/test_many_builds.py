"""Many builds at once, on one connector with an identity of Azure's. `make test` takes a thousand."""

import os
from collections.abc import Iterator

import pytest
import structlog

from buildandpush.api import meta
from buildandpush.handlers.observability.metrics import Metrics
from tests.unit.simulation.cluster import HOST, Cluster, Network
from tests.unit.simulation.machine import Operator, spec

BUILDS = int(os.environ.get("SIMULATED_BUILDS", "200"))
REPOSITORIES = 10
CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def work_until_idle(operator: Operator, cluster: Cluster) -> None:
    """Let the operator do all that is due, and hear of what it did."""
    while operator.ready() or cluster.events:
        for event in cluster.events[:]:
            operator.deliver(*event)
        cluster.events.clear()
        for key in operator.ready():
            operator.work(key)


def test_many_builds_cost_one_exchange() -> None:
    cluster = Cluster()
    cluster.put_secret("sp", "s3cr3t")
    principal = {"tenantId": "contoso.com", "clientId": CLIENT, "secretRef": {"name": "sp"}}
    cluster.apply(meta.CONNECTOR_KIND, "acr", {"servicePrincipal": principal})
    for number in range(BUILDS):
        repository = f"{HOST}/shop/web{number % REPOSITORIES}"
        cluster.apply(meta.BUILD_KIND, f"b{number}", spec(repository=repository, tags=[str(number)]))
    operator = Operator(cluster, Network(), Metrics())
    work_until_idle(operator, cluster)
    assert len(cluster.created_pods) == BUILDS
    for pod in cluster.pods():
        cluster.schedule(pod)
    for pod in cluster.pods():
        cluster.end_kaniko(pod, 0, message=cluster.push(pod))
    work_until_idle(operator, cluster)
    phases = {obj["status"]["phase"] for (kind, _), obj in cluster.objects.items() if kind == meta.BUILD_KIND}
    assert phases == {"Succeeded"}
    assert len(cluster.azure.exchanges) == 1
    assert len(cluster.azure.accesses) == REPOSITORIES, "whether it may push is asked once a repository"
    assert len([name for kind, name in cluster.objects if kind == "Secret"]) == 2
    assert not cluster.violations
