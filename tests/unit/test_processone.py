"""How the operator and the source's container end as process 1 of their containers, in a namespace of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pytest

_ENTER: Final = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")
_WITHIN_SECONDS: Final = 120.0
OPERATOR: Final = {"BUILDANDPUSH_EXECUTOR_IMAGE": "kaniko:v1.28.3", "BUILDANDPUSH_SOURCE_IMAGE": "operator:1"}

HANGING_MODULE: Final = """\
import os, time
with open(os.environ["NAMED"] + ".new", "w") as file:
    file.write(os.readlink("/proc/self"))
os.rename(os.environ["NAMED"] + ".new", os.environ["NAMED"])
time.sleep(600)
"""
"""A module whose import takes long. It writes down its process's number, as this side of the namespace has it."""

HANGING_THREADS: Final = """\
import asyncio, time
from concurrent.futures import ThreadPoolExecutor
import buildandpush.__main__ as program

async def run(config, certificates):
    for threads in (None, ThreadPoolExecutor()):
        asyncio.get_running_loop().run_in_executor(threads, time.sleep, 600)
    print("it has done its work")
    return 1

program.run = run
program.main()
"""

OPEN_FILES: Final = """\
import resource
import buildandpush.__main__ as program

async def run(config, certificates):
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
    return 0

program.run = run
program.main()
"""


@cache
def _may_be_first() -> bool:
    try:
        return subprocess.run([*_ENTER, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def first_process(*command: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command as process 1. Its end is that of the process here, and the other way round."""
    if not _may_be_first():
        pytest.skip("nothing can be process 1 of a namespace here")
    with subprocess.Popen([*_ENTER, *command], env={**os.environ, **env}) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_there(path: Path) -> None:
    for _ in range(int(_WITHIN_SECONDS / 0.02)):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


def child_of(process: subprocess.Popen[bytes]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


def test_an_operator_that_still_starts_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """A namespace's process 1 does not even notice a signal that it has not asked for."""
    modules, named = tmp_path / "modules", tmp_path / "named"
    modules.mkdir()
    (modules / "structlog.py").write_text(HANGING_MODULE)
    path = os.pathsep.join((str(modules), "operator"))
    with first_process(
        *(sys.executable, "-m", "buildandpush"), PYTHONPATH=path, NAMED=str(named), **OPERATOR
    ) as process:
        wait_until_there(named)
        os.kill(int(named.read_text()), signal.SIGTERM)
        assert process.wait(_WITHIN_SECONDS) == 0


def test_a_thread_that_hangs_keeps_no_operator_from_its_end() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING_THREADS],
        env={**os.environ, **OPERATOR},
        capture_output=True,
        text=True,
        timeout=_WITHIN_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "it has done its work\n"), ended.stderr


def test_the_operator_opens_as_many_files_as_its_container_may() -> None:
    """Container runtimes begin with 1,024. Idle connections to the registries that users name need more."""
    ended = subprocess.run(
        ["sh", "-c", 'ulimit -Sn 256 && ulimit -Hn 300 && exec "$@"', "sh", sys.executable, "-c", OPEN_FILES],
        env={**os.environ, **OPERATOR},
        capture_output=True,
        text=True,
        timeout=_WITHIN_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "300 300\n"), ended.stderr


def test_a_source_that_is_fetched_no_longer_ends_at_once(tmp_path: Path) -> None:
    """A run that is cancelled waits for the end of its pod."""
    upload = {"timeoutSeconds": 600, "dockerfile": "Dockerfile", "context": "."}
    request = {"upload": upload, "root": str(tmp_path / "source"), "dockerfile": "Dockerfile", "context": "."}
    (tmp_path / "request.json").write_text(json.dumps(request))
    with first_process(
        *(sys.executable, "-m", "buildandpush.source", str(tmp_path / "request.json")),
        PYTHONPATH="operator",
        TMPDIR=str(tmp_path),
        TERMINATION_LOG=str(tmp_path / "report"),
    ) as process:
        wait_until_there(tmp_path / "upload.socket")
        os.kill(child_of(process), signal.SIGTERM)
        assert process.wait(_WITHIN_SECONDS) == 128 + signal.SIGTERM
    assert not (tmp_path / "report").exists()
