"""Inline files, the check of paths, and the report, all within a folder."""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source import __main__ as program
from buildandpush.source.__main__ import main
from buildandpush.source.check import check_paths
from buildandpush.source.facts import SourceFacts
from buildandpush.source.inline import write_files
from buildandpush.source.patience import Clock
from buildandpush.source.report import MAX_BYTES, SourceError, render_failure, render_success
from tests.fulldisk import run_on_disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The source's root."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def tree(root: Path) -> Path:
    """A source with a Dockerfile, a folder, and links good and bad."""
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "Dockerfile").write_text("FROM evil\n")
    (root / "web" / "docker").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "web" / "docker" / "Dockerfile").write_text("FROM scratch\n")
    for name, target in {
        "inside": "web",
        "out": "../outside",
        "absolute": "/etc",
        "loop": "loop",
        "dangling": "nowhere",
        "file-out": "../outside/Dockerfile",
    }.items():
        (root / name).symlink_to(target)
    return root


# ---- inline


def test_files_are_written_byte_for_byte(root: Path) -> None:
    files = {"Dockerfile": "FROM scratch\r\n", "a/b/c.txt": "日本\0\n", "empty": "", "-x": "--x"}
    write_files({"files": files}, root)
    written = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert written == {name: text.encode() for name, text in files.items()}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a/../b", "", ".", "a/"])
def test_name_that_is_no_plain_relative_path_is_refused(name: str, root: Path) -> None:
    if name == "a/":
        (root / "a").mkdir()
    with pytest.raises(SourceError) as caught:
        write_files({"files": {name: "x"}}, root)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert [path.name for path in root.parent.iterdir()] == ["source"]


def test_file_that_should_be_a_folder_too_is_refused(root: Path) -> None:
    with pytest.raises(SourceError, match="a/b"):
        write_files({"files": {"a": "x", "a/b": "y"}}, root)


def test_name_too_long_for_a_file_is_refused(root: Path) -> None:
    with pytest.raises(SourceError):
        write_files({"files": {"x" * 300: "y"}}, root)


# ---- check


@pytest.mark.parametrize(
    ("dockerfile", "context"),
    [
        ("Dockerfile", "."),
        ("web/docker/Dockerfile", "web"),
        ("Dockerfile", "inside"),
        ("inside/docker/Dockerfile", "."),
        ("./Dockerfile", "web/docker"),
    ],
)
def test_paths_that_are_there_pass(dockerfile: str, context: str, tree: Path) -> None:
    check_paths(tree, dockerfile, context)


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("dockerfile", "the source's root has"),
        ("web/Dockerfile", "web/ has docker/"),
        ("none/at/all", "the source's root has"),
        ("web/docker/none/Dockerfile", "web/docker/ has Dockerfile"),
        ("web", "web/ has docker/"),
        (".", "the source's root has"),
        ("Dockerfile/x", ""),
        ("dangling", ""),
        ("loop", "loop"),
        ("out/Dockerfile", "leads out"),
        ("file-out", "leads out"),
        ("absolute/passwd", "leads out"),
        ("x" * 300, ""),
    ],
)
def test_missing_dockerfile_is_told_with_what_is_there(dockerfile: str, words: str, tree: Path) -> None:
    with pytest.raises(SourceError) as caught:
        check_paths(tree, dockerfile, ".")
    assert caught.value.reason is Reason.DOCKERFILE_NOT_FOUND
    assert words in str(caught.value)


@pytest.mark.parametrize("context", ["none", "Dockerfile", "out", "absolute", "loop", "dangling", "x" * 300])
def test_missing_context_is_told(context: str, tree: Path) -> None:
    with pytest.raises(SourceError) as caught:
        check_paths(tree, "Dockerfile", context)
    assert caught.value.reason is Reason.CONTEXT_NOT_FOUND


def test_root_itself_may_be_reached_by_a_link(tree: Path) -> None:
    link = tree.parent / "link"
    link.symlink_to(tree)
    check_paths(link, "Dockerfile", "web")
    with pytest.raises(SourceError, match="the source's root has"):
        check_paths(link, "none", ".")


