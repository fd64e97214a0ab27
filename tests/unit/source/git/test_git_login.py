"""Logging in to a git server: who is told the login, and where it must not stand."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git import way as module
from buildandpush.source.git.fetch import fetch_revision
from buildandpush.source.git.login import make_header, read_keys
from buildandpush.source.git.way import Access
from buildandpush.source.report import SourceError
from tests.unit.source.git.git_server import GitServer, make_repository, serve_git
from tests.webserver import Certificate, make_certificate

PASSWORD = "hunter-2-hunter"


def basic(login: str) -> str:
    return f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], Certificate]:
    """A folder with shop.git in it, its commits, and a certificate for git.invalid."""
    folder = tmp_path_factory.mktemp("git")
    return folder, make_repository(folder), make_certificate(folder, "DNS:git.invalid")


@pytest.fixture
def server(
    repository: tuple[Path, dict[str, str], Certificate], monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitServer]:
    """A server that wants a login, with TLS. Every host is this machine, since no test may leave it."""
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(repository[0], repository[2]) as running:
        running.wanted = basic(f"ann:{PASSWORD}").removeprefix("Authorization: ")
        yield running


@pytest.fixture
def access(tmp_path: Path, repository: tuple[Path, dict[str, str], Certificate]) -> Access:
    """The right login, and trust in the server."""
    folder = tmp_path / "login"
    folder.mkdir()
    (folder / "username").write_text("ann\n")
    (folder / "password").write_text(f"{PASSWORD}\n")
    return Access("Secret 'git-login'", folder, repository[2].certificate.read_text())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def url_of(server: GitServer) -> str:
    return f"https://git.invalid:{server.port}/shop.git"


def test_a_private_repository_is_fetched(server: GitServer, access: Access, root: Path) -> None:
    fetch_revision(url_of(server), "main", root, access)
    assert "FROM scratch" in (root / "Dockerfile").read_text()


def test_without_a_login_it_is_denied(server: GitServer, access: Access, root: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_revision(url_of(server), "main", root, Access(ca_bundle=access.ca_bundle))
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert str(caught.value) == f"git: https://git.invalid:{server.port} wants a login"


def test_a_wrong_login_is_told_as_such(server: GitServer, access: Access, root: Path) -> None:
    """git's own words are of a program that it would ask for another login."""
    (access.folder / "password").write_text("wrong")
    with pytest.raises(SourceError) as caught:
        fetch_revision(url_of(server), "main", root, access)
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert str(caught.value) == f"git: https://git.invalid:{server.port} refuses this login"


def test_the_login_stands_in_no_argument_and_in_no_file(
    server: GitServer, access: Access, root: Path, commands: list[list[str]]
) -> None:
    fetch_revision(url_of(server), "main", root, access)
    secrets = (PASSWORD, server.wanted.removeprefix("Basic "))
    assert commands
    assert not [secret for secret in secrets if secret in str(commands)]
    files = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    assert files
    assert not [secret for secret in secrets for content in files if secret.encode() in content]


@pytest.mark.parametrize("echo", ["your login is {}", f"wrong password {PASSWORD}"])
def test_a_server_that_sends_the_login_back_gives_it_to_nobody(
    server: GitServer, access: Access, root: Path, echo: str
) -> None:
    server.error = echo
    with pytest.raises(SourceError, match="remote error: ") as caught:
        fetch_revision(url_of(server), "main", root, access)
    assert not [form for form in (PASSWORD, server.wanted.removeprefix("Basic ")) if form in str(caught.value)]


def test_a_ca_bundle_that_is_broken_is_told(server: GitServer, access: Access, root: Path) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    with pytest.raises(SourceError, match="caBundle") as caught:
        fetch_revision(url_of(server), "main", root, Access(access.login, access.folder, broken))
    assert caught.value.reason is Reason.SOURCE_INVALID


def test_a_repository_that_a_login_may_not_see_is_denied(server: GitServer, access: Access, root: Path) -> None:
    with pytest.raises(SourceError, match="does not exist, or this login may not read it") as caught:
        fetch_revision(url_of(server).replace("shop", "other"), "main", root, access)
    assert caught.value.reason is Reason.SOURCE_DENIED


