"""A GitHub App as the operator's login: one token serves many questions."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildandpush.api.addresses import EVERYWHERE, AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.clients.git import process as gitprocess
from buildandpush.clients.git import remote as gitremote
from buildandpush.clients.git.remote import GitLogin, GitRemote
from buildandpush.core.facts import GitRevision
from buildandpush.source.git import way
from buildandpush.source.network import connection
from buildandpush.source.report import SourceError
from tests.github import GitHub
from tests.unit.source.git.git_server import GitServer, make_repository, serve_git
from tests.webserver import Certificate, make_certificate

HOST = "ghe.invalid"


class Told:
    async def may_tell(self, host: str) -> bool:
        return True

    def note_inside(self, host: str) -> None:
        """The hosts of these tests are outside of the cluster."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Certificate]:
    folder = tmp_path_factory.mktemp("git")
    make_repository(folder / "contoso")
    return folder, make_certificate(folder, f"DNS:{HOST}")


@pytest.fixture
def server(repository: tuple[Path, Certificate], monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """GitHub, with TLS. Every host is this machine, since no test may leave it."""
    for looking in (way, connection):
        monkeypatch.setattr(looking, "resolve_host", lambda *_: ["127.0.0.1"])
    monkeypatch.setattr(gitremote, "_PAUSES_SECONDS", (0.01, 0.02))
    with serve_git(*repository) as running:
        running.github = GitHub()
        yield running


async def test_a_token_serves_until_it_is_refused(server: GitServer, repository: tuple[Path, Certificate]) -> None:
    github = server.github
    assert github is not None
    remote = GitRemote(Told(), AddressRules())
    at = GitRevision(
        f"https://{HOST}:{server.port}/contoso/shop.git", "main", ca_bundle=repository[1].certificate.read_text()
    )
    login = GitLogin("Secret 'app'", github.secret)
    server.failures = [404, 403]  # not all of GitHub's servers know a token in its first seconds
    for _ in range(3):
        await remote.find_commit(at, login, details=True)
    assert len(github.tokens) == 1
    server.failures = [401]
    with pytest.raises(SourceError) as caught:
        await remote.find_commit(at, login, details=False)
    assert caught.value.reason is Reason.SOURCE_DENIED
    await remote.find_commit(at, login, details=False)
    assert len(github.tokens) == 2
    other = GitLogin("Secret 'other'", {**github.secret, "githubAppBaseURL": f"https://{HOST}:{server.port}/api/v3"})
    await remote.find_commit(at, other, details=False)
    assert len(github.tokens) == 3, "a token belongs to the keys that it was made with"


async def test_a_question_ends_whatever_each_of_its_gits_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(gitprocess, "_run", hang)
    monkeypatch.setattr(gitremote, "_QUESTION_SECONDS", 0.1)
    at = GitRevision("http://127.0.0.1:1/shop.git", "main")
    with pytest.raises(SourceError, match="the question timed out") as caught:
        await asyncio.wait_for(GitRemote(Told(), EVERYWHERE).find_commit(at, None, details=True), 5)
    assert caught.value.reason is Reason.SOURCE_UNREACHABLE
