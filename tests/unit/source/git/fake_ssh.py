"""A program in ssh's place: it writes down what it gets, and runs git's command in a shell, as the server would."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

KEY: Final = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n"
)
HOSTS: Final = "git.invalid ssh-ed25519 AAAAC3Nz\n"
_SSH: Final = """#!/bin/sh
cd {seen}
printf '%s\\n' "$@" > arguments
env > environment
for each; do
  case $each in -oIdentityFile=*) cp "${{each#*=}}" key; stat -L -c %a "${{each#*=}}" > mode;; esac
  case $each in -oUserKnownHostsFile=*) cp "${{each#*=}}" hosts;; esac
done
exec sh -c "$each"
"""


@dataclass(frozen=True)
class Seen:
    """What ssh got the last time."""

    folder: Path

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    @property
    def arguments(self) -> list[str]:
        return self.read("arguments").splitlines()

    @property
    def options(self) -> dict[str, str]:
        given = (each[2:].split("=", 1) for each in self.arguments if each.startswith("-o") and "=" in each)
        return dict(given)


def install_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Put the program before the real one. The folder is empty."""
    seen, programs = folder / "seen", folder / "bin"
    seen.mkdir(parents=True)
    programs.mkdir()
    (programs / "ssh").write_text(_SSH.format(seen=seen))
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Seen(seen)
