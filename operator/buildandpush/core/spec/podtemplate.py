"""Placement and marks of the build pod. Marks that give a pod more rights are refused."""

from collections.abc import Mapping
from typing import Final, TypeVar

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.api.pod import PodTemplate
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import ANY, BuildSettings
from buildandpush.core.spec.platform import ARCH_LABEL

_T = TypeVar("_T")

_OURS: Final = frozenset(
    {
        "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component",
        "app.kubernetes.io/managed-by", "kubectl.kubernetes.io/default-container",
    }
)  # fmt: skip
"""Marks that the operator sets itself; so are all of its own domain."""

_POWERS: Final = (
    "azure.workload.identity", "aadpodidbinding", "istio.io", "linkerd.io", "kuma.io", "consul.hashicorp.com",
    "vault.hashicorp.com", "iam.amazonaws.com", "eks.amazonaws.com", "iam.gke.io",
    "apparmor.security.beta.kubernetes.io",
    "seccomp.security.alpha.kubernetes.io", "cni.projectcalico.org", "k8s.v1.cni.cncf.io", "cilium.io", "openshift.io",
)  # fmt: skip
"""Domains of identity, mesh, network and security systems, whose marks give a pod a login, a proxy or a privilege."""

_OS: Final = "kubernetes.io/os"

# What the meshes' own documents give for a pod that they leave alone. Istio reads the label, older ones the annotation.
_OUTSIDE_LABELS: Final = {
    "sidecar.istio.io/inject": "false",
    "istio.io/dataplane-mode": "none",
    "kuma.io/sidecar-injection": "disabled",
}
_OUTSIDE_ANNOTATIONS: Final = {
    "sidecar.istio.io/inject": "false",
    "linkerd.io/inject": "disabled",
    "kuma.io/sidecar-injection": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
}
_OUTSIDE: Final = frozenset({*_OUTSIDE_LABELS.items(), *_OUTSIDE_ANNOTATIONS.items()})
"""Marks that take a power away, so every user may set them."""

# A build that is moved begins anew. https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md,
# https://karpenter.sh/docs/concepts/disruption/#pod-level-controls
_STAYS: Final = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}


def check_pod_template(template: PodTemplate | None, settings: BuildSettings) -> None:
    """Raise SpecInvalidError for values that no user may set, and for those that the installer has not allowed."""
    if template is None:
        return
    for field, marks in (("labels", template.labels), ("annotations", template.annotations)):
        for name, value in (marks or {}).items():
            if (name, value) not in _OUTSIDE:
                _check_mark(f"podTemplate.{field}", name, settings)
    if (template.node_selector or {}).get(_OS, "linux") != "linux":
        raise SpecInvalidError("podTemplate.nodeSelector", f"{_OS} can only be linux, which kaniko needs; remove it")
    priority = template.priority_class_name or ""
    if priority.startswith("system-"):
        raise SpecInvalidError(
            "podTemplate.priorityClassName", f"{priority!r} is kept for the cluster's own pods; name another class"
        )
    _check_allowed("podTemplate.priorityClassName", priority, settings.priority_classes, "allowed.priorityClasses")
    runtime = template.runtime_class_name or ""
    _check_allowed("podTemplate.runtimeClassName", runtime, settings.runtime_classes, "allowed.runtimeClasses")


def check_service_account(name: str, settings: BuildSettings) -> str:
    """The name, if the installer allows it; raises SpecInvalidError."""
    _check_allowed("serviceAccountName", name, settings.service_accounts, "allowed.serviceAccounts")
    return name


def merge_pod_template(template: PodTemplate | None, defaults: PodTemplate | None) -> PodTemplate | None:
    """The spec's template above the installer's. Maps are merged, tolerations and pull Secrets are added up; of every
    other field the spec's value holds."""
    if template is None or defaults is None:
        return template or defaults
    return PodTemplate(
        labels={**(defaults.labels or {}), **(template.labels or {})} or None,
        annotations={**(defaults.annotations or {}), **(template.annotations or {})} or None,
        node_selector={**(defaults.node_selector or {}), **(template.node_selector or {})} or None,
        tolerations=_joined(defaults.tolerations, template.tolerations),
        affinity=template.affinity or defaults.affinity,
        priority_class_name=template.priority_class_name or defaults.priority_class_name,
        runtime_class_name=template.runtime_class_name or defaults.runtime_class_name,
        topology_spread_constraints=template.topology_spread_constraints or defaults.topology_spread_constraints,
        image_pull_secrets=_joined(defaults.image_pull_secrets, template.image_pull_secrets),
    )


def pod_labels(template: PodTemplate | None, settings: BuildSettings) -> dict[str, str]:
    """The labels that installer and user add."""
    return {**(_OUTSIDE_LABELS if settings.outside_mesh else {}), **((template and template.labels) or {})}


def pod_annotations(template: PodTemplate | None, settings: BuildSettings) -> dict[str, str]:
    """The annotations that installer and user add."""
    return {
        **(_OUTSIDE_ANNOTATIONS if settings.outside_mesh else {}),
        **(_STAYS if settings.keep_from_eviction else {}),
        **((template and template.annotations) or {}),
    }


def node_selector(template: PodTemplate | None, arch: str) -> dict[str, str]:
    """The labels that the node must have: kaniko needs Linux, and the image its architecture, if there is one."""
    chosen: Mapping[str, str] = (template and template.node_selector) or {}
    return {**({ARCH_LABEL: arch} if arch else {}), **chosen, _OS: "linux"}


def pod_fields(template: PodTemplate | None) -> Manifest:
    """The fields of the pod's spec that a template sets beside its node selector, as they are."""
    if template is None:
        return {}
    values = template.to_dict()
    names = ("tolerations", "affinity", "priorityClassName", "runtimeClassName", "topologySpreadConstraints")
    fields = {name: values[name] for name in names if values.get(name)}
    secrets = [{"name": name} for name in template.image_pull_secrets or ()]
    return {**fields, **({"imagePullSecrets": secrets} if secrets else {})}


def _joined(first: list[_T] | None, second: list[_T] | None) -> list[_T] | None:
    joined = [*(first or ())]
    return [*joined, *(item for item in second or () if item not in joined)] or None


def _check_mark(field: str, name: str, settings: BuildSettings) -> None:
    domain = name.partition("/")[0].lower()
    if name.lower() in _OURS or _belongs(domain, (meta.GROUP,)):
        raise SpecInvalidError(field, f"{name[:200]!r} is the operator's own; remove it")
    if _belongs(domain, _POWERS) and not any(name.startswith(prefix) for prefix in settings.pod_marks if prefix):
        raise SpecInvalidError(
            field,
            f"{name[:200]!r} may give the build pod powers; ask the operator's installer to add it to allowed.podMarks",
        )


def _belongs(domain: str, families: tuple[str, ...]) -> bool:
    return any(domain == family or domain.endswith(f".{family}") for family in families)


def _check_allowed(field: str, name: str, allowed: tuple[str, ...], where: str) -> None:
    if name and name not in allowed and ANY not in allowed:
        raise SpecInvalidError(
            field, f"{name[:200]!r} is not among those allowed; ask the operator's installer to add it to {where}"
        )
