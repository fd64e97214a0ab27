"""An upload: both sides, each as a process of its own where it has to be one."""

import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.facts import SourceFacts
from buildandpush.source.report import SourceError
from buildandpush.source.upload.__main__ import main
from buildandpush.source.upload.post import socket_path
from buildandpush.source.upload.wait import fetch_upload

FILES = {"Dockerfile": b"FROM scratch\nCOPY . /\n", "web/app.py": b"print()\n"}


def make_tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


@dataclass
class Waiting:
    """The container's side, which waits in a thread."""

    root: Path
    ended: Future[SourceFacts]

    def found(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


class Start:
    """Starts waiting."""

    def __init__(self, root: Path, pool: ThreadPoolExecutor) -> None:
        self._root, self._pool = root, pool

    def __call__(self, limits: SourceLimits = USUAL_LIMITS, **upload: Any) -> Waiting:
        request = {"timeoutSeconds": 30, "dockerfile": "Dockerfile", "context": ".", **upload}
        return Waiting(self._root, self._pool.submit(fetch_upload, request, self._root, limits))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    root = tmp_path / "source"
    root.mkdir()
    with ThreadPoolExecutor() as pool:
        yield Start(root, pool)


def send(content: bytes, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code, and what the sender is told."""
    code = main(io.BytesIO(content), socket_path())
    told = capsys.readouterr()
    return code, told.err or told.out


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_upload_is_unpacked_checked_and_acknowledged(
    start: Start, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    waiting = start()
    code, told = send(make_tar(FILES, mode), capsys)
    assert waiting.ended.result(10) == SourceFacts()
    assert waiting.found() == FILES
    assert code == 0
    assert f"Uploaded 2 files, {sum(map(len, FILES.values()))} bytes" in told


def test_zstd_too(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = start()
    packed = subprocess.run(["zstd", "--quiet"], input=make_tar(FILES, "w"), check=True, capture_output=True).stdout
    assert send(packed, capsys)[0] == 0
    waiting.ended.result(10)
    assert waiting.found() == FILES


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (make_tar(FILES)[:-20], "SourceInvalid: the archive is broken"),
        (make_tar(FILES, "w")[: 4 * 512], "a part of it is missing"),
        (make_tar({"Dockerfile": bytes(4096)}, "w")[: 9 * 512], "a part of it is missing"),
        (b"", "SourceInvalid: the archive is empty"),
        (b"no archive at all", "SourceInvalid: the archive is broken"),
        (make_tar({"../x": b"1"}), "leads out of the archive"),
        (make_tar({"web/app.py": b"1"}), "DockerfileNotFound"),
    ],
    ids=["cut", "cut between entries", "cut behind zeros", "empty", "text", "leads out", "no Dockerfile"],
)
def test_an_upload_that_cannot_be_used_leaves_nothing_and_another_one_may_follow(
    start: Start, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    waiting = start()
    code, told = send(content, capsys)
    assert (code, words in told) == (1, True), told
    assert waiting.found() == {}
    assert send(make_tar(FILES), capsys)[0] == 0
    waiting.ended.result(10)
    assert waiting.found() == FILES


def test_a_sender_that_dies_half_way_leaves_nothing(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """As kubectl does when its connection breaks: its program in the container is ended."""
    waiting = start()
    environment = {**os.environ, "TMPDIR": str(socket_path().parent)}
    command = [sys.executable, "-m", "buildandpush.source.upload"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as sender:
        assert sender.stdin is not None
        sender.stdin.write(make_tar({**FILES, "large": os.urandom(3_000_000)}, "w")[:2_000_000])
        sender.stdin.flush()
        code, told = send(make_tar(FILES), capsys)
        if code == 0:  # it came first, which is as good
            waiting.ended.result(10)
            return
        assert "another upload to this pod is under way" in told
        sender.kill()
    assert send(make_tar(FILES), capsys)[0] == 0
    waiting.ended.result(10)
    assert waiting.found() == FILES


def test_exactly_one_upload_counts(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = start()
    assert send(make_tar(FILES), capsys)[0] == 0
    waiting.ended.result(10)
    code, told = send(make_tar({"Dockerfile": b"FROM evil\n"}), capsys)
    assert (code, "waits for no upload any more" in told) == (1, True), told
    assert waiting.found() == FILES


def test_nobody_waits_for_ever(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = start(timeoutSeconds=1)
    assert send(b"no archive", capsys)[0] == 1
    with pytest.raises(
        SourceError, match="no complete upload within 1 s; the last one was refused with Source"
    ) as caught:
        waiting.ended.result(10)
    assert caught.value.reason is Reason.UPLOAD_NOT_RECEIVED


def test_a_sender_that_falls_silent_does_not_hold_the_container(start: Start) -> None:
    waiting = start(timeoutSeconds=1)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as silent, os.fdopen(writing, "wb"):
        sender = threading.Thread(target=main, args=(silent, socket_path()))
        sender.start()
        with pytest.raises(SourceError, match="no complete upload within 1 s"):
            waiting.ended.result(10)
    sender.join(10)
    assert not sender.is_alive()


def test_limits_hold_for_uploads_too(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = start(SourceLimits(max_download_bytes=100_000, max_files=1))
    code, told = send(make_tar({"large": os.urandom(5_000_000)}, "w"), capsys)
    assert (code, "source.maxDownloadBytes" in told) == (1, True), told
    code, told = send(make_tar(FILES), capsys)
    assert (code, "source.maxFiles" in told) == (1, True), told
    assert send(make_tar({"Dockerfile": b"FROM scratch\n"}), capsys)[0] == 0
    waiting.ended.result(10)


def test_what_a_dockerignore_excludes_is_left_out(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = start(dockerfile="build/Dockerfile", context=".")
    ignored = {
        ".git/config": b"x",
        "a.log": b"x",
        "docs/b.md": b"x",
        "secret/key": b"x",
        "build/Dockerfile": b"FROM a\n",
    }
    kept = {
        "docs/README.md": b"x",
        "web/app.py": b"x",
        ".dockerignore": b".git\n*.log\ndocs\n!docs/README.md\nsecret\nbuild\n",
    }
    assert send(make_tar({**ignored, **kept}), capsys)[0] == 0
    waiting.ended.result(10)
    assert set(waiting.found()) == {*kept, "build/Dockerfile"}


def test_only_the_containers_own_user_may_send(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = start()
    assert send(b"", capsys)[0] == 1
    assert socket_path().stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(socket_path()))
    assert send(make_tar(FILES), capsys)[0] == 0
    waiting.ended.result(10)


LINGERS = """
import sys, time
from buildandpush.source.upload.__main__ import main
from buildandpush.source.upload.post import socket_path
code = main(sys.stdin.buffer, socket_path())
time.sleep(1)  # what a slow machine takes until the process ends
sys.exit(code)
"""


def test_the_container_ends_after_the_sender_whose_user_sees_how_it_ended(start: Start) -> None:
    waiting = start()
    environment = {**os.environ, "TMPDIR": str(socket_path().parent)}
    sender = subprocess.Popen([sys.executable, "-c", LINGERS], stdin=subprocess.PIPE, env=environment)
    assert sender.stdin is not None
    sender.stdin.write(make_tar(FILES))
    sender.stdin.close()
    waiting.ended.result(timeout=30)
    assert sender.poll() == 0, "the end of the container would have killed it"
