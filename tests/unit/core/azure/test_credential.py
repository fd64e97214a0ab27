"""What a connector logs in with: every kind is read, what is missing is told, what is not allowed is refused."""

from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.azure.connector import parse_connector
from buildandpush.core.azure.credential import (
    ClientCertificate,
    ClientSecret,
    Connector,
    FederatedIdentity,
    NodeIdentity,
    Resolved,
    check_allowed,
    describe_identity,
    find_secret,
    inputs_of,
    read_credential,
    secrets_of,
)
from buildandpush.core.facts import Waiting
from buildandpush.core.settings import LoginSettings
from tests.unit.core.connectors import CERTIFICATE, CLIENT, CUSTOM, KEY, WHO, connector, secret

BY_SECRET = connector(servicePrincipal={**WHO, "secretRef": {"name": "s"}})
BY_USER = connector(registryCredentials={"secretRef": {"name": "s"}}, registries=["contoso.azurecr.io"])
LONG_KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIJ' * 1024}\n-----END RSA PRIVATE KEY-----\n"
BY_CERTIFICATE = connector(servicePrincipal={**WHO, "certificateRef": {"name": "s"}})


def read(of: Connector, found: dict[str, Any] | None) -> Resolved:
    """The credential, which must be there."""
    resolved = read_credential(of, found)
    assert isinstance(resolved, Resolved), resolved
    return resolved


def test_a_client_secret_is_read_without_the_line_break_that_editors_add() -> None:
    resolved = read(BY_SECRET, secret(clientSecret="s3cr3t\n"))
    assert resolved.credential == ClientSecret("contoso.onmicrosoft.com", CLIENT, "s3cr3t")
    assert [place for place, _ in resolved.inputs] == ["Secret/s"]
    assert "s3cr3t" not in repr(resolved)
    assert secrets_of(resolved.credential) == ("s3cr3t",)


@pytest.mark.parametrize(
    ("of", "used", "unused"),
    [
        (BY_SECRET, {"clientSecret": "x"}, "password"),
        (BY_CERTIFICATE, {"tls_crt": CERTIFICATE, "tls_key": KEY}, "ca_crt"),
        (BY_USER, {"username": "u", "password": "p"}, "note"),
    ],
)
def test_a_login_is_another_where_a_value_that_it_uses_is(of: Connector, used: dict[str, str], unused: str) -> None:
    """A Secret that somebody only touches, or adds to, is the same login."""
    before = read(of, secret(**used))
    touched = secret(**used, **{unused: "new"})
    touched["metadata"] = {"name": "s", "uid": "another", "resourceVersion": "99", "annotations": {"at": "now"}}
    assert read(of, touched).inputs == before.inputs
    for key, value in used.items():
        changed = read(of, secret(**{**used, key: f"{value}\nchanged"}))
        assert changed.inputs != before.inputs, key


def test_the_inputs_of_several_connectors_do_not_hang_on_their_order() -> None:
    one, other = read(BY_SECRET, secret(clientSecret="x")), read(BY_USER, secret(username="u", password="p"))
    assert inputs_of([one, other]) == inputs_of([other, one])
    assert len(inputs_of([one, other, one])) == 1, "both name one Secret"


def test_another_key_may_hold_the_client_secret() -> None:
    chosen = connector(servicePrincipal={**WHO, "secretRef": {"name": "s", "key": "password"}})
    assert read(chosen, secret(password="x")).credential == ClientSecret("contoso.onmicrosoft.com", CLIENT, "x")


def test_a_certificate_is_read_from_a_tls_secret_and_from_one_key() -> None:
    parts = read(BY_CERTIFICATE, secret(tls_crt=CERTIFICATE, tls_key=KEY)).credential
    chosen = connector(servicePrincipal={**WHO, "certificateRef": {"name": "s", "key": "pem"}})
    whole = read(chosen, secret(pem=CERTIFICATE + KEY)).credential
    for found in (parts, whole):
        assert isinstance(found, ClientCertificate)
        assert b"BEGIN CERTIFICATE" in found.pem
        assert b"PRIVATE KEY" in found.pem
        assert "MII" not in repr(found)


