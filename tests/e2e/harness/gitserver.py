"""A git server that pods reach: git's own http-backend behind a small CGI bridge."""

import base64
import os
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from tests.github import GitHub
from tests.webserver import Certificate, Quiet, serve

_IDENTITY: Final = {
    "GIT_AUTHOR_NAME": "e2e",
    "GIT_AUTHOR_EMAIL": "e2e@example.com",
    "GIT_COMMITTER_NAME": "e2e",
    "GIT_COMMITTER_EMAIL": "e2e@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and give its output back."""
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, **_IDENTITY}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str, files: dict[str, str]) -> str:
    """Commit files and give the commit's id back."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


class GitServer:
    """Serves every repository below a folder, read only. Paths below /private/ want the login `user:password`, or a
    token of GitHub, and let nobody in where there is neither."""

    def __init__(
        self,
        root: Path,
        address: str,
        *,
        login: str = "",
        certificate: Certificate | None = None,
        github: GitHub | None = None,
    ) -> None:
        self.failures: list[int] = []
        """Statuses that the next requests are refused with, each used once."""
        self.seen: list[str] = []
        """The Authorization headers of all requests, empty where one had none."""
        wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self._serving = serve(_handler(root, self, wanted, github), address, certificate)
        self._address = f"{'https' if certificate else 'http'}://{address}"
        self.url = ""
        """Known while it serves."""

    def __enter__(self) -> Self:
        self.url = f"{self._address}:{self._serving.__enter__()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.__exit__(kind, error, trace)


def _lets_in(authorization: str | None, path: str, wanted: str, github: GitHub | None) -> bool:
    is_known = bool(wanted) and authorization == wanted
    return is_known or (github is not None and github.lets_in(authorization, path))


def _handler(root: Path, server: GitServer, wanted: str, github: GitHub | None) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _answer(self, body: bytes) -> None:
            parts = urlsplit(self.path)
            server.seen.append(self.headers.get("Authorization", ""))
            if server.failures:
                self._reply(server.failures.pop(0), [], b"")
                return
            told = github.answer(self.command, parts.path, self.headers, body) if github else None
            if told:
                self._reply(told.status, list(told.headers.items()), told.body)
                return
            login = self.headers.get("Authorization")
            if parts.path.startswith("/private/") and not _lets_in(login, parts.path, wanted, github):
                self._reply(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
                return
            environment = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                "REMOTE_ADDR": self.client_address[0],
            }
            done = subprocess.run(
                ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [
                (name, value.strip()) for name, _, value in (x.partition(":") for x in head.decode().split("\r\n"))
            ]
            status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
            self._reply(status, [pair for pair in headers if pair[0] != "Status"], content)

        def _reply(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
