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
from buildandpush.core.azure.credential import Connector, Resolved, UserPassword, read_credential
from buildandpush.core.azure.login import (
    RegistryAccess,
    RegistryToken,
    build_login_secret,
    check_registry,
    describe_login,
    is_ours,
    owners_of,
    read_login_secret,
)
from buildandpush.core.facts import Waiting

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


def make(
    username: str = "push", password: str = PASSWORD, ca: str | None = None, hosts: tuple[str, ...] = HOSTS
) -> dict[str, Any]:
    """The login Secret of both hosts."""
    plans = [RegistryAccess(connector(ca=ca, hosts=hosts), host) for host in hosts]
    return build_login_secret("shop", plans, [RegistryToken(host, username, password, "v1") for host in sorted(hosts)])


def ca_hosts(ca: str | None = None) -> tuple[str, ...]:
    """The hosts with certificates of their own."""
    plans = [RegistryAccess(connector(ca=ca), host) for host in HOSTS]
    return describe_login(make(ca=ca), plans, []).ca_hosts


def config_of(made: dict[str, Any]) -> dict[str, Any]:
    """The docker config in a login Secret."""
    config: dict[str, Any] = json.loads(base64.b64decode(made["data"][".dockerconfigjson"]))
    return config


def test_credentials_are_read_from_the_secret() -> None:
    found = read_credential(connector(), secret(username=b64("push"), password=b64("p:w\n é")))
    assert isinstance(found, Resolved)
    assert found.credential == UserPassword("push", "p:w\n é")


@pytest.mark.parametrize(
    ("data", "words"),
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
def test_what_is_missing_is_told(data: dict[str, Any] | None, words: str) -> None:
    found = read_credential(connector(), None if data is None else {"metadata": {}, "data": data})
    assert isinstance(found, Waiting)
    assert found.reason is Reason.SECRET_MISSING
    assert words in found.message


def test_secret_without_any_data_is_told() -> None:
    assert isinstance(read_credential(connector(), {"metadata": {}}), Waiting)


def test_password_is_in_no_repr() -> None:
    for value in (UserPassword("push", PASSWORD), RegistryToken("h", "push", PASSWORD, "v1")):
        assert PASSWORD not in repr(value)
        assert PASSWORD not in str(value)


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


@pytest.mark.parametrize("host", ["dev.azure.com", "blob.core.windows.net"])
def test_a_service_that_takes_tokens_is_no_registry(host: str) -> None:
    """Its token would lie under the key of a registry's login, and the service's own be missing."""
    refused = check_registry(connector(hosts=(host,)), host)
    assert refused is not None
    assert refused.reason is Reason.CONNECTOR_INVALID
    assert f"names {host} as a registry" in refused.message


@pytest.mark.parametrize(
    ("host", "remedy"),
    [
        ("contoso", "write the registry's whole host name, such as contoso.azurecr.io"),
        ("registry.contoso.example", "add the host to its allowedRegistries if it is one of your registries"),
    ],
)
def test_an_identity_whose_token_must_not_go_to_a_host_has_a_remedy(host: str, remedy: str) -> None:
    spec = AzureConnectorSpec.model_validate({"managedIdentity": {}, "registries": [host]})
    refused = check_registry(Connector("shop", "acr", "uid-1", spec), host)
    assert refused is not None
    assert refused.message == f"connector 'acr' must not send its identity's token to {host}; {remedy}"


@given(st.text(min_size=1).filter(lambda text: ":" not in text), st.text(min_size=1))
def test_docker_config_holds_the_login_for_each_host(username: str, password: str) -> None:
    try:
        made = make(username, password)
    except UnicodeEncodeError:
        return  # half a surrogate pair, which no Secret holds
    auths = config_of(made)["auths"]
    assert set(auths) == set(HOSTS)
    for entry in auths.values():
        assert base64.b64decode(entry["auth"]).decode() == f"{username}:{password}"


def test_secret_belongs_to_its_connector_and_blocks_nothing() -> None:
    made = make()
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    assert made["metadata"]["namespace"] == "shop"
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == (meta.CONNECTOR_KIND, "acr", "uid-1")
    assert not owner.get("blockOwnerDeletion")


def test_same_credentials_give_the_same_secret_whatever_the_order_of_hosts() -> None:
    one = make()
    other = make(hosts=tuple(reversed(HOSTS)))
    assert one == other


def test_certificate_travels_with_the_login() -> None:
    made = make(ca="PEM")
    assert base64.b64decode(made["data"]["ca-contoso.azurecr.io.crt"]) == b"PEM"
    assert ca_hosts("PEM") == HOSTS


def test_without_a_certificate_the_usual_ones_are_trusted() -> None:
    made = make()
    assert not [key for key in made["data"] if key.endswith(".crt")]
    assert ca_hosts() == ()


def test_our_own_secret_is_ours() -> None:
    made = make()
    assert owners_of(made) == {"uid-1"}
    assert is_ours({**made, "data": {}}, owners_of(made))


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
    made = make()
    assert not is_ours({**made, "metadata": {**made["metadata"], **changes}}, owners_of(made))


def test_a_secret_without_metadata_is_somebody_elses() -> None:
    assert not is_ours({}, owners_of(make()))


@pytest.mark.parametrize(
    "changes",
    [
        {"issuedAt": "2026-01-02T03:04:05", "expiresAt": "2026-01-02T06:04:05"},
        {"issuedAt": "0001-01-01T00:00:00+00:00", "expiresAt": "0001-01-01T00:01:00+00:00"},
        {"issuedAt": 5},
        {"host": ["x"]},
        {"host": "other"},
    ],
)
def test_a_record_that_somebody_wrote_by_hand_is_none(changes: dict[str, Any]) -> None:
    made = make()
    records = json.loads(base64.b64decode(made["data"]["login.json"]))
    assert set(read_login_secret(made)) == set(HOSTS)
    made["data"]["login.json"] = b64(json.dumps([{**records[0], **changes}, records[1]]))
    assert read_login_secret(made) == {}


@pytest.mark.parametrize("key", [".dockerconfigjson", "login.json"])
def test_a_login_secret_of_endless_depth_holds_nothing(key: str) -> None:
    made = make()
    made["data"][key] = b64("[" * 60_000)
    assert read_login_secret(made) == {}


def test_a_token_that_is_no_text_is_no_login() -> None:
    made = make()
    made["data"][".dockerconfigjson"] = b64(json.dumps({"auths": {host: {"registrytoken": 5} for host in HOSTS}}))
    assert read_login_secret(made) == {}
