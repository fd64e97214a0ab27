"""A real forge: Gitea, compiled from its pinned Go module, with SQLite and without the scripts of its web pages.

`python -m tests.e2e.harness.forge` compiles it.
"""

import base64
import hashlib
import http.client
import json
import os
import secrets
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from devcluster.machine.host import read_go_version
from devcluster.machine.packages import COMPILE_PACKAGES, ensure_packages
from devcluster.node.toolchain import Tool, ensure_tools, find_uncompiled
from devcluster.settings import Settings, read_settings
from tests.e2e.harness.waiting import WaitError, eventually
from tests.webserver import Certificate, make_certificate

_MODULE: Final = "code.gitea.io/gitea"
_GITEA: Final = Tool(
    "gitea",
    Path(__file__).parent / "gitea",
    _MODULE,
    tags="sqlite sqlite_unlock_notify",
    cgo=True,
    is_optimized=False,
)
_LFS: Final = "application/vnd.git-lfs+json"
# Nothing that these tests do not ask for: no queues on disk, no index of issues, no packages, no SSH.
_CONFIG: Final = """
WORK_PATH = {root}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
PROTOCOL = https
HTTP_ADDR = {address}
HTTP_PORT = {port}
ROOT_URL = https://{address}:{port}/
CERT_FILE = {certificate}
KEY_FILE = {key}
STATIC_ROOT_PATH = {files}
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = true
LFS_JWT_SECRET = {secret}
[database]
DB_TYPE = sqlite3
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
INTERNAL_TOKEN = {secret}
[oauth2]
ENABLED = false
[session]
PROVIDER = memory
[cache]
ADAPTER = memory
[queue]
TYPE = channel
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[packages]
ENABLED = false
[log]
LEVEL = Warn
"""


class ForgeError(Exception):
    """The forge refused what a test asked of it."""


@dataclass(frozen=True)
class User:
    """One who may log in to the forge with a token."""

    name: str
    token: str


@dataclass(frozen=True)
class Forge:
    """A running forge, as its administrator sees it."""

    url: str
    certificate: Path
    administrator: User

    @property
    def ca_bundle(self) -> str:
        """What the forge is trusted by."""
        return self.certificate.read_text()

    def make_user(self, name: str, scopes: tuple[str, ...] = ("write:repository", "write:user")) -> User:
        """A user with an access token of these scopes."""
        password = secrets.token_hex(16)
        wanted = {"username": name, "email": f"{name}@example.com", "password": password, "must_change_password": False}
        self._call(self.administrator, "POST", "/api/v1/admin/users", wanted)
        login = User(name, password)
        return User(name, self.make_token(login, scopes))

    def make_token(self, login: User, scopes: tuple[str, ...]) -> str:
        """One more access token of a user, who logs in with the password."""
        wanted = {"name": secrets.token_hex(4), "scopes": scopes}
        return str(self._call(login, "POST", f"/api/v1/users/{login.name}/tokens", wanted)["sha1"])

    def make_repository(self, owner: User, name: str) -> None:
        """An empty private repository."""
        self._call(owner, "POST", "/api/v1/user/repos", {"name": name, "private": True, "default_branch": "trunk"})

    def clone_url(self, owner: User, name: str) -> str:
        """Where the repository is cloned from."""
        return f"{self.url}/{owner.name}/{name}.git"

    def push(self, owner: User, name: str, work: Path, branch: str) -> None:
        """Push what is checked out in the folder to a branch."""
        way = {
            "GIT_SSL_CAINFO": str(self.certificate),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {basic(owner)}",
            "no_proxy": "*",
        }
        command = ["git", "push", "--quiet", self.clone_url(owner, name), f"HEAD:refs/heads/{branch}"]
        done = subprocess.run(command, cwd=work, env={**os.environ, **way}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ForgeError(f"git push ended with {done.returncode}: {done.stderr}")

    def open_pull_request(self, owner: User, name: str, branch: str) -> int:
        """Ask for a branch to be merged into trunk; gives the request's number."""
        wanted = {"title": branch, "head": branch, "base": "trunk"}
        return int(self._call(owner, "POST", f"/api/v1/repos/{owner.name}/{name}/pulls", wanted)["number"])

    def upload_lfs(self, owner: User, name: str, content: bytes) -> str:
        """Store a large file and give back the text of the pointer that stands for it in the repository."""
        oid = hashlib.sha256(content).hexdigest()
        wanted = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(content)}]}
        path = f"/{owner.name}/{name}.git/info/lfs/objects/batch"
        told = self._call(owner, "POST", path, wanted, {"Accept": _LFS, "Content-Type": _LFS})
        upload = told["objects"][0]["actions"]["upload"]
        self._send("PUT", urlsplit(upload["href"]).path, content, {"Authorization": basic(owner)})
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"

    def _call(
        self, login: User, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Any:
        usual = {"Authorization": basic(login), "Content-Type": "application/json"}
        return json.loads(self._send(method, path, json.dumps(body).encode(), {**usual, **(headers or {})}) or "{}")

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        parts = urlsplit(self.url)
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=60, context=context)
        connection.request(method, quote(path), body, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise ForgeError(f"{method} {path} is answered with {answer.status}: {content[:500]!r}")
        return content


def basic(login: User) -> str:
    """The header's value that logs a user in."""
    return f"Basic {base64.b64encode(f'{login.name}:{login.token}'.encode()).decode()}"


def ensure_gitea(settings: Settings) -> Path:
    """Compile the program if the cache lacks it, and give its path."""
    go_version = read_go_version()
    if find_uncompiled((_GITEA,), settings, go_version):
        ensure_packages(COMPILE_PACKAGES)
    return ensure_tools((_GITEA,), settings, go_version)[_GITEA.name]


@contextmanager
def run_forge(root: Path, settings: Settings) -> Iterator[Forge]:
    """A forge that pods reach, for the time of the block. Everything of it is in the root."""
    program = ensure_gitea(settings)
    address = settings.network.gateway
    port = _free_port(address)
    certificate = make_certificate(root, f"IP:{address}")
    config = root / "app.ini"
    config.write_text(_render_config(root, address, port, certificate))
    log = root / "forge.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([program, "web", "--config", config], stdout=stream, stderr=stream)
    try:
        _wait_for(process, address, port, log)
        yield Forge(f"https://{address}:{port}", certificate.certificate, _make_administrator(program, config))
    finally:
        process.kill()  # it would take its time to finish what nobody asks for any more
        process.wait()


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as found:
        return int(found.getsockname()[1])


def _render_config(root: Path, address: str, port: int, certificate: Certificate) -> str:
    # Its templates are not in the program: they are read from the module that it was compiled from.
    module = subprocess.run(
        ["go", "mod", "download", "-json", _MODULE],
        cwd=_GITEA.module,
        env={**os.environ, **_GITEA.environment},
        capture_output=True,
        check=True,
    )
    return _CONFIG.format(
        root=root,
        address=address,
        port=port,
        certificate=certificate.certificate,
        key=certificate.key,
        files=json.loads(module.stdout)["Dir"],
        secret=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
    )


def _wait_for(process: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise WaitError(f"the forge ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            return False
        return True

    eventually(answers, "the forge to listen", within=60, last_seen=lambda: log.read_text()[-2000:])


def _make_administrator(program: Path, config: Path) -> User:
    name = "boss"
    user = ["--username", name, "--email", "boss@example.com", "--random-password"]
    command = [program, "admin", "user", "create", "--config", config, *user, "--admin", "--access-token"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return User(name, told.split()[-1])


if __name__ == "__main__":
    print(ensure_gitea(read_settings()))
