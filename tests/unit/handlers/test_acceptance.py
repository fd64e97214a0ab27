"""A run is accepted at once, and what that costs: how often a build's status is written."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.core.azure.credential import Resolved
from buildandpush.handlers.reconcile import Reconciler
from tests.unit.core.factories import DIGEST
from tests.unit.fake_azure import FakeAzure
from tests.unit.handlers.cluster import CONNECTOR, WEB, Cluster

PRINCIPAL = {
    "tenantId": "contoso.com",
    "clientId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "secretRef": {"name": "acr-push"},
}


@dataclass
class SlowAzure(FakeAzure):
    """Entra ID answers once it is let."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch_token(self, resolved: Resolved, audience: str) -> str:
        self.asked.set()
        await self.answers.wait()
        return await super().fetch_token(resolved, audience)


def with_identity(azure: FakeAzure) -> Cluster:
    """A cluster whose connector logs in with a service principal."""
    cluster = Cluster(azure=azure)
    body = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    body["spec"] = {"servicePrincipal": PRINCIPAL, "registries": ["contoso.azurecr.io"]}
    cluster.api.put(meta.CONNECTOR_PLURAL, body)
    secret = cluster.api.get("secrets", "shop", "acr-push")
    secret["data"]["clientSecret"] = base64.b64encode(b"s3cr3t-value").decode()
    cluster.api.put("secrets", secret)
    cluster.restart()
    return cluster


async def pass_over(cluster: Cluster, reconciler: Reconciler) -> None:
    """One pass of the same process, which has heard of everything."""
    cluster.watch()
    await reconciler.reconcile(WEB)


async def build(cluster: Cluster, reconciler: Reconciler) -> list[dict[str, Any]]:
    """A run from its start to its good end; gives back the statuses that were written for it, as patches."""
    before = len(cluster.api.writes)
    await pass_over(cluster, reconciler)
    cluster.start_kaniko()
    await pass_over(cluster, reconciler)
    cluster.end_kaniko(message=DIGEST)
    await pass_over(cluster, reconciler)
    assert cluster.ready == ("True", "Succeeded")
    written = [write for write in cluster.api.writes[before:] if write.plural == f"{meta.BUILD_PLURAL}/status"]
    return [write.body["status"] for write in written]


async def test_a_run_is_accepted_while_entra_id_is_still_thinking() -> None:
    azure = SlowAzure()
    cluster = with_identity(azure)
    work = asyncio.create_task(cluster.reconcile())
    await azure.asked.wait()
    assert cluster.status["observedGeneration"] == 1
    assert cluster.status["phase"] == "Pending"
    assert cluster.ready == ("Unknown", "Accepted")
    assert cluster.events == ["Accepted"]
    assert cluster.pods == []
    azure.answers.set()
    await work
    assert cluster.status["run"]["builds"][0]["podName"] == cluster.pod["metadata"]["name"]
    assert cluster.events == ["Accepted"]


async def test_a_builds_status_is_written_three_times_where_its_login_is_known() -> None:
    """Accepted, building, succeeded. Once more where an identity has not pushed to the repository yet."""
    cluster = with_identity(FakeAzure())
    reconciler = cluster.make_reconciler()
    assert len(await build(cluster, reconciler)) == 4
    cluster.api.drop("pods", "shop", cluster.pod["metadata"]["name"])
    cluster.apply(target="second")
    assert len(await build(cluster, reconciler)) == 3


async def test_a_password_costs_no_further_write_once_its_connector_was_looked_at() -> None:
    cluster = Cluster()
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(CONNECTOR)
    assert len(await build(cluster, reconciler)) == 3


@pytest.mark.parametrize("known", [True, False])
async def test_an_event_is_asked_for_once(known: bool) -> None:
    """The API server would refuse the second, which costs as much as the first."""
    cluster = Cluster()
    reconciler = cluster.make_reconciler()
    if known:
        await reconciler.reconcile(CONNECTOR)
    await build(cluster, reconciler)
    asked = [request for request in cluster.api.requests if request.startswith("POST") and request.endswith("/events")]
    assert len(asked) == len(cluster.events) == 2
