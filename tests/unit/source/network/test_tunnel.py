"""The connection that ssh is handed: to the first checked address that answers, or through a proxy."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from buildandpush.source.network import tunnel


@dataclass(frozen=True)
class Ended:
    """How the program ended, and the connection that it handed over."""

    code: int
    words: str
    connection: socket.socket | None


@contextmanager
def run(*arguments: str, proxy: str = "") -> Iterator[Ended]:
    """Run the program as ssh does: with a socket as its output."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", "-S", tunnel.__file__, *arguments]
        environment = {"PATH": os.environ["PATH"], tunnel.PROXY: proxy}
        done = subprocess.run(
            command, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
        )
        theirs.close()
        handed = socket.recv_fds(ours, 1, 1)[1]
        connection = socket.socket(fileno=handed[0]) if handed else None
        try:
            yield Ended(done.returncode, done.stderr, connection)
        finally:
            if connection is not None:
                connection.close()


@contextmanager
def listen(answer: bytes, asked: list[bytes] | None = None) -> Iterator[int]:
    """The port of a server that reads a request if `asked` is given, answers each connection, and closes none."""
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            kept.append(connection)
            if asked is not None:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1024)
                asked.append(head)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


@pytest.fixture
def closed() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.9.9.9", "127.0.0.1"]])
def test_the_first_address_that_answers_is_connected_to(addresses: list[str]) -> None:
    with listen(b"SSH-2.0-x\r\n") as port, run("git.example", str(port), *addresses) as ended:
        assert ended.code == 0
        assert ended.connection is not None
        assert ended.connection.recv(100) == b"SSH-2.0-x\r\n"


def test_an_address_that_does_not_answer_is_named(closed: int) -> None:
    with run("git.example", str(closed), "127.0.0.1") as ended:
        assert (ended.code, ended.connection) == (1, None)
        assert ended.words == (
            f"fatal: unable to connect to git.example port {closed} (127.0.0.1): Connection refused\n"
        )


@pytest.mark.parametrize(
    ("user", "header"), [("", b""), ("ann:p%40ss@", b"Proxy-Authorization: Basic YW5uOnBAc3M=\r\n")]
)
def test_a_proxy_is_asked_for_a_tunnel_and_its_answer_ends_where_the_server_begins(user: str, header: bytes) -> None:
    asked: list[bytes] = []
    with (
        listen(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nSSH-2.0-x\r\n", asked) as port,
        run("git.example", "22", proxy=f"http://{user}127.0.0.1:{port}") as ended,
    ):
        assert ended.code == 0
        assert ended.connection is not None
        assert ended.connection.recv(100) == b"SSH-2.0-x\r\n"
    assert asked == [b"CONNECT git.example:22 HTTP/1.1\r\nHost: git.example:22\r\n" + header + b"\r\n"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "'403 Forbidden'"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "'407 Proxy Authentication Required'"),
        (b"", "''"),
        (b"HTTP/1.1", "''"),
        (b"2" * 20_000, "''"),
        (b"\xff\x1b[0m \xfe\r\n\r\n", "'\ufffd'"),
    ],
)
def test_a_proxy_that_gives_no_tunnel_is_named_with_its_answer(answer: bytes, told: str) -> None:
    with listen(answer, []) as port, run("git.example", "22", proxy=f"http://ann:secret@127.0.0.1:{port}") as ended:
        assert (ended.code, ended.connection) == (1, None)
        assert ended.words == (
            f"fatal: unable to connect to git.example port 22: the proxy 127.0.0.1:{port} does not let ssh through, "
            f"it answers {told}\n"
        )


@pytest.mark.parametrize("form", ["http://ann:secret@127.0.0.1:{}", "127.0.0.1:{}"])
def test_a_proxy_that_is_away_is_named_without_its_login(form: str, closed: int) -> None:
    with run("git.example", "22", proxy=form.format(closed)) as ended:
        assert ended.words == f"fatal: unable to connect to the proxy 127.0.0.1:{closed}: Connection refused\n"


@pytest.mark.parametrize("proxy", ["https://proxy.example:3128", "socks5://proxy.example:1080"])
def test_another_kind_of_proxy_is_refused(proxy: str) -> None:
    with run("git.example", "22", proxy=proxy) as ended:
        assert ended.code == 1
        assert ended.words.startswith("fatal: ssh goes through a proxy with an http:// address alone")


def test_it_needs_no_other_file_of_the_operator() -> None:
    assert "buildandpush.source" not in Path(tunnel.__file__).read_text().replace("BUILDANDPUSH", "")
