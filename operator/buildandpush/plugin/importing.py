"""`kubectl buildandpush import`: reads the files, hands them to the import, and writes what comes of it."""

import argparse
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from buildandpush.api.urls import SCP_URL, SSH_URL
from buildandpush.pipelines.convert import Imported, Order, import_pipelines, render_all, render_file, render_whole
from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.reader import MAX_BYTES, SourceFile

_STANDARD_INPUT: Final = "-"
_ENDINGS: Final = (".yaml", ".yml", ".json")
_CONNECTORS: Final = "connectors.yaml"
_NOTHING: Final = (
    "no step that builds and pushes to ACR was found; give a pipeline, a template, or a step with its `type: "
    "BuildAndPushACR`"
)
_EPILOG: Final = (
    "The exit code is 0 if resources were made, and 1 if a file could not be read or no step was found. With --strict "
    "it is 1 as well if a comment in the output says that something is to be done."
)


def add_import(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser("import", help="make resources from the steps of pipelines", epilog=_EPILOG)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="a pipeline or template in YAML, - for standard input, or a folder")
    add("--output-dir", type=Path, metavar="DIR", help="write one file for each pipeline, and print a summary")
    add("--git-url", type=_git_url, default="", metavar="URL", help="address of the git repository; {repo} is its name")
    add("--connectors", type=Path, metavar="DIR", help="folder with exported connectors")
    add("--templates", type=Path, metavar="DIR", help="folder with templates")
    add("--input-set", type=Path, action="append", default=[], metavar="FILE", help="input set; may be given again")
    add("--sequence-start", type=_number, metavar="N", help="number of the first run, to continue the pipeline's")
    add("--strict", action="store_true", help="fail if something is left to do")
    parser.set_defaults(run=run_import)


def _git_url(text: str) -> str:
    if text and not any(re.match(form, text) for form in ("https?://", SSH_URL, SCP_URL)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address of a repository; write https://<host>/<path> or ssh://git@<host>/<path>"
        )
    return text


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {2**31 - 1}")
    return int(text)


def run_import(given: argparse.Namespace) -> int:
    """Import what the command line names. The result is the exit code."""
    try:
        result = import_pipelines(
            Order(
                pipelines=_read_all(given.files),
                templates=_read_folder(given.templates) if given.templates else [],
                connectors=_read_folder(given.connectors) if given.connectors else [],
                input_sets=[_read_file(path, str(path)) for path in given.input_set],
                git_url=given.git_url,
                first_run_number=given.sequence_start,
            )
        )
        if given.output_dir:
            _write(result, given.output_dir)
        else:
            _print(render_whole(result))
    except ImportFailedError as error:
        return _fail([error])
    if result.errors or not result.resources:
        nothing = ImportFailedError(given.files[0], "", _NOTHING)
        return _fail(result.errors or [nothing])
    return 1 if given.strict and result.open_points() else 0


def _print(text: str) -> None:
    """Write to standard output, whatever alphabet the terminal has. Whoever reads it may leave."""
    try:
        sys.stdout.buffer.write(text.encode(errors="replace"))
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - Python flushes it once more at its end


def _fail(errors: Iterable[ImportFailedError]) -> int:
    for error in errors:
        sys.stderr.write(f"error: {error}\n")
    return 1


def _read_all(names: Iterable[str]) -> list[SourceFile]:
    """All files that the command line names. Each has a name of its own."""
    files: dict[str, SourceFile] = {}
    for file in (file for name in names for file in _read_given(name)):
        if file.name in files:
            raise ImportFailedError(file.name, "", "two files have this name; import the folder that holds both")
        files[file.name] = file
    return list(files.values())


def _read_given(name: str) -> list[SourceFile]:
    if name == _STANDARD_INPUT:
        return [SourceFile("pipeline.yaml", _decode("standard input", sys.stdin.buffer.read(MAX_BYTES + 1)))]
    path = Path(name)
    return _read_folder(path) if path.is_dir() else [_read_file(path, path.name)]


def _read_folder(folder: Path) -> list[SourceFile]:
    """All files of a folder and the folders in it, by their names."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())
    if not paths:
        raise ImportFailedError(str(folder), "", f"the folder has no file that ends in {', '.join(_ENDINGS)}")
    return [_read_file(path, path.relative_to(folder).as_posix()) for path in paths]


def _read_file(path: Path, name: str) -> SourceFile:
    try:
        with path.open("rb") as file:
            return SourceFile(name, _decode(name, file.read(MAX_BYTES + 1)))
    except OSError as error:
        raise ImportFailedError(str(path), "", f"it cannot be read: {error.strerror}") from error


def _decode(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ImportFailedError(name, f"byte {error.start}", "the file is no UTF-8; convert it") from error


def _write(result: Imported, folder: Path) -> None:
    """Write a file for each pipeline and one for the connectors, and print what each has."""
    texts: dict[Path, list[str]] = {}
    if result.connectors:
        texts[folder / _CONNECTORS] = [render_all(result.connectors)]
    for name in result.resources:
        texts.setdefault(folder / Path(name).with_suffix(".yaml"), []).append(render_file(result, name))
    for path, parts in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("---\n".join(parts), encoding="utf-8")
        except OSError as error:
            raise ImportFailedError(str(path), "", f"it cannot be written: {error.strerror}") from error
    _print(_summarize(result, folder))


def _summarize(result: Imported, folder: Path) -> str:
    lines = [
        f"{name}: {len(made)} {'resource' if len(made) == 1 else 'resources'} ({', '.join(each.name for each in made)})"
        for name, made in result.resources.items()
    ]
    lines += [f"{name}: {note.level.lower()}: {note.text}" for name, notes in result.remarks.items() for note in notes]
    total = sum(map(len, result.resources.values()))
    lines.append(
        f"{total} resources and {len(result.connectors)} connectors in {folder}; "
        f"{result.open_points()} points are left to do, see the comments in the files"
    )
    return "\n".join(lines) + "\n"
