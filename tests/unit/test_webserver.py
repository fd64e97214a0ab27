"""The web server of tests."""

import socket
import ssl
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.webserver import Quiet, make_certificate, serve


class _Answer(Quiet, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()


def test_a_client_that_says_nothing_holds_up_neither_others_nor_the_end(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "IP:127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate.certificate))
    with (
        serve(_Answer, certificate=certificate) as port,
        socket.create_connection(("127.0.0.1", port)),
        urllib.request.urlopen(f"https://127.0.0.1:{port}/", timeout=20, context=trusting) as answer,
    ):
        assert answer.status == 204
