"""A web server of a test, with a certificate of its own if it wants one."""

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, and its key, as files."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, name: str) -> Certificate:
    """A certificate that no usual authority vouches for. `name` is whose, such as DNS:git.invalid or IP:10.0.0.1."""
    made = Certificate(folder / "server.crt", folder / "server.key")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=test", "-addext", f"subjectAltName={name}",
            "-keyout", str(made.key), "-out", str(made.certificate),
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    return made


class Quiet:
    """What a handler has before its base, so that it does not tell of its requests."""

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client goes away, or where it does not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serve(
    handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1", certificate: Certificate | None = None
) -> Iterator[int]:
    """A server for the time of the block, with TLS if there is a certificate; gives its port."""
    server = _Server((address, 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        # The thread of each client greets it. One that says nothing, such as a pod that is killed just then, would hold
        # up all others, and the end of the server.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
