"""An AzureConnector's spec."""

from typing import Any

import pytest
from pydantic import ValidationError

from buildandpush.api.connector import AzureConnectorSpec

CREDENTIALS = {"secretRef": {"name": "acr-push"}}


def test_connector_is_read_and_given_back_as_it_was() -> None:
    raw = {"registryCredentials": CREDENTIALS, "registries": ["contoso.azurecr.io"]}
    assert AzureConnectorSpec.model_validate(raw).to_dict() == raw


@pytest.mark.parametrize(
    "changes",
    [
        {"registries": "contoso.azurecr.io"},
        {"registries": [""]},
        {"registries": [f"{number}.azurecr.io" for number in range(33)]},
        {"registryCredentials": {"secretRef": {"name": ""}}},
        {"registryCredentials": {"secretRef": {"name": "s" * 254}}},
        {"caBundle": "x" * 65537},
    ],
)
def test_connector_that_cannot_log_in_anywhere_is_refused(changes: dict[str, Any]) -> None:
    raw = {"registryCredentials": CREDENTIALS, "registries": ["contoso.azurecr.io"], **changes}
    with pytest.raises(ValidationError):
        AzureConnectorSpec.model_validate(raw)
