"""The build pod's manifest: one literal, filled in from a plan and the settings."""

import json
from dataclasses import dataclass
from typing import Final

from buildandpush.api import meta
from buildandpush.api.meta import API_VERSION, BUILD_KIND, Manifest
from buildandpush.core import naming
from buildandpush.core.facts import LoginSecretRef, Owner
from buildandpush.core.pod import egress
from buildandpush.core.pod.kaniko import (
    CA_MOUNT,
    LOGIN_MOUNT,
    WORKSPACE,
    compatibility_environment,
    kaniko_arguments,
)
from buildandpush.core.pod.sourcerequest import build_source_request
from buildandpush.core.pod.sourcevolumes import source_mounts, source_volumes
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.buildsecrets import MOUNT as SECRETS_MOUNT
from buildandpush.core.spec.buildsecrets import arg_environment, secret_volume
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.spec.platform import arch_of
from buildandpush.core.spec.podtemplate import node_selector, pod_annotations, pod_fields, pod_labels
from buildandpush.core.spec.workspace import MOUNT as VOLUME_MOUNT

SOURCE_CONTAINER: Final = "source"
KANIKO_CONTAINER: Final = "kaniko"
READ_BACK_CONTAINER: Final = "read-back"

_SOURCE_UID: Final = 65532
_GRACE_SECONDS: Final = 5
_REQUEST_MOUNT: Final = "/etc/buildandpush"

# What unpacking an image and running its RUN lines as root needs; all of them fit Pod Security "baseline".
CAPABILITIES: Final = [
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "SETFCAP", "SETGID", "SETUID", "SYS_CHROOT",
]  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """The run, the build and the attempt that a pod belongs to."""

    pod_name: str
    """The name that the status announces."""
    run: int
    build: int
    attempt: int
    spec_hash: str


def build_pod_manifest(
    plan: BuildPlan, *, owner: Owner, attempt: Attempt, login: LoginSecretRef, settings: BuildSettings
) -> Manifest:
    """The whole pod. The same arguments give the same pod, which the golden files in the tests hold."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": attempt.pod_name,
            "namespace": owner.namespace,
            # Our labels come last, so that no label of a user replaces one that the operator finds its pods by.
            "labels": {
                **pod_labels(plan.options.pod_template, settings),
                **naming.build_pod_labels(
                    owner.name,
                    run=attempt.run,
                    build=attempt.build,
                    attempt=attempt.attempt,
                    spec_hash=attempt.spec_hash,
                ),
            },
            "annotations": {
                **pod_annotations(plan.options.pod_template, settings),
                **egress.certificate_annotations(settings),
                **_annotations(plan, login, settings),
            },
            # No blockOwnerDeletion: deleting the resource never waits for a pod.
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": BUILD_KIND,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": plan.timeout_seconds,
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **pod_fields(plan.options.pod_template),
            **_pod_options(plan),
            "securityContext": _pod_security(plan),
            "initContainers": [_source_container(plan, login, settings)] if _fetches(plan) else [],
            "containers": [_kaniko_container(plan, owner, attempt, login, settings)],
            "volumes": [*_volumes(plan, login), *egress.certificate_volumes(settings)],
        },
    }


def _fetches(plan: BuildPlan) -> bool:
    """Whether the pod fetches a source. A push of an existing image does not."""
    return not plan.options.source_image


def _annotations(plan: BuildPlan, login: LoginSecretRef, settings: BuildSettings) -> Manifest:
    container = {"kubectl.kubernetes.io/default-container": KANIKO_CONTAINER}
    if not _fetches(plan):
        return container
    return {
        meta.ANNOTATION_SOURCE: json.dumps(
            build_source_request(plan, login, settings), sort_keys=True, ensure_ascii=False
        ),
        **container,
    }


def _pod_security(plan: BuildPlan) -> Manifest:
    security: Manifest = {"seccompProfile": {"type": "RuntimeDefault"}}
    if plan.run_as_user and plan.options.workspace.claim:
        # A fresh volume belongs to root, and kaniko is not root here. Only its top is looked at where it is theirs.
        security |= {"fsGroup": plan.run_as_user, "fsGroupChangePolicy": "OnRootMismatch"}
    return security


def _pod_options(plan: BuildPlan) -> Manifest:
    """Fields of the pod's spec that are present only if they are set."""
    options = plan.options
    fields: Manifest = {"nodeSelector": node_labels(plan)}
    if options.service_account:
        fields["serviceAccountName"] = options.service_account
    if options.user_namespace:
        fields["hostUsers"] = False
    if options.name_servers:
        fields |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": list(options.name_servers)}}
    return fields


def node_labels(plan: BuildPlan) -> dict[str, str]:
    """The labels that a node for the build must have."""
    options = plan.options
    # A push of an image file runs nothing of the image's, so any node will do.
    arch = "" if options.push_only else arch_of(options.platform)
    return node_selector(options.pod_template, arch)


