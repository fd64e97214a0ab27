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
_SSH: Final = re.compile(r"(?:ssh://)?git@([A-Za-z0-9.-]{1,253})(?::[0-9]{1,5}/|[:/])(.{1,1000})")
_AZURE_SSH: Final = re.compile(r"v3/([^/]{1,200})/([^/]{1,200})/([^/]{1,200})")
_LOGIN: Final = re.compile(r"(https?://)[^/@]{1,1000}@")


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

    def find(self, reference: str, repository: str) -> GitAddress | None:
        """The address of a repository of this connector; None if nothing is known."""
        connector = self.found.get(name_connector(reference))
        if connector is None or as_text(connector.get("type")) not in KINDS:
            return None
        spec = as_map(connector.get("spec"))
        url, told = _over_https(_join(as_text(connector.get("type")), spec, repository))
        if not url:
            return None
        login = look_up(spec, "authentication", "spec", "spec")
        return GitAddress(
            url=url,
            kind=as_text(connector.get("type")),
            has_login=as_text(look_up(spec, "authentication", "spec", "type")) != "Anonymous",
            user=as_text(look_up(login, "username")),
            told=told,
        )


def _join(kind: str, spec: Map, repository: str) -> str:
    """The connector's address, with the repository's name behind it if the connector is for several repositories."""
    base = as_text(spec.get("url")).rstrip("/")
    scope = as_text(spec.get("type")) or as_text(spec.get("connectionType"))
    name = repository.strip("/")
    if not base or scope == _ONE_REPOSITORY:
        return base
    if not name or "<+" in name:
        return ""
    if kind == "AzureRepo" and "/_git/" not in f"/{name}":
        return f"{base}/_git/{name}"
    return f"{base}/{name}"


def _over_https(url: str) -> tuple[str, str]:
    """The address for https, and what has changed. The operator speaks no ssh."""
    match = _SSH.fullmatch(url)
    if match:
        host, path = match[1], match[2]
        azure = _AZURE_SSH.fullmatch(path)
        if azure and host == "ssh.dev.azure.com":
            host, path = "dev.azure.com", f"{azure[1]}/{azure[2]}/_git/{azure[3]}"
        return f"https://{host}/{path}", "the connector uses ssh; the operator fetches over https"
    bare = _LOGIN.sub(r"\1", url)
    if bare != url and not re.match(URL_WITH_USER, url):
        return bare, "the address is without the login in it; put it into the Secret of credentialsRef"
    return url, ""