def test_a_redirect_to_another_host_is_not_followed_with_the_login(
    server: GitServer, repository: tuple[Path, dict[str, str], Certificate], access: Access, root: Path
) -> None:
    with serve_git(repository[0], repository[2]) as other:
        server.location = f"https://elsewhere.invalid:{other.port}"
        with pytest.raises(SourceError) as caught:
            fetch_revision(url_of(server), "main", root, access)
        assert caught.value.reason is Reason.SOURCE_MOVED
        assert other.paths == []


def test_the_setting_names_the_one_host(server: GitServer, access: Access, root: Path) -> None:
    """A server on another port is another server."""
    environment = module._login_environment(module.split_url(url_of(server)), basic("ann:x"))
    assert environment["GIT_CONFIG_KEY_0"] == f"http.https://git.invalid:{server.port}/.extraHeader"


def test_a_login_is_not_sent_over_http(access: Access, root: Path) -> None:
    with pytest.raises(SourceError, match="https://") as caught:
        fetch_revision("http://git.invalid/shop.git", "main", root, access)
    assert caught.value.reason is Reason.SOURCE_INVALID


@pytest.mark.parametrize(
    ("keys", "url_user", "header"),
    [
        ({"username": "ann", "password": "p"}, "", basic("ann:p")),
        ({"username": "ann\n", "password": "p\n"}, "", basic("ann:p")),
        ({"password": "token"}, "", basic("git:token")),
        ({"password": "token"}, "contoso", basic("contoso:token")),
        ({"username": "ann", "password": "token"}, "contoso", basic("ann:token")),
        ({"username": "ann", "password": "pä:ss"}, "", basic("ann:pä:ss")),
        ({"bearerToken": "eyJ0.eyJ9.c2ln"}, "", "Authorization: Bearer eyJ0.eyJ9.c2ln"),
    ],
)
def test_header(tmp_path: Path, keys: dict[str, str], url_user: str, header: str) -> None:
    for key, value in keys.items():
        (tmp_path / key).write_text(value)
    assert make_header(read_keys(tmp_path), "Secret 'git-login'", url_user) == header


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "username and password, or bearerToken"),
        ({"username": "ann"}, "username and password, or bearerToken"),
        ({"username": "a:b", "password": PASSWORD}, "colon"),
        ({"password": f"{PASSWORD}\nX-Header: y"}, "the password"),
        ({"bearerToken": f"{PASSWORD}\r\nX-Header: y"}, "the bearerToken"),
    ],
)
def test_a_secret_that_is_no_login_is_named_without_its_values(
    tmp_path: Path, keys: dict[str, str], words: str
) -> None:
    for key, value in keys.items():
        (tmp_path / key).write_text(value)
    with pytest.raises(SourceError) as caught:
        make_header(read_keys(tmp_path), "Secret 'git-login'")
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert "git-login" in str(caught.value)
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "bare", "user"),
    [
        (
            "https://contoso@dev.azure.com/contoso/Shop/_git/shop",
            "https://dev.azure.com/contoso/Shop/_git/shop",
            "contoso",
        ),
        ("https://dev.azure.com/contoso/My Shop/_git/shop", "https://dev.azure.com/contoso/My%20Shop/_git/shop", ""),
        ("https://dev.azure.com/contoso/My%20Shop/_git/shop", "https://dev.azure.com/contoso/My%20Shop/_git/shop", ""),
    ],
)
def test_clone_addresses_of_azure_repos_are_taken(url: str, bare: str, user: str) -> None:
    server = module.split_url(url)
    assert (server.url, server.user) == (bare, user)


@pytest.mark.parametrize("password", [PASSWORD, f"{PASSWORD}/x", f"x/{PASSWORD}"])
def test_a_url_with_a_password_is_refused_without_naming_it(password: str) -> None:
    with pytest.raises(SourceError) as caught:
        module.split_url(f"https://ann:{password}@github.com/contoso/shop.git")
    assert PASSWORD not in str(caught.value)
