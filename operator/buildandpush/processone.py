"""What a program has to do as process 1 of its container.

The kernel keeps a signal from process 1 that it has not asked for, SIGTERM too:
https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
"""

import contextlib
import os
import signal
import sys
from typing import NoReturn


def end_at_sigterm(code: int) -> None:
    """Let SIGTERM end the process at once with this code, until something else takes the signal. Otherwise the kubelet
    would kill it, once the time is over that the pod has for its end."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(code))


def leave(code: int) -> NoReturn:
    """End the process at once. Python waits for all threads first, and DNS that says nothing holds one for up to a
    minute."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
