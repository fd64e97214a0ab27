"""Addresses of git repositories, from exported Git connectors and the names of repositories."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from buildandpush.api.urls import URL_WITH_USER
from buildandpush.pipelines.names import name_connector
from buildandpush.pipelines.values import Map, as_map, as_text, look_up

KINDS: Final = frozenset({"Git", "Github", "Gitlab", "Bitbucket", "AzureRepo", "Codecommit"})
_ONE_REPOSITORY: Final = "Repo"
_ONE_PROJECT: Final = "Project"
_AZURE_SSH: Final = "@ssh.dev.azure.com:"
_LOGIN: Final = re.compile(r"(https?://)[^/]{1,1000}@")


@dataclass(frozen=True)
class GitAddress:
    """Where a repository is, and who reads it."""

    url: str
    kind: str
    """The connector's type, such as Github."""
    has_login: bool
    user: str = ""
    told: str = ""
    """In what the address differs from the connector's."""


@dataclass(frozen=True)
class GitConnectors:
    """Exported connectors by the name that their identifier becomes."""

    found: Mapping[str, Map]

    def find(self, reference: str, repository: str, project: str = "") -> GitAddress | None:
        """The address of a repository of this connector; None if nothing is known. Azure's have a project."""
        connector = self.found.get(name_connector(reference))
        if connector is None or as_text(connector.get("type")) not in KINDS:
            return None
        spec = as_map(connector.get("spec"))
        url, told = _without_login(_join(as_text(connector.get("type")), spec, repository, project))
        if not url:
            return None
        login = look_up(spec, "authentication", "spec", "spec") or spec.get("spec")
        return GitAddress(
            url=url,
            kind=as_text(connector.get("type")),
            has_login=as_text(look_up(spec, "authentication", "spec", "type")) != "Anonymous",
            user=as_text(look_up(login, "username")),
            told=told,
        )


def _join(kind: str, spec: Map, repository: str, project: str) -> str:
    """The connector's address, with the repository's name behind it if the connector is for several repositories."""
    base = as_text(spec.get("url")).rstrip("/")
    # The type of a plain Git connector is how it logs in.
    scope = as_text(spec.get("connectionType")) or as_text(spec.get("type"))
    name = repository.strip("/")
    if not base or scope == _ONE_REPOSITORY:
        return base
    if not name or "<+" in name:
        return ""
    if kind == "AzureRepo" and "/_git/" not in f"/{name}":
        inside = f"/{project}" if project and scope != _ONE_PROJECT else ""
        if "<+" in inside:
            return ""
        joined = f"{base}{inside}/{name}" if _AZURE_SSH in base else f"{base}{inside}/_git/{name}"
        return joined.replace(" ", "%20")
    return f"{base}/{name}"


def strip_login(url: str) -> str:
    """The address without a user or password in it."""
    return _LOGIN.sub(r"\1", url)


def _without_login(url: str) -> tuple[str, str]:
    """The address without a password in it, and what has changed."""
    bare = strip_login(url)
    if bare != url and not re.match(URL_WITH_USER, url):
        return bare, "the address is without the login in it; put it into the Secret of credentialsRef"
    return url, ""
