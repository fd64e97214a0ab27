"""A real forge: a private repository by an access token, and a pull request."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.forge import Forge, User, run_forge
from tests.e2e.harness.gitserver import commit, git

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


@dataclass(frozen=True)
class Shop:
    """A private repository of the forge: a trunk, and a pull request of one more commit."""

    forge: Forge
    owner: User
    trunk: str
    change: str
    """Commits."""

    def source(self, revision: str) -> dict[str, object]:
        """Its source at a revision, with the login in the Secret `forge`."""
        url = self.forge.clone_url(self.owner, "shop")
        login = {"credentialsRef": {"name": "forge"}}
        return {"git": {"url": url, "revision": revision, "caBundle": self.forge.ca_bundle, **login}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Shop]:
    with run_forge(tmp_path_factory.mktemp("forge"), settings) as forge:
        yield make_shop(forge, tmp_path_factory.mktemp("work"))


def make_shop(forge: Forge, work: Path) -> Shop:
    owner = forge.make_user("ann")
    forge.make_repository(owner, "shop")
    git(work, "init", "--quiet", "--initial-branch=trunk")
    trunk = commit(work, "Open the shop", {"Dockerfile": f"{FROM}RUN false\n"})
    forge.push(owner, "shop", work, "trunk")
    change = commit(work, "Mend the shop", {"Dockerfile": f"{FROM}COPY Dockerfile /Dockerfile\n"})
    forge.push(owner, "shop", work, "change")
    assert forge.open_pull_request(owner, "shop", "change") == 1
    return Shop(forge, owner, trunk, change)


def apply_token(api: Api, namespace: str, token: str) -> None:
    metadata = {"name": "forge", "namespace": namespace}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": token}})


def test_a_pull_request_of_a_private_repository_is_built_by_an_access_token(
    api: Api, namespace: str, make_build: BuildFactory, shop: Shop
) -> None:
    apply_token(api, namespace, shop.owner.token[::-1])
    build = make_build(source=shop.source("refs/pull/1/head"))
    denied = build.wait_failed("SourceDenied")
    assert f"{shop.forge.url} refuses this login" in denied.build["message"]
    apply_token(api, namespace, shop.owner.token)
    ended = build.wait_succeeded(run=2)
    assert ended.run["trigger"] == "RetryAfterChange"
    fetched = ended.run["source"]
    assert (fetched["commit"], fetched["message"]) == (shop.change, "Mend the shop")
