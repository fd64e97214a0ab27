"""Some folders of a repository: what is checked out, and what stays on the server."""

from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git.fetch import fetch_git
from buildandpush.source.report import SourceError
from tests.unit.source.git.git_server import GitServer, git

ODD = ["a[b]*", "-x", "!y", '"z"', "mit leer", "日本", "#h", "back\\slash"]


@pytest.fixture(autouse=True)
def large(server: GitServer) -> None:
    """A branch with folders."""
    bare, work = server.folder / "shop.git", server.folder / "large"
    git(bare, "config", "uploadpack.allowFilter", "true")
    if work.exists():
        return
    git(server.folder, "clone", "--quiet", str(bare), "large")
    for name in (
        "web/src/main",
        "web/docs/page",
        "web/top",
        "libs/common/a",
        "libs/other/b",
        *(f"{odd}/f" for odd in ODD),
    ):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(f"{name}\n")
    (work / "link").symlink_to("web")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "large")
    git(work, "push", "--quiet", str(bare), "HEAD:large")


def fetch(server: GitServer, root: Path, *paths: str, **more: object) -> set[str]:
    """The files that are checked out."""
    fetch_git({"url": server.url(), "revision": "large", "paths": list(paths), **more}, root)
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file() or path.is_symlink())
    return {str(path) for path in files if path.parts[0] != ".git"}


@pytest.mark.proves("source.git.paths")
@pytest.mark.parametrize("filtered", ["true", "false"])
def test_the_folders_and_the_files_above_them_are_checked_out(filtered: str, server: GitServer, root: Path) -> None:
    """With and without a server that leaves out what nobody wants."""
    git(server.folder / "shop.git", "config", "uploadpack.allowFilter", filtered)
    wanted = {"Dockerfile", "link", "web/top", "web/src/main", "libs/common/a"}
    assert fetch(server, root, "web/src/", "libs/./common") == wanted


@pytest.mark.parametrize("depth", [0, 1])
def test_the_contents_of_the_others_stay_on_the_server(depth: int, server: GitServer, root: Path) -> None:
    fetch(server, root, "web/src", keepGitDir=True, depth=depth)
    missing = [line for line in git(root, "rev-list", "--objects", "--missing=print", "HEAD").split() if line[0] == "?"]
    assert f"?{git(server.folder / 'large', 'rev-parse', 'HEAD:libs/other/b')}" in missing
    assert f"?{git(server.folder / 'large', 'rev-parse', 'HEAD:web/src/main')}" not in missing


@pytest.mark.parametrize("revision", ["commit", "short"])
def test_a_commits_id_goes_with_folders(revision: str, server: GitServer, root: Path) -> None:
    commit = git(server.folder / "shop.git", "rev-parse", "large")
    wanted = {"commit": commit, "short": commit[:8]}[revision]
    assert "libs/common/a" in fetch(server, root, "libs/common", revision=wanted)


@pytest.mark.parametrize("odd", ODD)
def test_a_folder_may_have_any_name(odd: str, server: GitServer, root: Path) -> None:
    assert fetch(server, root, odd) == {"Dockerfile", "link", f"{odd}/f"}


@pytest.mark.parametrize("path", ["nothing", "web/top", "Dockerfile", "link", "we", "web/src/main/x"])
def test_a_path_that_is_no_folder_is_told(path: str, server: GitServer, root: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(server, root, path)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert f"source.git.paths: the repository has no folder {path!r}" in str(caught.value)
