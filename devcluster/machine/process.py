"""Starts, recognises and stops detached processes by pid records that survive pid reuse; it knows no component."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.shell import write_file

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessRecord:
    """A process we started: its pid, when the kernel says it started, and what it was started with."""

    pid: int
    start_ticks: int
    fingerprint: str


def parse_stat(text: str) -> tuple[str, int, int, int]:
    """Parse /proc/PID/stat into state, parent pid, number of threads, and start time in clock ticks since boot."""
    # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1]), int(fields[17]), int(fields[19])


def read_start_ticks(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Read when a process started; None if there is none or it is a zombie."""
    try:
        state, _, threads, ticks = parse_stat((proc / str(pid) / "stat").read_text())
    except (OSError, ValueError, IndexError):
        return None
    # The first thread may end before the others, which still hold the ports.
    return None if state == "X" or (state == "Z" and threads <= 1) else ticks


def is_running(record: ProcessRecord | None, proc: Path = Path("/proc")) -> bool:
    """Tell whether the very process of the record still runs, not another that got its pid."""
    return record is not None and read_start_ticks(record.pid, proc) == record.start_ticks


def read_record(path: Path) -> ProcessRecord | None:
    """Read a pid file; a damaged one counts as none."""
    try:
        return ProcessRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def start_detached(
    argv: Sequence[str], *, record: Path, log: Path, env: Mapping[str, str], fingerprint: str
) -> ProcessRecord:
    """Start a program in a session of its own with its output appended to the log, and write its pid file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **env},
        )
    started = ProcessRecord(process.pid, read_start_ticks(process.pid) or 0, fingerprint)
    write_file(record, json.dumps(asdict(started)))
    return started


def stop_process(record: ProcessRecord, *, kill: bool = False, patience_seconds: float = 10) -> None:
    """End a process and wait until it is gone, with SIGKILL at once if asked, or when patience ends."""
    deadline = time.monotonic() + patience_seconds
    _send(record, signal.SIGKILL if kill else signal.SIGTERM)
    while is_running(record) and time.monotonic() < deadline:
        _reap(record.pid)
        time.sleep(_POLL_SECONDS)
    if not is_running(record):
        return
    _send(record, signal.SIGKILL)
    wait_until(lambda: not is_running(record), what=f"process {record.pid} to end after SIGKILL", timeout_seconds=10)


def wait_until(condition: Callable[[], bool], *, what: str, timeout_seconds: float) -> None:
    """Poll a condition until it holds; raise DevclusterError when the time is up."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise DevclusterError(f"Waited {timeout_seconds:.0f} s in vain for {what}")
        time.sleep(_POLL_SECONDS)


def read_processes(proc: Path = Path("/proc")) -> dict[int, tuple[int, str]]:
    """Read every process: pid to parent pid and command line."""
    found: dict[int, tuple[int, str]] = {}
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, parent, *_ = parse_stat((folder / "stat").read_text())
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            continue
        if state not in ("Z", "X"):
            found[int(folder.name)] = (parent, command.strip())
    return found


def find_descendants(roots: Iterable[int], processes: Mapping[int, tuple[int, str]]) -> tuple[int, ...]:
    """Find all children, grandchildren and so on of the given processes, deepest last, without the roots."""
    found: list[int] = []
    level = set(roots)
    while level:
        level = {pid for pid, (parent, _) in processes.items() if parent in level and pid not in found}
        found.extend(sorted(level))
    return tuple(found)


def _send(record: ProcessRecord, number: signal.Signals) -> None:
    if is_running(record):
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return


def _reap(pid: int) -> None:
    # Only a child of this very command needs it; others belong to init.
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
