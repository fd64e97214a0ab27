"""What specs come out as: the plan, the pod and the login, whole, and every sentence that refuses one."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.core.azure.credential import NodeIdentity, Resolved
from buildandpush.core.azure.login import RegistryToken, build_login_secret, describe_login, login_version, plan_access
from buildandpush.core.build.status import derive_needs
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import LoginNeed, LoginSecretRef
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core import golden
from tests.unit.core.connectors import CUSTOM, WHO, connector
from tests.unit.core.factories import NOW, OWNER, SETTINGS, pod_name, spec

VOLUME = {"persistentVolumeClaim": {"claimName": "builds"}}
GIT = {"git": {"url": "https://git.example/shop.git", "revision": "v1.2.3"}}

SPECS: dict[str, dict[str, Any]] = {
    "smallest": spec(),
    "flux": spec(source={"fluxSource": {"kind": "OCIRepository", "name": "shop"}}),
    "largest": spec(
        connectorRef="account.My_ACR",
        tags=["v<+pipeline.sequenceId>", "latest"],
        source=GIT,
        dockerfile="./docker/Dockerfile",
        context="/harness/web/",
        labels={"b": "2, 3", "a": "é\n"},
        buildArgs={"B": "x y", "A": "'\""},
        target=" release ",
        remoteCacheImage="shop/cache",
        baseImageConnectorRefs=["org.Base_Images", "other", "org.Base_Images"],
        optimize=False,
        runAsUser="1000",
        resources={"limits": {"memory": "2Gi", "cpu": 2}, "requests": {"memory": "1Gi", "cpu": "500m"}},
        timeout="1h 30m",
        retries=0,
        subscriptionId=" Production ",
        buildSecrets=[{"id": "npmrc", "secretName": "npm", "key": "rc"}],
        envDockerSecrets={"TOKEN": "github/token"},
        buildArgsFrom=[{"name": "GH", "secretName": "github", "key": "token"}],
        registryMirrors=["mirror.gcr.io", "quay.io=mirror.contoso.com/quay"],
        serviceAccountName="builder",
        envVariables={
            "PLUGIN_CACHE_TTL": 336,
            "PLUGIN_CUSTOM_DNS": "10.0.0.10",
            "PLUGIN_CUSTOM_LABELS": "c=3",
            "PLUGIN_PUSH_RETRY": 5,
            "PLUGIN_SKIP_TLS_VERIFY_REGISTRY": "insecure.example:5000",
            "PLUGIN_VERBOSITY": "Warning",
        },
        podTemplate={
            "labels": {"team": "shop"},
            "annotations": {"note.example/x": "y"},
            "nodeSelector": {"pool": "builds"},
            "tolerations": [{"key": "builds", "operator": "Exists"}],
            "priorityClassName": "low",
        },
    ),
    "no-push": spec(connectorRef=None, tags=None, envVariables={"PLUGIN_NO_PUSH": "true"}),
    "no-push-into-a-file": spec(
        tags=None, workspace=VOLUME, envVariables={"PLUGIN_NO_PUSH": True, "PLUGIN_TAR_PATH": "out/image.tar"}
    ),
    "push-only": spec(
        workspace=VOLUME, envVariables={"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "out/image.tar"}
    ),
    "user-namespace": spec(userNamespace="Always", runAsUser=0),
    "blanks": spec(timeout=" ", target="", dockerfile="", context="", subscriptionId=" "),
}

BROAD = replace(SETTINGS, insecure_registries=("insecure.example:5000",), service_accounts=("builder",))

REFUSED: dict[str, dict[str, Any]] = {
    "field of a wrong type": {"tags": "latest"},
    "repository without a registry": {"repository": "shop/web"},
    "repository that is no name": {"repository": "contoso.azurecr.io/Shop Web"},
    "no tag": {"tags": []},
    "bad tag": {"tags": ["a b"]},
    "tag twice": {"tags": ["x", "x"]},
    "unknown expression": {"tags": ["<+pipeline.nope>"]},
    "no connector": {"connectorRef": ""},
    "no connector for the cache": {
        "connectorRef": None,
        "remoteCacheImage": "shop/cache",
        "envVariables": {"PLUGIN_NO_PUSH": True},
    },
    "bad connector": {"connectorRef": "acr!"},
    "bad base connector": {"baseImageConnectorRefs": ["ok", "no/good"]},
    "no source": {"source": {}},
    "two sources": {"source": {**GIT, "inline": {"files": {"a": ""}}}},
    "artifact without a tag": {"source": {"oci": {"image": "contoso.azurecr.io/source/shop"}}},
    "artifact without a registry": {"source": {"oci": {"image": "source/shop:v1"}}},
    "inline path up": {"source": {"inline": {"files": {"../x": ""}}}},
    "inline path not plain": {"source": {"inline": {"files": {"./x": ""}}}},
    "inline root": {"source": {"inline": {"files": {".": ""}}}},
    "inline too large": {"source": {"inline": {"files": {"Dockerfile": "x" * (100 * 1024), "b": "x" * (100 * 1024)}}}},
    "inline too large once written": {"source": {"inline": {"files": {"Dockerfile": "\n" * (125 * 1024)}}}},
    "configMap": {"outputs": {"configMap": "x"}},
    "dockerfile is a folder": {"dockerfile": "./"},
    "dockerfile is a URL": {"dockerfile": "https://x/Dockerfile"},
    "dockerfile is absolute": {"dockerfile": "/etc/passwd"},
    "dockerfile leaves": {"dockerfile": "a/../../x"},
    "dockerfile over two lines": {"dockerfile": "a\nb"},
    "context is absolute": {"context": "/etc"},
    "context under another root": {"context": "/harnesses/x"},
    "label without a name": {"labels": {"": "x"}},
    "label with =": {"labels": {"a=b": "x"}},
    "label with a blank": {"labels": {" a": "x"}},
    "label with a control character": {"labels": {"a\tb": "x"}},
    "label with a zero byte": {"labels": {"a": "x\0"}},
    "argument with =": {"buildArgs": {"A=B": "x"}},
    "argument with a zero byte": {"buildArgs": {"A": "\0"}},
    "user": {"runAsUser": "root"},
    "user too high": {"runAsUser": str(2**31)},
    "user negative": {"runAsUser": "-1"},
    "user too high in a user namespace": {"runAsUser": 65536, "userNamespace": "Always"},
    "timeout": {"timeout": "never"},
    "timeout too short": {"timeout": "500ms"},
    "timeout too long": {"timeout": "8d"},
    "memory": {"resources": {"limits": {"memory": "much"}}},
    "memory too small": {"resources": {"limits": {"memory": "512"}}},
    "memory requested above its limit": {"resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "2Gi"}}},
    "cpu": {"resources": {"limits": {"cpu": "fast"}}},
    "cpu zero": {"resources": {"limits": {"cpu": "0"}}},
    "cpu too many": {"resources": {"limits": {"cpu": 1025}}},
    "cpu requested above its limit": {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}},
    "storage": {"resources": {"limits": {"ephemeral-storage": "lots"}}},
    "when": {"when": {"condition": "1 +"}},
    "when without a comparison": {"when": {"condition": "<+pipeline.sequenceId>"}},
    "failure strategy": {
        "failureStrategies": [{"onFailure": {"errors": ["AllErrors"], "action": {"type": "Explode"}}}]
    },
    "argument of 4097 characters": {"buildArgs": {"CA": "x" * 4097}},
    "argument that a pipeline would resolve": {"buildArgs": {"NPM_TOKEN": '<+secrets.getValue("npm")>'}},
    "argument that a workflow would resolve": {"buildArgs": {"NPM_TOKEN": "a ${{ secrets.NPM }}"}},
    "two stages": {"target": "a,b"},
    "a path of a subscription": {"subscriptionId": "x/resourceGroups/y"},
    "flag unknown": {"envVariables": {"PLUGIN_FOO": "x"}},
    "flag for a credential": {"envVariables": {"PLUGIN_CLIENT_SECRET": "x"}},
    "flag that is a field": {"envVariables": {"PLUGIN_TAGS": "x"}},
    "flag neither true nor false": {"envVariables": {"PLUGIN_NO_PUSH": "maybe"}},
    "flag no number": {"envVariables": {"PLUGIN_PUSH_RETRY": "often"}},
    "flag with an unknown choice": {"envVariables": {"PLUGIN_VERBOSITY": "loud"}},
    "flag with a zero byte": {"envVariables": {"PLUGIN_CUSTOM_LABELS": "a=\0"}},
    "flags that contradict": {"envVariables": {"PLUGIN_NO_PUSH": True, "PLUGIN_PUSH_ONLY": True}},
    "log that tells secrets": {
        "envVariables": {"PLUGIN_VERBOSITY": "debug"},
        "buildArgsFrom": [{"name": "A", "secretName": "x", "key": "k"}],
    },
    "flag by its other name": {"envVariables": {"PLUGIN_DESTINATION_TAR_PATH": "x.tar"}},
    "flag that contradicts a field": {"optimize": True, "envVariables": {"PLUGIN_SNAPSHOT_MODE": "full"}},
    "name server": {"envVariables": {"PLUGIN_CUSTOM_DNS": "dns"}},
    "four name servers": {"envVariables": {"PLUGIN_CUSTOM_DNS": "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4"}},
    "insecure registry": {"envVariables": {"PLUGIN_SKIP_TLS_VERIFY_REGISTRY": "other.example"}},
    "push only without a file": {"envVariables": {"PLUGIN_PUSH_ONLY": True}},
    "file without a volume": {"envVariables": {"PLUGIN_NO_PUSH": True, "PLUGIN_TAR_PATH": "x.tar"}},
    "file outside": {"workspace": VOLUME, "envVariables": {"PLUGIN_TAR_PATH": "../x.tar"}},
    "cache elsewhere": {"remoteCacheImage": "other.azurecr.io/cache"},
    "cache that is no repository": {"remoteCacheImage": "shop/cache:tag"},
    "cache twice": {"remoteCacheImage": "shop/cache", "envVariables": {"PLUGIN_CACHE_REPO": "shop/other"}},
    "service account": {"serviceAccountName": "admin"},
    "mark of the operator": {"podTemplate": {"labels": {"buildandpush.dev/run": "x"}}},
    "mark that gives powers": {"podTemplate": {"labels": {"azure.workload.identity/use": "true"}}},
    "priority of the cluster": {"podTemplate": {"priorityClassName": "system-node-critical"}},
    "another operating system": {"podTemplate": {"nodeSelector": {"kubernetes.io/os": "windows"}}},
    "secret id": {"buildSecrets": [{"id": "a/b", "secretName": "x", "key": "y"}]},
    "secret twice": {"buildSecrets": [{"id": "a", "secretName": "x", "key": "y"}] * 2},
    "secret map": {"envDockerSecrets": {"A": "nokey"}},
    "argument from nowhere": {"buildArgsFrom": [{"name": "A", "key": "k"}]},
    "argument that changes the build": {"buildArgsFrom": [{"name": "LD_PRELOAD", "secretName": "x", "key": "k"}]},
    "argument twice": {"buildArgs": {"A": "1"}, "buildArgsFrom": [{"name": "A", "secretName": "x", "key": "k"}]},
}


def planned(raw: dict[str, Any]) -> BuildPlan:
    return plan_build(parse_spec(raw), BROAD, Occasion(7))


@pytest.mark.parametrize("name", SPECS)
def test_plan_and_pod(name: str) -> None:
    plan = planned(SPECS[name])
    effective = plan.effective(BROAD)
    manifest = build_pod_manifest(
        plan,
        owner=OWNER,
        attempt=Attempt(pod_name(7), 7, 0, 1, "v1:abc"),
        login=LoginSecretRef("buildandpush-login-1", ("contoso.azurecr.io",))
        if plan.connector_ref
        else LoginSecretRef(None),
        settings=BROAD,
    )
    golden.check(
        f"plans/{name}",
        {
            "plan": plan,
            "destinations": plan.destinations,
            "effective": effective,
            "needs": derive_needs(effective),
            "pod": manifest,
        },
    )


def test_what_is_refused_is_told_with_field_value_and_remedy() -> None:
    """As a whole, so that whoever changes a sentence sees it among the others."""
    refusals = {}
    for name, changes in REFUSED.items():
        with pytest.raises(SpecInvalidError) as caught:
            planned({**spec(), **changes})
        refusals[name] = str(caught.value)
    golden.check("refusals", refusals)


CONNECTORS = {
    "acr": connector(
        servicePrincipal={**WHO, "secretRef": {"name": "s"}},
        registries=["contoso.azurecr.io", "base.azurecr.io"],
        caBundle="PEM",
    ),
    "base": replace(
        connector(managedIdentity={}, registries=["base.azurecr.io"]), name="base", uid="uid-2", generation=3
    ),
    "scoped": replace(
        connector(workloadIdentity=WHO, loginScope="Repository", registries=["contoso.azurecr.io"]),
        name="scoped",
        uid="uid-3",
    ),
    "open": replace(connector(workloadIdentity=WHO), name="open", uid="uid-4"),
    "custom": replace(
        connector(workloadIdentity=WHO, cloud="Custom", customCloud=CUSTOM, allowedRegistries=["*.example.com"]),
        name="custom",
        uid="uid-5",
    ),
}
PUSH = ("contoso.azurecr.io/shop/web", "contoso.azurecr.io/shop/cache")
HOST = ("contoso.azurecr.io",)

LOGINS: dict[str, tuple[LoginNeed, ...]] = {
    "push": (LoginNeed("acr", HOST, PUSH),),
    "push with a base": (LoginNeed("open", HOST, PUSH), LoginNeed("base")),
    "scoped": (LoginNeed("scoped", HOST, PUSH),),
    "two connectors for one host": (LoginNeed("acr", HOST, PUSH), LoginNeed("base")),
    "scoped for bases": (LoginNeed("open", ("other.azurecr.io",), ("other.azurecr.io/x",)), LoginNeed("scoped")),
    "nameless for bases": (LoginNeed("acr", HOST, PUSH), LoginNeed("open")),
    "host that is not served": (LoginNeed("acr", ("other.azurecr.io",), ("other.azurecr.io/x",)),),
    "host that is not allowed": (LoginNeed("open", ("x.azurecr.io.evil.test",), ("x.azurecr.io.evil.test/x",)),),
    "host of another cloud": (LoginNeed("custom", HOST, PUSH),),
    "cache that nobody serves": (LoginNeed("open", HOST, (*PUSH, "cache.azurecr.io/x")),),
}


@pytest.mark.parametrize("name", LOGINS)
def test_login(name: str) -> None:
    plans = plan_access(LOGINS[name], CONNECTORS)
    if not isinstance(plans, tuple):
        golden.check(f"logins/{name.replace(' ', '-')}", {"refused": plans})
        return
    of = {plan.host: Resolved(plan.connector, NodeIdentity(None), (("Secret/s", "u/7"),)) for plan in plans}
    versions = {plan.host: login_version(of[plan.host], plan.push) for plan in plans}
    logins = [
        RegistryToken(plan.host, "user", "password", versions[plan.host], issued_at=NOW, expires_at=NOW)
        for plan in plans
    ]
    secret = build_login_secret("shop", plans, logins)
    shown = {
        "hosts": [
            {"host": plan.host, "connector": plan.connector.name, "push": plan.push, "required": plan.required}
            for plan in plans
        ],
        "versions": versions,
        "secret": secret,
        "login": describe_login(secret, plans, of.values()),
    }
    golden.check(f"logins/{name.replace(' ', '-')}", shown)
