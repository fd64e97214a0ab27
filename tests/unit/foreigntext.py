"""Finds the functions of the operator that take a stranger's text, so that none stays unmeasured."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import buildandpush

ROOT: Final = Path(buildandpush.__file__).parent
_DOORS: Final = frozenset(
    {
        "admit",
        "admit_end",
        "admit_line",
        "clip_foreign",
        "explain_git",
        "explain_ssh",
        "mask_values",
        "parse_json",
        "parse_object",
    }
)
_SEARCHES: Final = frozenset({"search", "match", "fullmatch", "sub", "findall", "finditer", "split"})
# The API server bounds what a spec may say, and it bounds a spec. A dozen modules with a pattern for each field follow.
_BOUNDED: Final = ("api/", "core/spec/", "config.py")

Place = tuple[str, int]
"""A file below the package, and the line where a function begins."""


def list_functions() -> dict[Place, str]:
    """Each function that takes admitted text, takes text through a door, or searches one by a pattern; by its place."""
    found: dict[Place, str] = {}
    for path in sorted(ROOT.rglob("*.py")):
        file = str(path.relative_to(ROOT))
        if not file.startswith(_BOUNDED):
            found |= {(file, line): f"{file}: {name}" for line, name in _find(ast.parse(path.read_text()))}
    return found


def _find(tree: ast.AST, inside: str = "") -> Iterator[tuple[int, str]]:
    for node in ast.iter_child_nodes(tree):
        name = getattr(node, "name", "")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if _takes_admitted(node) or any(map(_is_look, ast.walk(node))):
                yield min([node.lineno, *(each.lineno for each in node.decorator_list)]), f"{inside}{name}"
        elif isinstance(node, ast.ClassDef):
            yield from _find(node, f"{name}.")


def _takes_admitted(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = (*function.args.args, *function.args.kwonlyargs)
    return any(each.annotation is not None and "Admitted" in ast.unparse(each.annotation) for each in arguments)


def _is_look(node: ast.AST) -> bool:
    """Whether this calls a door, or a pattern, which stands in a constant of its module."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Name):
        return called.id in _DOORS
    of = ast.unparse(called.value).split(".")[-1] if isinstance(called, ast.Attribute) else ""
    is_pattern = of == "re" or (of.isupper() and len(of) > 1)
    return is_pattern and isinstance(called, ast.Attribute) and called.attr in _SEARCHES


def record_calls(work: Callable[[], Any]) -> set[Place]:
    """The functions of the operator that are called meanwhile."""
    called: set[Place] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    begin = f"{ROOT}/"
    return {(file.removeprefix(begin), line) for file, line in called if file.startswith(begin)}
