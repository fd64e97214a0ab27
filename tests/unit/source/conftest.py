"""What several tests of sources look at."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def own_folder_for_temporary_files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source's container is alone in its pod, and names its files so. Tests run side by side."""
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are run from now on, in order."""
    seen: list[list[str]] = []
    real = subprocess.run

    def run(command: list[str], **more: Any) -> Any:
        seen.append(command)
        return real(command, **more)

    monkeypatch.setattr(subprocess, "run", run)
    return seen
