"""How faults of the operator, the API's objects and the registry are inflicted: each is a `with` that breaks something
and heals it again. `outages` has those of the control plane and the node."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.chaos.outages import component_stopped
from tests.chaos.scene import SMALL, Scene
from tests.e2e.harness.api import CONNECTOR, GROUP_VERSION, Object
from tests.e2e.harness.azure import TENANT
from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.fixtures import client_secret_manifest
from tests.e2e.harness.hostile import print_and_fail
from tests.e2e.harness.policy import changed_pods, webhook_down
from tests.e2e.harness.waiting import eventually

MANY: Final = 20
"""Builds from which on a fault is inflicted more often."""


@contextmanager
def nothing(scene: Scene) -> Iterator[None]:
    """Only the builds themselves break something."""
    yield


# ---- the operator


@contextmanager
def operator_killed(scene: Scene) -> Iterator[None]:
    """SIGKILL for the operator that leads, again and again, the last time while builds push. The moments are random. A
    new pod takes its place in between, because the kubelet delays restarts of one pod longer each time."""
    kills = 10 if len(scene.names) >= MANY else 2
    for _ in range(kills - 1):
        due = scene.steps() + random.randint(1, 4)
        eventually(lambda due=due: scene.steps() >= due or scene.is_idle(), "more steps of builds", within=120)  # type: ignore[misc]
        scene.operator.kill()
        scene.operator.wait_renewed()  # only one that leads can give the Lease to the other replica at once
        scene.operator.renew()
    scene.gate.open()
    seen = scene.steps()
    eventually(lambda: scene.steps() > seen, "a build goes on", within=60)
    scene.operator.kill()
    yield


@contextmanager
def leader_lost(scene: Scene) -> Iterator[None]:
    """The operator that leads is gone for good, and cannot give its Lease back."""
    scene.operator.lose()
    yield


@contextmanager
def leader_paused(scene: Scene) -> Iterator[None]:
    """The operator that leads stands still until another leads, and then wakes up."""
    leader = scene.operator.read()["metadata"]["name"]
    with scene.operator.frozen():

        def another_leads() -> bool:
            found = scene.operator.find_leader()
            return found is not None and found["metadata"]["name"] != leader

        eventually(another_leads, "another operator leads", within=90)
        yield


@contextmanager
def lease_deleted(scene: Scene) -> Iterator[None]:
    """Somebody deletes the Lease."""
    scene.operator.delete_lease()
    yield


# ---- pods


@contextmanager
def pods_deleted(scene: Scene) -> Iterator[None]:
    """Somebody deletes all build pods that there are."""
    for pod in scene.pods():
        scene.api.delete("Pod", pod["metadata"]["name"], scene.namespace)
    yield


@contextmanager
def pods_drained(scene: Scene) -> Iterator[None]:
    """Somebody drains the node, so all build pods that there are get evicted."""
    for pod in scene.pods():
        metadata = {"name": pod["metadata"]["name"], "namespace": scene.namespace}
        path = f"/api/v1/namespaces/{scene.namespace}/pods/{metadata['name']}/eviction"
        scene.api.request("POST", path, body={"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    yield


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """New build pods have room for one small file."""
    room = '{"medium": "Memory", "sizeLimit": "4Ki"}'
    fill = f'JSONPatch{{op: "replace", path: "/spec/volumes/0/emptyDir", value: {room}}}'
    # The harness knows by a changed container of its own pod, which has no such volume, that the policy is in force.
    env = 'Object.spec.initContainers.env{name: "FULL", value: "yes"}'
    mark = f'JSONPatch{{op: "add", path: "/spec/initContainers/0/env/-", value: {env}}}'
    has_volume = 'object.spec.?volumes.orValue([]).exists(volume, volume.name == "workspace")'
    with changed_pods(scene.api, scene.namespace, f"{has_volume} ? [{fill}, {mark}] : [{mark}]"):
        yield


def with_a_file() -> Object:
    """A build whose source is larger than the room of `disk_full`."""
    return {"source": inline(f"{FROM}RUN echo built > /built\n", file="x" * 20_000)}


def larger_than_its_limit() -> Object:
    """A build that fills the disk beyond its own limit, and would go on for long. The kubelet evicts its pod."""
    limits = {**SMALL["limits"], "ephemeral-storage": "50Mi"}
    source = inline(f"{FROM}RUN dd if=/dev/zero of=/large bs=1M count=200; sleep 600\n")
    return {"source": source, "resources": {**SMALL, "limits": limits}}


def with_a_long_log() -> Object:
    """A build that prints 5 MB and fails."""
    return {"source": print_and_fail("error building image: ")}


# ---- objects that builds need


@contextmanager
def secrets_removed(scene: Scene) -> Iterator[None]:
    """The Secret with the user's login is gone, and so are those that the operator made from it."""
    for secret in (*scene.login_secrets(), scene.api.get("Secret", "acr-push", scene.namespace)):
        scene.api.delete("Secret", secret["metadata"]["name"], scene.namespace)
    try:
        yield
    finally:
        scene.log_in()


