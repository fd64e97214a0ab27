"""Fetches one revision of a git repository over http(s), without trusting its URL or its contents."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from buildandpush.api.reasons import Reason
from buildandpush.api.urls import URL_WITH_USER
from buildandpush.source.facts import SourceFacts
from buildandpush.source.git.folder import list_submodules, remove_git_folder
from buildandpush.source.git.login import MOUNT, read_header
from buildandpush.source.git.meaning import explain_git
from buildandpush.source.hidden import hide
from buildandpush.source.network.address import refuse_address, refuse_odd_name, resolve_host
from buildandpush.source.network.egress import find_proxy, write_trust
from buildandpush.source.report import SourceError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HEADER: Final = "GIT_CONFIG_VALUE_0"
_DETAILS: Final = "%H%n%an <%ae>%n%s"
_SHORT_COMMIT: Final = re.compile(r"[0-9a-f]{7,39}")


@dataclass(frozen=True)
class Access:
    """How the server is logged in to and trusted, beside what the installer of the operator says."""

    login: str = ""
    """What the login comes from, in words; empty for no login."""
    folder: Path = MOUNT
    """Where the Secret's keys are files."""
    ca_bundle: str = ""
    """Certificates in PEM form."""


@dataclass(frozen=True)
class _Server:
    """A URL, taken apart."""

    url: str
    """Without the user."""
    scheme: str
    host: str
    port: int
    user: str
    """Empty where the URL names none."""


@dataclass(frozen=True)
class _Way:
    """The settings and variables for git's way to the server."""

    settings: Mapping[str, str]
    environment: Mapping[str, str]


def fetch_git(git: dict[str, Any], root: Path) -> SourceFacts:
    """Fetch what the request's `git` names into the root."""
    revision = git.get("revision", "")
    print(f"Fetching {revision or 'the default branch'} of {git['url']}", flush=True)
    facts = fetch_revision(git["url"], revision, root, Access(_describe_login(git), ca_bundle=git.get("caBundle", "")))
    print(f"At commit {facts.commit}", flush=True)
    facts = replace(facts, empty_submodules=list_submodules(root))
    if not git.get("keepGitDir"):
        remove_git_folder(root)
    return facts


def _describe_login(git: dict[str, Any]) -> str:
    """What the login to the git server comes from; empty where there is none."""
    if "credentialsRef" in git:
        return f"Secret {git['credentialsRef']['name']!r}"
    return f"AzureConnector {git['connectorRef']!r}" if "connectorRef" in git else ""


def fetch_revision(url: str, revision: str, root: Path, access: Access = Access()) -> SourceFacts:
    """Check the revision out into the root; raises SourceError."""
    server = _split(url)
    way = _find_way(server, access)
    url = server.url
    wanted = revision or "HEAD"
    _git(root, way, "init", "--quiet", "--template=", ".")
    try:
        _git(root, way, "fetch", "--quiet", "--depth=1", "--no-tags", "--end-of-options", url, wanted)
    except SourceError as error:
        if error.reason is Reason.REVISION_NOT_FOUND and _SHORT_COMMIT.fullmatch(wanted):
            raise SourceError(Reason.COMMIT_ID_SHORT, f"{wanted!r} has {len(wanted)} of 40 characters") from error
        if error.reason is not Reason.REVISION_NOT_FOUND or not _COMMIT.fullmatch(wanted):
            raise
        # Some servers give commits only by the branches and tags that hold them.
        _git(root, way, "fetch", "--quiet", "--tags", "--end-of-options", url, "+refs/heads/*:refs/remotes/o/*")
        _git(root, way, "checkout", "--quiet", "--detach", wanted, "--")
    else:
        _git(root, way, "checkout", "--quiet", "--detach", "FETCH_HEAD", "--")
    told = _git(root, way, "log", "-1", "--no-show-signature", f"--format={_DETAILS}").split("\n")
    commit, author, message = told[:3]
    return SourceFacts(revision=revision or None, commit=commit, author=author, message=message)


def _find_way(server: _Server, access: Access) -> _Way:
    """Through the proxy, if there is one for this host, or else to checked addresses."""
    scheme, host, port = server.scheme, server.host, server.port
    trust = write_trust(Path(tempfile.gettempdir()), access.ca_bundle)
    environment = {"GIT_SSL_CAINFO": str(trust)} if trust else {}
    if access.login:
        environment |= _login_environment(server, read_header(access.folder, access.login, server.user))
    proxy = find_proxy(scheme, host, port)
    if proxy:
        # The proxy finds the addresses; only one that the URL itself names can be checked here. In the environment
        # rather than among the arguments, since it may hold a login.
        refuse_address(host)
        return _Way({}, {**environment, f"{scheme}_proxy": proxy})
    addresses = resolve_host(host, port)
    if ":" in host:  # an IPv6 address, which no DNS can change and which curl cannot read here
        return _Way({}, environment)
    # git connects to the addresses that were checked, whatever DNS says a moment later.
    return _Way({"http.curloptResolve": f"{host}:{port}:{','.join(addresses)}"}, environment)


def _login_environment(server: _Server, header: str) -> dict[str, str]:
    """git's setting for one host, in its environment: https://git-scm.com/docs/git-config#_environment"""
    if server.scheme != "https":
        raise SourceError(Reason.SOURCE_INVALID, "a login needs an https:// URL: over http anybody on the way reads it")
    host = f"[{server.host}]" if ":" in server.host else server.host
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{host}:{server.port}/.extraHeader",
        _HEADER: header,
    }


def _split(url: str) -> _Server:
    """The server of a URL that may be fetched from."""
    url = url.strip().replace(" ", "%20")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"{url!r} is no URL: {error}") from error
    named = "@" not in parts.netloc or re.match(URL_WITH_USER, url)
    if parts.scheme not in ("http", "https") or not host or not named:
        raise SourceError(Reason.SOURCE_INVALID, f"{_without_login(url)!r} is no http(s) URL without a login")
    refuse_odd_name(host)
    port = port or (443 if parts.scheme == "https" else 80)
    address = parts.netloc.rpartition("@")[2]
    return _Server(parts._replace(netloc=address).geturl(), parts.scheme, host, port, unquote(parts.username or ""))


def _without_login(url: str) -> str:
    return re.sub("//[^/]*@", "//***@", url)


def _git(root: Path, way: _Way, *arguments: str) -> str:
    settings = {
        "core.hooksPath": os.devnull,
        "http.followRedirects": "false",
        "http.lowSpeedLimit": "1000",
        "http.lowSpeedTime": "60",
        "advice.detachedHead": "false",
        "safe.directory": "*",
        **way.settings,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=root,
        env={**_environment(), **way.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        header = way.environment.get(_HEADER, "")
        raise explain_git(hide(done.stderr, [header]), with_login=bool(header))
    return done.stdout


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
    }
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "http:https",
    }
