"""A connector's status says whether it can log in."""

from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.connector import AzureConnectorStatus, Identity
from buildandpush.api.reasons import Reason
from buildandpush.core.connector import Check, LoggedIn, decide_connector, parse_connector
from buildandpush.core.credential import Connector
from buildandpush.core.world import Waiting
from tests.unit.core.factories import NOW

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


def test_connector_without_a_spec_is_told() -> None:
    assert isinstance(parse_connector({"metadata": raw()["metadata"]}), Waiting)


def test_connector_with_credentials_is_ready() -> None:
    status = decide_connector(AzureConnectorStatus(), 3, FOUND, NOW)
    assert statuses(status) == {"Ready": "True"}
    assert status.observed_generation == 3
    assert "push" in status.conditions[0].message


def test_connector_without_its_secret_is_stalled() -> None:
    status = decide_connector(AzureConnectorStatus(), 1, MISSING, NOW)
    assert statuses(status) == {"Ready": "False", "Stalled": "True"}
    assert {item.reason for item in status.conditions} == {Reason.SECRET_MISSING}


def test_connector_heals_once_the_secret_is_there() -> None:
    stalled = decide_connector(AzureConnectorStatus(), 1, MISSING, NOW)
    healed = decide_connector(stalled, 1, FOUND, NOW + timedelta(minutes=1))
    assert statuses(healed) == {"Ready": "True"}
    assert healed.conditions[0].last_transition_time == NOW + timedelta(minutes=1)


@pytest.mark.parametrize("check", [FOUND, MISSING])
def test_deciding_again_changes_nothing(check: Check) -> None:
    first = decide_connector(AzureConnectorStatus(), 1, check, NOW)
    assert decide_connector(first, 1, check, NOW + timedelta(hours=1)) == first
