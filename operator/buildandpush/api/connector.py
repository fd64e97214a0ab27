"""AzureConnector: how to log in to registries. Every build of its namespace can use it."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from buildandpush.api.base import ATOMIC, MAP_BY_TYPE, ApiModel, cel, cel_of_address, pem_rules, rules
from buildandpush.api.status import Condition, Time
from buildandpush.api.urls import HOST_GRAMMAR

CONNECTOR_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""A DNS-1123 subdomain, as Kubernetes names are."""
HOST_PATTERN = f"^{HOST_GRAMMAR}$"
ALLOWED_PATTERN = f"^([*][.])?{HOST_GRAMMAR}$"
TENANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.-]*$"
GUID_PATTERN = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
URL_PATTERN = f"^https://{HOST_GRAMMAR.replace('a-z', 'A-Za-z')}/?$"

DEFAULT_SECRET_KEY = "clientSecret"  # noqa: S105 - the name of a key
DEFAULT_SERVICE_ACCOUNT = "buildandpush-identity"


def _matches(field: str, pattern: str, remedy: str) -> dict[str, Any]:
    return rules(
        *cel_of_address(
            f"self.matches('{pattern}')",
            expression=f"""'{field}: "' + self + '" {remedy}'""",
            message=f"{field}: the value {remedy}",
        )
    )


def _names_secret(field: str, pattern: str, remedy: str) -> dict[str, Any]:
    """The rule of a field that says where a secret is: the value may be the secret itself."""
    return rules(cel(f"self.matches('{pattern}')", message=f"{field}: the value {remedy}", hides_value=True))


ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        json_schema_extra=_names_secret("name", CONNECTOR_NAME_PATTERN, "is no name of a Kubernetes object"),
    ),
]
SecretKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        json_schema_extra=_names_secret("key", "^[-._a-zA-Z0-9]+$", "is no key of a Secret"),
    ),
]
TenantId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        description="The Entra tenant (directory): its GUID or one of its domains. "
        "Example: 72f988bf-86f1-41af-91ab-2d7cd011db47",
        json_schema_extra=_matches("tenantId", TENANT_PATTERN, "is no tenant; give its GUID or a domain of it"),
    ),
]
ClientId = Annotated[
    str,
    Field(
        max_length=36,
        description="Application (client) id of the identity. Example: 04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        json_schema_extra=_matches("clientId", GUID_PATTERN, "is no GUID; give the application (client) id"),
    ),
]


class SecretReference(ApiModel):
    """A Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret. Example: acr-push")


class SecretKeyReference(SecretReference):
    """A key of a Secret of the same namespace."""

    key: SecretKey | None = Field(None, description=f"Key of the Secret. Default: {DEFAULT_SECRET_KEY}")


class CertificateReference(SecretReference):
    """A certificate with its private key in a Secret of the same namespace."""

    key: SecretKey | None = Field(
        None,
        description="Key that holds certificate and private key in PEM form. "
        "Default: tls.crt and tls.key, as Secrets of type kubernetes.io/tls have them",
    )


class ServicePrincipal(ApiModel):
    """An application of Entra ID with a secret or a certificate."""

    tenant_id: TenantId
    client_id: ClientId
    secret_ref: SecretKeyReference | None = Field(None, description="Secret with the application's client secret.")
    certificate_ref: CertificateReference | None = Field(
        None, description="Secret with a certificate that the application trusts, and its private key."
    )


class WorkloadIdentity(ApiModel):
    """An identity that trusts a service account of this cluster; no secret is kept anywhere.

    The operator itself asks the API server for the service account's token, so no webhook is needed. The federated
    credential's subject is system:serviceaccount:<namespace>:<service account>, its audience
    api://AzureADTokenExchange.
    """

    tenant_id: TenantId
    client_id: ClientId
    service_account_name: ObjectName | None = Field(
        None,
        description="Service account of this namespace; one that the chart's values allow. "
        f"Default: {DEFAULT_SERVICE_ACCOUNT}",
    )


class ManagedIdentity(ApiModel):
    """The identity of the node that the operator runs on; only in namespaces that the chart's values name."""

    client_id: ClientId | None = Field(
        None, description="Client id of a user-assigned identity. Default: the node's system-assigned one"
    )


class RegistryCredentials(ApiModel):
    """A user name and password, such as those of a registry's admin user or of a repository-scoped token."""

    secret_ref: SecretReference = Field(
        description="Secret of type kubernetes.io/basic-auth with the keys username and password."
    )


def _url(field: str, example: str) -> dict[str, Any]:
    return _matches(field, URL_PATTERN, f"is no https URL of a host; write for example {example}")


class CustomCloud(ApiModel):
    """An Azure of one's own, such as Azure Stack Hub. Its hosts must be allowed in the chart's values."""

    authority_host: str = Field(
        max_length=253,
        description="Where Entra ID answers. Example: https://login.example.com",
        json_schema_extra=_url("authorityHost", "https://login.example.com"),
    )
    resource_manager_endpoint: str | None = Field(
        None,
        max_length=253,
        description="Where the resource manager answers; without it no links are made. "
        "Example: https://management.example.com",
        json_schema_extra=_url("resourceManagerEndpoint", "https://management.example.com"),
    )
    portal_url: str | None = Field(
        None,
        max_length=253,
        description="The portal; without it no links are made. Example: https://portal.example.com",
        json_schema_extra=_url("portalUrl", "https://portal.example.com"),
    )


