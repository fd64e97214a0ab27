"""The docker config Secret: what it holds, whose it is, and that no password leaks on the way."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api import meta
from buildandpush.api.connector import AzureConnectorSpec
from buildandpush.api.reasons import Reason
from buildandpush.core.login import (
    Connector,
    Credentials,
    build_login_secret,
    check_registry,
    describe_login,
    is_ours,
    read_credentials,
)
from buildandpush.core.world import Waiting

PASSWORD = "hunter22-not-in-any-repr"
HOSTS = ("contoso.azurecr.io", "base.azurecr.io")


def b64(text: str) -> str:
    """As Secrets hold their values."""
    return base64.b64encode(text.encode()).decode()


def connector(*, ca: str | None = None, hosts: tuple[str, ...] = HOSTS) -> Connector:
    """A connector that names the Secret acr-push."""
    raw = {"registryCredentials": {"secretRef": {"name": "acr-push"}}, "registries": list(hosts), "caBundle": ca}
    return Connector("shop", "acr", "uid-1", AzureConnectorSpec.model_validate(raw))


def secret(**data: str) -> dict[str, Any]:
    """A Secret of the user's."""
    return {"metadata": {"name": "acr-push", "namespace": "shop"}, "data": data}


def credentials(username: str = "push", password: str = PASSWORD, ca: str = "") -> Credentials:
    """What the connector logs in with."""
    return Credentials(HOSTS, username, password, ca)


def config_of(made: dict[str, Any]) -> dict[str, Any]:
    """The docker config in a login Secret."""
    config: dict[str, Any] = json.loads(base64.b64decode(made["data"][".dockerconfigjson"]))
    return config


def test_credentials_are_read_from_the_secret() -> None:
    found = read_credentials(connector(ca="PEM"), secret(username=b64("push"), password=b64("p:w\n é")))
    assert isinstance(found, Credentials)
    assert (found.hosts, found.username, found.password, found.ca_bundle) == (HOSTS, "push", "p:w\n é", "PEM")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "acr-push"),
        ({}, "username and password"),
        ({"username": b64("u")}, "password"),
        ({"password": b64("p")}, "username"),
        ({"username": "", "password": b64("p")}, "username"),
        ({"username": b64("u"), "password": None}, "password"),
        ({"username": b64("u"), "password": "/w=="}, "UTF-8"),
        ({"username": b64("u"), "password": "abcde"}, "acr-push"),
        ({"username": b64("u:v"), "password": b64("p")}, "colon"),
    ],
)
def test_what_is_missing_is_told(data: dict[str, Any] | None, told: str) -> None:
    found = read_credentials(connector(), None if data is None else {"metadata": {}, "data": data})
    assert isinstance(found, Waiting)
    assert found.reason is Reason.SECRET_MISSING
    assert told in found.message


def test_secret_without_any_data_is_told() -> None:
    assert isinstance(read_credentials(connector(), {"metadata": {}}), Waiting)


def test_password_is_in_no_repr() -> None:
    assert PASSWORD not in repr(credentials())
    assert PASSWORD not in str(credentials())


@pytest.mark.parametrize(
    ("registry", "served"),
    [
        ("contoso.azurecr.io", True),
        ("base.azurecr.io", True),
        ("other.azurecr.io", False),
        ("azurecr.io", False),
        ("evil-contoso.azurecr.io", False),
        ("contoso.azurecr.io.evil.example", False),
        ("contoso.azurecr.io:443", False),
        ("", False),
    ],
)
def test_login_goes_to_the_named_hosts_only(registry: str, served: bool) -> None:
    refused = check_registry(connector(), registry)
    assert (refused is None) is served
    if refused is not None:
        assert refused.reason is Reason.CONNECTOR_INVALID
        assert "registries" in refused.message


@given(st.text(min_size=1).filter(lambda text: ":" not in text), st.text(min_size=1))
def test_docker_config_holds_the_login_for_each_host(username: str, password: str) -> None:
    try:
        made = build_login_secret(connector(), credentials(username, password))
    except UnicodeEncodeError:
        return  # half a surrogate pair, which no Secret holds
    auths = config_of(made)["auths"]
    assert set(auths) == set(HOSTS)
    for entry in auths.values():
        assert base64.b64decode(entry["auth"]).decode() == f"{username}:{password}"


def test_secret_belongs_to_its_connector_and_blocks_nothing() -> None:
    made = build_login_secret(connector(), credentials())
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    assert made["metadata"]["namespace"] == "shop"
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == (meta.CONNECTOR_KIND, "acr", "uid-1")
    assert not owner.get("blockOwnerDeletion")


def test_same_credentials_give_the_same_secret_whatever_the_order_of_hosts() -> None:
    one = build_login_secret(connector(), credentials())
    other = build_login_secret(
        connector(hosts=tuple(reversed(HOSTS))), Credentials(tuple(reversed(HOSTS)), "push", PASSWORD)
    )
    assert one == other


def test_certificate_travels_with_the_login() -> None:
    made = build_login_secret(connector(), credentials(ca="PEM"))
    assert base64.b64decode(made["data"]["ca.crt"]) == b"PEM"
    assert describe_login(made, credentials(ca="PEM")).ca_hosts == tuple(sorted(HOSTS))


def test_without_a_certificate_the_usual_ones_are_trusted() -> None:
    made = build_login_secret(connector(), credentials())
    assert "ca.crt" not in made["data"]
    assert describe_login(made, credentials()).ca_hosts == ()


def test_our_own_secret_is_ours() -> None:
    made = build_login_secret(connector(), credentials())
    assert is_ours({**made, "data": {}}, made)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {}},
        {"labels": None},
        {"labels": {meta.LABEL_LOGIN: "false"}},
        {"labels": {meta.LABEL_MANAGED_BY: meta.COMPONENT}},
        {"ownerReferences": []},
        {"ownerReferences": None},
        {"ownerReferences": [{"kind": meta.CONNECTOR_KIND, "name": "acr", "uid": "uid-2"}]},
        {"ownerReferences": [{"kind": meta.CONNECTOR_KIND, "name": "acr"}]},
    ],
)
def test_without_our_label_and_its_owner_a_secret_is_somebody_elses(changes: dict[str, Any]) -> None:
    made = build_login_secret(connector(), credentials())
    assert not is_ours({**made, "metadata": {**made["metadata"], **changes}}, made)


def test_a_secret_without_metadata_is_somebody_elses() -> None:
    assert not is_ours({}, build_login_secret(connector(), credentials()))
