"""git's way to a server: checked addresses or a proxy, certificates, a login, and no settings of the machine.

Over ssh, git/ssh.py has the rest of it.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Final
from urllib.parse import unquote, urlsplit

from buildandpush.api.addresses import AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.api.urls import AZURE_SSH_HOST, SCP_URL, SSH_URL, URL_WITH_USER
from buildandpush.source.git.githubapp import NoTokenError, Trust, fetch_app_header, names_app
from buildandpush.source.git.login import MOUNT, make_header, read_keys
from buildandpush.source.git.meaning import MAX_TEXT, explain_git, explain_ssh
from buildandpush.source.git.ssh import Route, Ssh, prepare_ssh
from buildandpush.source.git.sshkey import read_ssh_login
from buildandpush.source.hidden import hide
from buildandpush.source.network.address import refuse_address, refuse_odd_name, resolve_host
from buildandpush.source.network.egress import TRUSTED, find_proxy, write_trust
from buildandpush.source.report import SourceError

_HEADER: Final = "GIT_CONFIG_VALUE_0"
_PAUSES_SECONDS: Final = (3.0, 9.0)
"""GitHub needs that long at times until all of its servers know a new token. A token made anew would be new again."""


@dataclass(frozen=True)
class Access:
    """How the server is logged in to and trusted, beside what the installer of the operator says."""

    login: str = ""
    """What the login comes from, in words; empty for no login."""
    folder: Path = MOUNT
    """Where the Secret's keys are files."""
    ca_bundle: str = ""
    """Certificates in PEM form."""
    ignore_host_key: bool = False
    """Over ssh: take every host key."""
    keys: Mapping[str, str] | None = None
    """The Secret's keys, where they are no files."""
    trusted: Path = TRUSTED
    """Certificates that the installer trusts, in PEM form. The file may be missing."""
    scratch: Path | None = None
    """Where files that git needs are written. Default: the folder for temporary files."""
    rules: AddressRules | None = None
    """Which addresses are refused. Default: those that builds may not fetch from."""
    header: str = ""
    """The header that logs in, where it was made before; empty: it is made from the keys."""


@dataclass(frozen=True)
class Server:
    """A URL, taken apart."""

    url: str
    """Without the user, unless it is for ssh."""
    scheme: str
    host: str
    port: int
    user: str
    """Empty where the URL names none."""


@dataclass(frozen=True)
class Way:
    """The settings and variables for git's way to the server."""

    settings: Mapping[str, str]
    environment: Mapping[str, str]
    is_login_new: bool = False
    """Whether the login was made a moment ago, so that not every part of the server knows it yet."""
    ssh: Ssh | None = None
    """What ssh reads, for as long as the way is used."""
    refusal: str = ""
    """Why there is no login after all. What everybody may read can be fetched without one."""

    @property
    def header(self) -> str:
        """The header that logs in; empty for none."""
        return self.environment.get(_HEADER, "")


def find_way(server: Server, access: Access) -> Way:
    """Through the proxy, if there is one for this host, or else to checked addresses. Adds the login."""
    if server.scheme == "ssh":
        return _find_ssh_way(server, access)
    trust = write_trust(access.scratch or Path(tempfile.gettempdir()), access.ca_bundle, access.trusted)
    environment = {"GIT_SSL_CAINFO": str(trust)} if trust else {}
    refusal, is_login_new = "", False
    if access.login:
        keys = read_keys(access.folder) if access.keys is None else access.keys
        try:
            environment |= _login_environment(server, access.header or _make_header(keys, server, access, trust))
            is_login_new = names_app(keys) and not access.header
        except NoTokenError as error:  # a public submodule of a private repository, for example
            refusal = str(error)
    settings, proxies = _find_route(server, access.rules)
    return Way(settings, {**environment, **proxies}, is_login_new, refusal=refusal)


def _find_route(server: Server, rules: AddressRules | None) -> tuple[dict[str, str], dict[str, str]]:
    """git's settings and variables for the network."""
    scheme, host, port = server.scheme, server.host, server.port
    proxy = find_proxy(scheme, host, port)
    if proxy:
        # The proxy finds the addresses; only one that the URL itself names can be checked here. In the environment
        # rather than among the arguments, since it may hold a login.
        refuse_address(host, rules=rules)
        return {}, {f"{scheme}_proxy": proxy}
    addresses = resolve_host(host, port, rules)
    if ":" in host:  # an IPv6 address, which no DNS can change and which curl cannot read here
        return {}, {}
    # git connects to the addresses that were checked, whatever DNS says a moment later.
    return {"http.curloptResolve": f"{host}:{port}:{','.join(addresses)}"}, {}


def _make_header(keys: Mapping[str, str], server: Server, access: Access, trust: Path | None) -> str:
    if names_app(keys):
        return fetch_app_header(keys, access.login, server.url, Trust(trust, access.rules))
    return make_header(keys, access.login, server.user)


