"""Keeps two commands from changing the cluster, or the cache, at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster.settings import Settings


@contextmanager
def exclusively(settings: Settings, what: str) -> Iterator[None]:
    """Hold the lock called `what`, waiting for another command that has it; the kernel frees it if we die."""
    # In the cache, because `down` removes the state folder and the lock's file with it.
    path = settings.cache / f"{what}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another devcluster command to finish with its {what}", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
