"""The Azure clouds: where Entra ID, the resource manager, the portal and the registries of each are.

Sources: https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure and
https://learn.microsoft.com/azure/china/resources-developer-guide
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from buildandpush.api.connector import AzureConnectorSpec

REGISTRY_AUDIENCE: Final = "https://containerregistry.azure.net"
"""Whom a token for a registry is for, in every cloud; a registry may refuse the resource manager's audience."""


@dataclass(frozen=True)
class Cloud:
    """The hosts of one Azure."""

    name: str
    authority: str
    """Entra ID, with scheme."""
    registries: tuple[str, ...]
    """Patterns of the hosts that an identity's token may be sent to: a host or *.suffix."""
    resource_manager: str | None = None
    """With scheme."""
    resource_manager_audience: str | None = None
    portal: str | None = None
    """With scheme."""

    @property
    def authority_host(self) -> str:
        """Host and port of Entra ID."""
        return urlsplit(self.authority).netloc.lower()

    @property
    def resource_manager_host(self) -> str | None:
        """Host and port of the resource manager."""
        return urlsplit(self.resource_manager).netloc.lower() if self.resource_manager else None


_BUILT_IN: Final = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            "AzurePublic",
            "https://login.microsoftonline.com",
            ("*.azurecr.io",),
            "https://management.azure.com",
            "https://management.azure.com",
            "https://portal.azure.com",
        ),
        Cloud(
            "AzureUSGovernment",
            "https://login.microsoftonline.us",
            ("*.azurecr.us",),
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net",
            "https://portal.azure.us",
        ),
        Cloud(
            "AzureChina",
            "https://login.chinacloudapi.cn",
            ("*.azurecr.cn",),
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
            "https://portal.azure.cn",
        ),
    )
}


_NODE_METADATA: Final = "169.254.169.254"
# https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service


class HostClass(StrEnum):
    """What a host is, without its name."""

    REGISTRY = "azurecr.io"
    ENTRA = "entra"
    RESOURCE_MANAGER = "arm"
    NODE = "node"
    OTHER = "other"


def classify_host(host: str) -> HostClass:
    """What a host is, whichever of Azure's own clouds it belongs to. Hosts of custom clouds are others."""
    if is_cloud_registry(host):
        return HostClass.REGISTRY
    if any(host == cloud.authority_host for cloud in _BUILT_IN.values()):
        return HostClass.ENTRA
    if any(host == cloud.resource_manager_host for cloud in _BUILT_IN.values()):
        return HostClass.RESOURCE_MANAGER
    return HostClass.NODE if host == _NODE_METADATA else HostClass.OTHER


def find_cloud(spec: AzureConnectorSpec) -> Cloud:
    """The cloud that a connector names; for a custom cloud, with the connector's hosts."""
    if spec.custom_cloud is None:
        return _BUILT_IN[spec.cloud or "AzurePublic"]
    custom = spec.custom_cloud
    manager = custom.resource_manager_endpoint
    return Cloud(
        "Custom",
        custom.authority_host.rstrip("/"),
        (),
        manager.rstrip("/") if manager else None,
        manager.rstrip("/") if manager else None,
        custom.portal_url.rstrip("/") if custom.portal_url else None,
    )


def matches_host(host: str, pattern: str) -> bool:
    """Whether a host is the pattern's, or at any depth below the suffix of `*.suffix`.

    A registry has names at several depths, such as contoso.azurecr.io and contoso.westeurope.geo.azurecr.io. The suffix
    itself is not below it, and neither is x.azurecr.io.evil.test.
    """
    if not pattern.startswith("*."):
        return host == pattern
    below = host.removesuffix(pattern[1:])
    return below != host and all(below.split("."))


def is_cloud_registry(host: str) -> bool:
    """Whether a host is a registry of one of Azure's own clouds, so that Microsoft's DNS says where it is."""
    return any(matches_host(host, pattern) for cloud in _BUILT_IN.values() for pattern in cloud.registries)


def is_allowed_registry(spec: AzureConnectorSpec, host: str) -> bool:
    """Whether an identity's token may be sent to this host, whatever a build's repository says."""
    allowed = spec.allowed_registries or find_cloud(spec).registries
    return any(matches_host(host, pattern) for pattern in allowed)
