"""The init container looks at the Dockerfile, ends the run or tells, and takes .git away."""

import json
from pathlib import Path
from typing import Any

import pytest

from buildandpush.source.__main__ import main
from buildandpush.source.differences import find_machine
from buildandpush.source.dockerfile.reader import MAX_BYTES as MAX_DOCKERFILE
from buildandpush.source.facts import SourceFacts
from buildandpush.source.git import way as module
from buildandpush.source.git.folder import list_links, remove_git_folder
from buildandpush.source.patience import Clock
from buildandpush.source.report import MAX_BYTES, render_success
from tests.unit.source.git.git_server import git, serve_git

UNSAFE = "FROM scratch\nADD --checksum=sha256:00 http://files.test/f /f\n"
ODD = 'FROM scratch\nLABEL a="b\\nc"\n'
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **request: Any) -> tuple[int, dict[str, Any]]:
    """Exit code and report of the init container."""
    usual = {"root": str(tmp_path / "source"), "dockerfile": "Dockerfile", "context": ".", "checks": {}}
    (tmp_path / "request.json").write_text(json.dumps({**usual, **request}))
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "report"))
    code = main([str(tmp_path / "request.json")], Clock(pause=lambda seconds: None))
    text = (tmp_path / "report").read_text()
    assert len(text.encode()) <= MAX_BYTES
    return code, json.loads(text)


def inline(text: str, **files: str) -> dict[str, Any]:
    """An inline source with this Dockerfile."""
    return {"files": {"Dockerfile": text, **files}}


@pytest.mark.proves("dockerfileChecks")
@pytest.mark.parametrize(
    ("text", "mode", "code", "reason", "told"),
    [
        ("FROM scratch\n", "", 0, None, 0),
        (UNSAFE, "", 1, "DockerfileUnsupported", 0),
        (UNSAFE, "Refuse", 1, "DockerfileUnsupported", 0),
        (UNSAFE, "Warn", 0, None, 1),
        (UNSAFE, "Off", 0, None, 0),
        (ODD, "", 0, None, 1),
        (ODD, "Refuse", 1, "DockerfileUnsupported", 0),
        (ODD, "Off", 0, None, 0),
        ("FROM scratch\nCOPY ../../.docker /d\n", "Off", 1, "DockerfileUnsupported", 0),
        ("", "Off", 1, "DockerfileInvalid", 0),
        ("# nothing\n", "", 1, "DockerfileInvalid", 0),
    ],
)
def test_the_run_ends_or_goes_on_as_the_spec_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: str, code: int, reason: str | None, told: int
) -> None:
    ended, report = run(tmp_path, monkeypatch, inline=inline(text), checks={"mode": mode})
    assert (ended, report.get("reason"), len(report.get("warnings", ()))) == (code, reason, told)
    assert ("warnings" in report) is (code == 0)


def test_an_empty_dockerfile_is_told_to_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, report = run(tmp_path, monkeypatch, inline=inline(""))
    assert report == {"reason": "DockerfileInvalid", "message": "'Dockerfile': it is empty"}


def test_an_operator_that_asks_for_no_checks_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "request.json").write_text(
        json.dumps({"root": str(tmp_path / "s"), "dockerfile": "Dockerfile", "context": ".", "inline": inline(UNSAFE)})
    )
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "report"))
    assert main([str(tmp_path / "request.json")]) == 0
    assert json.loads((tmp_path / "report").read_text()).keys() == {"facts"}


@pytest.mark.parametrize(
    ("checks", "text", "told"),
    [
        ({"switched": True}, "FROM b\nUSER 1:2\nRUN id", False),
        ({}, "FROM b\nUSER 1:2\nRUN id", True),
        ({"switched": True, "snapshotMode": "redo"}, "FROM b\nRUN setcap x y", True),
        ({"switched": True, "keepsVarRun": True}, "FROM b\nRUN touch /var/run/x", False),
        ({"switched": True}, "FROM b\nRUN touch /var/run/x", True),
        ({"userNamespace": True, "mode": "Warn"}, "FROM b\nCOPY --chown=200000 Dockerfile /f", True),
        ({"platform": "linux/s390x", "mode": "Warn"}, "FROM --platform=linux/s390x b", False),
        ({"mode": "Warn"}, "FROM --platform=linux/none b", True),
        ({"mode": "Warn"}, f"FROM --platform={find_machine()} b", False),
        ({"target": "one", "mode": "Warn"}, "FROM b AS one\nFROM b\nRUN --mount=type=ssh x", False),
        ({"buildArguments": {"A": "--x"}, "mode": "Warn"}, "FROM b\nARG A\nADD git@h.test:$A /x", True),
    ],
)
def test_what_the_pod_is_asked_for_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checks: dict[str, Any], text: str, told: bool
) -> None:
    code, report = run(tmp_path, monkeypatch, inline=inline(text), checks=checks)
    assert code == 0
    assert bool(report["warnings"]) is told


