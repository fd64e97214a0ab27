"""A web server that answers each path as a test says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.webserver import Certificate, Quiet, serve


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    """How many bytes fewer are sent than announced."""
    pause_seconds: float = 0
    """After each byte; 0 sends all of them at once."""


@dataclass
class FileServer:
    """Answers by path, and remembers what it was asked."""

    address: str
    port: int = 0
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """The answers of each path in order; the last one stays."""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """What was sent with each request."""
    scheme: str = "https"

    def url(self, path: str, host: str = "") -> str:
        """An address at this server, by another name of it where one is given."""
        return f"{self.scheme}://{host or self.address}:{self.port}{path}"


@contextmanager
def serve_files(certificate: Certificate | None, address: str = "127.0.0.1") -> Iterator[FileServer]:
    """A server for the time of the block."""
    state = FileServer(address, scheme="https" if certificate else "http")

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            state.seen.append((self.path, dict(self.headers.items())))
            state.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            answers = state.answers[self.path]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            content = answer.content[: len(answer.content) - answer.missing]
            if not answer.pause_seconds:
                self.wfile.write(content)
            for byte in content if answer.pause_seconds else b"":
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:  # who asked has gone
                    return
                time.sleep(answer.pause_seconds)

    with serve(Handler, address, certificate) as state.port:
        yield state