def test_long_listing_is_cut_and_git_is_not_shown(root: Path) -> None:
    (root / ".git").mkdir()
    for number in range(30):
        (root / f"file{number:02}").touch()
    with pytest.raises(SourceError) as caught:
        check_paths(root, "Dockerfile", ".")
    assert "and 20 more" in str(caught.value)
    assert ".git" not in str(caught.value)


def test_empty_source_is_told(root: Path) -> None:
    with pytest.raises(SourceError, match="nothing in it"):
        check_paths(root, "Dockerfile", ".")


# ---- report


@pytest.mark.parametrize(
    "message", ["", "short", "x" * 5000, "ж" * 5000, "🚀" * 2000, '"' * 3000, "\n" * 3000, "\x01" * 3000, "\\" * 3000]
)
def test_report_is_whole_json_of_at_most_two_kib(message: str) -> None:
    text = render_failure(SourceError(Reason.SOURCE_INVALID, message))
    assert len(text.encode()) <= MAX_BYTES <= 2048
    report = json.loads(text)
    assert report["reason"] == "SourceInvalid"
    assert message.startswith(report["message"].rstrip("…"))


@given(st.text(max_size=3000))
def test_no_message_breaks_the_report(message: str) -> None:
    text = render_failure(SourceError(Reason.SOURCE_INVALID, message))
    assert len(text.encode()) <= MAX_BYTES
    assert json.loads(text)["reason"] == "SourceInvalid"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (SourceFacts(revision="main", commit="c" * 40), {"revision": "main", "commit": "c" * 40}),
        (SourceFacts(commit="c" * 40, author="Ada <ada@example.com>", message="Fix"), None),
        (SourceFacts(digest="sha256:" + "a" * 64), {"digest": "sha256:" + "a" * 64}),
        (SourceFacts(), {}),
    ],
)
def test_good_report_says_what_there_is_to_say(facts: SourceFacts, told: dict[str, str] | None) -> None:
    told = {"commit": "c" * 40, "author": "Ada <ada@example.com>", "message": "Fix"} if told is None else told
    assert json.loads(render_success(facts, 3, 70)) == {"facts": {**told, "files": 3, "size": 70}}


@given(st.text(max_size=400), st.text(max_size=400), st.lists(st.text(max_size=400), max_size=8))
def test_no_fact_breaks_the_report_and_the_commit_stays(author: str, message: str, warnings: list[str]) -> None:
    facts = SourceFacts(revision='"' * 256, ref="\\" * 256, commit="c" * 40, author=author, message=message)
    text = render_success(facts, 3, 70, tuple(warnings))
    assert len(text.encode()) <= MAX_BYTES
    assert json.loads(text)["facts"]["commit"] == "c" * 40


# ---- main


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **request: Any) -> tuple[int, dict[str, Any]]:
    """Exit code and report of the init container."""
    usual = {"root": str(tmp_path / "source"), "dockerfile": "Dockerfile", "context": "."}
    (tmp_path / "request.json").write_text(json.dumps({**usual, **request}))
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "report"))
    code = main([str(tmp_path / "request.json")], Clock(pause=lambda seconds: None))
    text = (tmp_path / "report").read_text()
    assert len(text.encode()) <= MAX_BYTES
    return code, json.loads(text)


def test_good_fetch_ends_with_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, report = run(tmp_path, monkeypatch, inline={"files": {"Dockerfile": "FROM scratch\n"}})
    assert (code, report) == (0, {"facts": {"files": 1, "size": len("FROM scratch\n")}})
    assert (tmp_path / "source" / "Dockerfile").read_text() == "FROM scratch\n"


