"""A gate that a build's RUN line waits at: the test knows when the build is there and decides when it goes on."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tests.e2e.harness.waiting import WaitError
from tests.webserver import Quiet


class Gate:
    """A server that pods reach; it answers 503 until the gate is opened."""

    def __init__(self, address: str) -> None:
        self._arrived = threading.Event()
        self._opened = threading.Event()
        gate = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate._arrived.set()
                self.send_response(200 if gate._opened.is_set() else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def run_line(self) -> str:
        """The Dockerfile's line that waits at the gate; needs busybox. A request without an answer is made again."""
        return f"RUN {self._ask('sleep 0.2')}\n"

    def try_command(self, code: int) -> str:
        """A command for a Dockerfile's line that ends with this exit code where the gate is closed."""
        return self._ask(f"[ $? -gt 100 ] || exit {code}")  # more than 100 is the word of `timeout`

    def _ask(self, otherwise: str) -> str:
        address, port = self._server.server_address[:2]
        request = f"timeout 5 wget -q -O /dev/null http://{address!s}:{port}/ 2>/dev/null"
        return f"echo at the gate; until {request}; do {otherwise}; done"

    def wait_arrival(self, *, within: float = 60) -> None:
        """Wait until a build stands at the gate."""
        if not self._arrived.wait(within):
            raise WaitError(f"no build came to the gate within {within:.0f} s")

    def open(self) -> None:
        """Let builds pass from now on."""
        self._opened.set()
