"""What of a git repository comes: submodules with and without the login, some folders, its history and tags."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.e2e.harness.registry import Registry
from tests.webserver import make_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Served:
    """A private repository with a submodule beside it and one on another server."""

    url: str
    ca_bundle: str
    commit: str
    elsewhere: list[str] = field(repr=False)
    """The logins that the other server was sent, empty where a request had none."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("git")
    certificate = make_certificate(root, f"IP:{settings.network.gateway}")
    address = settings.network.gateway
    with (
        GitServer(root, address, login=f"ann:{PASSWORD}", certificate=certificate) as server,
        GitServer(root, address, certificate=certificate) as other,
    ):
        works = {name: root / name for name in ("lib", "open", "shop")}
        for work in works.values():
            work.mkdir()
            git(work, "init", "--quiet", "--initial-branch=trunk")
        lib = commit(works["lib"], "lib", {"lib.txt": "lib\n"})
        public = commit(works["open"], "open", {"open.txt": "open\n"})
        commit(works["shop"], "first", {"web/Dockerfile": f"{FROM}COPY . /src\n", "docs/page": "page\n"})
        git(works["shop"], "tag", "--annotate", "--message", "release", "v1.0.0")
        links = {"web/lib": ("../lib.git", lib), "web/open": (f"{other.url}/open.git", public)}
        modules = "".join(f'[submodule "{path}"]\npath = {path}\nurl = {url}\n' for path, (url, _) in links.items())
        for path, (_, made) in links.items():
            git(works["shop"], "update-index", "--add", "--cacheinfo", f"160000,{made},{path}")
        (works["shop"] / ".gitmodules").write_text(modules)
        git(works["shop"], "add", ".gitmodules")
        git(works["shop"], "commit", "--quiet", "--message", "second")
        (root / "private").mkdir()
        for name, bare in (("lib", "private/lib.git"), ("shop", "private/shop.git"), ("open", "open.git")):
            git(works[name], "clone", "--quiet", "--bare", ".", str(root / bare))
            git(root / bare, "config", "uploadpack.allowFilter", "true")
        made = git(works["shop"], "rev-parse", "HEAD")
        yield Served(f"{server.url}/private/shop.git", certificate.certificate.read_text(), made, other.seen)


@pytest.mark.proves(
    "source.git.submodules", "source.git.paths", "source.git.depth", "source.git.tags", "source.git.revision"
)
def test_the_parts_that_are_asked_for_are_in_the_image(
    api: Api, namespace: str, make_build: BuildFactory, registry: Registry, served: Served
) -> None:
    login = {"username": "ann", "password": PASSWORD}
    metadata = {"name": "git-login", "namespace": namespace}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": login})
    source = {
        "url": served.url,
        "caBundle": served.ca_bundle,
        "credentialsRef": {"name": "git-login"},
        "revision": served.commit[:10],
        "paths": ["web"],
        "submodules": True,
        "depth": 0,
        "tags": True,
        "keepGitDir": True,
    }
    build = make_build(source={"git": source}, dockerfile="web/Dockerfile")
    ended = build.wait_succeeded()
    assert ended.run["source"]["commit"] == served.commit
    files = registry.files(build.repository, "latest")
    assert (files["src/web/lib/lib.txt"], files["src/web/open/open.txt"]) == (b"lib\n", b"open\n")
    assert "src/docs/page" not in files
    assert "src/.git/refs/tags/v1.0.0" in files
    assert "src/.git/shallow" not in files
    assert set(served.elsewhere) == {""}
