"""The operator's rights are exactly the requests it makes: by chart, API server and code."""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Transport
from devcluster.settings import KUBERNETES_VERSION
from tests.contract.documents import CHART, load_all
from tests.e2e.harness.shell import Shell
from tests.unit.handlers.fake_api import FakeAnswer

pytestmark = pytest.mark.e2e

ACCOUNT = "system:serviceaccount:buildandpush-system:buildandpush-operator"
NOBODY = "system:serviceaccount:default:nobody"
"""A service account that has only what Kubernetes grants to all of them, which grows with its releases."""

# What the operator's own client asks for; kopf lists and watches besides.
REQUESTED = {
    "buildandpushacrs.buildandpush.dev": {"get", "list"},
    "azureconnectors.buildandpush.dev": {"get", "list"},
    "buildandpushacrs.buildandpush.dev/status": {"update"},
    "azureconnectors.buildandpush.dev/status": {"update"},
    "pods": {"get", "list", "create", "patch", "delete"},
    "pods/log": {"get"},
    "secrets": {"get", "create", "patch", "delete"},
    "configmaps": {"get"},
    "serviceaccounts/token": {"create"},
    "events": {"create", "list"},
    "gitrepositories.source.toolkit.fluxcd.io": {"get", "list"},
    "ocirepositories.source.toolkit.fluxcd.io": {"get", "list"},
    "buckets.source.toolkit.fluxcd.io": {"get", "list"},
}
LEASE = {"get", "create", "patch"}
NODES = {"nodes": {"list"}}
"""Of the whole cluster, so not where the operator is confined to some namespaces."""
ORDER = {"namespaces": {"get"}, "priorityclasses.scheduling.k8s.io": {"get"}}
"""Of the whole cluster too, where the installer wants it, as in the local cluster: the order of builds that wait."""
CRDS = {"customresourcedefinitions.apiextensions.k8s.io": {"get"}}
"""Of the whole cluster as well, and by name, wherever the operator is confined to."""
CRD_NAMES = ["buildandpushacrs.buildandpush.dev", "azureconnectors.buildandpush.dev"]
FLUX = ("gitrepositories", "ocirepositories", "buckets")
WATCHED = (
    *("buildandpushacrs.buildandpush.dev", "azureconnectors.buildandpush.dev", "pods"),
    *(f"{name}.source.toolkit.fluxcd.io" for name in FLUX),
)
FORMER = {f"{name}.buildandpush.dev/status": {"patch"} for name in ("buildandpushacrs", "azureconnectors")}
"""Of the release before, which goes on until the new replicas are ready."""
GRANTED = {
    name: verbs | ({"list", "watch"} if name in WATCHED else set()) | FORMER.get(name, set())
    for name, verbs in REQUESTED.items()
}


def test_the_chart_grants_exactly_these_verbs(shell: Shell) -> None:
    values = ("--set", "image.repository=x", "--set", "watchNamespaces={shop}")
    done = shell.helm("template", "x", str(CHART), "--kube-version", KUBERNETES_VERSION, *values)
    role = next(document for document in load_all(done.out) if document["kind"] == "Role")
    granted: dict[str, set[str]] = {}
    for rule in role["rules"]:
        named = {"resourceNames"} if rule["resources"] == ["serviceaccounts/token"] else set()
        assert set(rule) == {"apiGroups", "resources", "verbs"} | named
        for resource in rule["resources"]:
            granted.setdefault(_qualify(resource, rule["apiGroups"][0]), set()).update(rule["verbs"])
    assert granted == GRANTED


def test_the_api_server_grants_exactly_these_verbs(shell: Shell) -> None:
    granted, everyones = (_list_rights(shell, account) for account in (ACCOUNT, NOBODY))
    own = {name: verbs - everyones.get(name, set()) for name, verbs in granted.items()}
    assert {name: verbs for name, verbs in own.items() if verbs} == GRANTED | NODES | ORDER | CRDS


def _list_rights(shell: Shell, account: str) -> dict[str, set[str]]:
    done = shell.kubectl("auth", "can-i", "--list", "--no-headers", "--namespace", "default", f"--as={account}")
    names = f"(?:{'|'.join(map(re.escape, ['buildandpush-identity', *CRD_NAMES]))})?"
    rows = re.findall(rf"^(\S+) +\[\] +\[{names}\] +\[(.*)\]$", done.out, re.MULTILINE)
    assert rows, done.out + done.err
    return {name: set(verbs.split()) for name, verbs in rows}


def test_the_crds_are_read_by_name_alone(shell: Shell) -> None:
    values = ("--set", "image.repository=x", "--set", "watchNamespaces={shop}")
    documents = load_all(shell.helm("template", "x", str(CHART), "--kube-version", KUBERNETES_VERSION, *values).out)
    rules = [rule for item in documents if item["kind"] == "ClusterRole" for rule in item["rules"]]
    (rule,) = [rule for rule in rules if rule["apiGroups"] == ["apiextensions.k8s.io"]]
    assert (rule["verbs"], rule["resourceNames"]) == (["get"], CRD_NAMES)


def test_nothing_of_flux_is_read_where_the_installer_does_not_want_it(shell: Shell) -> None:
    values = ("--set", "image.repository=x", "--set", "flux.enabled=false")
    documents = load_all(shell.helm("template", "x", str(CHART), "--kube-version", KUBERNETES_VERSION, *values).out)
    rules = [rule for item in documents if item["kind"] in {"Role", "ClusterRole"} for rule in item["rules"]]
    assert rules
    assert not [rule for rule in rules if "source.toolkit.fluxcd.io" in rule["apiGroups"]]


