"""Builds the operator's image from its Dockerfile, once for the same content."""

from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images.buildah import Recipe, build_image, run_buildah
from devcluster.images.imagekey import hash_files, hash_parts, list_files
from devcluster.machine.mounts import unmount_below
from devcluster.settings import REPOSITORY_ROOT, Settings

_MAX_CACHED_IMAGES = 60


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
    partial = archive.with_name(f".{archive.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        recipe = Recipe(source.dockerfile, source.context, base, settings.images.base)
        build_image(storage, recipe, settings.images.operator)
        target = f"docker-archive:{partial}:{settings.images.operator}"
        run_buildah(storage, "push", "--quiet", settings.images.operator, target)
        # The layers of earlier builds make the next one quick, until there are too many of them.
        if len(run_buildah(storage, "images", "--all", "--quiet").split()) > _MAX_CACHED_IMAGES:
            # A build that was killed leaves its container, which holds an image that could not be removed.
            run_buildah(storage, "rm", "--all")
            run_buildah(storage, "rmi", "--prune")
    finally:
        unmount_below(storage)
    partial.replace(archive)
    return archive
