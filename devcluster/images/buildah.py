"""Builds an image over the base image with buildah. The image keeps nothing of this machine."""

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devcluster.machine.shell import run, write_file

_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_PIP_CONFIG: Final = "/etc/pip.conf"
# buildah hands these to RUN by itself when they are build arguments, and does not keep them.
_PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Recipe:
    """What an image is built from."""

    dockerfile: Path
    context: Path
    base: Path
    """The docker-archive of the base image."""
    base_name: str
    """Its name there, which becomes the build argument BASE_IMAGE."""


def command(storage: Path, *arguments: str) -> tuple[str, ...]:
    """Make the command line of buildah with images and containers in a folder of their own."""
    return ("buildah", f"--root={storage / 'storage'}", f"--runroot={storage / 'run'}", *arguments)


def run_buildah(storage: Path, *arguments: str) -> str:
    """Run buildah to its end, and return what it prints."""
    return run(command(storage, *arguments), timeout_seconds=1800)


def build_image(storage: Path, recipe: Recipe, name: str) -> None:
    """Build an image of this name in the storage. The caller unmounts what a build leaves there."""
    pip_config = storage / "pip.conf"
    write_file(pip_config, build_pip_config(os.environ))
    run_buildah(storage, "pull", "--quiet", f"docker-archive:{recipe.base}")
    run_buildah(
        storage,
        "bud",
        "--isolation=chroot",
        "--layers",
        "--pull-never",
        "--format=docker",
        f"--build-arg=BASE_IMAGE={recipe.base_name}",
        *(f"--build-arg={variable}={os.environ[variable]}" for variable in _PROXY_VARIABLES if variable in os.environ),
        *(f"--volume={volume}" for volume in list_volumes(os.environ, pip_config)),
        f"--file={recipe.dockerfile}",
        f"--tag={name}",
        str(recipe.context),
    )


def build_pip_config(environ: Mapping[str, str]) -> str:
    """Build a pip.conf that says for RUN lines what PIP_* variables and pip's own files say on this machine."""
    parser = configparser.RawConfigParser()
    parser.read(("/etc/pip.conf", Path(environ.get("HOME", "/root")) / ".config" / "pip" / "pip.conf"))
    options = dict(parser["global"]) if parser.has_section("global") else {}
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    options["cert"] = _CERTIFICATES
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(options.items()))


def list_volumes(environ: Mapping[str, str], pip_config: Path) -> tuple[str, ...]:
    """List what RUN lines see of this machine, read-only: certificates, pip's configuration, local wheels."""
    links = environ.get("PIP_FIND_LINKS", "").split()
    wheels = tuple(f"{path}:{path}:ro" for path in links if path.startswith("/") and Path(path).is_dir())
    return (f"{_CERTIFICATES}:{_CERTIFICATES}:ro", f"{pip_config}:{_PIP_CONFIG}:ro", *wheels)
