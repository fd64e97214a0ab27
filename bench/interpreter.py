"""The Python that the measured operator runs with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster.images import catalogue
from devcluster.machine.lock import exclusively
from devcluster.settings import REPOSITORY_ROOT, read_settings

Command = tuple[str, ...]
"""The beginning of a command line, which Python's own arguments follow."""
MACHINE: Command = (sys.executable,)
"""The Python of this process."""


@contextmanager
def image_python() -> Iterator[Command]:
    """Enter the Python of the operator's image, which users run: a machine's own may take half as long again for the
    same work. Without root this is the machine's own."""
    if os.geteuid() != 0:
        print("the operator runs with this machine's Python: only root can enter that of the image", flush=True)
        yield MACHINE
        return
    settings = read_settings()
    with exclusively(settings, "python"), catalogue.enter_python(settings) as command:
        _compile(command)
        yield command


def _compile(command: Command) -> None:
    """Import the operator once. The image has its modules compiled, too."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT / "operator")}
    subprocess.run((*command, "-c", "import buildandpush.__main__"), env=environment, check=True)
