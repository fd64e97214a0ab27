"""Pipelines of many shapes, each written for one point, and what the import makes of them."""

import os
from pathlib import Path
from typing import Any, Final

from buildandpush.pipelines.convert import Imported, Order, import_pipelines, render_whole
from buildandpush.pipelines.reader import SourceFile

SHAPES: Final = Path(__file__).parent / "shapes"
GOLDEN: Final = Path(__file__).parent / "golden"
WRITE: Final = os.environ.get("GOLDEN") == "write"

OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "one-step": {"git_url": "https://github.com/contoso/shop.git"},
    "git-url": {"git_url": "https://git.contoso.com/{repo}", "first_run_number": 1042},
}
"""What the user says besides the files."""

NAMES: Final = sorted(path.name.split(".")[0] for path in SHAPES.iterdir())


def read_shape(name: str) -> Order:
    """The order to import a shape: one file, or a folder with what is at hand for it."""
    folder = SHAPES / name
    if folder.is_dir():
        beside = {kind: _read(folder / kind) for kind in ("templates", "connectors", "inputs")}
        return Order(
            [_read_file(folder / "pipeline.yaml")],
            templates=beside["templates"],
            connectors=beside["connectors"],
            input_sets=beside["inputs"],
            **OPTIONS.get(name, {}),
        )
    (path,) = SHAPES.glob(f"{name}.*")
    return Order([_read_file(path)], **OPTIONS.get(name, {}))


def import_shape(name: str) -> Imported:
    """What comes of a shape."""
    return import_pipelines(read_shape(name))


def render(result: Imported) -> str:
    """All of it as one text."""
    return render_whole(result)


def _read(folder: Path) -> list[SourceFile]:
    return [_read_file(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _read_file(path: Path) -> SourceFile:
    return SourceFile(path.name, path.read_text())
