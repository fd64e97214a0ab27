"""The pod that reads a push back from the registry where the operator cannot, and what it reports.

It is a pod and no further container of the build pod. The containers of one pod share the network, /etc/hosts and
/etc/resolv.conf, and a RUN line may write both files. Nothing of a build reaches another pod.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.core import naming
from buildandpush.core.facts import LoginSecretRef, Owner, ReadBack
from buildandpush.core.jsonvalue import parse_object
from buildandpush.core.pod import egress
from buildandpush.core.pod.manifest import READ_BACK_CONTAINER, Attempt, node_labels
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.spec.podtemplate import node_selector, pod_annotations, pod_fields, pod_labels

PATIENCE_SECONDS: Final = 180
"""How long the pod asks a registry that does not answer."""
LOGIN_MOUNT: Final = meta.REGISTRY_LOGIN_MOUNT
CA_MOUNT: Final = meta.REGISTRY_CA_MOUNT
CERTIFICATES_MOUNT: Final = egress.SOURCE_MOUNT
MAX_REPORT: Final = 4096
"""Bytes that a kubelet keeps of a termination message."""

_UID: Final = 65532
_DEADLINE_SECONDS: Final = 600
_MAX_PROBLEM: Final = 300
"""Characters. JSON may need twelve bytes for one."""
_MAX_WORD: Final = 128
"""Characters of a media type or platform. A longer one is none."""
_RESOURCES: Final[Manifest] = {
    "requests": {"cpu": "50m", "memory": "128Mi"},
    "limits": {"cpu": "500m", "memory": "256Mi"},
}


@dataclass(frozen=True)
class Claim:
    """What kaniko says it pushed, and how its registry is asked."""

    repository: str
    """With its host."""
    tags: tuple[str, ...]
    digest: str
    run_label: str
    """The label that the run's images carry; empty where they carry none."""
    tls: str = "verified"
    """`verified`; `unverified` where the certificate is not checked; `plain` where http will do."""


@dataclass(frozen=True)
class Report:
    """What the pod found."""

    read_back: ReadBack
    own: bool = False
    """Whether the image of the digest carries the run's label. Only told where a tag names another image."""


def plan_claim(claim: Claim, plan: BuildPlan | None) -> Claim:
    """The claim with the TLS exceptions that hold for its host; without a plan there are none."""
    host = claim.repository.split("/", 1)[0]
    registries = plan.options.registries if plan else None
    if registries is not None and host in registries.plain:
        return replace(claim, tls="plain")
    if registries is not None and host in registries.unverified:
        return replace(claim, tls="unverified")
    return claim


def build_read_back_pod(
    claim: Claim,
    plan: BuildPlan | None,
    *,
    owner: Owner,
    attempt: Attempt,
    login: LoginSecretRef,
    settings: BuildSettings,
) -> Manifest:
    """The whole pod. Placement, marks and account are the build's, so that it gets where the build got.

    Without a plan, since the spec cannot be used by now, only the installer's defaults hold.
    """
    template = plan.options.pod_template if plan else settings.pod_defaults
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": attempt.pod_name,
            "namespace": owner.namespace,
            "labels": {
                **pod_labels(template, settings),
                **naming.build_pod_labels(
                    owner.name,
                    run=attempt.run,
                    build=attempt.build,
                    attempt=attempt.attempt,
                    spec_hash=attempt.spec_hash,
                    component=meta.COMPONENT_READ_BACK,
                ),
            },
            "annotations": {**pod_annotations(template, settings), **egress.certificate_annotations(settings)},
            "ownerReferences": [
                {
                    "apiVersion": meta.API_VERSION,
                    "kind": meta.BUILD_KIND,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": _DEADLINE_SECONDS,
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **pod_fields(template),
            # It runs the image of the build's source container, which need not be there for each architecture.
            "nodeSelector": node_labels(plan) if plan else node_selector(template, ""),
            **_account(plan),
            **_name_servers(plan),
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(plan_claim(claim, plan), login, settings)],
            "volumes": [*_volumes(claim, login), *egress.certificate_volumes(settings)],
        },
    }


