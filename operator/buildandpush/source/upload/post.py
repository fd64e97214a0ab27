"""What both sides of an upload know: the socket between them, and the answer. Both run in the source's container."""

import json
import socket
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

CHUNK: Final = 1024 * 1024
_MAX_ANSWER: Final = 64 * 1024


def socket_path() -> Path:
    """Where the container waits. It stays there after the upload, so that a later one is told that it is too late."""
    return Path(tempfile.gettempdir()) / "upload.socket"


@dataclass(frozen=True)
class Answer:
    """What becomes of an upload."""

    problem: str = ""
    """Why it was refused; empty for one that was taken."""
    files: int = 0
    size: int = 0
    """Of the files, in bytes."""

    def send(self, connection: socket.socket) -> None:
        """Send it; a sender that is gone misses it."""
        try:
            connection.sendall(json.dumps(asdict(self)).encode())
        except OSError as error:
            print(f"The sender does not wait for an answer: {error}", flush=True)


def receive_answer(connection: socket.socket) -> Answer:
    """The answer; raises ValueError or OSError where there is none."""
    told = b""
    while len(told) < _MAX_ANSWER and (chunk := connection.recv(CHUNK)):
        told += chunk
    return Answer(**json.loads(told))
