"""The table of faults. A row says what breaks and heals, and which ends of the builds are right."""

from functools import partial
from typing import Any, Final

from tests.chaos import inflict, outages
from tests.chaos.drill import Fault, Inflict


def _stopped(name: str) -> Inflict:
    return partial(outages.component_stopped, name=name)


def _registry(**action: Any) -> Inflict:
    return partial(inflict.registry_answers, **action)


FAULTS: Final = (
    # ---- the operator
    Fault("operator-killed", inflict.operator_killed, brief=True),
    Fault("leader-lost", inflict.leader_lost),
    Fault("leader-paused", inflict.leader_paused),
    Fault("lease-deleted", inflict.lease_deleted),
    # ---- the control plane
    Fault("api-server-stopped", _stopped("kube-apiserver"), lasts=10, brief=True),
    Fault("api-server-hung", partial(outages.component_hung, name="kube-apiserver"), lasts=20),
    Fault("api-server-restarted", _stopped("kube-apiserver")),
    Fault("etcd-stopped", _stopped("etcd"), lasts=10),
    Fault("etcd-compacted", outages.etcd_compacted),
    Fault("etcd-restored", outages.etcd_restored),
    Fault("scheduler-stopped", _stopped("kube-scheduler"), lasts=10, starts_within=True),
    Fault("controllers-stopped", _stopped("kube-controller-manager"), lasts=10, starts_within=True),
    # kaniko's own retries may outlast it, so that no build tells of it.
    Fault("dns-stopped", _stopped("coredns"), lasts=25, attempts=4),
    # ---- pods and nodes
    # On a quick machine builds end well within the grace period of their pods, so that none tells of it.
    Fault("pods-deleted", inflict.pods_deleted, attempts=2, brief=True),
    Fault("pods-drained", inflict.pods_drained, attempts=2),
    Fault("node-lost", outages.node_lost, lasts=10, attempts=2),
    Fault("node-rebooted", outages.node_rebooted, attempts=2, tells="NodeLost", within=420),
    # The runtime does not tell how a container ended that ends while it is away. The image tells if it was pushed.
    Fault("runtime-stopped", _stopped("containerd"), lasts=10, attempts=2),
    Fault(
        "disk-full",
        inflict.disk_full,
        lasts=10,
        attempts=5,
        starts_within=True,
        spoiled=inflict.with_a_file,
        tells="NodeDiskFull",
    ),
    Fault(
        "storage-limit",
        inflict.nothing,
        spoiled=inflict.larger_than_its_limit,
        spoiled_end="StorageLimitExceeded",
        tells="StorageLimitExceeded",
    ),
    Fault("long-log", inflict.nothing, spoiled=inflict.with_a_long_log, spoiled_end="RunFailed", tells="RunFailed"),
    # ---- objects that builds need
    Fault("secrets-removed", inflict.secrets_removed, lasts=10, starts_within=True, tells="SecretMissing"),
    Fault("connector-replaced", inflict.connector_replaced, lasts=5, starts_within=True, tells="ConnectorMissing"),
    Fault("namespace-deleted", inflict.namespace_deleted),
    Fault("webhook-down", inflict.webhook_away, lasts=10, starts_within=True, tells="ApiRefused"),
    Fault("large-status", inflict.leader_lost, spoiled=inflict.with_a_large_status),
    # ---- the registry and Entra ID
    Fault("registry-500", _registry(status=500), lasts=10, attempts=4, tells="PushFailed", brief=True),
    Fault(
        "registry-429",
        _registry(status=429, headers={"Retry-After": "3"}),
        lasts=10,
        attempts=4,
        tells="PushFailed",
    ),
    Fault("registry-slow", _registry(delaySeconds=2), lasts=15),
    Fault("registry-gone", inflict.registry_gone, lasts=10, attempts=4, tells="RegistryUnreachable"),
    Fault("uploads-forgotten", inflict.uploads_forgotten, lasts=10, attempts=4, tells="PushFailed"),
    Fault(
        "entra-down",
        inflict.entra_down,
        lasts=10,
        starts_within=True,
        spoiled=inflict.with_entra,
        tells="LoginUnavailable",
    ),
)
