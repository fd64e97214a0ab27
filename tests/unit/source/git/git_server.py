"""A git server on loopback: git's own http-backend behind Python's http.server."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.github import GitHub
from tests.webserver import Certificate, Quiet, serve


def git(folder: Path, *arguments: str) -> str:
    """git as a developer's machine has it, without that machine's settings."""
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def make_repository(folder: Path, *options: str) -> dict[str, str]:
    """A bare repository at folder/shop.git; gives back its commits by name."""
    work = folder / "work"
    work.mkdir(parents=True)
    git(work, "init", "--quiet", *options)
    commits = {}
    for name in ("first", "second"):
        (work / "Dockerfile").write_text(f"FROM scratch\n# {name}\n")
        git(work, "add", ".")
        git(work, "commit", "--quiet", "--message", name)
        commits[name] = git(work, "rev-parse", "HEAD")
    git(work, "tag", "v1", commits["first"])
    git(work, "tag", "--annotate", "--message", "two", "v2", commits["first"])
    git(work, "branch", "feature/x", commits["first"])
    git(folder, "clone", "--quiet", "--bare", str(work), "shop.git")
    git(folder / "shop.git", "update-server-info")
    return commits


@dataclass
class Lfs:
    """Git LFS of the same server."""

    objects: dict[str, bytes] = field(default_factory=dict)
    """Contents by their SHA-256."""
    base: str = ""
    """Where downloads are; empty for the server itself."""
    header: dict[str, Any] = field(default_factory=dict)
    """What the answer wants to be sent with a download."""
    batches: list[dict[str, Any]] = field(default_factory=list)
    """What was asked for."""
    downloads: list[dict[str, str]] = field(default_factory=list)
    """The headers of each download, names in lower case."""
    answer: dict[str, Any] | None = None
    """In place of the usual answer."""
    status: int = 200
    """Of the answer to a batch."""

    def answer_batch(self, base: str, asked: dict[str, Any]) -> dict[str, Any]:
        """https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md"""
        self.batches.append(asked)
        if self.answer is not None:
            return self.answer
        return {"transfer": "basic", "objects": [self._find(self.base or base, item) for item in asked["objects"]]}

    def _find(self, base: str, item: dict[str, Any]) -> dict[str, Any]:
        if item["oid"] not in self.objects:
            return {**item, "error": {"code": 404, "message": "Object does not exist"}}
        action = {"href": f"{base}/lfs/{item['oid']}?sig=hunter22", "header": self.header}
        return {**item, "actions": {"download": action}}


@dataclass
class GitServer:
    """Serves the repositories below a folder, or refuses everything in one way."""

    folder: Path
    port: int = 0
    status: int = 200
    location: str = ""
    wanted: str = ""
    """The Authorization header that each request needs; empty for none."""
    seen: list[str] = field(default_factory=list)
    """The Authorization headers of all requests, empty where one had none."""
    error: str = ""
    """What it says is wrong, in place of an answer; {} is the login that it got."""
    failures: list[int] = field(default_factory=list)
    """Statuses of the next answers, each used once."""
    halves: int = 0
    """How many of the next packs break off in the middle."""
    paths: list[str] = field(default_factory=list)
    lfs: Lfs = field(default_factory=Lfs)
    proxied: set[str] = field(default_factory=set)
    """Hosts that it was asked for as a proxy."""
    github: GitHub | None = None
    """Who gives tokens, and lets nobody in without one."""

    def url(self, host: str = "git.invalid") -> str:
        """The repository under a host name that only the pinned address makes reachable."""
        return f"http://{host}:{self.port}/shop.git"


@contextmanager
def serve_git(folder: Path, certificate: Certificate | None = None) -> Iterator[GitServer]:
    """A server for the time of the block, with TLS if there is a certificate. Without TLS it is a proxy as well."""
    state = GitServer(folder)

    class Handler(_Handler):
        server_state = state

    with serve(Handler, certificate=certificate) as state.port:
        yield state


class _Handler(Quiet, BaseHTTPRequestHandler):
    server_state: GitServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        state = self.server_state
        state.paths.append(self.path)
        state.seen.append(self.headers.get("Authorization", ""))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if state.github:
            reply = state.github.answer(self.command, self.path, self.headers, body)
            if reply:
                return self._end(reply.status, dict(reply.headers), reply.body)
        if state.location:
            return self._end(302, {"Location": state.location + self.path})
        if state.failures:
            return self._end(state.failures.pop(0), {})
        is_refused = state.wanted and state.seen[-1] != state.wanted and not self.path.startswith("/lfs/")
        if is_refused or (state.github and not state.github.lets_in(state.seen[-1], self.path)):
            return self._end(401, {"WWW-Authenticate": 'Basic realm="git"'})
        if urlsplit(self.path).path.startswith("/lfs/") or self.path.endswith("/info/lfs/objects/batch"):
            return self._serve_lfs(state.lfs, body)
        if state.error:
            told = f"ERR {state.error.format(state.seen[-1])}\n".encode()
            content = b"001e# service=git-upload-pack\n0000%04x%s" % (len(told) + 4, told)
            return self._end(200, {"Content-Type": "application/x-git-upload-pack-advertisement"}, content)
        if state.status != 200:
            headers = {"WWW-Authenticate": 'Basic realm="git"'} if state.status == 401 else {}
            return self._end(state.status, headers)
        asked = urlsplit(self.path)
        if asked.hostname:  # only of a proxy is the whole address asked
            state.proxied.add(asked.hostname)
        path, query = asked.path, asked.query
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(state.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            },
            capture_output=True,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        return self._end(status, headers, content, sent=self._room(content))

    def _room(self, content: bytes) -> int:
        """How many bytes of an answer are sent before the connection ends."""
        if not self.server_state.halves or b"PACK" not in content:
            return len(content)
        self.server_state.halves -= 1
        self.close_connection = True
        return len(content) // 2

    def _serve_lfs(self, lfs: Lfs, body: bytes) -> None:
        if self.command == "POST":
            scheme = "https" if hasattr(self.connection, "cipher") else "http"
            answer = lfs.answer_batch(f"{scheme}://{self.headers['Host']}", json.loads(body))
            return self._end(lfs.status, {"Content-Type": "application/vnd.git-lfs+json"}, json.dumps(answer).encode())
        lfs.downloads.append({name.lower(): value for name, value in self.headers.items()})
        content = lfs.objects.get(urlsplit(self.path).path.removeprefix("/lfs/"))
        return self._end(404 if content is None else 200, {}, content or b"")

    def _end(self, status: int, headers: dict[str, str], content: bytes = b"", *, sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])
