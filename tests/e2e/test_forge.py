"""A real forge: a private repository by an access token, a pull request with a private submodule and a large file."""

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
    """A private repository of the forge. A pull request adds a private submodule and a file of Git LFS."""

    forge: Forge
    owner: User
    change: str
    """The commit of the pull request."""

    def source(self, revision: str) -> dict[str, object]:
        """Its source at a revision, with the login in the Secret `forge`."""
        url = self.forge.clone_url(self.owner, "shop")
        login = {"credentialsRef": {"name": "forge"}}
        return {
            "git": {
                "url": url,
                "revision": revision,
                "caBundle": self.forge.ca_bundle,
                "submodules": True,
                "lfs": True,
                **login,
            }
        }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Shop]:
    with run_forge(tmp_path_factory.mktemp("forge"), settings) as forge:
        yield make_shop(forge, tmp_path_factory.mktemp("work"))


def make_shop(forge: Forge, folder: Path) -> Shop:
    owner = forge.make_user("ann")
    shop, library = folder / "shop", folder / "library"
    for work in (shop, library):
        git(folder, "init", "--quiet", "--initial-branch=trunk", work.name)
        forge.make_repository(owner, work.name)
    part = commit(library, "Begin the library", {"part": "of the library\n"})
    forge.push(owner, "library", library, "trunk")
    commit(shop, "Open the shop", {"Dockerfile": f"{FROM}RUN false\n"})
    forge.push(owner, "shop", shop, "trunk")
    (shop / "library").mkdir()
    git(shop, "update-index", "--add", "--cacheinfo", f"160000,{part},library")
    modules = '[submodule "library"]\n\tpath = library\n\turl = ../library.git\n'
    lines = (
        "COPY library/part shelf.bin /\n",
        "RUN grep -x 'of the library' /part && grep -x 'of the shelf' /shelf.bin\n",
    )
    files = {
        "Dockerfile": "".join((FROM, *lines)),
        ".gitmodules": modules,
        ".gitattributes": "*.bin filter=lfs\n",
        "shelf.bin": forge.upload_lfs(owner, "shop", b"of the shelf\n"),
    }
    change = commit(shop, "Mend the shop", files)
    forge.push(owner, "shop", shop, "change")
    assert forge.open_pull_request(owner, "shop", "change") == 1
    return Shop(forge, owner, change)


def apply_token(api: Api, namespace: str, token: str) -> None:
    metadata = {"name": "forge", "namespace": namespace}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": token}})


@pytest.mark.proves("source.git.submodules", "source.git.lfs")
def test_a_pull_request_of_a_private_repository_is_built_by_an_access_token(
    api: Api, namespace: str, make_build: BuildFactory, shop: Shop
) -> None:
    apply_token(api, namespace, shop.owner.token[::-1])
    build = make_build(source=shop.source("refs/pull/1/head"))
    denied = build.wait_failed("SourceDenied")
    assert f"{shop.forge.url} refuses this login" in denied.build["message"]
    apply_token(api, namespace, shop.owner.token)
    build.touch()
    ended = build.wait_succeeded(run=2)
    assert ended.run["trigger"] == "RetryAfterChange"
    fetched = ended.run["source"]
    assert (fetched["commit"], fetched["message"]) == (shop.change, "Mend the shop")
