"""What is refused in a git source."""

import posixpath
import re
from urllib.parse import urlsplit

from buildandpush.api.sources.git import GitSource
from buildandpush.api.urls import AZURE_REPOS_URL, NO_REVISION, SCP_URL, SSH_URL, find_server, is_among
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value
from buildandpush.core.spec.paths import resolve_path


def check_git(git: GitSource, hosts: tuple[str, ...] = ()) -> None:
    """Raise SpecInvalidError for a git source that cannot be used. `hosts` are those that the installer allows; empty
    for all."""
    if hosts and not _is_allowed(git.url, hosts):
        raise SpecInvalidError(
            "source.git.url",
            f"the operator's installer allows no git server but {', '.join(hosts)[:200]}; use one of them, or have "
            "this one added to git.allowedHosts of the chart",
        )
    is_ssh = bool(re.match(SSH_URL, git.url) or re.match(SCP_URL, git.url))
    if not is_ssh and not re.match("https?://", git.url):
        raise SpecInvalidError(
            "source.git.url",
            f"{show_value(git.url)} is no URL of http(s) or ssh; write https:// or ssh://git@<host>/<path>",
        )
    if git.credentials_ref and git.url.startswith("http://"):
        raise SpecInvalidError(
            "source.git.credentialsRef", "the login would be readable on the way; use an https:// url, or one of ssh"
        )
    if git.credentials_ref and git.connector_ref:
        raise SpecInvalidError("source.git", "credentialsRef and connectorRef are given; give one of them")
    if git.connector_ref and not re.match(AZURE_REPOS_URL, git.url):
        raise SpecInvalidError(
            "source.git.connectorRef",
            f"it logs in to Azure Repos alone, not to {show_value(git.url)}; for other servers use credentialsRef",
        )
    if re.search(NO_REVISION, git.revision):
        raise SpecInvalidError(
            "source.git.revision",
            f"{git.revision[:200]!r} is no name that git allows; write a branch, tag, full ref or commit id",
        )
    _check_ssh(git, is_ssh=is_ssh)


def _check_ssh(git: GitSource, *, is_ssh: bool) -> None:
    if is_ssh and not git.credentials_ref:
        raise SpecInvalidError(
            "source.git.url", "ssh needs a key; name the Secret with ssh-privatekey and known_hosts in credentialsRef"
        )
    if is_ssh and git.ca_bundle:
        raise SpecInvalidError(
            "source.git.caBundle", "it is for https; over ssh the server is trusted by known_hosts in the Secret"
        )
    if git.insecure_ignore_host_key and not is_ssh:
        raise SpecInvalidError(
            "source.git.insecureIgnoreHostKey", "it is for ssh; a server's certificate goes into source.git.caBundle"
        )


def _is_allowed(url: str, hosts: tuple[str, ...]) -> bool:
    return is_among(urlsplit(f"//{find_server(url)}").hostname or "", hosts)


def check_git_paths(git: GitSource, dockerfile: str, context: str) -> None:
    """Raise SpecInvalidError for paths that are no folders, or that leave out what is built. `dockerfile` and `context`
    are normalised."""
    if not git.paths:
        return
    paths = [_resolve_folder(path) for path in git.paths]
    for name, folder in (("dockerfile", posixpath.dirname(dockerfile) or "."), ("context", context)):
        if not any(_is_fetched(folder, path) for path in paths):
            raise SpecInvalidError(
                "source.git.paths", f"they leave out {folder[:200]!r}, the folder of {name}; add it to them"
            )


def _resolve_folder(path: str) -> str:
    found = "." if path.startswith("/") else resolve_path("source.git.paths", path)
    if found == ".":
        raise SpecInvalidError(
            "source.git.paths", f"{path[:200]!r} is no folder inside the repository; write for example services/web"
        )
    return found


def _is_fetched(folder: str, path: str) -> bool:
    """Whether the folder comes along with the path: it is inside, or above."""
    return folder == "." or f"{folder}/".startswith(f"{path}/") or path.startswith(f"{folder}/")
