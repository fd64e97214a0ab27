"""Runs programs of this repository with the Python of the base image, which the operator's image has too."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devcluster.images.buildah import Recipe, build_image, command, run_buildah
from devcluster.machine.mounts import unmount_below
from devcluster.settings import REPOSITORY_ROOT, Settings

_PYTHON: Final = "/opt/tests/bin/python"
_IMAGE: Final = "localhost/buildandpush/tests:dev"
_LOCK: Final = REPOSITORY_ROOT / "tests" / "requirements.lock"
_DOCKERFILE: Final = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY requirements.lock /
RUN python3 -m venv /opt/tests \\
    && /opt/tests/bin/pip install --quiet --no-cache-dir --require-hashes -r /requirements.lock
"""


# Of one's own mounts, which end with the process. Each `exec` keeps its number.
_ENTER: Final = """\
root=$0
for path in /dev /proc "${TMPDIR:-/tmp}" "$PWD"; do
    mkdir -p "$root$path"
    mount --rbind "$path" "$root$path"
done
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
"""


def run_python(settings: Settings, base: Path, arguments: Sequence[str]) -> int:
    """Run Python with these arguments in the repository's folder, and return its exit code. `base` is the base image's
    docker-archive. The first time takes about a minute, since it installs what the tests need."""
    place = (f"--volume={REPOSITORY_ROOT}:{REPOSITORY_ROOT}", f"--workingdir={REPOSITORY_ROOT}")
    search = f"--env=PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
    with _container(settings, base) as (storage, container):
        python = (container, "--", _PYTHON, "-B", *arguments)
        running = command(storage, "run", "--isolation=chroot", *place, search, *python)
        return subprocess.run(running, check=False).returncode


@contextmanager
def enter_python(settings: Settings, base: Path) -> Iterator[tuple[str, ...]]:
    """Give the beginning of a command that becomes the same Python, with the temporary files and the folder of its
    caller. So its process can be measured, and takes signals, as any other."""
    with _container(settings, base) as (storage, container):
        root = run_buildah(storage, "mount", container).strip()
        yield ("unshare", "--mount", "/bin/sh", "-ec", _ENTER, root, _PYTHON)


@contextmanager
def _container(settings: Settings, base: Path) -> Iterator[tuple[Path, str]]:
    """A container over the base image that has what the tests need, and the storage that it is in."""
    storage = settings.cache / "buildah-tests"
    container = ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            (context / "Dockerfile").write_text(_DOCKERFILE)
            (context / _LOCK.name).write_bytes(_LOCK.read_bytes())
            build_image(storage, Recipe(context / "Dockerfile", context, base, settings.images.base), _IMAGE)
        container = run_buildah(storage, "from", "--pull-never", _IMAGE).strip()
        yield storage, container
    finally:
        if container:
            run_buildah(storage, "rm", container)
        unmount_below(storage)
