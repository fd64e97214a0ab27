"""Sends what comes on standard input to the waiting source: `kubectl exec -i POD -c source -- python3 -m
buildandpush.source.upload < source.tar`. Ends with 0 once the files are unpacked and checked, and with 1 and a reason
otherwise."""

import fcntl
import socket
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Final

from buildandpush.source.upload.post import CHUNK, Answer, receive_answer, socket_path

_START_SECONDS: Final = 15.0
"""How long the container may take from its start until it waits."""


class RefusedError(Exception):
    """The upload is not taken. Holds why, in words."""


def send(stream: IO[bytes], path: Path) -> Answer:
    """Send the stream to the waiting container, and give back what became of it; raises RefusedError."""
    with path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError("another upload to this pod is under way; exactly one counts") from None
        with _connect(path) as connection:
            try:
                while chunk := stream.read(CHUNK):
                    connection.sendall(chunk)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before its end; the answer says why
            try:
                return receive_answer(connection)
            except (OSError, ValueError, TypeError):
                raise RefusedError("the source's container ended during the upload; its log says why") from None


def _connect(path: Path) -> socket.socket:
    deadline = monotonic() + _START_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except FileNotFoundError:
            connection.close()
            if monotonic() > deadline:
                raise RefusedError("this pod waits for no upload") from None
            sleep(0.1)  # the container has just started
        except OSError:
            connection.close()
            raise RefusedError("this pod waits for no upload any more: it has one, or its time is over") from None
        else:
            return connection


def main(stream: IO[bytes], path: Path) -> int:
    """Send, tell, and end with 0 or 1."""
    try:
        answer = send(stream, path)
    except RefusedError as error:
        answer = Answer(str(error))
    if answer.problem:
        print(answer.problem, file=sys.stderr)
        return 1
    print(f"Uploaded {answer.files} files, {answer.size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, socket_path()))
