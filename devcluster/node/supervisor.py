"""Starts and stops components by their pid files and waits for them; up.py knows the order of all of them."""

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine import preflight
from devcluster.machine.ports import read_listeners
from devcluster.machine.process import ProcessRecord, is_running, read_record, start_detached, stop_process
from devcluster.node.components import Component
from devcluster.settings import Settings, build_no_proxy

_POLL_SECONDS = 0.1
_LOG_TAIL_LINES = 8


def record_path(settings: Settings, name: str) -> Path:
    """Return a component's pid file."""
    return settings.pids / f"{name}.json"


def log_path(settings: Settings, name: str) -> Path:
    """Return a component's log."""
    return settings.logs / f"{name}.log"


def read_running(settings: Settings, name: str) -> ProcessRecord | None:
    """Read a component's process, None if it does not run."""
    record = read_record(record_path(settings, name))
    return record if is_running(record) else None


def compute_fingerprint(component: Component) -> str:
    """Hash what the process starts with. `up` restarts a process whose program, flags or files have changed."""
    digest = hashlib.sha256()
    for part in (os.path.realpath(component.argv[0]), *component.argv, *(f"{k}={v}" for k, v in component.env.items())):
        digest.update(part.encode() + b"\0")
    for path in component.config_files:
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def ensure_running(settings: Settings, components: Sequence[Component]) -> tuple[str, ...]:
    """Start each component that does not run, or runs with other settings, in order; return their names."""
    stale = [component for component in components if not _is_current(settings, component)]
    for component in stale:
        stop(settings, component.name)
    uses = [use for component in stale for use in component.ports]
    preflight.check_ports(uses, read_listeners(use.port for use in uses))
    ready: set[str] = set()
    waiting = list(components)
    started: dict[str, float] = {}
    while waiting:
        for component in waiting:
            if component in stale and component.name not in started and ready.issuperset(component.after):
                start(settings, component)
                started[component.name] = time.monotonic()
        for component in [one for one in waiting if one.name in started or one not in stale]:
            if component.is_ready():
                ready.add(component.name)
                waiting.remove(component)
            else:
                _check_progress(settings, component, started.setdefault(component.name, time.monotonic()))
        time.sleep(_POLL_SECONDS if waiting else 0)
    return tuple(component.name for component in stale)


def start(settings: Settings, component: Component) -> None:
    """Start a component's process, without waiting for it to be ready."""
    start_detached(
        component.argv,
        record=record_path(settings, component.name),
        log=log_path(settings, component.name),
        env={"NO_PROXY": build_no_proxy(settings), **component.env},
        fingerprint=compute_fingerprint(component),
    )


def stop(settings: Settings, name: str, *, kill: bool = False) -> bool:
    """Stop a component's process and forget it; tell whether it ran."""
    record = read_running(settings, name)
    if record is not None:
        stop_process(record, kill=kill)
    record_path(settings, name).unlink(missing_ok=True)
    return record is not None


def stop_all(settings: Settings, names: Iterable[str]) -> tuple[str, ...]:
    """Stop several components one after another; return the names of those that ran."""
    return tuple(name for name in names if stop(settings, name))


def _is_current(settings: Settings, component: Component) -> bool:
    record = read_running(settings, component.name)
    return record is not None and record.fingerprint == compute_fingerprint(component)


def _check_progress(settings: Settings, component: Component, since: float) -> None:
    log = log_path(settings, component.name)
    if read_running(settings, component.name) is None:
        problem = f"{component.name} ended right after its start"
    elif time.monotonic() - since > component.ready_timeout_seconds:
        problem = f"{component.name} runs but was not ready within {component.ready_timeout_seconds:.0f} s"
    else:
        return
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]) if log.exists() else ""
    raise DevclusterError(f"{problem}; its log, {log}, ends with:\n{tail}")
