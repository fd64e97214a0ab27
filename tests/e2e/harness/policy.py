"""Policies that change pods at their creation, as meshes and policy engines do, and webhooks that are away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.harness.api import Api, ApiError
from tests.e2e.harness.waiting import eventually

_VERSION = "admissionregistration.k8s.io/v1beta1"


@contextmanager
def changed_pods(api: Api, namespace: str, patches: str, *, opt_out: dict[str, str] | None = None) -> Iterator[None]:
    """Apply JSON patches (a CEL list of JSONPatch) to every new pod of a namespace, for the length of a `with`.

    Pods with one of the labels in `opt_out` are left alone, as meshes do.
    """
    name = f"e2e-{namespace}"
    unless = [{"key": key, "operator": "NotIn", "values": [value]} for key, value in (opt_out or {}).items()]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy: dict[str, Any] = {
        "apiVersion": _VERSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "objectSelector": {"matchExpressions": unless},
            },
            "reinvocationPolicy": "Never",
            "failurePolicy": "Fail",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patches}}],
        },
    }
    binding = {
        "apiVersion": _VERSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    api.apply(policy)
    api.apply(binding)
    try:
        eventually(lambda: _is_in_force(api, namespace, patches), f"policy {name} is in force", within=30)
        yield
    finally:
        api.delete("MutatingAdmissionPolicyBinding", name)
        api.delete("MutatingAdmissionPolicy", name)


def _is_in_force(api: Api, namespace: str, patches: str) -> bool:
    """The API server learns of a policy a moment after it is stored."""
    env = [{"name": "PROBE", "value": "1"}]
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "policy-probe", "namespace": namespace},
        "spec": {
            "initContainers": [{"name": "first", "image": "pause", "env": env, "securityContext": {"runAsUser": 0}}],
            "containers": [{"name": "only", "image": "pause", "securityContext": {"runAsUser": 0}}],
        },
    }
    asked = {"spec": {name: probe["spec"][name] for name in ("initContainers", "containers")}}
    found = api.create(probe, dry_run=True)
    names = [[item["name"] for item in found["spec"].get(name, [])] for name in asked["spec"]]
    contexts = [item["securityContext"] for item in found["spec"]["containers"] if item["name"] == "only"]
    given = [item["env"] for item in found["spec"]["initContainers"] if item["name"] == "first"]
    labels = found["metadata"].get("labels")
    return bool(labels) or names != [["first"], ["only"]] or contexts != [{"runAsUser": 0}] or given != [env]


@contextmanager
def secrets_used_up(api: Api, namespace: str) -> Iterator[None]:
    """A quota that the one Secret of a namespace uses up."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "secrets", "namespace": namespace}}
    api.create({**quota, "spec": {"hard": {"count/secrets": "1"}}})

    def counts() -> bool:
        return api.get("ResourceQuota", "secrets", namespace).get("status", {}).get("used") == {"count/secrets": "1"}

    eventually(counts, "quota in force", within=20)
    yield
    api.delete("ResourceQuota", "secrets", namespace)


@contextmanager
def webhook_down(api: Api, namespace: str, resource: str, *, service: bool = False) -> Iterator[None]:
    """An admission webhook for new objects of a kind (`pods`) in a namespace. Its service does not exist, or, with
    `service`, no pod is behind it."""
    if service:
        ports = [{"port": 443, "protocol": "TCP"}]
        manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "away", "namespace": namespace}}
        api.create({**manifest, "spec": {"ports": ports, "selector": {"app": "away"}}})
    name = f"e2e-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    webhook: dict[str, Any] = {
        "name": "away.example.com",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "clientConfig": {"service": {"namespace": namespace, "name": "away"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    }
    api.create(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
    )
    try:
        eventually(lambda: _is_called(api, namespace, resource), f"webhook {name} is called", within=30)
        yield
    finally:
        api.delete("ValidatingWebhookConfiguration", name)


def _is_called(api: Api, namespace: str, resource: str) -> bool:
    kind = {"pods": "Pod", "secrets": "Secret"}[resource]
    probe: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "probe", "namespace": namespace}}
    if kind == "Pod":
        probe["spec"] = {"containers": [{"name": "only", "image": "pause"}]}
    try:
        api.create(probe, dry_run=True)
    except ApiError as error:
        return "failed calling webhook" in error.message
    return False
