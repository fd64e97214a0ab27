"""Connects for ssh, as its ProxyCommand with ProxyUseFdpass: hands the connection over and ends.

    tunnel.py HOST PORT ADDRESS...      to the first of these addresses that answers
    tunnel.py HOST PORT                 through the HTTP proxy that the variable BUILDANDPUSH_PROXY names

ssh alone would look the host's addresses up again. A file of its own, with the standard library only, since it starts
anew for each connection. Its words on stderr are for git.meaning.
"""

import base64
import os
import socket
import sys
from typing import Final
from urllib.parse import unquote, urlsplit

PROXY: Final = "BUILDANDPUSH_PROXY"
_TIMEOUT_SECONDS: Final = 20.0
"""For each address, and for each word of the proxy."""
_MOST_BYTES: Final = 16 * 1024
"""Of a proxy's answer."""


def connect(host: str, port: int, addresses: list[str]) -> socket.socket:
    """A connection to one of the addresses; raises OSError, which says what the last of them answered."""
    *others, last = addresses
    for address in others:
        try:
            return socket.create_connection((address, port), _TIMEOUT_SECONDS)
        except OSError as error:
            print(f"{address} is passed over: {error}", file=sys.stderr)
    try:
        return socket.create_connection((last, port), _TIMEOUT_SECONDS)
    except OSError as error:
        raise OSError(f"unable to connect to {host} port {port} ({last}): {error.strerror or error}") from error


def connect_through(proxy: str, host: str, port: int) -> socket.socket:
    """A connection through the tunnel of a proxy; raises OSError if there is none."""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise OSError(f"ssh goes through a proxy with an http:// address alone, and not through one of {parts.scheme}")
    named = f"the proxy {parts.hostname}:{parts.port or 80}"
    try:
        opened = socket.create_connection((parts.hostname, parts.port or 80), _TIMEOUT_SECONDS)
        opened.sendall(_ask(host, port, parts.username, parts.password))
        answer = _read_answer(opened)
    except OSError as error:
        raise OSError(f"unable to connect to {named}: {error.strerror or error}") from error
    words = answer.partition("\r\n")[0].partition(" ")[2]
    if not words.startswith("2"):
        raise OSError(
            f"unable to connect to {host} port {port}: {named} does not let ssh through, it answers {words[:100]!r}"
        )
    return opened


def _ask(host: str, port: int, user: str | None, password: str | None) -> bytes:
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    if user is not None:
        login = f"{unquote(user)}:{unquote(password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _read_answer(opened: socket.socket) -> str:
    """The head of the answer, and not a byte more: what follows is the git server's."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < _MOST_BYTES:
        read = opened.recv(1)
        if not read:
            break
        head += read
    return head.decode(errors="replace")


def main(arguments: list[str]) -> int:
    """Connect, and hand the connection to the process behind stdout. Ends with 0 or 1."""
    host, port, addresses = arguments[0], int(arguments[1]), arguments[2:]
    try:
        opened = connect(host, port, addresses) if addresses else connect_through(os.environ[PROXY], host, port)
    except OSError as error:
        print(f"fatal: {error}", file=sys.stderr)
        return 1
    opened.setblocking(True)  # a timeout would hold for ssh as well
    with socket.socket(fileno=os.dup(1)) as asker:
        socket.send_fds(asker, [b"\0"], [opened.fileno()])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
