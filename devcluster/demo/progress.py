"""Reads the builds' statuses and prints a line for each change. It changes nothing."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.errors import DevclusterError

Manifest = Mapping[str, Any]

_POLL_SECONDS = 0.3
_MAX_MESSAGE = 160


@dataclass(frozen=True)
class Progress:
    """Where one build stands."""

    phase: str
    reason: str
    message: str
    is_done: bool
    is_good: bool


NOT_SEEN = Progress("Waiting", "NotSeenYet", "for the operator to notice it", is_done=False, is_good=False)


def read_progress(resource: Manifest) -> Progress:
    """Read it from the resource; until the operator has seen the current spec, what stands there is of an older one."""
    status = resource.get("status") or {}
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return NOT_SEEN
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    is_valid = conditions.get("SpecValid", {}).get("status") != "False"
    speaking = conditions.get("Succeeded" if is_valid else "SpecValid", {})
    is_good = is_valid and speaking.get("status") == "True"
    return Progress(
        phase=status.get("phase", "Unknown"),
        reason=speaking.get("reason", "Unknown"),
        message=speaking.get("message", ""),
        is_done=not is_valid or conditions.get("Completed", {}).get("status") == "True",
        is_good=is_good,
    )


def read_run_number(resource: Manifest | None) -> int:
    """Read the number of the latest run, 0 before the first."""
    run = ((resource or {}).get("status") or {}).get("run") or {}
    return int(run.get("number", 0))


def has_failed(resource: Manifest) -> bool:
    """Tell whether the latest run ended badly and a new one has to be asked for."""
    return (resource.get("status") or {}).get("phase") in ("Failed", "Cancelled")


def render_line(name: str, progress: Progress, *, elapsed_seconds: float, width: int) -> str:
    """Render one line of progress; a good end is told in full below, so its message is left out here."""
    message = "" if progress.is_done and progress.is_good else f"  {_clip(progress.message)}"
    return f"{elapsed_seconds:6.1f} s  {name:<{width}}  {progress.phase:<9}  {progress.reason}{message}"


def render_failure(resource: Manifest) -> str:
    """Render why a build failed: the condition's message, the end of the log, and where to read on."""
    name, namespace = resource["metadata"]["name"], resource["metadata"]["namespace"]
    progress = read_progress(resource)
    lines = [f"{name} failed: {progress.reason}", f"  {progress.message}"]
    for build in ((resource.get("status") or {}).get("run") or {}).get("builds", []):
        failure = build.get("failure") or {}
        if failure.get("logTail"):
            lines += ["  the log ends with:", *(f"    {line}" for line in failure["logTail"].splitlines())]
        if failure.get("container"):
            pod = f"{build['podName']} --container {failure['container']}"
            lines.append(f"  whole log: kubectl logs --namespace {namespace} {pod}")
    return "\n".join(lines)


def follow(
    read: Callable[[], Mapping[str, dict[str, Any]]],
    names: Sequence[str],
    *,
    known_runs: Mapping[str, int],
    rebuilt: Collection[str] = (),
    timeout_seconds: float,
) -> dict[str, dict[str, Any]]:
    """Print each build's changes until all have ended, and return them; raise when the time is up.

    `known_runs` has the run numbers from before the builds were applied: who ends with that number was not built anew.
    Those `rebuilt` were asked to run again, which shows in nothing but the number of the run.
    """
    began = time.monotonic()
    width = max(len(name) for name in names)
    shown: dict[str, tuple[str, str]] = {}
    while True:
        resources = read()
        standing = {name: read_progress(resources[name]) for name in names}
        for name in rebuilt:
            if read_run_number(resources[name]) <= known_runs.get(name, 0) and standing[name].reason != "SpecInvalid":
                standing[name] = NOT_SEEN
        for name, progress in standing.items():
            if shown.get(name) == (progress.phase, progress.reason):
                continue
            is_first_sight = name not in shown
            shown[name] = (progress.phase, progress.reason)
            line = render_line(name, progress, elapsed_seconds=time.monotonic() - began, width=width)
            run = read_run_number(resources[name])
            is_old = is_first_sight and progress.is_done and run == known_runs.get(name)
            print(f"{line}  already built in run {run}; nothing to do" if is_old else line, flush=True)
        if all(progress.is_done for progress in standing.values()):
            return {name: resources[name] for name in names}
        if time.monotonic() - began > timeout_seconds:
            late = "; ".join(f"{name}: {it.reason}, {it.message}" for name, it in standing.items() if not it.is_done)
            raise DevclusterError(f"Not all builds ended within {timeout_seconds:.0f} s. {late}")
        time.sleep(_POLL_SECONDS)


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"
