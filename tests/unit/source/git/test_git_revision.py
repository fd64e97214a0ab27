"""Which commit a revision stands for, how much of its history comes along, and what git's notes tell of it."""

import shutil
from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git import revision as module
from buildandpush.source.git.fetch import fetch_git
from buildandpush.source.git.revision import read_default_branch, read_ref
from buildandpush.source.report import SourceError
from tests.unit.source.git.git_server import GitServer, git, make_repository, serve_git

ODD = "fix#1(ü)+c++@work"


@pytest.fixture(autouse=True)
def names(server: GitServer, commits: dict[str, str]) -> None:
    """Further names in the repository."""
    bare = server.folder / "shop.git"
    for branch, commit in ((ODD, "first"), ("20241101", "first"), ("both", "second")):
        git(bare, "branch", "--force", branch, commits[commit])
    git(bare, "tag", "--force", "both", commits["first"])
    git(bare, "update-ref", "refs/pull/7/head", commits["first"])


def fetch(server: GitServer, root: Path, **more: object) -> tuple[str | None, str | None]:
    """Commit and ref of what is fetched."""
    shutil.rmtree(root)
    root.mkdir()
    facts = fetch_git({"url": server.url(), **more}, root)
    return facts.commit, facts.ref


def filters(server: GitServer, allowed: bool) -> None:
    """Whether the server leaves out what a fetch does not want."""
    git(server.folder / "shop.git", "config", "uploadpack.allowFilter", str(allowed).lower())


def test_a_commit_that_the_operator_has_found_is_fetched_whatever_became_of_its_branch(
    server: GitServer, commits: dict[str, str], root: Path
) -> None:
    assert fetch(server, root, revision="main", commit=commits["first"])[0] == commits["first"]
    bare = server.folder / "shop.git"
    git(bare, "branch", "gone", commits["second"])
    git(bare, "branch", "--delete", "--force", "gone")
    shutil.rmtree(root)
    root.mkdir()
    facts = fetch_git({"url": server.url(), "revision": "gone", "commit": commits["second"]}, root)
    assert (facts.revision, facts.commit) == ("gone", commits["second"])


