"""A connector's status says whether it can log in."""

from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.connector import AzureConnectorStatus, Identity
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.connector import Check, LoggedIn, decide_connector, parse_connector, read_connector_status
from buildandpush.core.azure.credential import Connector
from buildandpush.core.azure.errors import LoginProblem
from buildandpush.core.facts import Waiting
from tests.unit.core.factories import NOW
from tests.unit.core.kstatus import judge

FOUND = LoggedIn(Identity(kind="registryCredentials", username="push"), ("contoso.azurecr.io",), checked=False)
MISSING = Waiting(Reason.SECRET_MISSING, "Secret 'acr-push'")


def raw(**spec: Any) -> dict[str, Any]:
    """An AzureConnector as the API server holds it."""
    usual = {"registryCredentials": {"secretRef": {"name": "acr-push"}}, "registries": ["contoso.azurecr.io"]}
    return {
        "metadata": {"namespace": "shop", "name": "acr", "uid": "uid-1", "generation": 1},
        "spec": {name: value for name, value in {**usual, **spec}.items() if value is not None},
    }


def statuses(status: AzureConnectorStatus) -> dict[str, str]:
    """Condition values by type."""
    return {item.type: item.status for item in status.conditions}


def test_connector_is_read() -> None:
    found = parse_connector(raw())
    assert isinstance(found, Connector)
    assert (found.namespace, found.name, found.uid) == ("shop", "acr", "uid-1")


@pytest.mark.parametrize("spec", [{"registries": None}, {"registries": []}, {"registryCredentials": {}}])
def test_connector_stored_under_older_rules_is_told_by_field(spec: dict[str, Any]) -> None:
    found = parse_connector(raw(**spec))
    assert isinstance(found, Waiting)
    assert found.reason is Reason.CONNECTOR_INVALID
    assert any(word in found.message for word in ("registr", "secretRef"))
    assert "acr" in found.message
    assert "nput" not in found.message  # the words of the models' library


def test_connector_without_a_spec_is_told() -> None:
    assert isinstance(parse_connector({"metadata": raw()["metadata"]}), Waiting)


def test_connector_with_credentials_is_ready() -> None:
    status = decide_connector(AzureConnectorStatus(), 3, FOUND, NOW)
    assert statuses(status) == {"Ready": "True"}
    assert status.observed_generation == 3
    assert "push" in status.conditions[0].message


def test_connector_without_its_secret_waits_for_it() -> None:
    """Applied before its Secret, it is no failure to whoever waits for it."""
    status = decide_connector(AzureConnectorStatus(), 1, MISSING, NOW)
    assert statuses(status) == {"Ready": "False", "Reconciling": "True"}
    assert {item.reason for item in status.conditions} == {Reason.SECRET_MISSING}
    obj = {"metadata": {"generation": 1}, "status": status.to_dict()}
    assert judge(obj) == "InProgress"


@pytest.mark.parametrize(
    "check",
    [
        Waiting(Reason.CONNECTOR_INVALID, "registries"),
        Waiting(Reason.CREDENTIAL_NOT_ALLOWED, "managedIdentity"),
        LoginProblem(Reason.LOGIN_FAILED, "AADSTS7000215"),
    ],
)
def test_connector_that_somebody_has_to_correct_is_stalled(check: Check) -> None:
    status = decide_connector(decide_connector(AzureConnectorStatus(), 1, MISSING, NOW), 1, check, NOW)
    assert statuses(status) == {"Ready": "False", "Stalled": "True"}
    assert judge({"metadata": {"generation": 1}, "status": status.to_dict()}) == "Failed"


PRINCIPAL = {"tenantId": "contoso.com", "clientId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46"}


@pytest.mark.parametrize("before", [AzureConnectorStatus(), AzureConnectorStatus(identity=Identity(kind="old"))])
@pytest.mark.parametrize(
    ("credential", "identity"),
    [
        ({"servicePrincipal": {**PRINCIPAL, "secretRef": {"name": "s"}}}, {"kind": "servicePrincipal", **PRINCIPAL}),
        ({"workloadIdentity": PRINCIPAL}, {"kind": "workloadIdentity", **PRINCIPAL}),
        ({"managedIdentity": {}}, {"kind": "managedIdentity"}),
        (
            {"managedIdentity": {"clientId": PRINCIPAL["clientId"]}},
            {"kind": "managedIdentity", "clientId": PRINCIPAL["clientId"]},
        ),
        ({}, {"kind": "registryCredentials"}),
    ],
)
def test_who_would_log_in_is_told_though_the_login_fails(
    before: AzureConnectorStatus, credential: dict[str, Any], identity: dict[str, str]
) -> None:
    found = parse_connector(raw(**({"registryCredentials": None, **credential} if credential else {})))
    assert isinstance(found, Connector)
    status = decide_connector(before, 1, MISSING, NOW, spec=found.spec)
    assert status.identity is not None
    assert status.identity.to_dict() == identity


