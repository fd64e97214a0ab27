"""The few requests that the operator makes of the API server, by kind, as plain dicts."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

from buildandpush.api import meta
from buildandpush.clients.errors import ConflictError, UnavailableError
from buildandpush.clients.kubernetes.lists import Listing
from buildandpush.clients.kubernetes.transport import Object, OnStatus, Transport
from buildandpush.clients.traffic.circuits import KUBELET_LIMITS, Circuits, RefusedError

_NODE_PAGE_SIZE: Final = 50
"""A node lists the images it holds, so it may be some ten KiB large."""
_EVENT_PAGE_SIZE: Final = 100
"""A kubelet joins Events of a kind, so a pod has few."""
_BUILD_PODS: Final = {"labelSelector": f"{meta.LABEL_MANAGED_BY}={meta.COMPONENT}"}
_KINDS: Final = {meta.BUILD_PLURAL: meta.BUILD_KIND, meta.CONNECTOR_PLURAL: meta.CONNECTOR_KIND}


@dataclass(frozen=True)
class PodLog:
    """A part of a container's log."""

    text: str
    is_cut: bool
    """Whether the bytes that were asked for did not reach to the end."""


class KubernetesClient:
    """Requests to one API server. Every method raises NotFoundError, ConflictError, KubernetesError or
    UnavailableError."""

    def __init__(self, transport: Transport, *, kubelets: Circuits | None = None) -> None:
        """`kubelets` are those that logs come from."""
        self._transport = transport
        self._kubelets = kubelets or Circuits(KUBELET_LIMITS)

    def guarded(self, guard: Callable[[], None]) -> Self:
        """The same connection, each write guarded: see `Transport`."""
        return type(self)(self._transport.guarded(guard), kubelets=self._kubelets)

    async def read_pod(self, namespace: str, name: str) -> Object:
        """Read one pod."""
        return await self._transport.request("GET", _core_path(namespace, "pods", name))

    async def create_pod(self, manifest: Object) -> Object:
        """Create a pod. Returns the object that the API server made of it."""
        return await self._transport.request(
            "POST", _core_path(manifest["metadata"]["namespace"], "pods"), body=manifest
        )

    async def try_pod(self, manifest: Object) -> Object:
        """Ask the API server whether it would create a pod; it stores nothing. Returns the pod that it would make.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run"""
        path = _core_path(manifest["metadata"]["namespace"], "pods")
        return await self._transport.request("POST", path, body=manifest, query={"dryRun": "All"})

    async def patch_pod_deadline(self, namespace: str, name: str, uid: str, seconds: int) -> Object:
        """Lower a pod's activeDeadlineSeconds, if it is still the pod of this uid."""
        body = {"metadata": {"uid": uid}, "spec": {"activeDeadlineSeconds": seconds}}
        return await self._transport.request("PATCH", _core_path(namespace, "pods", name), body=body)

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod, if it is still the pod of this uid."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        await self._transport.request("DELETE", _core_path(namespace, "pods", name), body=body)

    async def read_pod_log(
        self, namespace: str, name: str, container: str, *, lines: int, limit_bytes: int, node: str = ""
    ) -> PodLog:
        """The last lines of a container's log, and of these the first `limit_bytes`: the kubelet keeps the beginning.

        The API server gets them from the kubelet of `node`. Raises UnavailableError at once while that gives no answer.
        The kubelet counts a line of more than 16 KiB as several, since the runtime writes it so.
        """
        query: dict[str, Any] = {"container": container, "tailLines": lines, "limitBytes": limit_bytes}
        path = _core_path(namespace, "pods", name, "log")
        try:
            async with self._kubelets.ask(f"the kubelet of node {node or 'unknown'}"):
                data = await self._transport.send("GET", path, query=query, limit=limit_bytes, cut=True)
        except RefusedError as error:
            raise UnavailableError(str(error), retry_after_seconds=error.retry_after_seconds) from None
        return PodLog(data.decode(errors="replace"), is_cut=len(data) >= limit_bytes)

    async def read_secret(self, namespace: str, name: str) -> Object:
        """One Secret."""
        return await self._transport.request("GET", _core_path(namespace, "secrets", name))

    async def read_config_map(self, namespace: str, name: str) -> Object:
        """One ConfigMap."""
        return await self._transport.request("GET", _core_path(namespace, "configmaps", name))

    async def create_secret(self, manifest: Object) -> Object:
        """Create a Secret."""
        return await self._transport.request(
            "POST", _core_path(manifest["metadata"]["namespace"], "secrets"), body=manifest
        )

    async def patch_secret(self, namespace: str, name: str, body: Object) -> Object:
        """Merge-patch a Secret; with a resourceVersion in the body it fails if the Secret changed meanwhile."""
        return await self._transport.request("PATCH", _core_path(namespace, "secrets", name), body=body)

    async def delete_secret(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete a Secret, if it is still the one of this uid and version."""
        conditions = {"uid": uid, "resourceVersion": version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        await self._transport.request("DELETE", _core_path(namespace, "secrets", name), body=body)

    async def create_service_account_token(self, namespace: str, name: str, *, audience: str) -> str:
        """A token of a service account for this audience, good for ten minutes, the least that is given.
        https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/"""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        }
        answer = await self._transport.request(
            "POST", _core_path(namespace, "serviceaccounts", name, "token"), body=body
        )
        return str(answer["status"]["token"])

    async def read_lease(self, namespace: str, name: str) -> Object:
        """One Lease."""
        return await self._transport.request("GET", _lease_path(namespace, name))

    async def create_lease(self, namespace: str, name: str, spec: Object) -> Object:
        """Create a Lease."""
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return await self._transport.request("POST", _lease_path(namespace), body=body)

    async def patch_lease(self, namespace: str, name: str, version: str, spec: Object) -> Object:
        """Merge-patch a Lease; ConflictError if it is not at this resourceVersion any more."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._transport.request("PATCH", _lease_path(namespace, name), body=body)

    async def create_event(self, manifest: Object) -> None:
        """Write an Event. An existing Event of the same name counts as success."""
        try:
            await self._transport.request(
                "POST", _core_path(manifest["metadata"]["namespace"], "events"), body=manifest
            )
        except ConflictError:
            return

    async def list_pod_events(self, namespace: str, pod_uid: str) -> list[Object]:
        """Events about one pod, at most a hundred, in any order."""
        query = {"fieldSelector": f"involvedObject.uid={pod_uid}", "limit": _EVENT_PAGE_SIZE}
        answer = await self._transport.request("GET", _core_path(namespace, "events"), query=query)
        return answer.get("items") or []

    async def read_custom(self, plural: str, namespace: str, name: str) -> Object:
        """One object of our own group."""
        return await self._transport.request("GET", _custom_path(namespace, plural, name))

    async def replace_custom_status(
        self, plural: str, namespace: str, name: str, version: str, status: Object
    ) -> Object:
        """Replace the whole status; ConflictError if the object is not at this resourceVersion any more.

        The API server leaves all else as it is. For a merge patch it takes a third more processor time.
        """
        metadata = {"namespace": namespace, "name": name, "resourceVersion": version}
        body = {"apiVersion": meta.API_VERSION, "kind": _KINDS[plural], "metadata": metadata, "status": status}
        return await self._transport.request("PUT", f"{_custom_path(namespace, plural, name)}/status", body=body)

    async def list_pods(self, namespace: str | None, token: str = "", *, names_only: bool = False) -> Listing:
        """A page of the build pods, of one namespace or of all. See `list_custom`."""
        return await self._transport.list_page(_pods_path(namespace), {**_BUILD_PODS}, token, names_only=names_only)

    def watch_pods(
        self, namespace: str | None, version: str, on_status: OnStatus = lambda status: None
    ) -> AsyncIterator[Object]:
        """The changes of the build pods after a version, of one namespace or of all. See `watch_path`. A BOOKMARK has
        no pod, only the version that everything has been told up to. `on_status` is called once the API server has
        answered, or has not.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks"""
        return self._transport.watch(_pods_path(namespace), version, _BUILD_PODS, bookmarks=True, on_status=on_status)

    async def list_custom(
        self, plural: str, namespace: str | None, token: str = "", *, names_only: bool = False
    ) -> Listing:
        """A page of the objects of one of our kinds, of one namespace or of all: the first, or the one of a token.

        No version is asked for. So the list holds everything that was written before its first page was asked for, and
        it comes in pages: asked for version 0, an API server answers with all objects at once, from a cache that may be
        behind. A list that takes some minutes can end with an UnavailableError, since its state is gone by then.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
        """
        path = _custom_path(namespace, plural) if namespace else f"/apis/{meta.API_VERSION}/{plural}"
        return await self._transport.list_page(path, {}, token, names_only=names_only)

    async def read_crd(self, name: str) -> Object:
        """One CustomResourceDefinition."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{quote(name, safe='')}"
        return await self._transport.request("GET", path)

    async def read_nodes(self, token: str = "") -> tuple[list[Object], str]:
        """One page of the nodes, and the token of the next page; empty at the end. All nodes may be too many."""
        query = {"limit": _NODE_PAGE_SIZE, **({"continue": token} if token else {})}
        answer = await self._transport.request("GET", "/api/v1/nodes", query=query)
        return answer.get("items") or [], (answer.get("metadata") or {}).get("continue") or ""

    async def get(self, path: str) -> Object:
        """One object of any group, or what discovery says of a group, by its path."""
        return await self._transport.request("GET", path)

    async def list_path(self, path: str) -> Listing:
        """All objects that a path of any group stands for."""
        items: list[Object] = []
        token, version = "", ""
        while True:
            page = await self._transport.list_page(path, {}, token)
            items += page.items
            token, version = page.token, version or page.resource_version
            if not token:
                return Listing(items, version)

    def watch_path(self, path: str, version: str) -> AsyncIterator[Object]:
        """The changes of these objects after a version, until the API server ends the watch. See `read_events`."""
        return self._transport.watch(path, version, {})


def _core_path(namespace: str | None, *parts: str) -> str:
    return f"/api/v1/namespaces/{namespace}/" + "/".join(quote(part, safe="") for part in parts)


def _pods_path(namespace: str | None) -> str:
    return _core_path(namespace, "pods") if namespace else "/api/v1/pods"


def _lease_path(namespace: str, *name: str) -> str:
    return "/".join([f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", *name])


def _custom_path(namespace: str | None, *parts: str) -> str:
    return f"/apis/{meta.API_VERSION}/namespaces/{namespace}/" + "/".join(quote(part, safe="") for part in parts)
