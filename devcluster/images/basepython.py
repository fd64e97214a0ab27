"""Runs programs of this repository with the Python of the base image, which the operator's image has too."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
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


def run_python(settings: Settings, base: Path, arguments: Sequence[str]) -> int:
    """Run Python with these arguments in the repository's folder, and return its exit code. `base` is the base image's
    docker-archive. The first time takes about a minute, since it installs what the tests need."""
    storage = settings.cache / "buildah-tests"
    container = ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            (context / "Dockerfile").write_text(_DOCKERFILE)
            (context / _LOCK.name).write_bytes(_LOCK.read_bytes())
            build_image(storage, Recipe(context / "Dockerfile", context, base, settings.images.base), _IMAGE)
        container = run_buildah(storage, "from", "--pull-never", _IMAGE).strip()
        place = (f"--volume={REPOSITORY_ROOT}:{REPOSITORY_ROOT}", f"--workingdir={REPOSITORY_ROOT}")
        search = f"--env=PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
        python = (container, "--", _PYTHON, "-B", *arguments)
        running = command(storage, "run", "--isolation=chroot", *place, search, *python)
        return subprocess.run(running, check=False).returncode
    finally:
        if container:
            run_buildah(storage, "rm", container)
        unmount_below(storage)
