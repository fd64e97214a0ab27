"""What several tests of sources look at."""

import subprocess
from typing import Any

import pytest


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
