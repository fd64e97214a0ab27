"""What the emulated Azure consists of: tenants, subscriptions, registries, principals and their roles."""

import fnmatch
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from devcluster.errors import DevclusterError

_T = TypeVar("_T")

RoleName = Literal[
    "AcrPush",
    "AcrPull",
    "AcrDelete",
    "RepositoryReader",
    "RepositoryWriter",
    "RepositoryContributor",
    "Reader",
    "StorageBlobDataReader",
]

_REGISTRY_ROLES: dict[str, frozenset[str]] = {
    "AcrPull": frozenset({"pull", "metadata_read"}),
    "AcrPush": frozenset({"pull", "push", "metadata_read"}),
    "AcrDelete": frozenset({"delete"}),
}
_REPOSITORY_ROLES: dict[str, frozenset[str]] = {
    "RepositoryReader": frozenset({"pull", "metadata_read"}),
    "RepositoryWriter": frozenset({"pull", "push", "metadata_read", "metadata_write"}),
    "RepositoryContributor": frozenset({"pull", "push", "metadata_read", "metadata_write", "delete"}),
}
EVERYTHING = frozenset({"pull", "push", "metadata_read", "metadata_write", "delete"})


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


def _lower(text: str) -> str:
    return text.lower()


Lower = Annotated[str, AfterValidator(_lower)]


class Tenant(_Model):
    """A directory of Entra ID."""

    id: Lower
    domain: Lower = ""
    authority: str = "login.microsoftonline.com"


class Subscription(_Model):
    """A subscription of the resource manager."""

    id: Lower
    name: str
    tenant: Lower
    manager: str = "management.azure.com"


class RegistryToken(_Model):
    """A repository-scoped token: a user name and password with actions on some repositories."""

    name: str
    password: str
    repositories: dict[str, list[str]]
    """Actions (content/read, content/write, content/delete, metadata/read, metadata/write) by name or pattern."""


class Registry(_Model):
    """A container registry."""

    host: Lower
    tenant: Lower
    subscription: Lower
    resource_group: str = "builds"
    abac: bool = False
    """Whether roles hold for repositories: AcrPush and AcrPull are then not honoured."""
    arm_audience: bool = True
    """Whether tokens for the resource manager are taken too."""
    anonymous_pull: bool = False
    admin: str = ""
    """Password of the admin user, whose name is the registry's; empty: there is none."""
    admin_name: str = ""
    tokens: list[RegistryToken] = []
    refresh_token_seconds: int = 3 * 3600
    access_token_seconds: int = 75 * 60
    open: bool = True
    """Whether the firewall lets callers in."""

    @property
    def name(self) -> str:
        """Name in the resource manager: a domain-name label adds a hash behind a hyphen, which names cannot hold."""
        return self.host.split(".", 1)[0].split("-", 1)[0]

    @property
    def resource_id(self) -> str:
        """Id in the resource manager."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.ContainerRegistry/registries/{self.name}"


class StorageAccount(_Model):
    """A storage account."""

    host: Lower
    tenant: Lower
    key: str
    """Account key, in base64, which signatures are made with."""
    blobs: dict[str, str] = {}
    """Content in base64 by container/blob."""

    @property
    def name(self) -> str:
        """As signatures name it."""
        return self.host.split(".", 1)[0]


class Secret(_Model):
    """A client secret."""

    value: str
    expires_at: datetime = datetime(2099, 1, 1, tzinfo=UTC)


class Federation(_Model):
    """Whose tokens an identity trusts."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


class Role(_Model):
    """A role on a registry or storage account (by host), a container (host/container) or a subscription (by id)."""

    role: RoleName
    scope: Lower
    repositories: str = "*"
    """A condition on the repository's name, as a pattern."""


