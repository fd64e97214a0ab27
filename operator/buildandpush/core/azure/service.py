"""Services of Azure's beside the registries that a build's source comes from: whom their tokens are for."""

from dataclasses import dataclass
from typing import Final

from buildandpush.api.urls import AZURE_REPOS, AZURE_STORAGE
from buildandpush.core import naming


@dataclass(frozen=True)
class Service:
    """What takes a token of Entra ID as it is."""

    name: str
    host: str
    """Stands for it wherever a login needs the name of a host."""
    audience: str
    key: str
    """Key of the login Secret that holds the token."""


SERVICES: Final = {
    service.host: service
    for service in (
        Service(
            "Azure Repos",
            AZURE_REPOS,
            # In every organization.
            # https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
            "499b84ac-1321-427f-aa17-267ca6975798",
            naming.GIT_TOKEN_KEY,
        ),
        Service(
            "Azure Storage",
            AZURE_STORAGE,
            # In every cloud. https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
            "https://storage.azure.com",
            naming.STORAGE_TOKEN_KEY,
        ),
    )
}
"""By host."""