@pytest.mark.parametrize(
    "request_",
    [
        "list secrets",
        "watch secrets",
        "get helmrepositories.source.toolkit.fluxcd.io",
        "patch gitrepositories.source.toolkit.fluxcd.io",
        "create pods --subresource=exec",
        "update buildandpushacrs.buildandpush.dev",
        "patch buildandpushacrs.buildandpush.dev",
        "delete buildandpushacrs.buildandpush.dev",
        "list configmaps",
        "get leases.coordination.k8s.io",
        "create leases.coordination.k8s.io",
        "list namespaces",
        "patch namespaces",
        "create serviceaccounts --subresource=token",
        "get nodes",
        "list customresourcedefinitions.apiextensions.k8s.io",
        "get customresourcedefinitions.apiextensions.k8s.io/leases.example.com",
    ],
)
def test_the_api_server_refuses_the_operator_everything_else(shell: Shell, request_: str) -> None:
    done = shell.kubectl("auth", "can-i", *request_.split(), "--namespace", "default", f"--as={ACCOUNT}")
    assert done.out.strip() == "no"


def test_the_client_makes_exactly_the_requests_that_are_granted() -> None:
    api = _RecordingApi()
    asyncio.run(_call_every_method(KubernetesClient(Transport(api))))
    rights = _rights_of(api.requests)
    assert rights.pop("leases.coordination.k8s.io") == LEASE
    assert rights == REQUESTED | NODES | ORDER | CRDS


def test_leases_are_the_operators_own_alone(shell: Shell) -> None:
    """By name, in its own namespace; a name cannot be asked of a creation."""
    documents = load_all(shell.helm("template", "x", str(CHART), "--set", "image.repository=x").out)
    (role,) = [item for item in documents if item["kind"] == "Role"]
    named = {verb for rule in role["rules"] if rule.get("resourceNames") for verb in rule["verbs"]}
    assert ({verb for rule in role["rules"] for verb in rule["verbs"]}, named) == (LEASE, LEASE - {"create"})


async def _call_every_method(client: KubernetesClient) -> None:
    manifest = {"metadata": {"namespace": "n", "name": "x"}}
    calls: dict[str, list[tuple[Any, ...]]] = {
        "read_pod": [("n", "x")],
        "create_pod": [(manifest,)],
        "try_pod": [(manifest,)],
        "patch_pod_deadline": [("n", "x", "uid", 1)],
        "delete_pod": [("n", "x", "uid")],
        "read_pod_log": [("n", "x", "c")],
        "read_secret": [("n", "x")],
        "create_secret": [(manifest,)],
        "patch_secret": [("n", "x", {})],
        "delete_secret": [("n", "x")],
        "read_config_map": [("n", "x")],
        "create_service_account_token": [("n", "x")],
        "read_lease": [("n", "x")],
        "create_lease": [("n", "x", {})],
        "patch_lease": [("n", "x", "1", {})],
        "create_event": [(manifest,)],
        "list_pod_events": [("n", "uid")],
        "read_custom": [("buildandpushacrs", "n", "x"), ("azureconnectors", "n", "x")],
        "replace_custom_status": [("buildandpushacrs", "n", "x", "1", {}), ("azureconnectors", "n", "x", "1", {})],
        "list_pods": [("n",), (None,)],
        "read_nodes": [(), ("token",)],
        "read_crd": [("x",)],
        "list_custom": [("buildandpushacrs", "n"), ("azureconnectors", None)],
        "get": [
            *((f"/apis/source.toolkit.fluxcd.io/v1/namespaces/n/{name}/x",) for name in FLUX),
            ("/api/v1/namespaces/x",),
            ("/apis/scheduling.k8s.io/v1/priorityclasses/x",),
        ],
        "list_path": [(f"/apis/source.toolkit.fluxcd.io/v1/{name}",) for name in FLUX],
        "watch_pods": [],
        "watch_path": [],  # asks for the same as a list, and is granted beside it
    }
    public = {name for name, value in vars(KubernetesClient).items() if not name.startswith("_") and callable(value)}
    methods = public - {"guarded"}
    assert methods == set(calls), "a request was added or removed: say here how it is called"
    for name, variants in calls.items():
        for arguments in variants:
            await getattr(client, name)(*arguments, **KEYWORDS.get(name, {}))


KEYWORDS: dict[str, dict[str, Any]] = {
    "read_pod_log": {"lines": 1, "limit_bytes": 1},
    "delete_secret": {"uid": "u", "version": "1"},
    "create_service_account_token": {"audience": "a"},
}


_ANSWER = json.dumps({"items": [], "metadata": {"resourceVersion": "1"}, "status": {"token": "t"}}).encode()


class _RecordingApi:
    """Takes the place of the official client and notes what is asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    async def param_serialize(self, method: str, path: str, **_: Any) -> tuple[Any, ...]:
        return method, path, {}, None, None

    async def call_api(self, method: str, url: str, *_: Any, **__: Any) -> FakeAnswer:
        self.requests.append((method, url.split("?", maxsplit=1)[0]))
        return FakeAnswer(200, _ANSWER)


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def _rights_of(requests: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for method, path in requests:
        match = re.fullmatch(
            r"/(?:api/v1|apis/(?P<group>[^/]+)/v1(?:alpha1)?)(?:/namespaces/[^/]+)?/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?(?P<sub>/[a-z]+)?",
            path,
        )
        assert match, path
        named = match["name"] is not None
        verb = {**_VERBS, "GET": "get" if named else "list"}[method]
        found.setdefault(_qualify(match["kind"] + (match["sub"] or ""), match["group"] or ""), set()).add(verb)
    return found


def _qualify(resource: str, group: str) -> str:
    """A resource as kubectl writes it: kind.group/subresource."""
    kind, slash, sub = resource.partition("/")
    return f"{kind}.{group}{slash}{sub}" if group else resource