def _account(plan: BuildPlan | None) -> Manifest:
    account = plan.options.service_account if plan else ""
    return {"serviceAccountName": account} if account else {}


def _name_servers(plan: BuildPlan | None) -> Manifest:
    servers = list(plan.options.name_servers) if plan else []
    return {"dnsPolicy": "None", "dnsConfig": {"nameservers": servers}} if servers else {}


def _container(claim: Claim, login: LoginSecretRef, settings: BuildSettings) -> Manifest:
    mounts: list[Manifest] = [{"name": "login", "mountPath": LOGIN_MOUNT, "readOnly": True}]
    if _has_ca(claim, login):
        mounts.append({"name": "ca", "mountPath": CA_MOUNT, "readOnly": True})
    return {
        "name": READ_BACK_CONTAINER,
        "image": settings.source_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python3", "-m", "buildandpush.readback"],
        "args": [render_claim(claim)],
        "env": egress.proxy_environment(settings.proxy),
        "securityContext": {
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _RESOURCES,
        "volumeMounts": [*mounts, *egress.certificate_mounts(settings, CERTIFICATES_MOUNT)],
        "terminationMessagePolicy": "File",
    }


def _has_ca(claim: Claim, login: LoginSecretRef) -> bool:
    return claim.repository.split("/", 1)[0] in login.ca_hosts


def _volumes(claim: Claim, login: LoginSecretRef) -> list[Manifest]:
    config = {"key": ".dockerconfigjson", "path": "config.json"}
    secret = {"secretName": login.secret_name, "items": [config], "defaultMode": 0o444}
    volumes: list[Manifest] = [{"name": "login", "secret": secret}]
    if _has_ca(claim, login):
        file = naming.ca_file(claim.repository.split("/", 1)[0])
        ca = {"secretName": login.secret_name, "items": [{"key": file, "path": "ca.crt"}]}
        volumes.append({"name": "ca", "secret": ca})
    return volumes


# ---- what the operator and the pod tell each other


def render_claim(claim: Claim) -> str:
    """The pod's one argument."""
    return json.dumps(
        {
            "repository": claim.repository,
            "tags": list(claim.tags),
            "digest": claim.digest,
            "runLabel": claim.run_label,
            "tls": claim.tls,
        }
    )


def parse_claim(text: str) -> Claim:
    """The claim in the pod's argument; raises ValueError, KeyError or TypeError for what is none."""
    raw = parse_object(text)
    return Claim(raw["repository"], tuple(raw["tags"]), raw["digest"], raw["runLabel"], raw["tls"])


def render_report(report: Report, claim: Claim) -> str:
    """One JSON object of at most 4096 bytes. Of many moved tags as many are told as there is room for."""
    found = report.read_back
    told: dict[str, Any] = {"problem": found.problem[:_MAX_PROBLEM]} if found.problem else {}
    if not found.problem:
        told = {"found": found.digest_found, "own": report.own, "moved": {}}
        details = {"size": found.size_bytes, "mediaType": found.media_type, "platform": found.platform}
        told |= {key: value for key, value in details.items() if value is not None and len(str(value)) <= _MAX_WORD}
    text = json.dumps(told)
    for tag in () if found.problem else claim.tags:
        if found.tags.get(tag) == claim.digest:
            continue
        told["moved"][tag] = found.tags.get(tag)
        longer = json.dumps(told)
        if len(longer) > MAX_REPORT:
            break
        text = longer
    return text


def read_report(pod: PodObservation, claim: Claim) -> Report | None:
    """What an ended pod reported; None where it reported nothing of use, as one that was evicted."""
    if not pod.read_back.terminated:
        return None
    try:
        raw = parse_object(pod.read_back.message)
        if raw.get("problem"):
            return Report(ReadBack({}, digest_found=False, problem=str(raw["problem"])))
        tags = {tag: raw["moved"].get(tag, claim.digest) for tag in claim.tags}
        read_back = ReadBack(
            tags,
            digest_found=raw["found"] is True,
            size_bytes=raw.get("size"),
            media_type=raw.get("mediaType"),
            platform=raw.get("platform"),
        )
        return Report(read_back, own=raw["own"] is True)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
