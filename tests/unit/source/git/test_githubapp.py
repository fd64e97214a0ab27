"""A GitHub App as login: what its key signs, what its token may do, where both go, and what is told when they fail."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from buildandpush.api.reasons import Reason
from buildandpush.source.git import githubapp
from buildandpush.source.git import way as module
from buildandpush.source.git.fetch import fetch_revision
from buildandpush.source.git.githubapp import Trust, fetch_app_header, parse_app
from buildandpush.source.git.way import Access
from buildandpush.source.network import connection
from buildandpush.source.report import SourceError
from tests.github import APP, INSTALLATION, GitHub, Reply
from tests.unit.source.git.git_server import GitServer, make_repository, serve_git
from tests.webserver import Certificate, make_certificate

HOST = "ghe.invalid"
ORIGIN = "Secret 'app'"
GITHUB = GitHub()
KEYS = GITHUB.secret


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Certificate]:
    """A folder with contoso/shop.git in it, and a certificate for the host."""
    folder = tmp_path_factory.mktemp("git")
    make_repository(folder / "contoso")
    (folder / "public").mkdir()
    for name in ("contoso/other.git", "public/library.git"):
        (folder / name).symlink_to(folder / "contoso" / "shop.git")
    return folder, make_certificate(folder, f"DNS:{HOST}")


@pytest.fixture
def server(repository: tuple[Path, Certificate], monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """GitHub, with TLS. Every host is this machine, since no test may leave it."""
    for looking in (module, connection):
        monkeypatch.setattr(looking, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_git(*repository) as running:
        running.github = GITHUB
        for told in (GITHUB.replies, GITHUB.tokens, GITHUB.asked):
            told.clear()
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited, in seconds."""
    waited: list[float] = []
    monkeypatch.setattr(module, "sleep", waited.append)
    return waited


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def url_of(server: GitServer) -> str:
    return f"https://{HOST}:{server.port}/contoso/shop.git"


def access(repository: tuple[Path, Certificate], **changes: str | None) -> Access:
    """Trust in the server, and the right login with other keys."""
    keys = {key: value for key, value in {**KEYS, **changes}.items() if value is not None}
    return Access(ORIGIN, ca_bundle=repository[1].certificate.read_text(), keys=keys)


def test_a_token_reads_the_one_repository(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, commands: list[list[str]]
) -> None:
    fetch_revision(url_of(server), "main", root, access(repository))
    assert "FROM scratch" in (root / "Dockerfile").read_text()
    assert GITHUB.asked == [{"permissions": {"contents": "read"}, "repositories": ["shop"]}]
    login = base64.b64encode(f"x-access-token:{GITHUB.tokens[0]}".encode()).decode()
    assert set(server.seen[1:]) == {f"Basic {login}"}
    assert commands
    told = [str(commands), *(path.read_text(errors="replace") for path in root.rglob("*") if path.is_file())]
    assert not [text for text in told for secret in (GITHUB.tokens[0], login, "PRIVATE KEY") if secret in text]


def test_the_keys_may_be_files(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, tmp_path: Path
) -> None:
    """As the pod mounts the Secret, with the line break at the end that a file usually has."""
    folder = tmp_path / "login"
    folder.mkdir()
    for key, value in KEYS.items():
        (folder / key).write_text(f"{value}\n")
    fetch_revision(
        url_of(server), "main", root, Access(ORIGIN, folder, ca_bundle=repository[1].certificate.read_text())
    )
    assert len(GITHUB.tokens) == 1


def test_what_is_refused_at_first_is_tried_again_with_the_same_token(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, pauses: list[float]
) -> None:
    """Not all of GitHub's servers know a token in its first seconds. Those that do not say 401, 403 or 404."""
    server.failures = [404, 403]
    fetch_revision(url_of(server), "main", root, access(repository))
    assert (len(GITHUB.tokens), pauses) == (1, [3.0, 9.0])


def test_a_token_that_stays_refused_ends_the_fetch(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, pauses: list[float]
) -> None:
    server.failures = [403, 403, 403]
    with pytest.raises(SourceError) as caught:
        fetch_revision(url_of(server), "main", root, access(repository))
    assert (caught.value.reason, len(pauses)) == (Reason.SOURCE_DENIED, 2)


