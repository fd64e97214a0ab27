"""What an AzureConnector's status says, whole, and every sentence about one that cannot be used."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.connector import MAX_LOGINS, AzureConnectorStatus, Identity, LoginStatus
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.cloud import find_cloud
from buildandpush.core.azure.connector import Check, LoggedIn, decide_connector, parse_connector
from buildandpush.core.azure.credential import Connector, Resolved, check_allowed, describe_identity, read_credential
from buildandpush.core.azure.errors import LoginProblem
from buildandpush.core.facts import Waiting
from buildandpush.core.settings import LoginSettings
from tests.unit.core import golden
from tests.unit.core.argo import argo_health
from tests.unit.core.connectors import CERTIFICATE, CLIENT, CUSTOM, KEY, WHO, connector, secret
from tests.unit.core.factories import NOW
from tests.unit.core.kstatus import judge

PRINCIPAL = Identity(kind="servicePrincipal", tenant_id="contoso.com", client_id=CLIENT)
CHECKS: dict[str, Check] = {
    "logged-in": LoggedIn(PRINCIPAL, ("contoso.azurecr.io", "base.azurecr.io"), expires_at=NOW + timedelta(hours=3)),
    "logged-in-nowhere": LoggedIn(PRINCIPAL),
    "user": LoggedIn(Identity(kind="registryCredentials", username="push"), ("contoso.azurecr.io",), checked=False),
    "node": LoggedIn(Identity(kind="managedIdentity"), ("contoso.azurecr.io",)),
    "secret-missing": Waiting(Reason.SECRET_MISSING, "Secret 'acr-push'"),
    "not-allowed": Waiting(Reason.CREDENTIAL_NOT_ALLOWED, "managedIdentity", "Ask for it."),
    "refused": LoginProblem(Reason.LOGIN_FAILED, "AADSTS7000215: Invalid client secret.", temporary=False),
    "unreachable": LoginProblem(Reason.LOGIN_FAILED, "no answer", temporary=True),
}
LOGINS = tuple(
    LoginStatus(secret_name=f"login-{number}", registries=["contoso.azurecr.io"], expires_at=NOW + timedelta(hours=3))
    for number in range(70)
)


@pytest.mark.parametrize("name", CHECKS)
def test_status(name: str) -> None:
    before = decide_connector(AzureConnectorStatus(), 1, CHECKS["logged-in"], NOW - timedelta(hours=1))
    first = decide_connector(AzureConnectorStatus(), 2, CHECKS[name], NOW)
    spec = connector(servicePrincipal={**WHO, "secretRef": {"name": "s"}}).spec
    later = decide_connector(before, 2, CHECKS[name], NOW, spec=spec, logins=LOGINS[:1], verify="again")
    golden.check(f"connectors/{name}", {"first": first, "after a good one": later})


JUDGED = {
    "logged-in": ("Current", "Healthy"),
    "logged-in-nowhere": ("Current", "Healthy"),
    "user": ("Current", "Healthy"),
    "node": ("Current", "Healthy"),
    "secret-missing": ("InProgress", "Progressing"),
    "not-allowed": ("Failed", "Degraded"),
    "refused": ("Failed", "Degraded"),
    "unreachable": ("InProgress", "Progressing"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_gitops_tools_judge_a_connector_as_they_judge_a_build(name: str) -> None:
    """What heals by itself, such as a Secret that comes later, is in progress; what somebody must mend has failed."""
    status = decide_connector(AzureConnectorStatus(), 2, CHECKS[name], NOW).to_dict()
    obj = {"metadata": {"name": "acr", "generation": 2}, "spec": {}, "status": status}
    assert (judge(obj), argo_health(obj)) == JUDGED[name]
    newer = {**obj, "metadata": {"name": "acr", "generation": 3}}
    assert (judge(newer), argo_health(newer)) == ("InProgress", "Progressing")


def test_a_status_lists_no_more_logins_than_it_may_hold() -> None:
    status = decide_connector(AzureConnectorStatus(), 1, CHECKS["logged-in"], NOW, logins=LOGINS)
    assert [item.secret_name for item in status.logins] == [f"login-{number}" for number in range(MAX_LOGINS)]


def test_who_logs_in() -> None:
    pem = base64.b64encode((CERTIFICATE + KEY).encode()).decode()
    found = {
        "servicePrincipal with a secret": ({"servicePrincipal": {**WHO, "secretRef": {"name": "s"}}}, "clientSecret"),
        "servicePrincipal with a certificate": (
            {"servicePrincipal": {**WHO, "certificateRef": {"name": "s", "key": "pem"}}},
            "pem",
        ),
        "workloadIdentity": ({"workloadIdentity": {**WHO, "serviceAccountName": "deployer"}}, ""),
        "managedIdentity": ({"managedIdentity": {"clientId": CLIENT}}, ""),
    }
    identities = {}
    for name, (spec, key) in found.items():
        of = connector(**spec)
        resolved = read_credential(of, {"metadata": {"uid": "u"}, "data": {key: pem}})
        assert isinstance(resolved, Resolved)
        identities[name] = {"identity": describe_identity(of.spec, resolved.credential), "inputs": resolved.inputs}
        if hasattr(resolved.credential, "service_account"):
            identities[name]["account"] = resolved.credential.service_account
    golden.check("identities", identities)


def parsed(spec: dict[str, Any]) -> Connector | Waiting:
    return parse_connector({"metadata": {"namespace": "shop", "name": "acr", "uid": "u"}, "spec": spec})


REFUSED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "two credentials": {"managedIdentity": {}, "workloadIdentity": WHO},
    "principal without a reference": {"servicePrincipal": WHO},
    "principal with two": {"servicePrincipal": {**WHO, "secretRef": {"name": "s"}, "certificateRef": {"name": "s"}}},
    "user without registries": {"registryCredentials": {"secretRef": {"name": "s"}}},
    "cloud without hosts": {"managedIdentity": {}, "cloud": "Custom"},
    "hosts without cloud": {"managedIdentity": {}, "customCloud": CUSTOM},
    "no client": {"workloadIdentity": {"tenantId": "t"}},
    "certificate without an end": {"workloadIdentity": WHO, "caBundle": "-----BEGIN CERTIFICATE-----\nhello\n"},
    "broken certificate": {
        "registryCredentials": {"secretRef": {"name": "s"}},
        "registries": ["a.b"],
        "caBundle": "-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n",
    },
    "node not allowed": {"managedIdentity": {}},
    "account not allowed": {"workloadIdentity": {**WHO, "serviceAccountName": "default"}},
    "authority not allowed": {"workloadIdentity": WHO, "cloud": "Custom", "customCloud": CUSTOM},
    "manager not allowed": {
        "workloadIdentity": WHO,
        "cloud": "Custom",
        "customCloud": {**CUSTOM, "authorityHost": "https://login.allowed.example"},
    },
    "custom without registries": {
        "workloadIdentity": WHO,
        "cloud": "Custom",
        "customCloud": {"authorityHost": "https://login.allowed.example"},
    },
}
SECRETS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "no secret": ({"servicePrincipal": {**WHO, "secretRef": {"name": "s"}}}, None),
    "no key": ({"servicePrincipal": {**WHO, "secretRef": {"name": "s", "key": "k"}}}, secret()),
    "no text": (
        {"servicePrincipal": {**WHO, "secretRef": {"name": "s"}}},
        {"metadata": {}, "data": {"clientSecret": "/w=="}},
    ),
    "no certificate": (
        {"servicePrincipal": {**WHO, "certificateRef": {"name": "s"}}},
        secret(tls_crt=KEY, tls_key=KEY),
    ),
    "no private key": ({"servicePrincipal": {**WHO, "certificateRef": {"name": "s"}}}, secret(tls_crt=CERTIFICATE)),
    "no private key in it": (
        {"servicePrincipal": {**WHO, "certificateRef": {"name": "s", "key": "pem"}}},
        secret(pem=CERTIFICATE),
    ),
    "no user": ({"registryCredentials": {"secretRef": {"name": "s"}}, "registries": ["a.b"]}, secret(password="x")),
    "colon": (
        {"registryCredentials": {"secretRef": {"name": "s"}}, "registries": ["a.b"]},
        secret(username="a:b", password="x"),
    ),
    "bytes": (
        {"registryCredentials": {"secretRef": {"name": "s"}}, "registries": ["a.b"]},
        {"metadata": {}, "data": {"username": "/w==", "password": "/w=="}},
    ),
}


def test_what_cannot_be_used_is_told() -> None:
    settings = LoginSettings(authority_hosts=("login.allowed.example",))
    refusals: dict[str, Any] = {}
    for name, spec in REFUSED.items():
        found = parsed(spec)
        refusals[name] = found if isinstance(found, Waiting) else check_allowed(found, settings)
    for name, (spec, held) in SECRETS.items():
        refusals[name] = read_credential(connector(**spec), held)
    assert all(isinstance(item, Waiting) for item in refusals.values())
    golden.check("connector-refusals", refusals)


def test_clouds() -> None:
    specs = [{"cloud": name} for name in ("AzurePublic", "AzureUSGovernment", "AzureChina")]
    portal = {**CUSTOM, "portalUrl": "https://portal.example.com/"}
    clouds = [find_cloud(connector(managedIdentity={}, **spec).spec) for spec in specs]
    golden.check(
        "clouds", [*clouds, find_cloud(connector(managedIdentity={}, cloud="Custom", customCloud=portal).spec)]
    )
