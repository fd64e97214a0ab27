"""Trees that a file system or a build cannot take as they are: each ends with a clean reason, or is built."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.check import check_paths
from buildandpush.source.facts import measure
from buildandpush.source.git.fetch import fetch_git
from buildandpush.source.report import SourceError, render_failure
from tests.unit.source.git.git_server import GitServer, git


def serve_tree(server: GitServer, *entries: tuple[str, str, bytes]) -> dict[str, Any]:
    """The request for a branch with these entries: mode, content and name."""
    bare, lines = server.folder / "shop.git", []
    for mode, content, name in entries:
        made = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"], cwd=bare, input=content.encode(), capture_output=True, check=True
        )
        lines.append(f"{mode} blob {made.stdout.decode().strip()}\t".encode() + name + b"\0")
    tree = subprocess.run(["git", "mktree", "-z"], cwd=bare, input=b"".join(lines), capture_output=True, check=True)
    commit = git(bare, "commit-tree", "-m", "odd", tree.stdout.decode().strip())
    git(bare, "update-ref", "refs/heads/odd", commit)
    return {"url": server.url(), "revision": "odd"}


@pytest.mark.parametrize(
    "name", ["a\nb", 'quote"', "tab\t", "back\\slash", "-rf", "  ", "ü", "CON", "~", "$(x)"], ids=repr
)
def test_any_name_of_a_file_is_taken(name: str, server: GitServer, root: Path) -> None:
    request = serve_tree(server, ("100644", "x", name.encode()), ("100644", "", b"Dockerfile"))
    fetch_git({**request, "submodules": True, "lfs": True}, root)
    assert (root / name).read_text() == "x"
    assert measure(root) == (2, 1)


def test_names_that_differ_in_case_alone_are_two_files(server: GitServer, root: Path) -> None:
    fetch_git(serve_tree(server, ("100644", "1", b"readme"), ("100644", "2", b"README")), root)
    assert (root / "readme").read_text() + (root / "README").read_text() == "12"


def test_a_name_that_is_no_utf_8_is_taken(server: GitServer, root: Path) -> None:
    fetch_git({**serve_tree(server, ("100644", "x", b"\xff\xfe")), "lfs": True, "submodules": True}, root)
    assert measure(root) == (1, 1)


def test_a_name_that_is_too_long_for_a_file_is_told(server: GitServer, root: Path) -> None:
    with pytest.raises(SourceError, match="File name too long|unable to create file") as caught:
        fetch_git(serve_tree(server, ("100644", "x", b"a" * 300)), root)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert "\n" not in render_failure(caught.value)


@pytest.mark.parametrize("target", ["Dockerfile", "b", "/etc/passwd", "../../x"])
def test_a_link_that_leads_nowhere_good_is_told(target: str, server: GitServer, root: Path) -> None:
    request = serve_tree(server, ("120000", target, b"Dockerfile"), ("120000", "Dockerfile", b"b"))
    fetch_git(request, root)
    assert measure(root)[0] == 2
    with pytest.raises(SourceError) as caught:
        check_paths(root, "Dockerfile", ".")
    assert caught.value.reason is Reason.DOCKERFILE_NOT_FOUND