def test_another_failure_is_told_at_once(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, pauses: list[float]
) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_revision(url_of(server), "absent", root, access(repository))
    assert (caught.value.reason, pauses) == (Reason.REVISION_NOT_FOUND, [])


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (Reply(429), Reason.SOURCE_THROTTLED, "429"),
        (Reply(403, headers={"Retry-After": "60"}), Reason.SOURCE_THROTTLED, "403"),
        (Reply(403, headers={"X-RateLimit-Remaining": "0"}), Reason.SOURCE_THROTTLED, "403"),
        (Reply(403, {"message": "You have exceeded a secondary rate limit."}), Reason.SOURCE_THROTTLED, "secondary"),
        (
            Reply(403, {"message": "This installation has been suspended"}, {"X-RateLimit-Remaining": "4999"}),
            Reason.SOURCE_DENIED,
            f"has been suspended); make the installation {INSTALLATION} active again",
        ),
        (Reply(502), Reason.SOURCE_UNREACHABLE, "502"),
        (Reply(301, headers={"Location": "https://elsewhere.invalid/"}), Reason.SOURCE_INVALID, "is it the API"),
        (Reply(200, {"login": "octocat"}), Reason.SOURCE_INVALID, "is it the API"),
        (Reply(201, {"token": "two words"}), Reason.SOURCE_INVALID, "answers without a token"),
        (Reply(201), Reason.SOURCE_INVALID, "answers without a token"),
    ],
)
def test_what_the_api_refuses_is_told(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, reply: Reply, reason: Reason, words: str
) -> None:
    GITHUB.replies.append(reply)
    with pytest.raises(SourceError) as caught:
        fetch_revision(url_of(server), "main", root, access(repository))
    assert caught.value.reason is reason
    assert words in str(caught.value)
    assert len(server.paths) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"githubAppInstallationID": "679"},
            f"githubAppInstallationID in {ORIGIN}: the App {APP} has no installation 679",
        ),
        ({"githubAppID": "12346"}, "the App 12346"),
        ({"githubAppPrivateKey": GitHub().private_key}, f"compare githubAppID and githubAppPrivateKey in {ORIGIN}"),
    ],
    ids=["installation", "app", "key"],
)
def test_a_wrong_key_of_the_secret_is_named(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_revision(url_of(server), "main", root, access(repository, **changes))
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["other", "absent"])
def test_a_repository_that_the_installation_has_not_is_told(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, name: str
) -> None:
    """GitHub does not say whether there is one of this name."""
    with pytest.raises(
        SourceError, match="gets no token for this repository; let the installation 678 have it"
    ) as caught:
        fetch_revision(url_of(server).replace("shop", name), "main", root, access(repository))
    assert caught.value.reason is Reason.SOURCE_DENIED


def test_a_public_repository_that_the_installation_has_not_is_fetched_without_a_login(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, pauses: list[float]
) -> None:
    """Such as a submodule of somebody else's."""
    url = url_of(server).replace("contoso/shop", "public/library")
    fetch_revision(url, "main", root, access(repository))
    assert (root / "Dockerfile").exists()
    assert (set(server.seen[1:]), pauses) == ({""}, [])
    with pytest.raises(SourceError, match="remote ref absent") as caught:
        fetch_revision(url, "absent", root, access(repository))
    assert caught.value.reason is Reason.REVISION_NOT_FOUND