def test_identities_need_no_secret() -> None:
    federated = connector(workloadIdentity=WHO)
    assert find_secret(federated.spec) is None
    assert read(federated, None).credential == FederatedIdentity(
        "contoso.onmicrosoft.com", CLIENT, "buildandpush-identity"
    )
    assert read(connector(managedIdentity={}), None).credential == NodeIdentity(None)


@pytest.mark.parametrize(
    ("of", "found", "words"),
    [
        (BY_SECRET, None, "'s'"),
        (BY_SECRET, secret(), "clientSecret"),
        (BY_SECRET, secret(other="x"), "clientSecret"),
        (BY_CERTIFICATE, secret(tls_crt=CERTIFICATE), "tls.key"),
        (BY_CERTIFICATE, secret(tls_crt=KEY, tls_key=KEY), "certificate in PEM form"),
        (BY_CERTIFICATE, secret(tls_crt=CERTIFICATE, tls_key="none"), "no key"),
        (BY_CERTIFICATE, secret(tls_crt=CERTIFICATE, tls_key=LONG_KEY), "at most 4096 bits"),
    ],
)
def test_what_is_missing_is_told(of: Connector, found: dict[str, Any] | None, words: str) -> None:
    waiting = read_credential(of, found)
    assert isinstance(waiting, Waiting)
    assert waiting.reason is Reason.SECRET_MISSING
    assert words in waiting.message


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        ({"managedIdentity": {}}, LoginSettings(), "azure.managedIdentityNamespaces"),
        ({"managedIdentity": {}}, LoginSettings(managed_identity_namespaces=("other",)), "'shop'"),
        ({"workloadIdentity": {**WHO, "serviceAccountName": "default"}}, LoginSettings(), "'default'"),
        ({"workloadIdentity": WHO}, LoginSettings(identity_service_accounts=()), "azure.identityServiceAccounts"),
        (
            {"workloadIdentity": WHO, "cloud": "Custom", "customCloud": CUSTOM},
            LoginSettings(authority_hosts=("login.example.com",)),
            "arm.example.com",
        ),
    ],
)
def test_what_the_installer_does_not_allow_is_refused(spec: Any, settings: LoginSettings, words: str) -> None:
    refused = check_allowed(connector(**spec), settings)
    assert refused is not None
    assert refused.reason is Reason.CREDENTIAL_NOT_ALLOWED
    assert words in f"{refused.message} {refused.remedy}"


def test_what_the_installer_allows_is_not_refused() -> None:
    settings = LoginSettings(
        authority_hosts=("login.example.com", "arm.example.com"), managed_identity_namespaces=("shop",)
    )
    custom = {"cloud": "Custom", "customCloud": CUSTOM, "allowedRegistries": ["*.example.com"]}
    for spec in ({"managedIdentity": {}}, {"workloadIdentity": WHO}, {"workloadIdentity": WHO, **custom}):
        assert check_allowed(connector(**spec), settings) is None


def test_the_status_says_who_logs_in() -> None:
    identity = describe_identity(BY_SECRET.spec)
    assert identity.to_dict() == {"kind": "servicePrincipal", "tenantId": WHO["tenantId"], "clientId": CLIENT}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "exactly one"),
        ({"managedIdentity": {}, "workloadIdentity": WHO}, "exactly one"),
        ({"servicePrincipal": WHO}, "secretRef and certificateRef"),
        (
            {"servicePrincipal": {**WHO, "secretRef": {"name": "s"}, "certificateRef": {"name": "s"}}},
            "secretRef and certificateRef",
        ),
        ({"registryCredentials": {"secretRef": {"name": "s"}}}, "registries"),
        ({"managedIdentity": {}, "cloud": "Custom"}, "customCloud"),
        ({"managedIdentity": {}, "customCloud": CUSTOM}, "customCloud"),
    ],
)
def test_a_connector_that_contradicts_itself_is_told(spec: dict[str, Any], words: str) -> None:
    found = parse_connector({"metadata": {"namespace": "shop", "name": "acr", "uid": "u"}, "spec": spec})
    assert isinstance(found, Waiting)
    assert found.reason is Reason.CONNECTOR_INVALID
    assert words in found.message