@pytest.mark.parametrize(
    ("request_changes", "reason"),
    [
        ({}, "SourceInvalid"),
        ({"inline": {"files": {"other": ""}}}, "DockerfileNotFound"),
        ({"inline": {"files": {"Dockerfile": ""}}, "context": "web"}, "ContextNotFound"),
        ({"inline": {"files": {"../x": ""}}}, "SourceInvalid"),
        ({"inline": {"files": {"a\0b": ""}}}, "SourceInvalid"),
        ({"git": {"url": "http://169.254.169.254/metadata"}}, "SourceInvalid"),
        ({"git": {"url": "http://x\0y/"}}, None),
        ({"git": {"url": "https://none.invalid/x"}}, "SourceUnreachable"),
        ({"git": {"url": "https://h:99999/"}}, "SourceInvalid"),
        ({"inline": {"files": {"Dockerfile": ""}}, "root": "/dev/null/x"}, "SourceInvalid"),
    ],
)
def test_failed_fetch_ends_with_one_and_says_why(
    request_changes: dict[str, Any],
    reason: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, report = run(tmp_path, monkeypatch, **request_changes)
    assert code == 1
    assert reason is None or report["reason"] == reason
    assert report["reason"] in list(Reason)
    assert report["reason"] in capsys.readouterr().err, "the log says it too"


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "NodeDiskFull"), (errno.EDQUOT, "NodeDiskFull"), (errno.EACCES, "SourceInvalid")],
)
def test_a_full_disk_is_not_the_sources_fault(
    number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", write)
    code, report = run(tmp_path, monkeypatch, inline={"files": {"Dockerfile": ""}})
    assert (code, report["reason"]) == (1, reason)


def run_on_full_disk(tmp_path: Path, size: int, *, full: bool) -> tuple[int, str, str]:
    """Exit code, report and complaints of the init container, whose source and report are on one disk of 64 KiB."""
    disk, request, told = tmp_path / "disk", tmp_path / "request.json", tmp_path / "told"
    disk.mkdir()
    files = {"Dockerfile": "FROM scratch\n", "large": "x" * size}
    request.write_text(
        json.dumps(
            {"root": str(disk / "source"), "dockerfile": "Dockerfile", "context": ".", "inline": {"files": files}}
        )
    )
    report = str(disk / "report")
    # The disk is gone with the process.
    script = 'touch "$2"; "$1" -m buildandpush.source "$3"; code=$?; cat "$2" > "$4"; exit $code'
    ended = run_on_disk(
        disk,
        *("sh", "-c", script, "sh", sys.executable, report, str(request), str(told)),
        full=full,
        env={"TERMINATION_LOG": report},
    )
    return ended.returncode, told.read_text(), ended.stderr


def test_a_source_that_fills_the_disk_leaves_room_for_its_report(tmp_path: Path) -> None:
    code, report, _ = run_on_full_disk(tmp_path, 200_000, full=False)
    assert code == 1
    assert json.loads(report)["reason"] == "NodeDiskFull"


def test_a_source_that_leaves_no_room_for_its_report_is_reported_as_such(tmp_path: Path) -> None:
    pages = 64 * 1024 // os.sysconf("SC_PAGE_SIZE")
    code, report, _ = run_on_full_disk(tmp_path, (pages - 1) * os.sysconf("SC_PAGE_SIZE"), full=False)
    assert code == 1
    assert json.loads(report)["reason"] == "NodeDiskFull"


def test_a_disk_that_others_fill_is_told_in_the_log_at_least(tmp_path: Path) -> None:
    code, report, complaints = run_on_full_disk(tmp_path, 10, full=True)
    assert (code, report) == (1, "")
    assert "NodeDiskFull: " in complaints
    assert "Traceback" not in complaints


def test_what_a_run_before_left_is_no_part_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes may run an init container again, and its volumes are as the first left them."""
    (tmp_path / "source" / "Dockerfile").mkdir(parents=True)
    (tmp_path / "source" / "half").write_text("of a fi")
    code, report = run(tmp_path, monkeypatch, inline={"files": {"Dockerfile": "FROM scratch\n"}})
    assert (code, report) == (0, {"facts": {"files": 1, "size": len("FROM scratch\n")}})
    assert os.listdir(tmp_path / "source") == ["Dockerfile"]


def test_file_that_links_out_of_the_source_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(_: dict[str, Any], root: Path, __: SourceLimits) -> SourceFacts:
        os.symlink("/etc/passwd", root / "linked")
        return SourceFacts()

    monkeypatch.setattr(program, "load_kind", lambda kind: bring)
    code, report = run(tmp_path, monkeypatch, inline={}, dockerfile="linked")
    assert (code, report["reason"]) == (1, "DockerfileNotFound")
