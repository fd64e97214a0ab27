"""What a user may set of the build pod: placement and marks, without the marks that give a pod powers."""

from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.pod import PodTemplate
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import ANY, BuildSettings

Manifest = dict[str, Any]

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


def check_pod_template(template: PodTemplate | None, settings: BuildSettings) -> None:
    """Raises SpecInvalidError for what a build's owner may not set, or not without the installer's leave."""
    if template is None:
        return
    for field, marks in (("labels", template.labels), ("annotations", template.annotations)):
        for name in marks or {}:
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


def pod_labels(template: PodTemplate | None) -> dict[str, str]:
    """The labels that a template adds."""
    return dict((template and template.labels) or {})


def pod_annotations(template: PodTemplate | None) -> dict[str, str]:
    """The annotations that a template adds."""
    return dict((template and template.annotations) or {})


def pod_fields(template: PodTemplate | None) -> Manifest:
    """The fields of the pod's spec that a template sets beside its node selector, as they are."""
    if template is None:
        return {}
    values = template.to_dict()
    names = ("tolerations", "affinity", "priorityClassName", "runtimeClassName", "topologySpreadConstraints")
    fields = {name: values[name] for name in names if values.get(name)}
    secrets = [{"name": name} for name in template.image_pull_secrets or ()]
    return {**fields, **({"imagePullSecrets": secrets} if secrets else {})}


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
