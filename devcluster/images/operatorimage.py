"""Builds the operator's image from its Dockerfile with buildah. The image keeps nothing of this machine."""

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images.imagekey import hash_files, hash_parts, list_files
from devcluster.machine.mounts import unmount_below
from devcluster.machine.shell import run, write_file
from devcluster.settings import REPOSITORY_ROOT, Settings

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_PIP_CONFIG = "/etc/pip.conf"
_MAX_CACHED_IMAGES = 60
# buildah hands these to RUN by itself when they are build arguments, and does not keep them.
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class OperatorSource:
    """The Dockerfile and the folder its COPY lines start from."""

    dockerfile: Path
    context: Path

    @classmethod
    def from_paths(cls, dockerfile: Path | None = None, context: Path | None = None) -> "OperatorSource":
        """Fill in the repository's own for what is not given."""
        return cls(dockerfile or REPOSITORY_ROOT / "operator" / "Dockerfile", context or REPOSITORY_ROOT)


def compute_operator_key(source: OperatorSource, base: Path) -> str:
    """Compute the image's key from the base, the Dockerfile and what COPY lines can see."""
    content = hash_files(source.context, list_context(source.context))
    return hash_parts(base.name.encode(), source.dockerfile.read_bytes(), content.encode())


def list_context(context: Path) -> tuple[Path, ...]:
    """List the files COPY lines can see: those a .dockerignore of `*` and `!exception` lines lets through, or all."""
    ignore = context / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    if "*" not in lines:
        return list_files(context)
    allowed = [context / line.removeprefix("!").strip("/") for line in lines if line.startswith("!")]
    return tuple({path for top in allowed for path in (list_files(top) if top.is_dir() else (top,)) if path.is_file()})


def build_operator(settings: Settings, base: Path, source: OperatorSource) -> Path:
    """Build the image unless the cache has it from the same content, and return its docker-archive."""
    if not source.dockerfile.is_file():
        raise DevclusterError(f"There is no {source.dockerfile} to build the operator's image from")
    archive = settings.cache / "images" / f"operator-{compute_operator_key(source, base)}.tar"
    if archive.exists():
        return archive
    print(f"buildah: building {settings.images.operator} from {source.dockerfile}", flush=True)
    storage = settings.cache / "buildah"
    pip_config = storage / "pip.conf"
    write_file(pip_config, build_pip_config(os.environ))
    partial = archive.with_name(f".{archive.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        _buildah(storage, "pull", "--quiet", f"docker-archive:{base}")
        _buildah(storage, *_build_arguments(settings, source, pip_config))
        _buildah(
            storage, "push", "--quiet", settings.images.operator, f"docker-archive:{partial}:{settings.images.operator}"
        )
        # The layers of earlier builds make the next one quick, until there are too many of them.
        if len(_buildah(storage, "images", "--all", "--quiet").split()) > _MAX_CACHED_IMAGES:
            # A build that was killed leaves its container, which holds an image that could not be removed.
            _buildah(storage, "rm", "--all")
            _buildah(storage, "rmi", "--prune")
    finally:
        unmount_below(storage)
    partial.replace(archive)
    return archive


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


def _build_arguments(settings: Settings, source: OperatorSource, pip_config: Path) -> tuple[str, ...]:
    proxies = (f"--build-arg={name}={os.environ[name]}" for name in _PROXY_VARIABLES if name in os.environ)
    return (
        "bud",
        "--isolation=chroot",
        "--layers",
        "--pull-never",
        "--format=docker",
        f"--build-arg=BASE_IMAGE={settings.images.base}",
        *proxies,
        *(f"--volume={volume}" for volume in list_volumes(os.environ, pip_config)),
        f"--file={source.dockerfile}",
        f"--tag={settings.images.operator}",
        str(source.context),
    )


def _buildah(storage: Path, *arguments: str) -> str:
    roots = (f"--root={storage / 'storage'}", f"--runroot={storage / 'run'}")
    return run(("buildah", *roots, *arguments), timeout_seconds=1800)
