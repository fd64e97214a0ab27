"""A private repository over https: its login, wherever that is wrong, and where it must not stand."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.azure import BASE_HOST, Azure
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.github import GitHub
from tests.webserver import make_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Private:
    """A repository that only `ann` with the password may read."""

    url: str
    ca_bundle: str
    commit: str
    github: GitHub
    """Whose tokens let in as well."""


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Private]:
    root = tmp_path_factory.mktemp("git")
    work = root / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=trunk")
    made = commit(work, "first", {"Dockerfile": f"{FROM}COPY Dockerfile /Dockerfile\n"})
    (root / "private").mkdir()
    git(work, "clone", "--quiet", "--bare", ".", str(root / "private" / "shop.git"))
    certificate = make_certificate(root, f"IP:{settings.network.gateway}")
    address, github = settings.network.gateway, GitHub()
    with GitServer(root, address, login=f"ann:{PASSWORD}", certificate=certificate, github=github) as server:
        yield Private(f"{server.url}/private/shop.git", certificate.certificate.read_text(), made, github)


def apply_login(api: Api, namespace: str, password: str) -> None:
    apply_secret(api, namespace, {"username": "ann", "password": password})


def apply_secret(api: Api, namespace: str, login: dict[str, str]) -> None:
    metadata = {"name": "git-login", "namespace": namespace}
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


def test_a_github_app_reads_a_repository(api: Api, namespace: str, make_build: BuildFactory, private: Private) -> None:
    """Its token has the form of a JSON Web Token, which may stand in no log and in no status."""
    apply_secret(api, namespace, private.github.secret)
    ended = make_build(source=source(private)).wait_succeeded()
    assert ended.run["source"]["commit"] == private.commit
    assert private.github.asked == [{"permissions": {"contents": "read"}, "repositories": ["shop"]}]


@pytest.fixture
def repos(settings: Settings, namespace: str) -> tuple[str, str]:
    """A repository of Azure Repos: its name there, and its commit."""
    name = f"contoso/{namespace}/shop"
    bare = settings.azure / "repositories" / f"{name}.git"
    work = bare.parent / "work"
    work.mkdir(parents=True)
    git(work, "init", "--quiet", "--initial-branch=trunk")
    made = commit(work, "first", {"Dockerfile": f"{FROM}COPY Dockerfile /Dockerfile\n"})
    git(work, "clone", "--quiet", "--bare", ".", str(bare))
    return name, made


@pytest.mark.proves("source.git.connectorRef")
def test_a_connectors_identity_reads_azure_repos(
    api: Api,
    azure: Azure,
    make_build: BuildFactory,
    make_connector: ConnectorFactory,
    repos: tuple[str, str],
    settings: Settings,
) -> None:
    """By a token that kaniko never sees, made by the operator."""
    name, made = repos
    organization, project, repository = name.split("/")
    host = azure.make_registry()
    identity = azure.make_identity(("AcrPush", host), repositories=[name])
    make_connector(identity, host, BASE_HOST, name="both")
    url = f"https://{organization}@dev.azure.com/{organization}/{project}/_git/{repository}"
    ca_bundle = settings.ca_certificate.read_text()
    build = make_build(
        connectorRef="both",
        repository=f"{host}/web",
        source={"git": {"url": url, "connectorRef": "both", "caBundle": ca_bundle}},
    )
    ended = build.wait_succeeded()
    assert ended.run["source"]["commit"] == made
    pod = build.pod()
    login = next(volume["secret"] for volume in pod["spec"]["volumes"] if volume["name"] == "git-login")
    assert [item["key"] for item in login["items"]] == ["git-token"]
    kaniko = next(item for item in pod["spec"]["containers"] if item["name"] == "kaniko")
    assert "git-login" not in {mount["name"] for mount in kaniko["volumeMounts"]}


def test_an_identity_without_access_to_the_repository_is_denied(
    azure: Azure, make_build: BuildFactory, make_connector: ConnectorFactory, settings: Settings
) -> None:
    host = azure.make_registry()
    make_connector(azure.make_identity(("AcrPush", host)), host, BASE_HOST, name="other")
    git_source = {
        "url": "https://dev.azure.com/contoso/shop/_git/shop",
        "connectorRef": "other",
        "caBundle": settings.ca_certificate.read_text(),
    }
    build = make_build(connectorRef="other", repository=f"{host}/web", source={"git": git_source})
    ended = build.wait_failed("SourceDenied")
    assert "this login may not read it" in ended.build["message"]


def test_a_connector_without_an_identity_is_no_login_to_azure_repos(make_build: BuildFactory) -> None:
    url = "https://dev.azure.com/contoso/shop/_git/shop"
    waiting = make_build(source={"git": {"url": url, "connectorRef": "acr"}}).wait_reason("ConnectorInvalid")
    assert "name a connector with an identity of Entra ID" in waiting.condition("Ready")["message"]


def test_without_its_certificate_the_server_is_not_trusted(
    api: Api, namespace: str, make_build: BuildFactory, private: Private
) -> None:
    apply_login(api, namespace, PASSWORD)
    spec = {"git": {"url": private.url, "credentialsRef": {"name": "git-login"}}}
    ended = make_build(source=spec).wait_failed("CertificateNotTrusted")
    assert "source.git.caBundle" in ended.build["message"]
