"""Runs git for the operator, with limits of time, of memory, of what it may write and of what is read of its words."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any, BinaryIO, Final

from buildandpush.api.reasons import Reason
from buildandpush.source.git.way import Way, build_command, build_environment, explain_failure
from buildandpush.source.report import SourceError

SECONDS: Final = 30.0
"""How long one git may take."""
_USUAL_KIB: Final = 32 * 1024
"""Memory of a process. It is enough for some 100,000 refs, and git needs some 12 MiB at least."""
_LARGE_KIB: Final = 160 * 1024
"""What one git at a time may have. All of them, and the operator, share the memory of one container, and what takes too
much of it ends them all. A few KiB of a server's answer may ask for any amount."""
_MOST_BYTES: Final = 72 * 1024**2
"""On the disk, for a question. Seven of them fit into the volume that the chart gives the operator, and the kubelet
evicts a pod whose volume is full. Each file has a limit besides, but git may fetch any number of packs."""
_LOOK_SECONDS: Final = 0.5
_MAX_OUTPUT: Final = 64 * 1024
_LIMITS: Final = 'ulimit -c 0 && ulimit -v 262144 && ulimit -f 131072 && ulimit -d "$1" && shift && exec "$@"'
"""256 MiB of addresses, and 64 MiB for each file: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/ulimit.html"""
_QUIET: Final = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "pack.threads=1")

Told = tuple[int, str, str]
"""The exit code of git, and how its output and its complaints begin."""


class GitProcesses:
    """Runs as many gits at once as it is asked to."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    async def run(self, way: Way, folder: Path, arguments: tuple[str, ...]) -> Told:
        """Run git in a folder. One that runs out of memory runs again with more, once no other does; raises SourceError
        for one that takes too long or needs more still."""
        told = await _run(way, folder, arguments, _USUAL_KIB)
        if not _lacks_memory(way, told):
            return told
        async with self._large:
            told = await _run(way, folder, arguments, _LARGE_KIB)
        if _lacks_memory(way, told):  # the build's own memory has nothing to do with it
            most = f"the {_LARGE_KIB // 1024} MiB of memory that a question may take"
            raise SourceError(Reason.SOURCE_INVALID, f"git: what the server sends takes more than {most}")
        return told


def _lacks_memory(way: Way, told: Told) -> bool:
    code, _, complained = told
    return code != 0 and explain_failure(way, complained).reason is Reason.OUT_OF_MEMORY


async def _run(way: Way, folder: Path, arguments: tuple[str, ...], memory_kib: int) -> Told:
    """Run git once. Both of its outputs go into files, which have the limit of all files that it writes. It is killed,
    with all that it started, once its time is over."""
    git, *command = build_command(way, *arguments)
    with (folder / "output").open("w+b") as output, (folder / "complaints").open("w+b") as complaints:
        process = await _start(
            *("sh", "-c", _LIMITS, "sh", str(memory_kib), git, *_QUIET, *command),
            cwd=folder,
            env=build_environment(way),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=complaints,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(SECONDS):
                code = await _wait(process, folder)
        except TimeoutError as error:
            raise SourceError(Reason.SOURCE_UNREACHABLE, f"git timed out after {SECONDS:.0f} s") from error
        finally:
            await _end(process)
        return code, _read_begin(output), _read_begin(complaints)


async def _start(*command: str, **settings: Any) -> asyncio.subprocess.Process:
    """Start a process; raises SourceError where the container has no room for one. Whoever is cancelled meanwhile ends
    it with all that it started: asyncio would end it alone."""
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, **settings))
    try:
        return await asyncio.shield(starting)
    except OSError as error:
        told = f"git cannot be started in the operator's own container: {error.strerror}"
        raise SourceError(Reason.SOURCE_UNREACHABLE, told) from error
    except asyncio.CancelledError:
        await _end(await starting)
        raise


async def _wait(process: asyncio.subprocess.Process, folder: Path) -> int:
    """The exit code; raises SourceError as soon as there is too much in the folder."""
    ended = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({ended}, timeout=_LOOK_SECONDS))[0]:
            if await asyncio.to_thread(_measure, folder) > _MOST_BYTES:
                told = f"git: the server sends more than the {_MOST_BYTES // 1024**2} MiB that a question may take"
                raise SourceError(Reason.SOURCE_INVALID, told)
        return ended.result()
    finally:
        ended.cancel()


def _measure(folder: Path) -> int:
    """The bytes of all files in a folder, of which some come and go."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size
    return size


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of git and of all that it started.

    The operator is process 1 of its container, so it inherits what outlives git. Each such process keeps its number
    until somebody waits for it, and a node gives a pod only so many.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    with contextlib.suppress(ChildProcessError):
        while True:
            await asyncio.to_thread(os.waitpid, -process.pid, 0)


def _read_begin(file: BinaryIO) -> str:
    file.seek(0)
    return file.read(_MAX_OUTPUT).decode(errors="replace")