@contextmanager
def connector_replaced(scene: Scene) -> Iterator[None]:
    """The connector is deleted with all that it owns, and made again."""
    scene.api.delete(CONNECTOR, "acr", scene.namespace)
    try:
        eventually(lambda: not scene.login_secrets(), "the connector's Secrets go with it", within=60)
        yield
    finally:
        scene.log_in()


@contextmanager
def namespace_deleted(scene: Scene) -> Iterator[None]:
    """Another namespace is deleted while builds run there, and made again with builds of the same names."""
    other = Scene(**{**vars(scene), "namespace": f"{scene.namespace[:50]}-gone", "names": []})
    count = max(2, len(scene.names) // 4)
    for again in (False, True):
        other.make_namespace()
        other.log_in()
        other.names.clear()
        other.start(count, gated=not again)
        if not again:
            other.wait_running()
            scene.api.delete("Namespace", other.namespace)
            eventually(lambda: scene.api.find("Namespace", other.namespace) is None, "its end", within=120)
    try:
        yield
        eventually(lambda: not other.in_flight(), "its builds have ended", within=120, last_seen=other.describe)
        ends = {name: (build.told("Ready")[1], build.build["attempt"]) for name, build in other.builds().items()}
        assert set(ends.values()) == {("Succeeded", 1)}, ends
        assert set(other.pushes().values()) == {1}, other.pushes()
    finally:
        scene.api.delete("Namespace", other.namespace)


@contextmanager
def webhook_away(scene: Scene) -> Iterator[None]:
    """A webhook for pods has no server."""
    with webhook_down(scene.api, scene.namespace, "pods"):
        yield


def with_a_large_status() -> Object:
    """A build with as many tags as there may be, each as long as it may be, in a repository with a long name: all of
    them stand in the status, with and without it."""
    return {"tags": [f"{number:02}{'t' * 126}" for number in range(50)], "below": f"/{'r' * 100}"}


# ---- the registry and Entra ID


@contextmanager
def registry_answers(scene: Scene, **action: Any) -> Iterator[None]:
    """The registry answers in this way to all that the builds ask of it."""
    path = f"/v2/{scene.namespace}/.*"
    with scene.azure.fault(action, host=scene.settings.registry_host, path=path):
        yield


@contextmanager
def uploads_forgotten(scene: Scene) -> Iterator[None]:
    """The registry does not know of the uploads that were begun."""
    body = json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "blob upload unknown to registry"}]})
    action = {"status": 404, "headers": {"Content-Type": "application/json"}, "body": body}
    path = f"/v2/{scene.namespace}/.*/blobs/uploads/.+"
    with scene.azure.fault(action, host=scene.settings.registry_host, path=path):
        yield


@contextmanager
def registry_gone(scene: Scene) -> Iterator[None]:
    """Nothing listens at the registry's address."""
    with scene.pushes_kept(), component_stopped(scene, "azure"):
        yield


@contextmanager
def entra_down(scene: Scene) -> Iterator[None]:
    """Entra ID breaks off all connections while builds need a first login from it."""
    host = scene.settings.registry_host
    identity = scene.azure.make_identity(("AcrPush", host))
    with scene.azure.fault({"drop": True}, host="login.microsoftonline.com", path=f"/{TENANT}/oauth2/v2.0/token"):
        scene.api.apply(client_secret_manifest(scene.namespace, "entra-sp", identity.secret))
        principal = {"tenantId": TENANT, "clientId": identity.client_id, "secretRef": {"name": "entra-sp"}}
        spec = {
            "servicePrincipal": principal,
            "registries": [host],
            "caBundle": scene.settings.ca_certificate.read_text(),
        }
        metadata = {"name": "entra", "namespace": scene.namespace}
        scene.api.apply({"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": metadata, "spec": spec})
        yield


def with_entra() -> Object:
    """A build that logs in with the identity of `entra_down`."""
    return {"connectorRef": "entra"}
