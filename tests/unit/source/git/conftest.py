"""A repository, its server on loopback, and a folder to fetch into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildandpush.source.git import way as module
from tests.unit.source.git.git_server import GitServer, make_repository, serve_git


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with shop.git in it, and its commits."""
    folder = tmp_path_factory.mktemp("git")
    return folder, make_repository(folder)


@pytest.fixture
def commits(repository: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return repository[1]


@pytest.fixture
def server(repository: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """The server; the check of addresses says that any host is this machine, as no test may leave it."""
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(repository[0]) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the source goes."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
