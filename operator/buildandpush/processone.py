"""What a program has to do as process 1 of its container, which nobody prepares for it.

The kernel keeps a signal from process 1 that it has not asked for, SIGTERM too:
https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
"""

import contextlib
import os
import resource
import signal
import sys
from typing import Final, NoReturn

_MOST_FILES: Final = 65536


def end_at_sigterm(code: int) -> None:
    """Let SIGTERM end the process at once with this code, until something else takes the signal. Otherwise the kubelet
    would kill it, once the time is over that the pod has for its end."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(code))


def open_many_files() -> None:
    """Take more open files than the 1,024 that container runtimes begin with, as programs in Go do by themselves. A
    connection to each registry that users name stays open for a while."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def leave(code: int) -> NoReturn:
    """End the process at once. Python waits for all threads first, and DNS that says nothing holds one for up to a
    minute."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
