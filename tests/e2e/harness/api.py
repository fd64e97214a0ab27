"""A thin client of the API server: plain dicts in and out, every refusal an ApiError. Knows nothing of builds."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from devcluster.settings import Settings

Object = dict[str, Any]

BUILD: Final = "BuildAndPushACR"
CONNECTOR: Final = "AzureConnector"
GROUP_VERSION: Final = "buildandpush.dev/v1alpha1"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

_FLUX: Final = "/apis/source.toolkit.fluxcd.io/v1"
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1beta1"

_PLACES: Final = {
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "Pod": ("/api/v1", "pods"),
    "Secret": ("/api/v1", "secrets"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Service": ("/api/v1", "services"),
    "Event": ("/api/v1", "events"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "LimitRange": ("/api/v1", "limitranges"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "PersistentVolume": ("/api/v1", "persistentvolumes"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "MutatingAdmissionPolicy": (_ADMISSION, "mutatingadmissionpolicies"),
    "MutatingAdmissionPolicyBinding": (_ADMISSION, "mutatingadmissionpolicybindings"),
    "RuntimeClass": ("/apis/node.k8s.io/v1", "runtimeclasses"),
    "ValidatingWebhookConfiguration": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
    ),
    BUILD: (f"/apis/{GROUP_VERSION}", "buildandpushacrs"),
    CONNECTOR: (f"/apis/{GROUP_VERSION}", "azureconnectors"),
    "GitRepository": (_FLUX, "gitrepositories"),
    "OCIRepository": (_FLUX, "ocirepositories"),
    "Bucket": (_FLUX, "buckets"),
}
_TIMEOUT_SECONDS: Final = 30


class ApiError(Exception):
    """The API server's refusal: HTTP status and message, as kubectl would show it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


UNREACHED: Final = (ApiError, HTTPError, OSError)
"""What a request ends with while the API server is away, or on its way down or up."""


class Api:
    """Requests as the cluster's administrator."""

    def __init__(self, settings: Settings) -> None:
        self._client: client.ApiClient = config.new_client_from_config(str(settings.kubeconfig))

    def close(self) -> None:
        """Close the kept connections."""
        self._client.rest_client.pool_manager.clear()

    def answers(self) -> bool:
        """Whether the API server answers."""
        with suppress(*UNREACHED):
            return bool(self.list("Node"))
        return False

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return self.request("GET", _path(kind, namespace, name))

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None where there is none."""
        try:
            return self.get(kind, name, namespace)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, *, labels: str = "") -> list[Object]:
        """The objects of a kind in a namespace, or in all; their kind is filled in."""
        items: list[Object] = self.request("GET", _path(kind, namespace), query={"labelSelector": labels})["items"]
        return [{**item, "kind": kind} for item in items]

    def create(self, manifest: Object, *, dry_run: bool = False) -> Object:
        """Create an object; unknown fields are refused."""
        metadata = manifest["metadata"]
        query = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return self.request("POST", _path(manifest["kind"], metadata.get("namespace")), query=query, body=manifest)

    def apply(self, manifest: Object, *, manager: str = "e2e", dry_run: bool = False) -> Object:
        """Server-side apply."""
        metadata = manifest["metadata"]
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        path = _path(manifest["kind"], metadata.get("namespace"), metadata["name"])
        return self.request("PATCH", path, query=query, body=manifest, content_type=APPLY_PATCH)

    def patch(self, kind: str, name: str, namespace: str | None, body: Object) -> Object:
        """Merge-patch an object."""
        return self.request("PATCH", _path(kind, namespace, name), body=body, content_type=MERGE_PATCH)

    def patch_status(self, kind: str, name: str, namespace: str | None, status: Object) -> Object:
        """Merge-patch an object's status, as its controller does."""
        path = f"{_path(kind, namespace, name)}/status"
        return self.request("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)

    def delete(self, kind: str, name: str, namespace: str | None = None, *, grace_seconds: int | None = None) -> None:
        """Ask for an object to be deleted, and do not wait. With 0 s of grace the kubelet is not waited for either."""
        query = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        self.request("DELETE", _path(kind, namespace, name), query=query)

    def revision(self, kind: str) -> str:
        """The version that a watch of this kind would begin at now."""
        path = _path(kind, None)
        return str(self.request("GET", path, query={"limit": "1"})["metadata"]["resourceVersion"])

    def has_expired(self, kind: str, revision: str) -> bool:
        """Whether a watch from that version on is answered with 410 Gone."""
        query = {"watch": "true", "resourceVersion": revision, "timeoutSeconds": "1"}
        try:
            return b'"code":410' in self.send("GET", _path(kind, None), query=query)
        except ApiError as error:
            if error.status != 410:
                raise
            return True

    def watch(self, kind: str, name: str, namespace: str, version: str, *, seconds: int) -> Iterator[Object]:
        """Each state of an object that follows the one of this version, for so long. It may end sooner."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        path = _path(kind, namespace)
        response = self._send("GET", path, query={**query, "fieldSelector": f"metadata.name={name}"})
        begun = b""
        try:
            with suppress(HTTPError):  # the API server goes down
                for chunk in response.response.stream():
                    *lines, begun = (begun + chunk).split(b"\n")
                    events = [json.loads(line) for line in lines]
                    yield from (event["object"] for event in events if event.get("type") in ("ADDED", "MODIFIED"))
        finally:
            response.response.close()  # what is left unread would stand before the next answer

    def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int | None = None) -> str:
        """A container's log; empty where there is none (any more)."""
        query = {"container": container, **({"previous": "true"} if previous else {})}
        query |= {"tailLines": str(lines)} if lines else {}
        try:
            return self.send("GET", f"{_path('Pod', namespace, pod)}/log", query=query).decode(errors="replace")
        except ApiError:
            return ""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """Any request that is answered with JSON."""
        result: Object = json.loads(self.send(method, path, query=query, body=body, content_type=content_type))
        return result

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """Any request; raises ApiError."""
        response = self._send(method, path, query=query, body=body, content_type=content_type)
        data: bytes = response.read() or b""
        if response.status >= 400:
            raise ApiError(response.status, _message(data))
        return data

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """The answer, of which nothing is read yet."""
        headers = {"Accept": "application/json", **({"Content-Type": content_type} if body is not None else {})}
        prepared = self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        url = f"{prepared[1]}?{urlencode(query)}" if query else prepared[1]
        return self._client.call_api(
            prepared[0], url, prepared[2], prepared[3], prepared[4], _request_timeout=_TIMEOUT_SECONDS
        )


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    base, plural = _PLACES[kind]
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{scope}/{plural}" + (f"/{name}" if name else "")


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode(errors="replace")