def test_a_commit_that_the_server_has_no_more_is_not_found(server: GitServer, root: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(server, root, revision="main", commit="a" * 40)
    assert caught.value.reason is Reason.REVISION_NOT_FOUND


@pytest.mark.proves("source.git.revision")
@pytest.mark.parametrize(
    ("revision", "commit", "ref"),
    [
        ("", "second", "refs/heads/main"),
        ("HEAD", "second", "refs/heads/main"),
        ("main", "second", "refs/heads/main"),
        ("feature/x", "first", "refs/heads/feature/x"),
        ("heads/main", "second", "refs/heads/main"),
        ("v2", "first", "refs/tags/v2"),
        (ODD, "first", f"refs/heads/{ODD}"),
        ("20241101", "first", "refs/heads/20241101"),
        ("both", "first", "refs/tags/both"),
        ("refs/heads/both", "second", "refs/heads/both"),
        ("refs/pull/7/head", "first", "refs/pull/7/head"),
    ],
)
def test_the_full_ref_of_a_name_is_told(
    revision: str, commit: str, ref: str, server: GitServer, commits: dict[str, str], root: Path
) -> None:
    """A tag wins over a branch of the same name, as in all of git."""
    assert fetch(server, root, revision=revision) == (commits[commit], ref)


def test_the_default_branch_costs_no_further_request(server: GitServer, root: Path) -> None:
    fetch(server, root)
    asked = len(server.paths)
    fetch(server, root, revision="main")
    assert len(server.paths) == 2 * asked


@pytest.mark.parametrize("filtered", [True, False])
def test_the_beginning_of_a_commits_id_stands_for_it(
    filtered: bool, server: GitServer, commits: dict[str, str], root: Path
) -> None:
    filters(server, allowed=filtered)
    assert fetch(server, root, revision=commits["first"][:7], keepGitDir=True) == (commits["first"], None)
    assert git(root, "rev-list", "--count", "--all", "HEAD") == "1", "the search leaves nothing behind"


def test_the_beginning_of_no_commits_id_is_told_as_such(server: GitServer, root: Path) -> None:
    filters(server, allowed=True)
    with pytest.raises(SourceError, match="no commit of a branch or tag begins with 'f{7}'") as caught:
        fetch(server, root, revision="f" * 7)
    assert caught.value.reason is Reason.COMMIT_ID_SHORT


def test_the_beginning_of_several_commits_ids_is_told_with_them(
    server: GitServer, commits: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test can make two commits that share seven characters. So git's answer is made up."""
    run_git = module.run_git

    def run(folder: Path, way: module.Way, *arguments: str) -> str:
        if arguments[0] == "rev-parse":
            return "\n".join(commits.values())
        return run_git(folder, way, *arguments)

    monkeypatch.setattr(module, "run_git", run)
    with pytest.raises(SourceError, match="2 commits begin with 'f{7}': ") as caught:
        fetch(server, root, revision="f" * 7)
    assert caught.value.reason is Reason.COMMIT_ID_SHORT
    assert all(commit in str(caught.value) for commit in commits.values())


def test_a_commit_that_the_server_gives_by_a_branch_alone_is_found(
    server: GitServer, commits: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers of old know no other way, and git speaks their language if it is told to."""
    run_git = module.run_git
    monkeypatch.setattr(
        module, "run_git", lambda folder, way, *arguments: run_git(folder, way, "-c", "protocol.version=0", *arguments)
    )
    git(server.folder / "shop.git", "branch", "--force", "both", commits["second"])
    hidden = git(
        server.folder / "shop.git", "commit-tree", "-p", commits["first"], "-m", "x", f"{commits['first']}^{{tree}}"
    )
    child = git(server.folder / "shop.git", "commit-tree", "-p", hidden, "-m", "y", f"{commits['first']}^{{tree}}")
    git(server.folder / "shop.git", "branch", "--force", "child", child)
    assert fetch(server, root, revision=hidden) == (hidden, None)
    with pytest.raises(SourceError) as caught:
        fetch(server, root, revision="f" * 40)
    assert caught.value.reason is Reason.REVISION_NOT_FOUND


@pytest.mark.parametrize("revision", ["main", "commit", "short"])
def test_a_repository_with_longer_ids_is_fetched(revision: str, server: GitServer, tmp_path: Path, root: Path) -> None:
    commit = make_repository(tmp_path / "long", "--object-format=sha256")["second"]
    assert len(commit) == 64
    with serve_git(tmp_path / "long") as other:
        wanted = {"main": "main", "commit": commit, "short": commit[:41]}[revision]
        assert fetch(other, root, revision=wanted)[0] == commit


@pytest.mark.proves("source.git.depth", "source.git.tags")
@pytest.mark.parametrize(
    ("more", "count", "tags"),
    [
        ({}, "1", ""),
        ({"depth": 1}, "1", ""),
        ({"depth": 2}, "2", ""),
        ({"depth": 0}, "2", ""),
        ({"depth": 0, "tags": True}, "2", "both v1 v2"),
        ({"depth": 1, "tags": True}, "1", "both v1 v2"),
    ],
)
def test_as_much_of_the_history_comes_along_as_is_asked_for(
    more: dict[str, object], count: str, tags: str, server: GitServer, root: Path
) -> None:
    fetch(server, root, keepGitDir=True, **more)
    assert git(root, "rev-list", "--count", "HEAD") == count
    assert git(root, "tag").split() == tags.split()
    if more == {"depth": 0, "tags": True}:
        assert git(root, "describe").startswith("v2-1-g")


def test_tags_are_not_fetched_for_a_folder_that_is_removed(server: GitServer, root: Path) -> None:
    fetch(server, root, tags=True)
    assert not (root / ".git").exists()
    asked = len(server.paths)
    fetch(server, root)
    assert len(server.paths) == 2 * asked


@pytest.mark.parametrize(
    ("note", "ref"),
    [
        ("branch 'main' of https://h/x", "refs/heads/main"),
        ("branch 'it's' of https://h/x", "refs/heads/it's"),
        ("tag 'v1' of https://h/x", "refs/tags/v1"),
        ("'refs/pull/7/head' of https://h/x", "refs/pull/7/head"),
        (f"'{'a' * 40}' of https://h/x", None),
        ("https://h/x", None),
        ("", None),
    ],
)
def test_gits_note_of_a_fetch_is_read(note: str, ref: str | None) -> None:
    assert read_ref(note) == ref


@pytest.mark.parametrize(
    ("trace", "ref"),
    [
        ("packet: fetch< 0123 HEAD symref-target:refs/heads/main\n", "refs/heads/main"),
        ("fetch< 0123 HEAD\\0multi_ack symref=HEAD:refs/heads/trunk agent=git/2\n", "refs/heads/trunk"),
        ("packet: fetch< 0123 HEAD symref-target:/etc/passwd\n", None),
        ("", None),
    ],
)
def test_a_servers_word_of_its_default_branch_is_read(trace: str, ref: str | None) -> None:
    assert read_default_branch(trace) == ref
