"""Submodules: which ones a checked-out repository has, and where they come from.

git's own `git submodule` is not used: it reads .gitmodules as settings, keeps folders by names that the repository
chooses, and asks each host with the settings for the first one. Here a name says nothing, the only setting that is read
is the address, and each address is checked like source.git.url.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from buildandpush.api.reasons import Reason
from buildandpush.api.urls import SCP_URL, is_among
from buildandpush.source.git.folder import list_links
from buildandpush.source.git.settingsfile import read_settings
from buildandpush.source.git.way import Access, Server, Way
from buildandpush.source.report import SourceError

MOST: Final = 256
"""Submodules of all levels together."""
DEEPEST: Final = 8
"""Levels: a submodule of a submodule is at the second."""
_FILE: Final = ".gitmodules"
_KEY: Final = re.compile(r"submodule\.(?P<name>.+)\.(?P<what>path|url)", re.DOTALL)
_SHORT_SSH: Final = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[^@/:\s]+):(?P<path>[^/:].*)")
_LONG_SSH: Final = re.compile(r"ssh://(?:[^@/\s]+@)?(?P<host>[^@/:\s]+)(?::[0-9]+)?/(?P<path>.+)")
_BASE: Final = re.compile(r"(?P<server>[a-z]+://[^/]+/|[^/:]+:/?)(?P<path>.*)")
"""The two parts of an address that git was given: ssh has a form without a scheme."""


@dataclass(frozen=True)
class Submodule:
    """One submodule of a repository."""

    path: str
    """Relative to the root of the repository that has it."""
    commit: str
    url: str
    """As .gitmodules says."""


def list_submodules(root: Path, way: Way) -> list[Submodule]:
    """The submodules whose folders are checked out; raises SourceError for one without an address."""
    links = [(path, commit) for path, commit in list_links(root) if _is_plain_folder(root, path)]
    if not links:
        return []
    urls = parse_urls(read_settings(root, way, _FILE))
    for path, _ in links:
        if not urls.get(path):
            raise SourceError(Reason.SOURCE_INVALID, f"submodule {path!r} has no url in {_FILE}; add it, or remove it")
    return [Submodule(path, commit, urls[path]) for path, commit in links]


def _is_plain_folder(root: Path, path: str) -> bool:
    """Whether the folder is where the path says, and there is one: folders beside source.git.paths are not."""
    folder = root / path
    return folder.is_dir() and folder.resolve() == Path(os.path.normpath(root.resolve() / path))


def parse_urls(settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The addresses by path, from the settings in .gitmodules."""
    named: dict[str, dict[str, str]] = {}
    for key, value in settings:
        found = _KEY.fullmatch(key)
        if found is not None:
            named.setdefault(found["name"], {})[found["what"]] = value
    return {each["path"]: each.get("url", "") for each in named.values() if "path" in each}


def find_address(url: str, parent: Server) -> str:
    """The whole address of a submodule, whose url may be relative to the parent's; raises SourceError.

    Where the parent came over http(s), an address for ssh on the same host is taken for the same repository over
    http(s): developers write what they use themselves.
    """
    if url.startswith(("./", "../")):
        return _climb(url, parent.url)
    short = _SHORT_SSH.fullmatch(url) if "://" not in url else None
    over_ssh = short or _LONG_SSH.fullmatch(url)
    if over_ssh is not None and parent.scheme in ("http", "https") and over_ssh["host"].lower() == parent.host:
        return f"{parent.scheme}://{urlsplit(parent.url).netloc}/{over_ssh['path']}"
    if over_ssh is None and not url.startswith(("http://", "https://")) and not re.match(SCP_URL, url):
        raise SourceError(
            Reason.SOURCE_INVALID, f"{_tell(url)} is no address that is fetched from; write an https:// one"
        )
    return url


def _climb(url: str, base: str) -> str:
    found = _BASE.fullmatch(base)
    if found is None:
        raise SourceError(Reason.SOURCE_INVALID, f"{_tell(url)} is relative to an address that is none")
    above, parts = found["path"].rstrip("/").split("/"), url.split("/")
    rest = list(dropwhile(lambda part: part in (".", ".."), parts))
    levels = parts[: len(parts) - len(rest)].count("..")
    if levels > len(above):
        raise SourceError(Reason.SOURCE_INVALID, f"{_tell(url)} leads above the root of the server")
    if ".." in rest:
        raise SourceError(Reason.SOURCE_INVALID, f"{_tell(url)} has .. in its middle; write it at the beginning")
    return found["server"] + "/".join([*above[: len(above) - levels], *rest])


def refuse_host(host: str, allowed: tuple[str, ...]) -> None:
    """Raise SourceError for a host that the installer does not allow; an empty tuple allows all."""
    if allowed and not is_among(host, allowed):
        raise SourceError(
            Reason.SOURCE_INVALID,
            f"the operator's installer allows no git server but {', '.join(allowed)[:200]}, and this is {host}; have "
            "it added to git.allowedHosts of the chart",
        )


def limit_access(access: Access, server: Server, first: Server) -> Access:
    """The access to a submodule's server: the login is for the first server alone."""
    if (server.scheme, server.host, server.port) == (first.scheme, first.host, first.port):
        return access
    if server.scheme == "ssh":
        raise SourceError(
            Reason.SOURCE_INVALID,
            f"ssh to {server.host} needs a key, and the login goes to {first.host} alone; write an https:// address",
        )
    return replace(access, login="")


def explain(error: SourceError, place: str, server: Server | None, first: Server) -> SourceError:
    """The same error, with the submodule that it is about."""
    remedy = ""
    if error.reason is Reason.SOURCE_DENIED and server is not None and server.host != first.host:
        remedy = f"; the login of source.git goes to {first.host} alone"
    elif error.reason is Reason.REVISION_NOT_FOUND:
        remedy = "; push this commit of the submodule, or let its parent name another"
    return SourceError(error.reason, f"submodule {place!r}: {error}{remedy}")


def _tell(url: str) -> str:
    """The address without what may be a password."""
    return repr(re.sub("//[^/]*@", "//***@", url[:200]))
