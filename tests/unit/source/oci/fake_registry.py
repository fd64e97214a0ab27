"""A registry with one repository, which asks for a token as ACR does, or for a user name and password."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.artifacts import Artifact
from tests.webserver import Certificate, Quiet, serve

HOST = "registry.invalid"
PATH = "source/shop"


@dataclass
class FakeRegistry:
    """What the registry holds and wants, and what it was asked."""

    port: int = 0
    scheme: str = "https"
    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    wants: str = ""
    """The header Authorization that manifests and blobs need; empty for none."""
    challenge: str = ""
    """Sent with 401; empty for one that names this registry's own token service."""
    token_answer: tuple[int, dict[str, Any]] = (200, {"access_token": "t0ken"})
    failures: list[tuple[int, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """Answers to the next requests of manifests, each used once: status, headers, object."""
    redirect: str = ""
    """Where blobs are; empty for here. The digest is added."""
    seen: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Method, path, header Authorization and body of each request."""

    @property
    def host(self) -> str:
        """As an image's name has it."""
        return f"{HOST}:{self.port}"

    def push(self, artifact: Artifact, tag: str = "v1") -> str:
        """Take in an artifact; gives back its name by the tag."""
        self.manifests[tag] = self.manifests[artifact.digest] = artifact.content
        self.blobs |= artifact.blobs
        return f"{self.host}/{PATH}:{tag}"

    def asked(self, part: str) -> list[tuple[str, str, str, str]]:
        """The requests with this in their path."""
        return [request for request in self.seen if part in request[1]]


class _Handler(Quiet, BaseHTTPRequestHandler):
    """Answers for the registry that the class of a server has."""

    state: FakeRegistry

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.state.seen.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        parts = urlsplit(self.path)
        if parts.path == "/oauth2/token":
            status, answer = self.state.token_answer
            self._send(status, json.dumps(answer).encode(), {})
        elif not parts.path.startswith(f"/v2/{PATH}/"):
            self._send(200, self.state.blobs[parse_qs(parts.query)["of"][0]], {})
        elif self.state.wants and self.headers.get("Authorization") != self.state.wants:
            own = f'Bearer realm="{self.state.scheme}://{self.state.host}/oauth2/token",service="{self.state.host}"'
            refused = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
            self._send(401, json.dumps(refused).encode(), {"WWW-Authenticate": self.state.challenge or own})
        else:
            self._answer(*parts.path.removeprefix(f"/v2/{PATH}/").split("/", 1))

    def _answer(self, kind: str, name: str) -> None:
        if kind == "manifests" and self.state.failures:
            status, headers, answer = self.state.failures.pop(0)
            self._send(status, json.dumps(answer).encode(), headers)
        elif kind == "blobs" and self.state.redirect:
            self._send(307, b"", {"Location": f"{self.state.redirect}?of={name}"})
        else:
            found = (self.state.manifests if kind == "manifests" else self.state.blobs).get(name)
            missing = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": f"manifest tagged by {name} is not found"}]}
            self._send(404, json.dumps(missing).encode(), {}) if found is None else self._send(200, found, {})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serve_registry(certificate: Certificate | None) -> Iterator[FakeRegistry]:
    """A registry for the time of the block."""
    state = FakeRegistry(scheme="https" if certificate else "http")

    with serve(type("Handler", (_Handler,), {"state": state}), "127.0.0.1", certificate) as state.port:
        yield state