@pytest.mark.parametrize("context", [".", "web", "./web/"])
def test_paths_are_those_of_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: str) -> None:
    files = {"files": {"d/Dockerfile": "FROM b\nCOPY x /x", "x": "", "web/x": "", "web/.dockerignore": "x"}}
    code, report = run(
        tmp_path, monkeypatch, inline=files, dockerfile="d/Dockerfile", context=context.strip("./") or "."
    )
    assert code == (0 if context == "." else 1), report


def test_a_huge_dockerfile_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "FROM scratch\n" + "# comment\n" * (MAX_DOCKERFILE // 10)
    code, report = run(tmp_path, monkeypatch, inline=inline(text))
    assert code == 0
    assert "bytes" in report["warnings"][0]


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path, {"Dockerfile": b'FROM b\nLABEL \xff="b\\nc"\nADD https://h.test/\xff.git /x\n'})
    with serve_git(tmp_path) as server:
        monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
        code, report = run(tmp_path, monkeypatch, git={"url": server.url()}, checks={"mode": "Warn"})
    assert code == 0
    assert len(report["warnings"]) == 2


NOISY = "FROM b\nVOLUME /v\nUSER 1:2\n" + 'LABEL a="b\\nc"\nRUN touch /v/x /var/run/x && setcap x y\nCOPY x /x\n' * 50


@pytest.mark.parametrize(("checks", "more"), [({"snapshotMode": "redo"}, 2), ({"switched": True}, 0)])
def test_a_build_has_a_line_for_each_kind_of_warning_and_five_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checks: dict[str, Any], more: int
) -> None:
    code, report = run(tmp_path, monkeypatch, inline=inline(NOISY, x=""), checks=checks)
    assert code == 0
    told = report["warnings"]
    kinds = [line.partition(": ")[2].partition(" (and 49 more lines)") for line in told if line.startswith("line ")]
    assert all(rest for _, rest, _ in kinds), told
    assert len({word for word, _, _ in kinds}) == len(kinds) == (4 if more else 3)
    assert told[len(kinds) :] == ([f"and {more} more kinds of difference"] if more else [])


@pytest.mark.parametrize("warnings", [(), ("x" * 5000,), ("ж" * 400,) * 5, ('"' * 400,) * 5, ("\ud800",)])
def test_warnings_fit_into_the_report(warnings: tuple[str, ...]) -> None:
    text = render_success(SourceFacts(revision="main", commit="c" * 40), 2, 30, warnings)
    assert len(text.encode()) <= MAX_BYTES
    report = json.loads(text)
    assert report["facts"]["commit"] == "c" * 40
    assert len(report["warnings"]) <= len(warnings)
    assert bool(report["warnings"]) is bool(warnings)


# ---- what git leaves


def repository(folder: Path, files: dict[str, bytes], *, submodule: str = "") -> Path:
    """A bare repository at folder/shop.git with these files, and a submodule that is nowhere."""
    work = folder / "work"
    work.mkdir()
    git(work, "init", "--quiet")
    for name, content in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(content)
    git(work, "add", ".")
    if submodule:
        git(work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{submodule}")
    git(work, "commit", "--quiet", "--message", "first")
    git(folder, "clone", "--quiet", "--bare", str(work), "shop.git")
    return work


@pytest.mark.proves("source.git.keepGitDir")
@pytest.mark.parametrize(("keep", "kept"), [(None, False), (False, False), (True, True)])
def test_git_is_left_out_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool | None, kept: bool
) -> None:
    repository(tmp_path, {"Dockerfile": b"FROM scratch\nCOPY .git /g\n"})
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(tmp_path) as server:
        source = {"url": server.url(), **({} if keep is None else {"keepGitDir": keep})}
        code, report = run(tmp_path, monkeypatch, git=source)
    assert (tmp_path / "source" / ".git").exists() is kept
    assert (code, report.get("reason")) == ((0, None) if kept else (1, "SourceIncomplete"))
    assert kept or "keepGitDir: true" in report["message"]


@pytest.mark.parametrize(
    ("line", "context", "word"),
    [
        ("COPY lib /lib", ".", "lib: it is a submodule"),
        ("COPY . /src", ".", "lib: it is a submodule"),
        ("COPY weights.bin /", ".", "weights.bin: it is a Git LFS pointer"),
        ("COPY other /", ".", ""),
        ("COPY . /src", "other", ""),
    ],
)
def test_submodules_and_lfs_files_are_refused_with_that_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, context: str, word: str
) -> None:
    files = {"Dockerfile": f"FROM scratch\n{line}\n".encode(), "weights.bin": POINTER.encode(), "other/x": b"x"}
    repository(tmp_path, files, submodule="lib")
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(tmp_path) as server:
        code, report = run(tmp_path, monkeypatch, git={"url": server.url()}, context=context)
    assert (code, report.get("reason")) == ((1, "SourceIncomplete") if word else (0, None))
    assert word in report.get("message", "")


def test_submodules_are_listed_by_gits_index(tmp_path: Path) -> None:
    work = repository(tmp_path, {"a b": b"", "c": b""}, submodule="vendor/über lib")
    assert [path for path, _ in list_links(work)] == ["vendor/über lib"]
    remove_git_folder(work)
    assert list_links(work) == []
    remove_git_folder(work)