class Principal(_Model):
    """An application or managed identity."""

    client_id: Lower
    tenant: Lower
    secrets: list[Secret] = []
    certificates: list[str] = []
    """In PEM form."""
    federations: list[Federation] = []
    node_identity: bool = False
    """Whether the node's metadata service gives its tokens out."""
    enabled: bool = True
    roles: list[Role] = []
    repositories: list[str] = []
    """Git repositories in Azure Repos that it may read, as organization/project/repository."""


class World(_Model):
    """Everything that the emulator knows."""

    tenants: list[Tenant] = []
    subscriptions: list[Subscription] = []
    registries: list[Registry] = []
    principals: list[Principal] = []
    accounts: list[StorageAccount] = []

    def merge(self, other: "World") -> None:
        """Add what is new and replace what has the same key."""
        self.tenants = _merged(self.tenants, other.tenants, lambda item: item.id)
        self.subscriptions = _merged(self.subscriptions, other.subscriptions, lambda item: item.id)
        self.registries = _merged(self.registries, other.registries, lambda item: item.host)
        self.accounts = _merged(self.accounts, other.accounts, lambda item: item.host)
        # An application may be in several tenants, in each with roles of its own.
        self.principals = _merged(self.principals, other.principals, lambda item: (item.client_id, item.tenant))

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by id or domain."""
        return next((item for item in self.tenants if name.lower() in (item.id, item.domain or item.id)), None)

    def registry(self, host: str) -> Registry | None:
        """A registry by its login server."""
        return next((item for item in self.registries if item.host == host), None)

    def account(self, host: str) -> StorageAccount | None:
        """A storage account by its host."""
        return next((item for item in self.accounts if item.host == host), None)

    def principal(self, client_id: str, tenant: str) -> Principal | None:
        """An application of a tenant."""
        wanted = (client_id.lower(), tenant)
        return next((item for item in self.principals if (item.client_id, item.tenant) == wanted), None)


def _merged(old: list[_T], new: list[_T], key: Callable[[_T], Any]) -> list[_T]:
    return list({key(item): item for item in [*old, *new]}.values())


def actions_of(principal: Principal, registry: Registry, repository: str) -> frozenset[str]:
    """What a principal may do with a repository.
    https://learn.microsoft.com/azure/container-registry/container-registry-rbac-abac-repository-permissions"""
    honoured = _REPOSITORY_ROLES if registry.abac else _REGISTRY_ROLES
    found: set[str] = set()
    for role in principal.roles:
        matches = not registry.abac or fnmatch.fnmatchcase(repository, role.repositories)
        if role.scope == registry.host and matches:
            found |= honoured.get(role.role, frozenset())
    return frozenset(found)


def may_read(principal: Principal, scope: str) -> bool:
    """Whether a principal sees a subscription or a registry in the resource manager."""
    return any(role.role == "Reader" and role.scope == scope for role in principal.roles)


_TOKEN_ACTIONS = {
    "content/read": "pull",
    "content/write": "push",
    "content/delete": "delete",
    "metadata/read": "metadata_read",
    "metadata/write": "metadata_write",
}


def token_actions(token: RegistryToken, repository: str) -> frozenset[str]:
    """What a repository-scoped token may do with a repository."""
    found: set[str] = set()
    for pattern, actions in token.repositories.items():
        if fnmatch.fnmatchcase(repository, pattern):
            found |= {_TOKEN_ACTIONS[action] for action in actions}
    return frozenset(found)


def read_world(path: Path, secrets: dict[str, str]) -> World:
    """Read a world from YAML; `${name}` in it stands for a secret. Raises DevclusterError that names the field."""
    text = path.read_text()
    for name, value in secrets.items():
        text = text.replace("${" + name + "}", value)
    return parse_world(yaml.safe_load(text), str(path))


def parse_world(raw: Any, origin: str) -> World:
    """A world from plain values; raises DevclusterError that names the field."""
    try:
        return World.model_validate(raw or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DevclusterError(f"{origin}: {field}: {first['msg']}") from error
