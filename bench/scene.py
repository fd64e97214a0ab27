"""What every part of the bench of bursts needs: nodes, connectors, builds, and an operator that is at work."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import yaml

from bench.api import Api, Object, Watched, builds_path, connectors_path, in_turn, pods_path, watching
from bench.plane import APPLICATION, HOSTS, IDENTITY, NODES, SECRET, TENANT, Plane
from bench.registry import TAG
from buildandpush.api import meta
from devcluster.settings import REPOSITORY_ROOT

NAMESPACE: Final = "bench"
FILLED: Final = "filled"
HELD: Final = "bench/held"
"""Label of pods that run until they lose it."""
_QUIET_SECONDS: Final = 0.5
_QUIET_SHARE: Final = 0.1
"""Of a core: an operator that uses less has nothing left to do."""


def build(name: str, *, push: bool, host: str = HOSTS[0], held: bool = False) -> Object:
    """A small build."""
    spec: Object = {
        "connectorRef": host.partition(".")[0],
        "repository": f"{host}/shop/web",
        "tags": [TAG],
        "source": {"inline": {"files": {"Dockerfile": "FROM scratch\n"}}},
    }
    if not push:
        spec["envVariables"] = {"PLUGIN_NO_PUSH": "true"}
    if held:
        spec["podTemplate"] = {"labels": {HELD: "yes"}}
    return {"apiVersion": meta.API_VERSION, "kind": meta.BUILD_KIND, "metadata": {"name": name}, "spec": spec}


async def prepare(plane: Plane, api: Api) -> None:
    """CRDs, nodes, the operator's Lease, and a namespace with a connector for each registry."""
    for path in sorted((REPOSITORY_ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text())
        await api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    for number in range(NODES):
        await api.call("POST", "/api/v1/nodes", _describe_node(f"node-{number}"))
    for namespace in (NAMESPACE, FILLED):
        await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    secret = {"metadata": {"name": "login"}, "stringData": {"clientSecret": SECRET}}
    await api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
    # Of a Lease that nobody holds the operator would first wait whether somebody else takes it.
    lease = {"metadata": {"name": "buildandpush-operator"}, "spec": {"holderIdentity": IDENTITY}}
    await api.call("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", lease)
    await _wait_served(api)
    for host in HOSTS:
        await api.call("POST", connectors_path(NAMESPACE), _describe_connector(plane, host))


async def _wait_served(api: Api) -> None:
    """A CRD is served a moment after it was created."""
    async with asyncio.timeout(30):
        for path in (builds_path(NAMESPACE), connectors_path(NAMESPACE)):
            while True:
                try:
                    await api.call("GET", path)
                except RuntimeError:
                    await asyncio.sleep(0.1)
                else:
                    break


def _describe_node(name: str) -> Object:
    able = {"cpu": "1000", "memory": "2000Gi", "pods": "5000", "ephemeral-storage": "1000Gi"}
    labels = {"type": "kwok", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    return {"metadata": metadata, "status": {"allocatable": able, "capacity": able}}


def _describe_connector(plane: Plane, host: str) -> Object:
    principal = {"tenantId": TENANT, "clientId": APPLICATION, "secretRef": {"name": "login"}}
    bundle = plane.settings.ca_certificate.read_text()
    return {
        "apiVersion": meta.API_VERSION,
        "kind": meta.CONNECTOR_KIND,
        "metadata": {"name": host.partition(".")[0]},
        "spec": {"servicePrincipal": principal, "registries": [host], "caBundle": bundle},
    }


@asynccontextmanager
async def operating(plane: Plane, api: Api) -> AsyncIterator[Object]:
    """Run the operator. It has made its login and a build before anything is measured. Gives the pod of that build."""
    await asyncio.to_thread(plane.start_operator)
    try:
        async with watching(api, NAMESPACE) as watched:
            await apply(api, watched, [build("warm-up", push=True)])
            await watched.wait_for(watched.told, 1)
            check(watched)
        pod = (await api.call("GET", pods_path(NAMESPACE)))["items"][0]
        await clear(plane, api)
        async with asyncio.TaskGroup() as group:
            guard = group.create_task(plane.guard_operator())
            yield pod
            guard.cancel()
        await clear(plane, api)
    finally:
        await asyncio.to_thread(plane.stop_operator)


async def clear(plane: Plane, api: Api) -> None:
    """Delete all builds, and wait until the operator has nothing left to do."""
    await api.clear(NAMESPACE)
    used = -1.0
    while plane.operator_cpu_seconds() - used > _QUIET_SHARE * _QUIET_SECONDS:
        used = plane.operator_cpu_seconds()
        await asyncio.sleep(_QUIET_SECONDS)


def check(watched: Watched) -> None:
    """End the bench if a build has failed: it measures something else."""
    if watched.failed:
        sys.exit(f"{len(watched.failed)} builds failed, such as {min(watched.failed)}")


async def apply(api: Api, watched: Watched, builds: list[Object]) -> None:
    """Create builds as fast as the API server takes them, twenty at a time."""

    async def one(each: Object) -> None:
        watched.applied[each["metadata"]["name"]] = time.monotonic()
        await api.call("POST", builds_path(NAMESPACE), each)

    await in_turn([partial(one, each) for each in builds])
