"""Sources from a git repository over http: what is fetched, and how it fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Object
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


@dataclass(frozen=True)
class Served:
    """A repository with a commit for each way of naming one; `text` of a commit stands in its file text."""

    server: str
    url: str
    commits: dict[str, str]
    failures: list[int]
    """Statuses that the next requests are refused with, each used once."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("git")
    work = root / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=trunk")
    dockerfile = {"Dockerfile": f"{FROM}COPY text /text\n"}
    commits = {"old": commit(work, "old", {**dockerfile, "text": "old\n"})}
    commits["tagged"] = commit(work, "tagged", {"text": "tagged\n"})
    git(work, "tag", "--annotate", "--message", "release", "v1.0.0")
    git(work, "switch", "--quiet", "--create", "feature/x")
    commits["feature"] = commit(work, "feature", {"text": "feature\n"})
    git(work, "switch", "--quiet", "trunk")
    commits["default"] = commit(work, "default", {"text": "default\n"})
    _clone_bare(work, root / "shop.git")
    with GitServer(root, settings.network.gateway) as server:
        yield Served(server.url, f"{server.url}/shop.git", commits, server.failures)


def _clone_bare(work: Path, bare: Path) -> None:
    git(work, "clone", "--quiet", "--bare", ".", str(bare))


def _source(served: Served, revision: str = "", path: str = "/shop.git") -> Object:
    return {"git": {"url": served.server + path, **({"revision": revision} if revision else {})}}


@pytest.mark.proves("source.git.url", "source.git.revision")
@pytest.mark.parametrize(
    ("revision", "wanted"),
    [
        pytest.param("", "default", id="default branch"),
        pytest.param("feature/x", "feature", id="branch"),
        pytest.param("{old}", "old", id="commit id"),
    ],
)
def test_the_named_revision_is_built(
    make_build: BuildFactory, registry: Registry, served: Served, revision: str, wanted: str
) -> None:
    revision = revision.format(**served.commits)
    build = make_build(source=_source(served, revision))
    ended = build.wait_succeeded()
    assert ended.run["source"]["commit"] == served.commits[wanted]
    assert ended.run["source"].get("revision", "") == revision
    assert registry.files(build.repository, "latest")["text"] == f"{wanted}\n".encode()


def test_a_server_that_fails_twice_costs_no_attempt(make_build: BuildFactory, served: Served) -> None:
    served.failures.extend((503, 502))
    ended = make_build(source=_source(served)).wait_succeeded()
    assert served.failures == []
    assert (ended.run["number"], ended.build["attempt"]) == (1, 1)
    assert ended.run["source"]["commit"] == served.commits["default"]


@pytest.mark.parametrize(
    ("revision", "path", "reason", "words"),
    [
        pytest.param("no-such-branch", "/shop.git", "RevisionNotFound", "no-such-branch", id="unknown branch"),
        pytest.param("{nowhere}", "/shop.git", "RevisionNotFound", "", id="unknown commit"),
        pytest.param("", "/nothing.git", "SourceInvalid", "/nothing.git", id="no repository there"),
        pytest.param("", "/private/shop.git", "SourceDenied", "login", id="server wants a login"),
    ],
)
def test_a_source_that_cannot_be_fetched_fails_with_its_reason(
    make_build: BuildFactory, served: Served, revision: str, path: str, reason: str, words: str
) -> None:
    build = make_build(source=_source(served, revision.format(nowhere="0123456789" * 4), path))
    ended = build.wait_failed(reason)
    assert words in ended.build["message"]
    assert ended.failure["container"] == "source"
    assert ended.told("SourceReady") == ("False", reason)


@pytest.mark.parametrize(
    ("url", "reason", "words"),
    [
        pytest.param("http://git.nowhere.svc.cluster.local/x.git", "SourceUnreachable", "has no address", id="host"),
        pytest.param("http://10.88.0.1:9/x.git", "SourceUnreachable", "connect", id="closed port"),
        pytest.param("http://169.254.169.254/metadata", "SourceInvalid", "169.254.169.254", id="metadata service"),
        pytest.param(
            "https://kubernetes.default.svc.cluster.local/x.git", "SourceInvalid", "may not fetch", id="API server"
        ),
    ],
)
def test_an_address_that_builds_may_not_or_cannot_reach_is_named(
    make_build: BuildFactory, url: str, reason: str, words: str
) -> None:
    ended = make_build(source={"git": {"url": url}}, retries=0).wait_failed(reason)
    assert words in ended.build["message"]
