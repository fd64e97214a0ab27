"""Runs other programs and turns their failures into DevclusterError; process.py runs what lives longer."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.errors import DevclusterError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = 600,
) -> str:
    """Run a program to its end and return its standard output; raise with the end of its standard error if it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as err:
        raise DevclusterError(f"{words[0]} is not installed; run `python -m devcluster up`, which installs it") from err
    except subprocess.TimeoutExpired as err:
        raise DevclusterError(f"`{shlex.join(words)}` did not end within {timeout_seconds:.0f} s") from err
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise DevclusterError(f"`{shlex.join(words)}` failed with exit code {done.returncode}:\n{tail}")
    return done.stdout


def write_file(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write a file atomically with the given mode from the start, so that a secret is never readable meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text() == content and path.stat().st_mode & 0o777 == mode:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(content)
    temporary.chmod(mode)
    temporary.replace(path)
