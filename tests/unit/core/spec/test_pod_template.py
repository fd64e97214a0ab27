"""What users may set of the build pod, and what would give it powers."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.pod import PodTemplate
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import ANY, BuildSettings
from buildandpush.core.spec.podtemplate import (
    check_pod_template,
    check_service_account,
    merge_pod_template,
    node_selector,
    pod_annotations,
    pod_fields,
    pod_labels,
)
from tests.unit.core.factories import SETTINGS


def check(template: dict[str, Any], **settings: Any) -> None:
    """Raises for a template that is refused under these settings."""
    check_pod_template(PodTemplate.model_validate(template), replace(SETTINGS, **settings))


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"labels": {"team": "shop", "app.kubernetes.io/part-of": "shop", "example.com/x": "y"}},
        {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "example.com/cost": "42"}},
        {"nodeSelector": {"pool": "builds", "kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"}},
        {"priorityClassName": "batch-low", "runtimeClassName": "kata"},
    ],
)
def test_placement_and_plain_marks_are_a_users_own(template: dict[str, Any]) -> None:
    check(template)


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize(
    "name",
    [
        "azure.workload.identity/use",
        "azure.workload.identity/inject-proxy-sidecar",
        "aadpodidbinding",
        "sidecar.istio.io/inject",
        "istio.io/rev",
        "ISTIO.IO/rev",
        "linkerd.io/inject",
        "vault.hashicorp.com/agent-inject",
        "container.apparmor.security.beta.kubernetes.io/kaniko",
        "container.seccomp.security.alpha.kubernetes.io/kaniko",
        "k8s.v1.cni.cncf.io/networks",
        "iam.amazonaws.com/role",
    ],
)
def test_a_mark_of_an_identity_mesh_or_security_system_needs_the_installers_leave(field: str, name: str) -> None:
    with pytest.raises(SpecInvalidError, match=rf"^podTemplate.{field}: .*powers.*allowed.podMarks"):
        check({field: {name: "true"}})
    with pytest.raises(SpecInvalidError):
        check({field: {name: "true"}}, pod_marks=("example.com/", ""))
    check({field: {name: "true"}}, pod_marks=(name,))


def test_the_leave_may_be_for_all_marks_of_a_system() -> None:
    check({"labels": {"azure.workload.identity/use": "true"}}, pod_marks=("azure.workload.identity/",))


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize(
    "name", ["buildandpush.dev/name", "buildandpush.dev/source", "x.buildandpush.dev/y", "app.kubernetes.io/managed-by"]
)
def test_the_operators_own_marks_are_never_a_users(field: str, name: str) -> None:
    with pytest.raises(SpecInvalidError, match=rf"^podTemplate.{field}: .*the operator's own"):
        check({field: {name: "x"}}, pod_marks=(name, "buildandpush.dev"))


def test_kaniko_runs_on_linux() -> None:
    with pytest.raises(SpecInvalidError, match=r"^podTemplate.nodeSelector: .*linux"):
        check({"nodeSelector": {"kubernetes.io/os": "windows"}})


@pytest.mark.parametrize("name", ["system-cluster-critical", "system-node-critical", "system-x"])
def test_the_clusters_own_priorities_are_never_a_users(name: str) -> None:
    with pytest.raises(SpecInvalidError, match=r"^podTemplate.priorityClassName: .*kept for the cluster's own pods"):
        check({"priorityClassName": name}, priority_classes=(ANY, name))


@pytest.mark.parametrize(
    ("field", "setting", "where"),
    [
        ("priorityClassName", "priority_classes", "priorityClasses"),
        ("runtimeClassName", "runtime_classes", "runtimeClasses"),
    ],
)
def test_classes_may_be_held_to_a_list(field: str, setting: str, where: str) -> None:
    check({field: "a"}, **{setting: ("a", "b")})
    with pytest.raises(
        SpecInvalidError, match=rf"^podTemplate.{field}: 'c' is not among those allowed.*allowed.{where}"
    ):
        check({field: "c"}, **{setting: ("a", "b")})


@pytest.mark.proves("serviceAccountName")
def test_a_service_account_is_one_that_the_installer_names() -> None:
    assert check_service_account("", SETTINGS) == ""
    with pytest.raises(SpecInvalidError, match="^serviceAccountName: 'builds' is not among those allowed"):
        check_service_account("builds", SETTINGS)
    assert check_service_account("builds", replace(SETTINGS, service_accounts=("builds",))) == "builds"
    assert check_service_account("builds", replace(SETTINGS, service_accounts=(ANY,))) == "builds"


def test_what_kubernetes_itself_checks_is_passed_on_as_it_is() -> None:
    template = {
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"x": [1, {"y": None}]}},
        "topologySpreadConstraints": [{"maxSkew": 1}],
        "priorityClassName": "batch-low",
        "runtimeClassName": "kata",
    }
    found = pod_fields(PodTemplate.model_validate({**template, "imagePullSecrets": ["mirror-pull"]}))
    assert {name: found[name] for name in ("tolerations", "topologySpreadConstraints", "priorityClassName")} == {
        name: template[name] for name in ("tolerations", "topologySpreadConstraints", "priorityClassName")
    }
    assert found["runtimeClassName"] == "kata"
    assert found["imagePullSecrets"] == [{"name": "mirror-pull"}]
    assert pod_fields(None) == {}


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("labels", "sidecar.istio.io/inject", "false"),
        ("labels", "istio.io/dataplane-mode", "none"),
        ("labels", "kuma.io/sidecar-injection", "disabled"),
        ("annotations", "sidecar.istio.io/inject", "false"),
        ("annotations", "linkerd.io/inject", "disabled"),
        ("annotations", "consul.hashicorp.com/connect-inject", "false"),
    ],
)
def test_every_user_may_keep_a_mesh_away(field: str, name: str, value: str) -> None:
    check({field: {name: value}})
    with pytest.raises(SpecInvalidError, match="powers"):
        check({field: {name: "enabled"}})


def _settings(**changes: Any) -> BuildSettings:
    return replace(SETTINGS, **changes)


def test_pods_stay_outside_of_meshes_and_on_their_node_unless_the_installer_says_otherwise() -> None:
    assert pod_labels(None, SETTINGS)["sidecar.istio.io/inject"] == "false"
    assert pod_annotations(None, SETTINGS)["linkerd.io/inject"] == "disabled"
    assert pod_annotations(None, SETTINGS)["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert pod_annotations(None, SETTINGS)["karpenter.sh/do-not-disrupt"] == "true"
    bare = _settings(outside_mesh=False, keep_from_eviction=False)
    assert pod_labels(None, bare) == {}
    assert pod_annotations(None, bare) == {}


def test_a_users_own_mark_stands_above_those() -> None:
    template = PodTemplate(annotations={"karpenter.sh/do-not-disrupt": "false"})
    assert pod_annotations(template, SETTINGS)["karpenter.sh/do-not-disrupt"] == "false"


DEFAULTS = PodTemplate.model_validate(
    {
        "labels": {"team": "platform", "cost": "1"},
        "nodeSelector": {"pool": "builds"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "batch",
        "runtimeClassName": "kata",
        "imagePullSecrets": ["mirror"],
    }
)


def test_the_installers_template_holds_where_the_spec_says_nothing() -> None:
    assert merge_pod_template(None, DEFAULTS) == DEFAULTS
    assert merge_pod_template(PodTemplate(), DEFAULTS) == DEFAULTS
    assert merge_pod_template(DEFAULTS, None) == DEFAULTS
    assert merge_pod_template(None, None) is None


def test_the_specs_template_stands_above_the_installers() -> None:
    own = PodTemplate.model_validate(
        {
            "labels": {"team": "shop"},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "builds", "operator": "Exists"}, {"key": "mine"}],
            "affinity": {"podAffinity": {}},
            "priorityClassName": "urgent",
            "imagePullSecrets": ["own", "mirror"],
        }
    )
    assert merge_pod_template(own, DEFAULTS) == PodTemplate.model_validate(
        {
            "labels": {"team": "shop", "cost": "1"},
            "nodeSelector": {"pool": "builds", "disk": "fast"},
            "tolerations": [{"key": "builds", "operator": "Exists"}, {"key": "mine"}],
            "affinity": {"podAffinity": {}},
            "priorityClassName": "urgent",
            "runtimeClassName": "kata",
            "imagePullSecrets": ["mirror", "own"],
        }
    )


def test_the_node_has_linux_and_the_images_architecture() -> None:
    assert node_selector(None, "") == {"kubernetes.io/os": "linux"}
    assert node_selector(PodTemplate(node_selector={"pool": "x"}), "arm64") == {
        "kubernetes.io/arch": "arm64",
        "kubernetes.io/os": "linux",
        "pool": "x",
    }