def test_a_clock_that_is_fast_gets_no_token(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = githubapp.time.time()
    monkeypatch.setattr(githubapp, "time", type("Clock", (), {"time": staticmethod(lambda: right + 300)}))
    with pytest.raises(SourceError, match="look at the node's clock"):
        fetch_revision(url_of(server), "main", root, access(repository))


@pytest.mark.parametrize("seconds", [-400, 50])
def test_clocks_may_be_some_seconds_apart(
    server: GitServer,
    repository: tuple[Path, Certificate],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    right = githubapp.time.time()
    monkeypatch.setattr(githubapp, "time", type("Clock", (), {"time": staticmethod(lambda: right + seconds)}))
    fetch_revision(url_of(server), "main", root, access(repository))


def test_what_was_signed_is_not_told_even_if_the_server_sends_it_back(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(method: str, path: str, headers: Any, body: bytes) -> Reply:
        return Reply(401, {"message": f"what is {headers['Authorization']}?"})

    monkeypatch.setattr(GITHUB, "answer", echo)
    with pytest.raises(SourceError, match=r"what is Bearer \*\*\*\?"):
        fetch_revision(url_of(server), "main", root, access(repository))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"githubAppInstallationID": ""}, "without githubAppInstallationID;"),
        ({"githubAppID": "", "githubAppPrivateKey": " \n"}, "without githubAppID and githubAppPrivateKey;"),
        ({"githubAppID": "12345/678"}, "githubAppID in"),
        ({"githubAppInstallationID": "678/../../x"}, "githubAppInstallationID in"),
        ({"password": "hunter22"}, "names a GitHub App and holds a password"),
        ({"bearerToken": "hunter22"}, "names a GitHub App and holds a bearerToken"),
        ({"githubAppBaseURL": "http://api.github.com"}, "no https address"),
        ({"githubAppBaseURL": "https://api.example.com"}, "write https://api.github.com or leave it out"),
        ({"githubAppEnterpriseBaseUrl": "https://api.example.com"}, "write https://api.github.com or leave it out"),
        ({"githubAppBaseURL": "https://api.github.com:444"}, "write https://api.github.com or leave it out"),
        ({"githubAppBaseURL": "https://api.github.com/?a=b"}, "write https://api.github.com or leave it out"),
        ({"githubAppBaseURL": "https://api.github.com.example.com"}, "write https://api.github.com or leave it out"),
        ({"githubAppBaseURL": "https://api.github.com@example.com"}, "no https address"),
    ],
)
def test_a_secret_that_names_no_app_of_the_repositorys_server_is_denied(changes: dict[str, str], words: str) -> None:
    """And nobody is asked with its key."""
    with pytest.raises(SourceError) as caught:
        parse_app({**KEYS, **changes}, ORIGIN, "https://github.com/contoso/shop.git")
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert words in str(caught.value)
    assert ORIGIN in str(caught.value)


@pytest.mark.parametrize(
    ("url", "given", "api"),
    [
        ("https://github.com/contoso/shop", "", "https://api.github.com"),
        ("https://github.com/contoso/shop", "https://api.github.com/", "https://api.github.com"),
        ("https://contoso.ghe.com/shop/web.git", "", "https://api.contoso.ghe.com"),
        ("https://git.contoso.com/shop/web.git", "", "https://git.contoso.com/api/v3"),
        ("https://git.contoso.com:8443/shop/web", "", "https://git.contoso.com:8443/api/v3"),
        ("https://git.contoso.com/shop/web", "https://git.contoso.com/api/v3/", "https://git.contoso.com/api/v3"),
        ("https://git.contoso.com/shop/web", "https://api.git.contoso.com", "https://api.git.contoso.com"),
    ],
)
def test_the_api_is_on_the_server_of_the_repository(url: str, given: str, api: str) -> None:
    assert parse_app({**KEYS, "githubAppBaseURL": given}, ORIGIN, url).api == api
    assert urlsplit(api).scheme == "https"


def ec_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "key",
    ["hunter22", KEYS["githubAppPrivateKey"].replace("\n", "\\n"), KEYS["githubAppPrivateKey"][:400], ec_key()],
    ids=["words", "one-line", "half", "another-kind"],
)
def test_a_private_key_that_cannot_sign_is_told_without_it(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, key: str
) -> None:
    with pytest.raises(SourceError, match=r"githubAppPrivateKey in Secret 'app' is no RSA key") as caught:
        fetch_revision(url_of(server), "main", root, access(repository, githubAppPrivateKey=key))
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert key[40:60] not in str(caught.value) or len(key) < 40
    assert server.paths == []


def test_a_private_key_that_takes_long_to_check_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a key of 14,000 bits stops the whole process for minutes: it lets no other thread run."""
    monkeypatch.setattr("jwt.encode", lambda *_, **__: pytest.fail("the key was checked"))
    key = rsa.generate_private_key(65537, 4096).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys = {**KEYS, "githubAppPrivateKey": key.decode()}
    with pytest.raises(SourceError, match="githubAppPrivateKey in Secret 'app' is longer than a key of GitHub's") as it:
        fetch_app_header(keys, ORIGIN, f"https://{HOST}/contoso/shop.git", Trust())
    assert it.value.reason is Reason.SOURCE_DENIED


@pytest.mark.parametrize("status", [401, 403, 404])
def test_each_refusal_says_what_to_do_next(
    server: GitServer, repository: tuple[Path, Certificate], root: Path, status: int
) -> None:
    GITHUB.replies.append(Reply(status))
    with pytest.raises(SourceError, match="; ") as caught:
        fetch_revision(url_of(server), "main", root, access(repository))
    assert INSTALLATION in str(caught.value) or APP in str(caught.value)
    assert "{" not in str(caught.value)
