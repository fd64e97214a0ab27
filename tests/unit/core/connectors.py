"""Connectors and the Secrets that they name."""

import base64
from typing import Any

from buildandpush.api.connector import AzureConnectorSpec
from buildandpush.core.azure.credential import Connector

CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
WHO = {"tenantId": "contoso.onmicrosoft.com", "clientId": CLIENT}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n"
CUSTOM = {"authorityHost": "https://login.example.com", "resourceManagerEndpoint": "https://arm.example.com"}


def connector(**spec: Any) -> Connector:
    """A connector of the namespace shop."""
    return Connector("shop", "acr", "uid-1", AzureConnectorSpec.model_validate(spec))


def secret(**data: str) -> dict[str, Any]:
    """A Secret as the API server gives it."""
    encoded = {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": "s", "uid": "u", "resourceVersion": "7"}, "data": encoded}
