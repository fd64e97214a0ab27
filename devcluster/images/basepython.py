"""Runs programs of this repository with the Python of the base image, which the operator's image has too."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devcluster.images.operatorimage import build_pip_config, list_volumes
from devcluster.machine.mounts import unmount_below
from devcluster.machine.shell import run, write_file
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
    pip_config = storage / "pip.conf"
    write_file(pip_config, build_pip_config(os.environ))
    volumes = [f"--volume={volume}" for volume in list_volumes(os.environ, pip_config)]
    buildah = ("buildah", f"--root={storage / 'storage'}", f"--runroot={storage / 'run'}")
    container = ""
    try:
        run((*buildah, "pull", "--quiet", f"docker-archive:{base}"), timeout_seconds=600)
        with tempfile.TemporaryDirectory() as context:
            (Path(context) / "Dockerfile").write_text(_DOCKERFILE)
            (Path(context) / _LOCK.name).write_bytes(_LOCK.read_bytes())
            build = ("bud", "--isolation=chroot", "--layers", "--pull-never", f"--tag={_IMAGE}")
            chosen = f"--build-arg=BASE_IMAGE={settings.images.base}"
            run((*buildah, *build, chosen, *volumes, context), timeout_seconds=1800)
        container = run((*buildah, "from", "--pull-never", _IMAGE)).strip()
        place = (f"--volume={REPOSITORY_ROOT}:{REPOSITORY_ROOT}", f"--workingdir={REPOSITORY_ROOT}")
        search = f"--env=PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
        command = (*buildah, "run", "--isolation=chroot", *place, search, container, "--", _PYTHON, "-B", *arguments)
        return subprocess.run(command, check=False).returncode
    finally:
        if container:
            run((*buildah, "rm", container))
        unmount_below(storage)
