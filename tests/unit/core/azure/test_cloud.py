"""Where each cloud's hosts are, and which registries an identity's token may be sent to."""

from typing import Any

import pytest

from buildandpush.api.connector import AzureConnectorSpec
from buildandpush.core.azure.cloud import HostClass, classify_host, find_cloud, is_allowed_registry, matches_host

IDENTITY = {"workloadIdentity": {"tenantId": "t", "clientId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46"}}


def connector(**changes: Any) -> AzureConnectorSpec:
    """A connector with an identity."""
    return AzureConnectorSpec.model_validate({**IDENTITY, **changes})


@pytest.mark.parametrize(
    ("cloud", "authority", "manager", "registry"),
    [
        (None, "login.microsoftonline.com", "management.azure.com", "contoso.azurecr.io"),
        ("AzurePublic", "login.microsoftonline.com", "management.azure.com", "contoso.azurecr.io"),
        ("AzureUSGovernment", "login.microsoftonline.us", "management.usgovcloudapi.net", "contoso.azurecr.us"),
        ("AzureChina", "login.chinacloudapi.cn", "management.chinacloudapi.cn", "contoso.azurecr.cn"),
    ],
)
def test_each_cloud_has_its_own_hosts(cloud: str | None, authority: str, manager: str, registry: str) -> None:
    spec = connector(**({"cloud": cloud} if cloud else {}))
    found = find_cloud(spec)
    assert (found.authority_host, found.resource_manager_host) == (authority, manager)
    for host in ("contoso.azurecr.io", "contoso.azurecr.us", "contoso.azurecr.cn"):
        assert is_allowed_registry(spec, host) is (host == registry)


@pytest.mark.parametrize(
    ("host", "pattern", "expected"),
    [
        ("contoso.azurecr.io", "*.azurecr.io", True),
        ("contoso.westeurope.geo.azurecr.io", "*.azurecr.io", True),
        ("contoso-d4g8bxfhc2c5h9hk.azurecr.io", "*.azurecr.io", True),
        ("a.b.c.d.azurecr.io", "*.azurecr.io", True),
        ("azurecr.io", "*.azurecr.io", False),
        ("contoso..azurecr.io", "*.azurecr.io", False),
        (".contoso.azurecr.io", "*.azurecr.io", False),
        ("contoso.azurecr.io.", "*.azurecr.io", False),
        (".azurecr.io", "*.azurecr.io", False),
        ("contosoazurecr.io", "*.azurecr.io", False),
        ("x.azurecr.io.evil.test", "*.azurecr.io", False),
        ("contoso.azurecr.io:443", "*.azurecr.io", False),
        ("contoso.azurecr.io", "contoso.azurecr.io", True),
        ("a.contoso.azurecr.io", "contoso.azurecr.io", False),
    ],
)
def test_a_pattern_is_anchored(host: str, pattern: str, expected: bool) -> None:
    assert matches_host(host, pattern) is expected


def test_a_named_list_replaces_the_clouds() -> None:
    spec = connector(allowedRegistries=["registry.contoso.com"])
    assert is_allowed_registry(spec, "registry.contoso.com")
    assert not is_allowed_registry(spec, "contoso.azurecr.io")


def test_a_cloud_of_ones_own_trusts_no_registry_by_itself() -> None:
    spec = connector(cloud="Custom", customCloud={"authorityHost": "https://login.example.com/"})
    assert find_cloud(spec).authority == "https://login.example.com"
    assert find_cloud(spec).resource_manager is None
    assert not is_allowed_registry(spec, "contoso.azurecr.io")


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("contoso.azurecr.io", HostClass.REGISTRY),
        ("contoso.westeurope.data.azurecr.io", HostClass.REGISTRY),
        ("contoso.azurecr.cn", HostClass.REGISTRY),
        ("azurecr.io", HostClass.OTHER),
        ("contoso.azurecr.io.evil.test", HostClass.OTHER),
        ("login.microsoftonline.com", HostClass.ENTRA),
        ("login.microsoftonline.us", HostClass.ENTRA),
        ("evil.login.microsoftonline.com", HostClass.OTHER),
        ("management.azure.com", HostClass.RESOURCE_MANAGER),
        ("management.chinacloudapi.cn", HostClass.RESOURCE_MANAGER),
        ("169.254.169.254", HostClass.NODE),
        ("169.254.169.255", HostClass.OTHER),
        ("registry.example", HostClass.OTHER),
        ("", HostClass.OTHER),
    ],
)
def test_a_host_is_told_by_what_it_is(host: str, found: HostClass) -> None:
    assert classify_host(host) is found
