"""What generated files share: the cells of tables, and the command line that writes or checks the files."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def escape_cell(text: str) -> str:
    """Text for a cell of a Markdown table. Angle brackets would be taken for HTML."""
    return text.replace("<", "&lt;").replace("|", "\\|")


def write_or_check(files: Mapping[str, str], *, what: str, target: str, argv: list[str] | None) -> int:
    """Write each file (name to text) into the named folders, or check that those there are what would be written.

    Exit code 1 if a file is out of date; `target` is the make target that mends it.
    """
    parser = argparse.ArgumentParser(description=f"Write or check {what}.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the files")
    mode.add_argument("--check", action="store_true", help="fail if a file differs from what would be written")
    parser.add_argument("directories", nargs="+", type=Path, help="folders that hold the files")
    arguments = parser.parse_args(argv)
    stale = []
    for path, text in ((folder / name, text) for folder in arguments.directories for name, text in files.items()):
        if arguments.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(str(path))
    if stale:
        print(f"out of date: {', '.join(stale)}; run: make {target}", file=sys.stderr)
    return 1 if stale else 0