def test_nobody_is_told_of_a_connector_that_cannot_be_read() -> None:
    before = decide_connector(AzureConnectorStatus(), 1, FOUND, NOW)
    assert decide_connector(before, 2, Waiting(Reason.CONNECTOR_INVALID, "x"), NOW).identity is None


def test_registries_that_nobody_asked_are_not_told_as_logged_in_to() -> None:
    status = decide_connector(AzureConnectorStatus(), 1, FOUND, NOW)
    assert status.registries == []
    assert "contoso.azurecr.io" in status.conditions[0].message
    asked = LoggedIn(Identity(kind="servicePrincipal"), ("contoso.azurecr.io",), expires_at=NOW + timedelta(hours=3))
    status = decide_connector(status, 1, asked, NOW)
    assert status.registries == ["contoso.azurecr.io"]
    assert status.expires_at == NOW + timedelta(hours=3)
    assert decide_connector(status, 1, MISSING, NOW).expires_at is None


def test_connector_heals_once_the_secret_is_there() -> None:
    stalled = decide_connector(AzureConnectorStatus(), 1, MISSING, NOW)
    healed = decide_connector(stalled, 1, FOUND, NOW + timedelta(minutes=1))
    assert statuses(healed) == {"Ready": "True"}
    assert healed.conditions[0].last_transition_time == NOW + timedelta(minutes=1)


@pytest.mark.parametrize("check", [FOUND, MISSING])
def test_deciding_again_changes_nothing(check: Check) -> None:
    first = decide_connector(AzureConnectorStatus(), 1, check, NOW)
    assert decide_connector(first, 1, check, NOW + timedelta(hours=1)) == first


def test_while_it_is_being_asked_nobody_knows_whether_it_can_log_in() -> None:
    before = decide_connector(AzureConnectorStatus(), 1, LoginProblem(Reason.LOGIN_FAILED, "AADSTS7000215"), NOW)
    status = decide_connector(before, 1, Waiting(Reason.LOGGING_IN, "Entra ID"), NOW)
    assert statuses(status)["Ready"] == "Unknown"
    for check, value in ((MISSING, "False"), (FOUND, "True")):
        assert statuses(decide_connector(status, 1, check, NOW))["Ready"] == value


def test_a_connector_that_logs_in_has_no_trouble_left() -> None:
    for check in (MISSING, LoginProblem(Reason.LOGIN_FAILED, "AADSTS7000215")):
        before = decide_connector(AzureConnectorStatus(), 1, check, NOW)
        assert statuses(decide_connector(before, 2, FOUND, NOW)) == {"Ready": "True"}


LOGIN = {"secretName": "buildandpush-login-1", "registries": ["contoso.azurecr.io"]}


@pytest.mark.parametrize(
    ("status", "logins"),
    [
        (None, []),
        ({}, []),
        ("no object", []),
        (["no object"], []),
        ({"logins": [LOGIN]}, ["buildandpush-login-1"]),
        ({"logins": [LOGIN], "conditions": "none"}, ["buildandpush-login-1"]),
        (
            {"logins": [LOGIN, {"registries": 7}, None, {**LOGIN, "secretName": "other"}]},
            [LOGIN["secretName"], "other"],
        ),
        ({"logins": "none", "observedGeneration": "x"}, []),
    ],
)
def test_of_a_status_that_cannot_be_read_the_logins_stay(status: Any, logins: list[str]) -> None:
    """A login that is forgotten would never be removed."""
    of = {**raw(), "status": status}
    assert [login.secret_name for login in read_connector_status(of).logins] == logins
    found = parse_connector(of)
    assert isinstance(found, Connector)
    assert found.listed == frozenset(logins)


def test_a_connector_has_its_generation_and_its_request_to_verify() -> None:
    found = parse_connector(raw())
    assert isinstance(found, Connector)
    assert (raw()["metadata"]["generation"], found.generation) == (1, 1)
    bare = {"metadata": {"namespace": "shop", "name": "acr", "uid": "uid-1"}, "spec": raw()["spec"]}
    found = parse_connector(bare)
    assert isinstance(found, Connector)
    assert (found.generation, found.verify) == (0, "")
    bare["metadata"]["annotations"] = {meta.ANNOTATION_VERIFY: "today"}
    found = parse_connector(bare)
    assert isinstance(found, Connector)
    assert found.verify == "today"
