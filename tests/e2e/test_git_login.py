"""A private repository over https: its login, wherever that is wrong, and where it must not stand."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git, make_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Private:
    """A repository that only `ann` with the password may read."""

    url: str
    ca_bundle: str
    commit: str


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Private]:
    root = tmp_path_factory.mktemp("git")
    work = root / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=trunk")
    made = commit(work, "first", {"Dockerfile": f"{FROM}COPY Dockerfile /Dockerfile\n"})
    (root / "private").mkdir()
    git(work, "clone", "--quiet", "--bare", ".", str(root / "private" / "shop.git"))
    certificate = make_certificate(root, settings.network.gateway)
    with GitServer(root, settings.network.gateway, login=f"ann:{PASSWORD}", certificate=certificate) as server:
        yield Private(f"{server.url}/private/shop.git", certificate.certificate.read_text(), made)


def apply_login(api: Api, namespace: str, password: str) -> None:
    metadata = {"name": "git-login", "namespace": namespace}
    login = {"username": "ann", "password": password}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": login})


def source(private: Private) -> dict[str, object]:
    return {"git": {"url": private.url, "caBundle": private.ca_bundle, "credentialsRef": {"name": "git-login"}}}


@pytest.mark.proves("source.git.credentialsRef.name", "source.git.caBundle")
def test_a_private_repository_is_built_once_its_login_is_right(
    api: Api, namespace: str, make_build: BuildFactory, private: Private
) -> None:
    build = make_build(source=source(private))
    build.wait(lambda now: now.build.get("reason") == "SecretMissing", "it waits for its Secret")
    apply_login(api, namespace, "wrong")
    denied = build.wait_failed("SourceDenied")
    assert "source.git.credentialsRef" in denied.build["message"]
    apply_login(api, namespace, PASSWORD)
    ended = build.wait_succeeded(run=2)
    assert ended.run["trigger"] == "RetryAfterChange"
    assert ended.run["source"]["commit"] == private.commit
    forms = (PASSWORD, base64.b64encode(f"ann:{PASSWORD}".encode()).decode())
    kinds = ("Pod", "Event", "BuildAndPushACR")
    told = [json.dumps(item) for kind in kinds for item in api.list(kind, namespace)]
    told += [api.log(namespace, pod["metadata"]["name"], "source") for pod in api.list("Pod", namespace)]
    assert not [form for form in forms for text in told if form in text]


def test_without_its_certificate_the_server_is_not_trusted(
    api: Api, namespace: str, make_build: BuildFactory, private: Private
) -> None:
    apply_login(api, namespace, PASSWORD)
    spec = {"git": {"url": private.url, "credentialsRef": {"name": "git-login"}}}
    ended = make_build(source=spec).wait_failed("CertificateNotTrusted")
    assert "source.git.caBundle" in ended.build["message"]
