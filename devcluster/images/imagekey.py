"""Hashes what an image is made from, for the names of the cached tars; builds nothing."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_IGNORED = ("__pycache__", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".venv")


def hash_parts(*parts: bytes) -> str:
    """Hash byte strings, each apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def hash_files(root: Path, paths: Iterable[Path]) -> str:
    """Hash files' places below `root`, permissions and content."""
    parts = [
        part
        for path in sorted(paths)
        for part in (str(path.relative_to(root)).encode(), oct(path.stat().st_mode).encode(), path.read_bytes())
    ]
    return hash_parts(*parts)


def list_files(folder: Path) -> tuple[Path, ...]:
    """List the files below a folder, without what tools leave there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return tuple(path for path in files if not set(_IGNORED) & set(path.relative_to(folder).parts))
