"""AzureConnector: how to log in to registries. Reusable by every build of its namespace."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import MAP_BY_TYPE, ApiModel, cel, rules
from buildandpush.api.status import Condition

CONNECTOR_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""A DNS-1123 subdomain, as Kubernetes names are."""


class SecretReference(ApiModel):
    """A Secret of the same namespace."""

    name: str = Field(
        min_length=1,
        max_length=253,
        description="Name of the Secret. Example: acr-push",
        json_schema_extra=rules(
            cel(
                f"self.matches('{CONNECTOR_NAME_PATTERN}')",
                expression="""'secretRef.name: "' + self + '" is no name of a Secret'""",
                message="secretRef.name must be the name of a Secret",
            )
        ),
    )


class RegistryCredentials(ApiModel):
    """A user name and password, as of a registry's admin user or a repository-scoped token."""

    secret_ref: SecretReference = Field(
        description="Secret of type kubernetes.io/basic-auth with the keys username and password."
    )


RegistryHost = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        json_schema_extra=rules(
            cel(
                "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?$')",
                expression="""'registries: "' + self + '" is no host; write for example contoso.azurecr.io'""",
                message="registries holds hosts, such as contoso.azurecr.io, without scheme or path",
            )
        ),
    ),
]


class AzureConnectorSpec(ApiModel):
    """How to log in, and where this login may be used."""

    registry_credentials: RegistryCredentials = Field(description="Log in with a user name and password.")
    registries: list[RegistryHost] = Field(
        min_length=1,
        max_length=32,
        description="Hosts this login is for; a build that would take it elsewhere is refused. "
        'Example: ["contoso.azurecr.io"]',
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    ca_bundle: str | None = Field(
        None,
        max_length=65536,
        description="Certificates in PEM form that registries of this connector are trusted by, beside the usual ones.",
        json_schema_extra=rules(
            cel(
                "self.contains('-----BEGIN CERTIFICATE-----')",
                message="caBundle must hold certificates in PEM form (-----BEGIN CERTIFICATE-----)",
            )
        ),
    )


class AzureConnectorStatus(ApiModel):
    """Whether the connector can log in."""

    observed_generation: int = Field(-1, description="Generation of the spec that the status speaks of.")
    conditions: list[Condition] = Field(
        [], max_length=16, description="The state by aspects.", json_schema_extra=MAP_BY_TYPE
    )
