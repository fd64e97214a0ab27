"""A branch that is polled: new commits start runs, by the operator's own git."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.webserver import make_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login"), pytest.mark.long]

PASSWORD = "correct-horse-battery"
INTERVAL = "30s"
"""The shortest that there is."""
WITHIN = 100.0
"""Two intervals, and a build."""


@dataclass(frozen=True)
class Polled:
    """A repository that its tests commit to."""

    server: GitServer
    url: str
    work: Path
    bare: Path
    ca_bundle: str

    def commit(self, message: str, **files: str) -> str:
        """Commit files, by name with _ for /, and push the branch."""
        made = commit(self.work, message, {name.replace("_", "/"): text for name, text in files.items()})
        git(self.work, "push", "--quiet", str(self.bare), "HEAD:refs/heads/trunk")
        return made


@pytest.fixture
def polled(tmp_path: Path, settings: Settings) -> Iterator[Polled]:
    work, bare = tmp_path / "work", tmp_path / "private" / "shop.git"
    work.mkdir()
    bare.parent.mkdir()
    git(work, "init", "--quiet", "--initial-branch=trunk")
    commit(work, "first", {"Dockerfile": f"{FROM}COPY web/text /text\n", "web/text": "first\n", "api/text": "first\n"})
    git(work, "clone", "--quiet", "--bare", ".", str(bare))
    git(bare, "config", "uploadpack.allowFilter", "true")
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    certificate = make_certificate(tmp_path, f"IP:{settings.network.gateway}")
    with GitServer(tmp_path, settings.network.gateway, login=f"ann:{PASSWORD}", certificate=certificate) as server:
        yield Polled(server, f"{server.url}/private/shop.git", work, bare, certificate.certificate.read_text())


def put_login(api: Api, namespace: str, password: str) -> None:
    metadata = {"name": "git-login", "namespace": namespace}
    login = {"username": "ann", "password": password}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": login})


def source(polled: Polled, **poll: object) -> Object:
    return {
        "git": {
            "url": polled.url,
            "revision": "trunk",
            "caBundle": polled.ca_bundle,
            "credentialsRef": {"name": "git-login"},
            "poll": {"interval": INTERVAL, **poll},
        }
    }


def test_a_new_commit_is_built_if_it_changes_one_of_the_paths(
    api: Api, namespace: str, make_build: BuildFactory, registry: Registry, polled: Polled
) -> None:
    put_login(api, namespace, PASSWORD)
    first = git(polled.work, "rev-parse", "HEAD")
    build = make_build(source=source(polled, paths=["web", "Dockerfile"]), tags=["<+codebase.shortCommitSha>"])
    ended = build.wait_succeeded()
    assert (ended.run["source"]["commit"], ended.run["source"]["ref"]) == (first, "refs/heads/trunk")
    assert ended.told("SourcePolled") == ("True", "SourcePolled")
    other = polled.commit("elsewhere", api_text="second\n")
    passed = build.wait(lambda now: now.status.get("polledCommit") == other, "the commit is passed over", within=WITHIN)
    assert passed.run["number"] == 1
    newest = polled.commit("here", web_text="third\n")
    ended = build.wait_succeeded(run=2, within=WITHIN)
    assert ended.run["trigger"] == "SourceRevision"
    assert (ended.run["source"]["previousCommit"], ended.run["source"]["commit"]) == (first, newest)
    assert registry.files(build.repository, newest[:7])["text"] == b"third\n"
    assert [entry["commit"] for entry in ended.status["history"]] == [newest, first]


def test_a_login_that_ends_shows_in_a_condition_and_heals(
    api: Api, namespace: str, make_build: BuildFactory, polled: Polled, operator: OperatorPod
) -> None:
    put_login(api, namespace, PASSWORD)
    build = make_build(source=source(polled))
    build.wait_succeeded()
    put_login(api, namespace, "ended")
    denied = build.wait(lambda now: now.told("SourcePolled") == ("False", "SourceDenied"), "it is told", within=WITHIN)
    assert denied.told("Ready")[0] == "True"
    operator.wait_clean()
    build.wait_event("Warning", "SourceDenied")
    for form in ("ended", base64.b64encode(b"ann:ended").decode()):
        assert form not in str(denied.status["conditions"])
    newest = polled.commit("next", web_text="next\n")
    put_login(api, namespace, PASSWORD)
    ended = build.wait_succeeded(run=2, within=WITHIN)
    assert ended.told("SourcePolled") == ("True", "SourcePolled")
    assert ended.run["source"]["commit"] == newest


def test_a_branch_that_appears_is_built(api: Api, namespace: str, make_build: BuildFactory, polled: Polled) -> None:
    put_login(api, namespace, PASSWORD)
    git(polled.bare, "update-ref", "-d", "refs/heads/trunk")
    build = make_build(source=source(polled))
    build.wait_failed("RevisionNotFound")
    back = polled.commit("back", web_text="back\n")
    ended = build.wait_succeeded(run=2, within=WITHIN)
    assert (ended.run["trigger"], ended.run["source"]["commit"]) == ("SourceRevision", back)