def _find_ssh_way(server: Server, access: Access) -> Way:
    keys = read_keys(access.folder) if access.keys is None else access.keys
    login = read_ssh_login(keys, access.login, ignore_host_key=access.ignore_host_key)
    # Proxies have no name for ssh. A tunnel, which ssh needs, is what they give to https.
    proxy = find_proxy("https", server.host, server.port)
    if proxy:
        refuse_address(server.host, rules=access.rules)
        route = Route(server.host, server.port, proxy=proxy)
    else:
        route = Route(server.host, server.port, resolve_host(server.host, server.port, access.rules))
    ssh = prepare_ssh(route, login, access.login)
    return Way({}, ssh.environment, ssh=ssh)


def _login_environment(server: Server, header: str) -> dict[str, str]:
    """git's setting for one host, in its environment: https://git-scm.com/docs/git-config#_environment"""
    if server.scheme != "https":
        raise SourceError(Reason.SOURCE_INVALID, "a login needs an https:// URL: over http anybody on the way reads it")
    host = f"[{server.host}]" if ":" in server.host else server.host
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{host}:{server.port}/.extraHeader",
        _HEADER: header,
    }


def split_url(url: str) -> Server:
    """The server of a URL that may be fetched from."""
    url = url.strip()
    ssh = _split_ssh(url)
    if ssh:
        return ssh
    url = url.replace(" ", "%20")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        # What is read as the port may be the beginning of a password, and the error names it.
        told = f"{_without_login(url)!r} is no URL: its host or port cannot be read"
        raise SourceError(Reason.SOURCE_INVALID, told) from error
    named = "@" not in parts.netloc or re.match(URL_WITH_USER, url)
    if parts.scheme not in ("http", "https") or not host or not named:
        raise SourceError(
            Reason.SOURCE_INVALID, f"{_without_login(url)!r} is no http(s) URL without a login, and no URL of ssh"
        )
    refuse_odd_name(host)
    port = port or (443 if parts.scheme == "https" else 80)
    address = parts.netloc.rpartition("@")[2]
    return Server(parts._replace(netloc=address).geturl(), parts.scheme, host, port, unquote(parts.username or ""))


def _split_ssh(url: str) -> Server | None:
    """The server of ssh://user@host:port/path or user@host:path. None for another URL."""
    long, short = re.match(SSH_URL, url), re.match(SCP_URL, url)
    if long is not None:
        user, host, port, _ = long.groups()
    elif short is not None:
        user, host, port = short[1], short[2], None
    else:
        return None
    if not url.isprintable() or not 0 < int(port or 22) < 65536:
        raise SourceError(Reason.SOURCE_INVALID, f"{url!r} is no URL that ssh can use")
    refuse_odd_name(host)
    # In the short form, a server is sent the path as it is. Azure Repos wants it as its pages show it.
    encoded = long is not None or re.fullmatch(AZURE_SSH_HOST, host)
    return Server(url.replace(" ", "%20") if encoded else url, "ssh", host.lower(), int(port or 22), user)


def _without_login(url: str) -> str:
    scheme, slashes, rest = url.partition("//")
    _, at, address = rest.rpartition("@")  # the last one: a password may hold a slash, or an @
    return f"{scheme}{slashes}***@{address}" if at else url


def run_git(root: Path, way: Way, *arguments: str) -> str:
    """What git prints, run in the root; raises SourceError."""
    for seconds in _PAUSES_SECONDS if way.is_login_new else ():
        try:
            return _run_git(root, way, *arguments)
        except SourceError as error:
            if error.reason is not Reason.SOURCE_DENIED:
                raise
            print(f"{error.reason}: {error}; the login is new, so again in {seconds:.0f} s", file=sys.stderr)
        sleep(seconds)
    return _run_git(root, way, *arguments)


def _run_git(root: Path, way: Way, *arguments: str) -> str:
    done = subprocess.run(
        build_command(way, *arguments),
        cwd=root,
        env=build_environment(way),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise explain_failure(way, done.stderr)
    return done.stdout


def build_command(way: Way, *arguments: str) -> list[str]:
    """git with its settings, which hold nothing secret."""
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
    return ["git", *options, *arguments]


def build_environment(way: Way) -> dict[str, str]:
    """All variables that git gets, the login among them."""
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
        **way.environment,
    }


def explain_failure(way: Way, stderr: str) -> SourceError:
    """What git's words about a failure mean, without the login."""
    if way.ssh is not None:
        return explain_ssh(stderr, way.ssh.origin)
    # Twice what is explained, since a login may stand where the text is cut.
    told = hide(stderr[-2 * MAX_TEXT :], [way.header], most=2 * MAX_TEXT)
    error = explain_git(told, with_login=bool(way.header or way.refusal))
    return SourceError(error.reason, way.refusal) if way.refusal and error.reason is Reason.SOURCE_DENIED else error
