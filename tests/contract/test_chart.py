"""The chart: what it renders, and what it refuses before anything is installed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildandpush.api.sourcelimits import USUAL_LIMITS
from buildandpush.config import OperatorConfig
from devcluster.settings import KUBERNETES_VERSION
from tests.contract.documents import CHART, Document, load_all, load_sample_values
from tests.e2e.harness.shell import Finished, Shell

pytestmark = pytest.mark.e2e

SAMPLE_VALUES = load_sample_values()
_IMAGE = ("--set", "image.repository=contoso.azurecr.io/buildandpush/operator")


def _template(shell: Shell, *arguments: str) -> Finished:
    # A helm compiled from its module knows no version of Kubernetes of its own.
    where = ("--namespace", "builds", "--kube-version", KUBERNETES_VERSION)
    return shell.helm("template", "buildandpush", str(CHART), *where, *arguments)


def _render(shell: Shell, *arguments: str) -> list[Document]:
    done = _template(shell, *_IMAGE, *arguments)
    assert done.code == 0, done.err
    return load_all(done.out)


def _of_kind(documents: list[Document], kind: str) -> list[Document]:
    return [document for document in documents if document["kind"] == kind]


def test_helm_lint_finds_nothing(shell: Shell) -> None:
    done = shell.helm("lint", "--strict", str(CHART), *_IMAGE)
    assert done.code == 0, done.out + done.err
    assert "[ERROR]" not in done.out
    assert "[WARNING]" not in done.out


@pytest.mark.parametrize("more", [(), ("--set", "watchNamespaces={default}")], ids=["all namespaces", "one namespace"])
def test_the_api_server_takes_what_the_chart_renders(shell: Shell, more: tuple[str, ...]) -> None:
    text = yaml.safe_dump_all([_in_default(document) for document in _render(shell, *more)])
    done = shell.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert done.code == 0, done.err


@pytest.mark.parametrize("enabled", [True, False])
def test_a_chart_of_the_platforms_own_switches_it_on_and_off(shell: Shell, tmp_path: Path, enabled: bool) -> None:
    """A condition reads a value of the chart that it is about."""
    condition = f"{CHART.name}.enabled"
    dependency = {"name": CHART.name, "version": "0.1.0", "condition": condition}
    umbrella = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(umbrella))
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    image = {"image": {"repository": "contoso.azurecr.io/buildandpush/operator"}}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({CHART.name: {"enabled": enabled, **image}}))
    done = shell.helm("template", "platform", str(tmp_path), "--kube-version", KUBERNETES_VERSION)
    assert done.code == 0, done.err
    assert bool(_of_kind(load_all(done.out), "Deployment")) is enabled


@pytest.mark.parametrize("place", SAMPLE_VALUES)
def test_the_chart_takes_the_values_that_the_pages_show(shell: Shell, tmp_path: Path, place: str) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(SAMPLE_VALUES[place]))
    assert _render(shell, "--values", str(values))


def _for_users(role: Document) -> bool:
    """Whether a role is bound to nobody but adds to the roles edit and view."""
    return bool(role["metadata"]["name"].endswith(("-edit", "-view")))


OPERATOR = "buildandpush-buildandpush-operator"
CRDS = f"{OPERATOR}-crds"
"""The right to read the two CRDs, which belong to no namespace: the operator compares them with its own."""


def test_without_namespaces_the_rights_are_the_clusters(shell: Shell) -> None:
    documents = _render(shell)
    roles = [role for role in _of_kind(documents, "ClusterRole") if not _for_users(role)]
    assert {role["metadata"]["name"] for role in roles} == {OPERATOR, CRDS}
    assert {item["metadata"]["name"] for item in _of_kind(documents, "ClusterRoleBinding")} == {OPERATOR, CRDS}
    assert [role["metadata"]["namespace"] for role in _of_kind(documents, "Role")] == ["builds"], "for its lease"


def test_with_namespaces_the_rights_end_at_each_of_them(shell: Shell) -> None:
    documents = _render(shell, "--set", "watchNamespaces={shop,billing}")
    assert [role["metadata"]["namespace"] for role in _of_kind(documents, "Role")] == [
        *("shop", "billing"),
        "builds",
    ]
    assert [item["metadata"]["namespace"] for item in _of_kind(documents, "RoleBinding")] == [
        "shop",
        "billing",
        "builds",
    ]
    assert [item["metadata"]["name"] for item in _of_kind(documents, "ClusterRoleBinding")] == [f"builds:{CRDS}"]
    others = [role for role in _of_kind(documents, "ClusterRole") if not _for_users(role)]
    assert [role["metadata"]["name"] for role in others] == [f"builds:{CRDS}"]
    assert others[0]["rules"] == [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": ["buildandpushacrs.buildandpush.dev", "azureconnectors.buildandpush.dev"],
            "verbs": ["get"],
        }
    ]
    container = _of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "BUILDANDPUSH_NAMESPACES", "value": "shop,billing"} in container["env"]


def test_installations_for_some_namespaces_share_nothing_of_the_clusters(shell: Shell) -> None:
    """Two teams that give their installations the same name."""

    def names(team: str) -> set[tuple[str, str]]:
        rendered = _render(shell, "--set", f"watchNamespaces={{{team}}}", "--namespace", team)
        return {(item["kind"], item["metadata"]["name"]) for item in rendered if "namespace" not in item["metadata"]}

    assert names("shop")
    assert not names("shop") & names("billing")


def test_the_rights_are_the_same_either_way(shell: Shell) -> None:
    everywhere = next(role for role in _of_kind(_render(shell), "ClusterRole") if role["metadata"]["name"] == OPERATOR)
    confined = _of_kind(_render(shell, "--set", "watchNamespaces={shop}"), "Role")[0]
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    assert everywhere["rules"] == [*confined["rules"], nodes]


_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


@pytest.mark.parametrize(
    ("arguments", "edit", "view"),
    [
        ((), {"admin", "edit"}, {"admin", "edit", "view"}),
        (("--set", "watchNamespaces={shop}"), {"admin", "edit"}, {"admin", "edit", "view"}),
        (("--set", "rbac.aggregate=false"), set(), set()),
    ],
)
def test_the_rights_to_builds_are_added_to_kubernetes_own_roles_only_if_wanted(
    shell: Shell, arguments: tuple[str, ...], edit: set[str], view: set[str]
) -> None:
    roles = [role for role in _of_kind(_render(shell, *arguments), "ClusterRole") if _for_users(role)]
    added = {
        role["metadata"]["name"].removeprefix("builds:").removeprefix(f"{OPERATOR}-"): {
            name.removeprefix(_AGGREGATE) for name in role["metadata"]["labels"] if name.startswith(_AGGREGATE)
        }
        for role in roles
    }
    assert added == {"edit": edit, "view": view}
    assert all(role["rules"] for role in roles), "somebody may bind them"


DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("values", "operator", "executor"),
    [
        ({}, ":{version}", "ghcr.io/osscontainertools/kaniko:v1.28.3"),
        ({"image.digest": DIGEST}, f"@{DIGEST}", "ghcr.io/osscontainertools/kaniko:v1.28.3"),
        ({"image.tag": "v7"}, ":v7", "ghcr.io/osscontainertools/kaniko:v1.28.3"),
        ({"image.tag": "v7", "image.digest": DIGEST}, f":v7@{DIGEST}", "ghcr.io/osscontainertools/kaniko:v1.28.3"),
        ({"executor.digest": DIGEST}, ":{version}", f"ghcr.io/osscontainertools/kaniko:v1.28.3@{DIGEST}"),
        ({"executor.image": f"mirror.test/kaniko@{DIGEST}"}, ":{version}", f"mirror.test/kaniko@{DIGEST}"),
        (
            {"executor.image": "mirror.test/kaniko", "executor.digest": DIGEST},
            ":{version}",
            f"mirror.test/kaniko@{DIGEST}",
        ),
    ],
)
def test_images_are_named_by_tag_or_digest(shell: Shell, values: dict[str, str], operator: str, executor: str) -> None:
    settings = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    container = _of_kind(_render(shell, *settings), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    image = "contoso.azurecr.io/buildandpush/operator" + operator.format(version=version)
    given = {item["name"]: item.get("value") for item in container["env"]}
    assert container["image"] == given["BUILDANDPUSH_SOURCE_IMAGE"] == image
    assert given["BUILDANDPUSH_EXECUTOR_IMAGE"] == executor


def test_the_networks_of_the_operators_own_requests_reach_it(shell: Shell) -> None:
    values = ("egress.denyCidrs={10.0.0.0/8,fd00::/8}", "egress.allowCidrs={10.1.2.3}")
    documents = _render(shell, *(word for value in values for word in ("--set", value)))
    container = _of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "BUILDANDPUSH_EGRESS_DENIED", "value": "10.0.0.0/8,fd00::/8"} in container["env"]
    assert {"name": "BUILDANDPUSH_EGRESS_ALLOWED", "value": "10.1.2.3"} in container["env"]


def test_the_limits_of_sources_reach_the_operator_as_it_reads_them(shell: Shell) -> None:
    documents = _render(shell, "--set", "source.maxFiles=3000000")
    container = _of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    given = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    limits = OperatorConfig.from_env({**given, "BUILDANDPUSH_NAMESPACES": ""}).build_settings.source_limits
    assert limits == replace(USUAL_LIMITS, max_files=3_000_000)


def test_the_kubelet_asks_if_the_operator_lives_and_if_it_can_work(shell: Shell) -> None:
    container = _of_kind(_render(shell), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }


def test_all_pods_of_the_operator_are_found_for_their_metrics(shell: Shell) -> None:
    documents = _render(shell)
    (service,) = _of_kind(documents, "Service")
    pod = _of_kind(documents, "Deployment")[0]["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert service["spec"]["publishNotReadyAddresses"], "an operator in trouble is the one to look at"
    assert _of_kind(documents, "ServiceMonitor") == [], "most clusters have no such kind"


def test_a_service_monitor_finds_the_service(shell: Shell) -> None:
    monitor = "metrics.serviceMonitor"
    documents = _render(shell, "--set", f"{monitor}.enabled=true", "--set", f"{monitor}.labels.release=prometheus")
    (service,), (found,) = _of_kind(documents, "Service"), _of_kind(documents, "ServiceMonitor")
    assert found["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert found["metadata"]["labels"]["release"] == "prometheus"
    (endpoint,) = found["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == (service["spec"]["ports"][0]["name"], "/metrics")


@pytest.mark.parametrize(
    ("arguments", "value", "asks"),
    [
        ((), "Auto", True),
        (("--set", "userNamespaces=Always"), "Always", False),
        (("--set", "userNamespaces=Never"), "Never", False),
        (("--set", "watchNamespaces={shop}"), "Never", False),
        (("--set", "watchNamespaces={shop}", "--set", "userNamespaces=Always"), "Always", False),
    ],
)
def test_the_nodes_are_asked_only_where_that_decides_something(
    shell: Shell, arguments: tuple[str, ...], value: str, asks: bool
) -> None:
    documents = _render(shell, *arguments)
    container = _of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "BUILDANDPUSH_USER_NAMESPACES", "value": value} in container["env"]
    roles = [role for role in _of_kind(documents, "ClusterRole") if not _for_users(role)]
    asked = [rule for role in roles for rule in role["rules"] if "nodes" in rule["resources"]]
    assert bool(asked) is asks


@pytest.mark.parametrize(
    ("setting", "resource", "variable"),
    [
        ("namespaceAnnotation", "namespaces", "BUILDANDPUSH_READ_NAMESPACES"),
        ("priorities", "priorityclasses", "BUILDANDPUSH_READ_PRIORITY_CLASSES"),
    ],
)
@pytest.mark.parametrize(
    ("is_set", "confined", "may"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_what_the_order_of_waiting_builds_needs_is_read_only_where_the_installer_wants_it(
    shell: Shell, setting: str, resource: str, variable: str, is_set: bool, confined: bool, may: bool
) -> None:
    arguments = ("--set", f"limits.{setting}={str(is_set).lower()}")
    documents = _render(shell, *arguments, *(("--set", "watchNamespaces={shop}") if confined else ()))
    container = _of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": variable, "value": str(may).lower()} in container["env"]
    roles = [role for kind in ("Role", "ClusterRole") for role in _of_kind(documents, kind) if not _for_users(role)]
    granted = [rule["verbs"] for role in roles for rule in role["rules"] if resource in rule["resources"]]
    assert granted == ([["get"]] if may else [])


def test_limits_reach_the_operator(shell: Shell) -> None:
    limits = ("--set", "limits.maxConcurrentBuilds=30", "--set", "limits.maxConcurrentBuildsPerNamespace=3")
    container = _of_kind(_render(shell, *limits), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert values["BUILDANDPUSH_MAX_CONCURRENT_BUILDS"] == "30"
    assert values["BUILDANDPUSH_MAX_CONCURRENT_BUILDS_PER_NAMESPACE"] == "3"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param((), ["image.repository is not set", "--set image.repository"], id="no image"),
        pytest.param((*_IMAGE, "--set", "imagee.tag=1"), ["imagee", "not allowed"], id="unknown value"),
        pytest.param((*_IMAGE, "--set", "image.tagg=1"), ["tagg", "not allowed"], id="unknown value deep down"),
        pytest.param((*_IMAGE, "--set", "workers=many"), ["workers", "integer"], id="workers in words"),
        pytest.param((*_IMAGE, "--set", "limits.maxConcurrentBuilds=-1"), ["limits", "minimum"], id="a limit below 0"),
        pytest.param((*_IMAGE, "--set", "workers=0"), ["workers", "minimum"], id="no workers"),
        pytest.param((*_IMAGE, "--set", "userNamespaces=true"), ["userNamespaces", "Auto"], id="user namespaces"),
        pytest.param(
            (*_IMAGE, "--set", "executor.compatibility=Docker"), ["compatibility", "BuildKit"], id="compatibility"
        ),
        pytest.param((*_IMAGE, "--set", "image.digest=06393c"), ["digest", "pattern"], id="digest"),
        pytest.param((*_IMAGE, "--set", "rbac.aggregate=some"), ["aggregate", "boolean"], id="aggregation"),
        pytest.param(
            (*_IMAGE, "--set", f"executor.image=kaniko@{DIGEST}", "--set", f"executor.digest={DIGEST}"),
            ["has a digest, and executor.digest is set", "give the digest in one of them"],
            id="two digests",
        ),
        pytest.param((*_IMAGE, "--set", "egress.denyCidrs={private}"), ["denyCidrs", "pattern"], id="no network"),
        pytest.param((*_IMAGE, "--set", "source.maxBytes=lots"), ["maxBytes", "pattern"], id="limit of sources"),
        pytest.param(
            (*_IMAGE, "--set", "trustedCertificates=ca.crt"), ["trustedCertificates", "pattern"], id="no certificate"
        ),
        pytest.param(
            (*_IMAGE, "--set-string", "trustedCertificates= "),
            ["trustedCertificates", "pattern"],
            id="blank certificate",
        ),
        pytest.param(
            (*_IMAGE, "--set", "azure.allowedAuthorityHosts={https://login.example}"),
            ["allowedAuthorityHosts", "pattern"],
            id="URL of an authority",
        ),
        pytest.param(
            (*_IMAGE, "--set", "allowed.insecureRegistries={http://registry.example}"),
            ["insecureRegistries", "pattern"],
            id="URL of a registry",
        ),
        pytest.param(
            (*_IMAGE, "--set", "allowed.insecureRegistries={*}"),
            ["insecureRegistries", "pattern"],
            id="all registries without TLS",
        ),
        pytest.param((*_IMAGE, "--set", "allowed.podMarks={*}"), ["podMarks", "pattern"], id="all marks of pods"),
        pytest.param(
            (*_IMAGE, "--set", "podLabels.app\\.kubernetes\\.io/name=mine"),
            ["podLabels: the chart itself sets the label app.kubernetes.io/name; leave it out"],
            id="a label that the chart sets",
        ),
        pytest.param((*_IMAGE, "--set", "logLevel=LOUD"), ["logLevel", "DEBUG"], id="log level"),
        pytest.param(
            (*_IMAGE, "--set", "image.pullPolicy=Sometimes"), ["pullPolicy", "IfNotPresent"], id="pull policy"
        ),
    ],
)
def test_bad_values_are_refused_by_name(shell: Shell, arguments: tuple[str, ...], words: list[str]) -> None:
    done = _template(shell, *arguments)
    assert done.code != 0
    assert [word for word in words if word not in done.err] == [], done.err


def _list_defaults(values: Document, *above: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _list_defaults(value, *above, name)
        else:
            yield ".".join((*above, name)), value


DEFAULTS = dict(_list_defaults(yaml.safe_load((CHART / "values.yaml").read_text())))
SECTIONS = {path.rpartition(".")[0] for path in DEFAULTS} - {"", "resources", "resources.limits", "resources.requests"}


@pytest.mark.parametrize(
    "path",
    [
        *(path for path, value in DEFAULTS.items() if value not in ("", [], {}, 0, False)),
        *sorted(SECTIONS),
    ],
)
def test_an_upgrade_that_leaves_out_what_is_new_is_told_how_to_take_it(shell: Shell, path: str) -> None:
    """helm upgrade --reuse-values takes no value of the new chart. null takes one away in the same way."""
    done = _template(shell, *_IMAGE, "--set", f"{path}=null")
    if path.startswith("resources."):
        assert done.code == 0, done.err
        return
    assert done.code != 0
    assert f"the value {path}" in done.err, done.err
    assert "is missing" in done.err
    assert "use --reset-then-reuse-values" in done.err


@pytest.mark.parametrize("path", [path for path, value in DEFAULTS.items() if value in ("", [], {}, 0, False)])
def test_a_value_that_is_empty_anyway_may_be_missing(shell: Shell, path: str) -> None:
    if path != "image.repository":
        assert _render(shell, "--set", f"{path}=null") == _render(shell)


def test_the_operators_own_pods_have_what_the_platform_asks_of_all_pods(shell: Shell) -> None:
    [plain] = _of_kind(_render(shell), "Deployment")
    more = ("podLabels.team=platform", "podAnnotations.note=kept", "priorityClassName=system-cluster-critical")
    settings = [part for one in more for part in ("--set", one)]
    certificates = ("--set", "trustedCertificates=-----BEGIN CERTIFICATE-----")
    [deployment] = _of_kind(_render(shell, *settings, *certificates), "Deployment")
    template = deployment["spec"]["template"]
    labels = plain["spec"]["template"]["metadata"]["labels"]
    assert template["metadata"]["labels"] == {**labels, "team": "platform"}
    assert template["metadata"]["annotations"].keys() == {"note", "checksum/certificates"}
    assert template["spec"]["priorityClassName"] == "system-cluster-critical"
    assert "annotations" not in plain["spec"]["template"]["metadata"]
    assert "priorityClassName" not in plain["spec"]["template"]["spec"]


def test_the_operators_own_pod_fits_pod_security_restricted(shell: Shell) -> None:
    pod = _of_kind(_render(shell), "Deployment")[0]["spec"]["template"]["spec"]
    container = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["readOnlyRootFilesystem"] is True
    assert container["capabilities"] == {"drop": ["ALL"]}


def _in_default(document: Document) -> Document:
    """The same object in a namespace that exists, for a dry run."""
    if "namespace" not in document["metadata"]:
        return document
    return {**document, "metadata": {**document["metadata"], "namespace": "default"}}
