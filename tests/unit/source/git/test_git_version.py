"""The operator's image is not built with a git that would not fetch from the checked addresses."""

import os
import stat
from pathlib import Path

import pytest

from buildandpush.source.git import version as module
from buildandpush.source.git.version import find_flaw, find_ssh_flaw, find_wrapper_flaw, main

DOCKERFILE = Path(__file__).parents[4] / "operator" / "Dockerfile"


@pytest.mark.parametrize(
    "told",
    [
        "git version 2.37.0\n",
        "git version 2.39.5\n",
        "git version 2.37.1 (Apple Git-137.1)\n",
        "git version 2.100.windows.1",
        "git version 3.0.0-rc1",
        "git version 10.1",
    ],
)
def test_a_git_that_keeps_to_checked_addresses_is_taken(told: str) -> None:
    assert find_flaw(told) is None


@pytest.mark.parametrize("version", ["2.36.6", "2.9.5", "2.4", "1.99.0", "0.99"])
def test_an_older_one_is_refused_with_what_to_do(version: str) -> None:
    flaw = find_flaw(f"git version {version}\n")
    assert flaw is not None
    assert flaw.startswith(f"git {version[:3]}")
    assert "http.curloptResolve" in flaw
    assert "BASE_IMAGE with git 2.37 or later" in flaw


@pytest.mark.parametrize("told", ["", "git", "git version unknown", "gitolite version 2.39", "x" * 10_000])
def test_words_without_a_version_are_refused(told: str) -> None:
    flaw = find_flaw(told)
    assert flaw is not None
    assert "names no version" in flaw
    assert len(flaw) < 200


@pytest.mark.parametrize(
    ("script", "ssh", "code", "words"),
    [
        ("echo git version 2.39.5", "echo OpenSSH_9.2p1 >&2", 0, ""),
        ("echo git version 2.34.1", "echo OpenSSH_9.2p1 >&2", 1, "The image cannot be built: git 2.34 is too old"),
        ("exit 3", "echo OpenSSH_9.2p1 >&2", 1, "The image cannot be built: git cannot be run"),
        (None, None, 1, "The image cannot be built: git cannot be run"),
        (
            "echo git version 2.39.5",
            "echo OpenSSH_8.3p1 >&2",
            1,
            "The image cannot be built: ssh -V says 'OpenSSH_8.3p1'",
        ),
        ("echo git version 2.39.5", None, 1, "The image cannot be built: ssh cannot be run"),
    ],
)
def test_the_check_asks_the_programs_of_the_image(
    script: str | None,
    ssh: str | None,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, does in (("git", script), ("ssh", ssh)):
        if does is not None:
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\n{does}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(module, "find_wrapper_flaw", lambda: None)
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    assert main() == code
    assert capsys.readouterr().err.startswith(words)


@pytest.mark.parametrize("told", ["OpenSSH_8.4p1 Debian-5, OpenSSL 1.1.1w", "OpenSSH_10.0p2", "OpenSSH_9.2"])
def test_an_ssh_that_asks_for_passphrases_is_taken(told: str) -> None:
    assert find_ssh_flaw(told) is None


@pytest.mark.parametrize("told", ["OpenSSH_8.3p1", "OpenSSH_7.9", "dropbear 2022.83", "", "x" * 10_000])
def test_an_older_or_another_ssh_is_refused(told: str) -> None:
    flaw = find_ssh_flaw(told)
    assert flaw is not None
    assert "OpenSSH 8.4 or later is needed" in flaw
    assert len(flaw) < 200


def test_a_library_that_is_missing_is_named() -> None:
    assert "install libnss-wrapper" in (find_wrapper_flaw("libno_such.so") or "")
    assert find_wrapper_flaw("libc.so.6") is None


def test_the_image_is_checked_with_the_git_that_it_ships() -> None:
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    lines = [line for line in last.splitlines() if line.startswith("RUN ")]
    assert lines[0].startswith("RUN (command -v git && command -v ssh && ")
    assert lines[1:] == ["RUN /opt/buildandpush/bin/python -m buildandpush.source.git.version"]
