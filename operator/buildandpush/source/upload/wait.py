"""Waits for one upload: `python3 -m buildandpush.source.upload` in the same container sends it through a socket."""

import os
import select
import shutil
import socket
import struct
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.archive.unpack import unpack
from buildandpush.source.check import check_paths
from buildandpush.source.facts import SourceFacts, measure
from buildandpush.source.report import SourceError
from buildandpush.source.upload.ignored import drop_ignored
from buildandpush.source.upload.post import CHUNK, Answer, socket_path

_FAREWELL_SECONDS: Final = 5.0
"""How long the sender of a good upload may take to end."""
_OF_ITS_USER: Final = 0o600
"""The socket's mode. Commands in the container run as its user, too."""


def fetch_upload(upload: dict[str, Any], root: Path, limits: SourceLimits = USUAL_LIMITS) -> SourceFacts:
    """Wait for an upload that is whole and has what the build needs; each other one is answered, and leaves nothing.

    Raises SourceError when the time is over.
    """
    seconds: int = upload["timeoutSeconds"]
    deadline, problem = monotonic() + seconds, ""
    with socket.socket(socket.AF_UNIX) as waiting:
        _listen(waiting, socket_path())
        print(f"Waiting for an upload, for up to {seconds} s", flush=True)
        try:
            while True:
                waiting.settimeout(_left(deadline))
                connection, _ = waiting.accept()
                with connection:
                    sender = _find_sender(connection)
                    answer = _answer(connection, root, deadline, upload, limits)
                    answer.send(connection)
                if not answer.problem:
                    _see_off(sender)
                    return SourceFacts()
                problem = answer.problem
        except TimeoutError:
            raise SourceError(Reason.UPLOAD_NOT_RECEIVED, _tell_end(seconds, problem)) from None


def _find_sender(connection: socket.socket) -> int:
    """The process at the other end. https://man7.org/linux/man-pages/man7/unix.7.html"""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", told)[0])


def _see_off(sender: int) -> None:
    """Wait until the sender has ended: the end of this container would kill it, and its user would see exit code 137
    after a good upload."""
    if sender == os.getpid():
        return
    try:
        ended = os.pidfd_open(sender)
    except OSError:  # it has ended, or nobody may look
        return
    try:
        select.select([ended], [], [], _FAREWELL_SECONDS)
    finally:
        os.close(ended)


def _answer(
    connection: socket.socket, root: Path, deadline: float, upload: dict[str, Any], limits: SourceLimits
) -> Answer:
    """Take an upload, or refuse it. Raises TimeoutError after the deadline."""
    file = Path(tempfile.gettempdir()) / "upload"
    try:
        _receive(connection, file, deadline, limits)
        connection.settimeout(None)
        _take(file, root, upload, limits)
    except SourceError as error:
        problem = f"{error.reason}: {error}"
        print(f"An upload was refused: {problem}", flush=True)
        _empty(root)
        return Answer(problem)
    finally:
        file.unlink(missing_ok=True)
    return Answer("", *measure(root))


def _left(deadline: float) -> float:
    """Seconds until the deadline; never 0, which would be no wait at all."""
    return max(deadline - monotonic(), 0.001)


def _listen(waiting: socket.socket, path: Path) -> None:
    """A sender finds the socket once it can be connected to, and not before."""
    begun = path.with_suffix(".begun")
    begun.unlink(missing_ok=True)
    waiting.bind(str(begun))
    begun.chmod(_OF_ITS_USER)
    waiting.listen(1)
    begun.replace(path)


def _tell_end(seconds: int, problem: str) -> str:
    last = f"; the last one was refused with {problem}" if problem else ""
    return f"no complete upload within {seconds} s{last}"


def _receive(connection: socket.socket, file: Path, deadline: float, limits: SourceLimits) -> None:
    """Write what the sender sends into a file. Raises SourceError, and TimeoutError after the deadline."""
    size = 0
    with file.open("wb") as opened:
        while True:
            connection.settimeout(_left(deadline))
            try:
                chunk = connection.recv(CHUNK)
            except ConnectionError as error:
                raise SourceError(Reason.SOURCE_INVALID, f"the upload broke off: {error.strerror}") from error
            if not chunk:
                return
            size += len(chunk)
            if size > limits.max_download_bytes:
                raise SourceError(Reason.SOURCE_TOO_LARGE, f"the upload has {limits.tell_download()}")
            opened.write(chunk)


def _take(file: Path, root: Path, upload: dict[str, Any], limits: SourceLimits) -> None:
    """Unpack and check. A sender that dies looks like one that is done, so the archive itself has to say its end."""
    unpack(file, root, 0, limits, whole=True)
    drop_ignored(root, upload["context"], upload["dockerfile"])
    check_paths(root, upload["dockerfile"], upload["context"])


def _empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()
