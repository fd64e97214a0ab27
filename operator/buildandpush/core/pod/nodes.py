"""Whether the cluster's nodes can run pods in user namespaces. The nodes' own statuses decide.

https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_KUBELET: Final = (1, 33)
"""The first version whose kubelets do it without being told to."""
_KERNEL: Final = (6, 3)
"""The first Linux that maps users on tmpfs, which Secrets are mounted from."""


def can_map_users(node: Mapping[str, Any]) -> bool:
    """Whether a node's kubelet, kernel and container runtime can map the users of a pod of the usual runtime class."""
    # A node of kind says that it can, but its containers are refused their own /sys or their hooks:
    # https://github.com/kubernetes-sigs/kind/issues/3436
    if str((node.get("spec") or {}).get("providerID") or "").startswith("kind://"):
        return False
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    if _version(info.get("kubeletVersion")) < _KUBELET or _version(info.get("kernelVersion")) < _KERNEL:
        return False
    usual = [handler for handler in status.get("runtimeHandlers") or () if not handler.get("name")]
    return any((handler.get("features") or {}).get("userNamespaces") is True for handler in usual)


def runs_builds(node: Mapping[str, Any]) -> bool:
    """Whether build pods may come to a node: they ask for Linux."""
    system = ((node.get("status") or {}).get("nodeInfo") or {}).get("operatingSystem")
    labels = (node.get("metadata") or {}).get("labels") or {}
    return bool(labels.get("kubernetes.io/os", system) == "linux")


def _version(text: str | None) -> tuple[int, int]:
    """Major and minor of v1.34.4, 6.8.0-45-generic and the like; (0, 0) of anything else."""
    found = re.match(r"v?(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else (0, 0)
