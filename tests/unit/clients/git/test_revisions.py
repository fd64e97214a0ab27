"""Which questions to git servers are one, with which login they are put, and when none is put."""

import asyncio
import tracemalloc
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.clients.git.lookups import Lookups
from buildandpush.clients.git.remote import GitLogin
from buildandpush.clients.git.revisions import Place, Revisions
from buildandpush.core.build.questions import AskCommit, AskTouched
from buildandpush.core.facts import Commit, GitRevision, Owner, Trouble, Waiting
from tests.unit.core.factories import NOW
from tests.unit.handlers.fake_api import FakeApi

URL = "https://git.example/shop.git"
MAIN = GitRevision(URL, "main", secret="git-login")
WEB, API = Owner("shop", "web", "1"), Owner("shop", "api", "2")
ELSEWHERE = Owner("tools", "web", "3")
OLD, NEW = "a" * 40, "b" * 40


@dataclass
class Git:
    """A git server that notes what it is asked with which login."""

    commit: str = OLD
    asked: list[tuple[str, dict[str, str] | None]] = field(default_factory=list)

    async def find_commit(self, at: GitRevision, login: GitLogin | None, *, details: bool) -> Commit:
        self.asked.append((at.revision, dict(login.keys) if login else None))
        return Commit(self.commit)

    async def is_touched(
        self, at: GitRevision, login: GitLogin | None, commits: tuple[str, str], paths: tuple[str, ...]
    ) -> bool:
        self.asked.append((" ".join((*commits, *paths)), dict(login.keys) if login else None))
        return True


@dataclass
class Tokens:
    """Logins of connectors."""

    token: str | Waiting = "entra-token"
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def fetch_git_token(self, namespace: str, connector_ref: str) -> str | Waiting:
        self.asked.append((namespace, connector_ref))
        return self.token


class Desk:
    """Revisions with a clock, over an API server with Secrets."""

    def __init__(self) -> None:
        self.now = NOW
        self.git, self.tokens, self.api = Git(), Tokens(), FakeApi()
        self.woken: list[Place] = []
        lookups: Lookups[Place, Commit | bool] = Lookups(
            lambda: self.now, self.woken.append, namespace_of=lambda place: place[0]
        )
        logins: Any = self.tokens
        self.revisions = Revisions(self.api.connect(), logins, self.git, lookups)
        for namespace in ("shop", "tools"):
            self.put_login(namespace, "aHVudGVyMg==")

    def put_login(self, namespace: str, password: str) -> None:
        body = {"metadata": {"namespace": namespace, "name": "git-login"}, "data": {"password": password}}
        self.api.put("secrets", body)

    async def ask(self, owner: Owner = WEB, at: GitRevision = MAIN, **changes: Any) -> Commit | Trouble | None:
        """The answer at once, and then all that follows from the question."""
        found = await self.revisions.find_commit(owner, replace(AskCommit(at, self.now), **changes))
        for _ in range(20):
            await asyncio.sleep(0)
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_an_answer_comes_aside_and_serves_all_with_the_same_login(desk: Desk) -> None:
    assert await desk.ask() is None
    assert desk.woken == [(WEB.namespace, WEB.name)]
    assert [await desk.ask(owner) for owner in (WEB, API, ELSEWHERE)] == [Commit(OLD)] * 3
    assert desk.git.asked == [("main", {"password": "hunter2"})]


async def test_an_answer_in_memory_costs_no_look_at_the_secret(desk: Desk) -> None:
    await desk.ask()
    desk.api.objects.clear()
    assert await desk.ask() == Commit(OLD)


async def test_another_login_is_another_question(desk: Desk) -> None:
    await desk.ask()
    desk.put_login("tools", "b3RoZXI=")
    assert await desk.ask(ELSEWHERE) is None
    assert [login for _, login in desk.git.asked] == [{"password": "hunter2"}, {"password": "other"}]
    assert await desk.ask(WEB, replace(MAIN, secret="")) is None
    assert desk.git.asked[-1] == ("main", None)


async def test_a_corrected_login_is_used_at_the_next_question(desk: Desk) -> None:
    await desk.ask()
    desk.put_login("shop", "bmV3")
    desk.now += timedelta(seconds=30)
    assert await desk.ask() is None
    assert desk.git.asked[-1] == ("main", {"password": "new"})


async def test_an_old_answer_is_not_good_enough(desk: Desk) -> None:
    await desk.ask()
    desk.now += timedelta(seconds=30)
    desk.git.commit = NEW
    assert await desk.ask() is None
    assert await desk.ask() == Commit(NEW)


async def test_a_process_that_never_asked_begins_only_where_it_is_told_to(desk: Desk) -> None:
    assert await desk.ask(begins=False) is None
    assert desk.git.asked == []
    await desk.ask()
    desk.now += timedelta(seconds=30)
    await desk.ask(begins=False)
    assert len(desk.git.asked) == 2


async def test_a_secret_that_is_missing_is_told(desk: Desk) -> None:
    found = await desk.ask(at=replace(MAIN, secret="nothing"))
    assert isinstance(found, Trouble)
    assert (found.reason, found.message) == (Reason.SECRET_MISSING, "Secret 'nothing'")


async def test_a_connectors_token_is_fetched_aside(desk: Desk) -> None:
    at = GitRevision("https://dev.azure.com/contoso/Shop/_git/shop", "main", connector="acr")
    assert await desk.ask(at=at) is None
    assert desk.tokens.asked == [("shop", "acr")]
    assert desk.git.asked == [("main", {"bearerToken": "entra-token"})]
    await desk.ask(ELSEWHERE, at)
    assert desk.tokens.asked == [("shop", "acr"), ("tools", "acr")], "a connector of the same name is another one"


async def test_a_connector_that_cannot_log_in_is_told(desk: Desk) -> None:
    desk.tokens.token = Waiting(Reason.LOGIN_UNAVAILABLE, "Entra ID is away")
    at = GitRevision("https://dev.azure.com/contoso/Shop/_git/shop", "main", connector="acr")
    await desk.ask(at=at)
    found = await desk.ask(at=at)
    assert isinstance(found, Trouble)
    assert (found.reason, found.message) == (Reason.LOGIN_UNAVAILABLE, "Entra ID is away")


async def test_two_commits_are_compared_once(desk: Desk) -> None:
    asked = AskTouched(MAIN, OLD, NEW, ("web", "api"))
    assert await desk.revisions.find_touched(WEB, asked) is None
    for _ in range(20):
        await asyncio.sleep(0)
    desk.now += timedelta(days=1)
    assert await desk.revisions.find_touched(API, asked) is True
    assert desk.git.asked == [(f"{OLD} {NEW} web api", {"password": "hunter2"})]


async def test_what_is_remembered_of_a_question_does_not_grow_with_its_paths(desk: Desk) -> None:
    """A server may name a new commit at each look, and each of them asks again."""
    paths = tuple(f"{number:04}".rjust(1000, "x") for number in range(32))
    tracemalloc.start()
    for number in range(200):
        asked = AskTouched(MAIN, OLD, f"{number:040x}", tuple(f"{path}{number}" for path in paths))
        await desk.revisions.find_touched(WEB, asked)
        for _ in range(20):
            await asyncio.sleep(0)
        desk.git.asked.clear()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200 * 8_000
