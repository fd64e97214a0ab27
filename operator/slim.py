"""Removes what no program of the operator's image needs from the image's packages; its Dockerfile runs it.

The client of Kubernetes is most of it. Only its transport and its login are in use. It has two thousand typed models
and calls besides, and loads each of them when somebody asks for it.
"""

import importlib
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("buildandpush.__main__", "buildandpush.readback.__main__", "buildandpush.source.__main__")
GENERATED: Final = tuple(
    f"kubernetes/{client}/{part}" for client in ("client", "aio/client") for part in ("api", "models")
)
"""Folders of which only those modules stay that a program loads."""
INSTALLERS: Final = (
    "pip",
    "pip-*",
    "setuptools",
    "setuptools-*",
    "pkg_resources",
    "_distutils_hack",
    "distutils-*.pth",
)
TESTS: Final = ("test", "tests")
SOURCES: Final = frozenset((".c", ".h", ".pxd", ".pyi", ".pyx"))
"""Of extensions that are compiled, and types for checkers."""


def main() -> None:
    """Remove it. Raises ImportError if a program does not start."""
    packages = Path(sysconfig.get_path("purelib"))
    for path in list(find_unneeded(packages, load_programs())):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def load_programs() -> set[Path]:
    """Load all that the programs load when they start. Returns the modules' files."""
    for name in PROGRAMS:
        importlib.import_module(name)
    files = [getattr(module, "__file__", None) for module in sys.modules.values()]
    return {Path(file) for file in files if file}


def find_unneeded(packages: Path, loaded: set[Path]) -> Iterator[Path]:
    """What may go below a folder of packages: files, and folders with all that they hold."""
    for pattern in INSTALLERS:
        yield from packages.glob(pattern)
    for folder in GENERATED:
        for path in (packages / folder).glob("*.py"):
            if path not in loaded and path.name != "__init__.py":
                yield path
                yield Path(cache_from_source(path))
    for path in packages.rglob("*"):
        if (path.name in TESTS and path.is_dir()) or path.suffix in SOURCES:
            yield path


if __name__ == "__main__":
    main()
