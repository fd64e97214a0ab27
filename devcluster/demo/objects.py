"""Builds the objects of the demo: the examples made fit for the local registry, and the pods that run the results."""

import base64
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster.demo.gitserver import Served
from devcluster.errors import DevclusterError

Manifest = dict[str, Any]

BUILD_KIND = "BuildAndPushACR"
REBUILD_ANNOTATION = "buildandpush.dev/rebuild"
PULL_SECRET = "acr-pull"  # noqa: S105 - a Secret's name
PROOF_LABEL = "buildandpush-demo/proof"


@dataclass(frozen=True)
class RegistryLogin:
    """How to log in to the local registry, and the certificate it is trusted by."""

    host: str
    user: str
    password: str
    ca_certificate: str
    client_secret: str = ""
    """Of the examples' application; empty where there is a registry but no Azure."""


def read_examples(folder: Path) -> tuple[Manifest, ...]:
    """Read every object of the folder's YAML files, in the order of their names."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise DevclusterError(f"There are no examples in {folder}; run the demo from a whole checkout")
    return tuple(dict(document) for path in files for document in yaml.safe_load_all(path.read_text()) if document)


def adapt_examples(
    examples: Iterable[Manifest], *, namespace: str, login: RegistryLogin, served: Served
) -> tuple[Manifest, ...]:
    """Fill in what only this machine knows: the registry's login and certificate, git's address and the commit."""
    return tuple(_adapt(example, namespace=namespace, login=login, served=served) for example in examples)


def request_rebuilds(examples: Iterable[Manifest], names: Collection[str], value: str) -> tuple[Manifest, ...]:
    """Put the annotation that asks for another run on the builds of these names."""
    return tuple(
        {**example, "metadata": {**example["metadata"], "annotations": {REBUILD_ANNOTATION: value}}}
        if example["kind"] == BUILD_KIND and example["metadata"]["name"] in names
        else example
        for example in examples
    )


def build_namespace(name: str) -> Manifest:
    """Build the demo's namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def build_pull_secret(namespace: str, login: RegistryLogin) -> Manifest:
    """Build the Secret that the kubelet pulls the results with, as for any private registry."""
    auth = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": PULL_SECRET, "namespace": namespace},
        "stringData": {".dockerconfigjson": json.dumps({"auths": {login.host: {"auth": auth}}})},
    }


def build_proof_pod(name: str, namespace: str, *, image: str, port: int | None) -> Manifest:
    """Build a pod that runs an image as it is; with a port it is a service that is ready once /healthz answers."""
    container: Manifest = {
        "name": "main",
        "image": image,
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
    }
    if port is not None:
        container["ports"] = [{"containerPort": port}]
        container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {PROOF_LABEL: "true"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "imagePullSecrets": [{"name": PULL_SECRET}],
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }


def _adapt(example: Manifest, *, namespace: str, login: RegistryLogin, served: Served) -> Manifest:
    adapted = {**example, "metadata": {**example["metadata"], "namespace": namespace}}
    match example["kind"]:
        case "Secret" if login.client_secret:
            adapted["stringData"] = {"clientSecret": login.client_secret}
        case "Secret":
            adapted["stringData"] = {"username": login.user, "password": login.password}
        case "AzureConnector":
            adapted["spec"] = _adapt_connector(example["spec"], login)
        case "BuildAndPushACR":
            adapted["spec"] = _adapt_build(example["spec"], login, served)
    return adapted


def _adapt_connector(spec: Manifest, login: RegistryLogin) -> Manifest:
    """A registry alone, without Azure, knows a user name and password only."""
    reference = {"secretRef": {"name": spec["servicePrincipal"]["secretRef"]["name"]}}
    credential = (
        {"servicePrincipal": spec["servicePrincipal"]} if login.client_secret else {"registryCredentials": reference}
    )
    return {**credential, "registries": [login.host], "caBundle": login.ca_certificate}


def _adapt_build(spec: Manifest, login: RegistryLogin, served: Served) -> Manifest:
    adapted = dict(spec)
    if not login.client_secret:
        del adapted["subscriptionId"]
    if "git" in spec["source"]:
        adapted["source"] = {"git": {**spec["source"]["git"], "url": served.url, "revision": served.commit}}
    return adapted


def list_builds(manifests: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Name the builds among the objects."""
    return tuple(manifest["metadata"]["name"] for manifest in manifests if manifest["kind"] == BUILD_KIND)