RegistryHost = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        json_schema_extra=rules(
            *cel_of_address(
                f"self.matches('{HOST_PATTERN}')",
                expression="""'registries: "' + self + '" is no host; write for example contoso.azurecr.io'""",
                message="registries holds hosts, such as contoso.azurecr.io, without scheme or path",
            )
        ),
    ),
]
AllowedRegistry = Annotated[
    str,
    Field(
        min_length=3,
        max_length=253,
        json_schema_extra=_matches("allowedRegistries", ALLOWED_PATTERN, "is no host; write host or *.suffix"),
    ),
]

_CREDENTIALS = ("servicePrincipal", "workloadIdentity", "managedIdentity", "registryCredentials")
_ONE_CREDENTIAL = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in _CREDENTIALS) + " == 1"


_SPEC_RULES = (
    cel(_ONE_CREDENTIAL, message=f"give exactly one of {', '.join(_CREDENTIALS)}"),
    cel(
        "!has(self.registryCredentials) || (has(self.registries) && size(self.registries) > 0)",
        message="registries is missing: registryCredentials needs the hosts that the user name and password are for",
    ),
    cel(
        "has(self.customCloud) == (has(self.cloud) && self.cloud == 'Custom')",
        message="customCloud goes with cloud: Custom, and only with it",
    ),
    cel(
        "!(has(self.loginScope) && self.loginScope == 'Repository' && has(self.registryCredentials))",
        message="loginScope: Repository needs an identity of Azure; a user name and password has the rights it has",
    ),
)


class AzureConnectorSpec(ApiModel):
    """How to log in, and where this login may be used. Exactly one kind of credential."""

    model_config = ConfigDict(json_schema_extra=rules(*_SPEC_RULES))

    service_principal: ServicePrincipal | None = Field(
        None,
        description="Log in as an application of Entra ID, with secretRef or certificateRef.",
        json_schema_extra=rules(
            cel(
                "has(self.secretRef) != has(self.certificateRef)",
                message="servicePrincipal: give exactly one of secretRef and certificateRef",
            )
        ),
    )
    workload_identity: WorkloadIdentity | None = Field(
        None, description="Log in as an identity that trusts a service account of this namespace."
    )
    managed_identity: ManagedIdentity | None = Field(
        None, description="Log in as the node's identity; only in namespaces that the chart's values name."
    )
    registry_credentials: RegistryCredentials | None = Field(
        None, description="Log in with a user name and password, to any registry that registries names."
    )
    cloud: Literal["AzurePublic", "AzureUSGovernment", "AzureChina", "Custom"] | None = Field(
        None, description="The Azure that the identity lives in. Default: AzurePublic"
    )
    custom_cloud: CustomCloud | None = Field(None, description="The hosts of cloud: Custom.")
    registries: list[RegistryHost] | None = Field(
        None,
        max_length=32,
        description="Hosts this login is for; a build that would take it elsewhere is refused. Needed with "
        "registryCredentials and for base images; else every registry in allowedRegistries is served. "
        'Example: ["contoso.azurecr.io"]',
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    allowed_registries: list[AllowedRegistry] | None = Field(
        None,
        max_length=32,
        description="Hosts that an identity's token may be sent to, each a host or *.suffix for all hosts below a "
        "suffix, at any depth. Not used by registryCredentials. Default: the registries of the cloud, such as "
        '["*.azurecr.io"]',
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    login_scope: Literal["Registry", "Repository"] | None = Field(
        None,
        description="Registry: build pods get a login with all the identity's rights on the registry. Repository: a "
        "token for exactly the repositories that the run pushes to. For base images it also pulls from all "
        "repositories of the hosts in registries, but not where the registry has permissions for repositories (ABAC). "
        "Default: Registry",
    )
    ca_bundle: str | None = Field(
        None,
        max_length=65536,
        description="Certificates in PEM form that registries of this connector are trusted by, beside the usual ones.",
        json_schema_extra=pem_rules("caBundle"),
    )


class Identity(ApiModel):
    """Who the connector logs in as."""

    kind: str = Field(max_length=32, description="The kind of credential, as in the spec.")
    tenant_id: str | None = Field(None, max_length=253, description="The Entra tenant.")
    client_id: str | None = Field(None, max_length=36, description="The application or identity.")
    username: str | None = Field(None, max_length=256, description="The user name at the registry.")


class LoginStatus(ApiModel):
    """One login that build pods use."""

    secret_name: str = Field(max_length=253, description="The Secret that build pods mount.")
    registries: list[Annotated[str, Field(max_length=253)]] = Field(
        max_length=64, description="Registries it logs in to.", json_schema_extra=ATOMIC
    )
    expires_at: Time | None = Field(
        None,
        description="When it ends unless renewed; of a user name and password, when it is removed unless a build uses "
        "it.",
    )


MAX_LOGINS = 64


class AzureConnectorStatus(ApiModel):
    """Whether the connector can log in."""

    observed_generation: int = Field(-1, description="Generation of the spec that the status speaks of.")
    conditions: list[Condition] = Field(
        [], max_length=16, description="The state by aspects.", json_schema_extra=MAP_BY_TYPE
    )
    identity: Identity | None = Field(None, description="Who the connector logs in as.")
    registries: list[Annotated[str, Field(max_length=253)]] = Field(
        [],
        max_length=64,
        description="Registries that the connector is logged in to now; with registryCredentials none, since a user "
        "name and password is only tried by a build.",
        json_schema_extra=ATOMIC,
    )
    expires_at: Time | None = Field(
        None, description="When the first of the logins to these registries ends; each is renewed at half its life."
    )
    logins: list[LoginStatus] = Field(
        [],
        max_length=MAX_LOGINS,
        description="The logins made for builds; one that no build needs any more is removed.",
        json_schema_extra=ATOMIC,
    )
    handled_verify: str | None = Field(
        None, max_length=128, description="Value of the annotation buildandpush.dev/verify that was acted on last."
    )