def _source_container(plan: BuildPlan, login: LoginSecretRef, settings: BuildSettings) -> Manifest:
    # kaniko opens files with O_NOATIME, which only their owner or root may do.
    uid = plan.run_as_user or _SOURCE_UID
    return {
        "name": SOURCE_CONTAINER,
        "image": settings.source_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python3", "-m", "buildandpush.source"],
        "args": [f"{_REQUEST_MOUNT}/source.json"],
        "env": [
            {"name": "HOME", "value": "/tmp"},  # noqa: S108 - a path in the pod, an emptyDir of its own
            *egress.proxy_environment(settings.proxy),
        ],
        "securityContext": {
            "runAsUser": uid,
            "runAsGroup": uid,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _resources(plan),
        "volumeMounts": [
            {"name": "workspace", "mountPath": WORKSPACE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "request", "mountPath": _REQUEST_MOUNT, "readOnly": True},
            *egress.certificate_mounts(settings, egress.SOURCE_MOUNT),
            *source_mounts(plan, login),
        ],
        "terminationMessagePolicy": "File",
    }


def _kaniko_container(
    plan: BuildPlan, owner: Owner, attempt: Attempt, login: LoginSecretRef, settings: BuildSettings
) -> Manifest:
    options = plan.options
    mounts: list[Manifest] = [{"name": "workspace", "mountPath": WORKSPACE}] if _fetches(plan) else []
    if options.workspace.claim:
        mounts.append({"name": "volume", "mountPath": VOLUME_MOUNT})
    if secret_volume(options.secret_files):
        mounts.append({"name": "build-secrets", "mountPath": SECRETS_MOUNT, "readOnly": True})
    if login.secret_name:
        # A directory, never a subPath: a subPath would not follow a renewed login.
        mounts.append({"name": "login", "mountPath": LOGIN_MOUNT, "readOnly": True})
    if login.ca_hosts:
        mounts.append({"name": "ca", "mountPath": CA_MOUNT, "readOnly": True})
    mounts += egress.certificate_mounts(settings, egress.KANIKO_MOUNT)
    arguments = kaniko_arguments(
        plan,
        run_label=naming.run_label(owner.uid, run=attempt.run, build=attempt.build, spec_hash=attempt.spec_hash),
        compatibility=settings.compatibility,
        ca_hosts=login.ca_hosts,
    )
    if _fetches(plan):
        arguments += egress.proxy_build_arguments(settings.proxy, tuple(plan.build_args))
    return {
        "name": KANIKO_CONTAINER,
        "image": settings.executor_image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": arguments,
        # kaniko refuses to run where it sees no container, and without a service account token it may see none.
        "env": [
            {"name": "container", "value": "kube"},
            *compatibility_environment(plan, settings.compatibility),
            *egress.kaniko_environment(settings),
            *arg_environment(options.arg_sources),
        ],
        "securityContext": {
            "runAsUser": plan.run_as_user,
            "runAsGroup": plan.run_as_user,
            "runAsNonRoot": plan.run_as_user != 0,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": CAPABILITIES},
        },
        "resources": _resources(plan),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "File",
    }


def _resources(plan: BuildPlan) -> Manifest:
    needs = plan.requirements
    limits = {"memory": needs.memory_limit, "cpu": needs.cpu_limit, "ephemeral-storage": needs.storage_limit}
    requests = {"memory": needs.memory_request, "cpu": needs.cpu_request, "ephemeral-storage": needs.storage_request}
    return {
        "limits": {name: amount for name, amount in limits.items() if amount},
        "requests": {name: amount for name, amount in requests.items() if amount},
    }


def _volumes(plan: BuildPlan, login: LoginSecretRef) -> list[Manifest]:
    config = {"key": ".dockerconfigjson", "path": "config.json"}
    field = {"fieldPath": f"metadata.annotations['{meta.ANNOTATION_SOURCE}']"}
    volumes: list[Manifest] = []
    if _fetches(plan):
        volumes += [
            {"name": "workspace", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "request", "downwardAPI": {"items": [{"path": "source.json", "fieldRef": field}]}},
            *source_volumes(plan, login),
        ]
    if plan.options.workspace.claim:
        claim = {"claimName": plan.options.workspace.claim}
        volumes.append({"name": "volume", "persistentVolumeClaim": claim})
    secrets = secret_volume(plan.options.secret_files)
    if secrets:
        volumes.append(secrets)
    if login.secret_name:
        secret = {"secretName": login.secret_name, "items": [config], "defaultMode": 0o444}
        volumes.append({"name": "login", "secret": secret})
    if login.ca_hosts:
        items = [{"key": naming.ca_file(host), "path": naming.ca_file(host)} for host in login.ca_hosts]
        volumes.append({"name": "ca", "secret": {"secretName": login.secret_name, "items": items}})
    return volumes
