"""Fetching from a real git server, over the address that was checked and no other."""

import os
import re
import socket
from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git import way as module
from buildandpush.source.git.fetch import fetch_revision
from buildandpush.source.network.egress import write_trust
from buildandpush.source.report import SourceError
from tests.unit.source.git.git_server import GitServer, git, serve_git
from tests.webserver import make_certificate


def refused(url: str, root: Path, revision: str = "") -> SourceError:
    """How the fetch was refused."""
    with pytest.raises(SourceError) as caught:
        fetch_revision(url, revision, root)
    return caught.value


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        ("", "second"),
        ("main", "second"),
        ("v1", "first"),
        ("v2", "first"),
        ("feature/x", "first"),
        ("refs/tags/v1", "first"),
    ],
)
def test_revision_is_fetched(
    revision: str, commit: str, server: GitServer, commits: dict[str, str], root: Path
) -> None:
    assert fetch_revision(server.url(), revision, root).commit == commits[commit]
    assert f"# {commit}" in (root / "Dockerfile").read_text()


@pytest.mark.parametrize("name", ["first", "second"])
def test_commit_is_fetched_by_its_id(name: str, server: GitServer, commits: dict[str, str], root: Path) -> None:
    assert fetch_revision(server.url(), commits[name], root).commit == commits[name]


def test_only_the_one_revision_is_fetched(server: GitServer, root: Path) -> None:
    fetch_revision(server.url(), "main", root)
    assert git(root, "rev-list", "--count", "--all", "HEAD") == "1"
    assert git(root, "tag") == ""


@pytest.mark.parametrize("host", ["git.invalid.", "GIT.invalid", "git.invalid"])
def test_git_connects_to_the_address_that_was_checked(host: str, server: GitServer, root: Path) -> None:
    """However the host is spelled: where the pin did not match, git would ask DNS again, and be told otherwise."""
    fetch_revision(server.url(host), "main", root)
    assert server.paths


@pytest.mark.parametrize("revision", ["v9", "f" * 40, "refs/heads/none", "ffff"])
def test_revision_that_is_not_there(revision: str, server: GitServer, root: Path) -> None:
    assert refused(server.url(), root, revision).reason is Reason.REVISION_NOT_FOUND


@pytest.mark.parametrize("revision", ["--upload-pack=touch pwned", "-x", "--help"])
def test_revision_is_never_an_option(revision: str, server: GitServer, root: Path) -> None:
    refused(server.url(), root, revision)
    assert not list(root.rglob("pwned"))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.SOURCE_DENIED),
        (403, Reason.SOURCE_DENIED),
        (301, Reason.SOURCE_MOVED),
        (308, Reason.SOURCE_MOVED),
        (404, Reason.SOURCE_INVALID),
        (429, Reason.SOURCE_THROTTLED),
        (500, Reason.SOURCE_UNREACHABLE),
        (503, Reason.SOURCE_UNREACHABLE),
    ],
)
def test_servers_refusal_is_understood(status: int, reason: Reason, server: GitServer, root: Path) -> None:
    server.status = status
    error = refused(server.url(), root)
    assert error.reason is reason
    assert str(error).startswith("git: ")
    assert "\n" not in str(error)


def test_redirect_is_not_followed(server: GitServer, root: Path, repository: tuple[Path, dict[str, str]]) -> None:
    with serve_git(repository[0]) as elsewhere:
        server.location = f"http://127.0.0.1:{elsewhere.port}"
        assert refused(server.url(), root).reason is Reason.SOURCE_MOVED
        assert elsewhere.paths == []


def test_server_that_is_not_there(server: GitServer, root: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = refused(f"http://git.invalid:{closed.getsockname()[1]}/shop.git", root)
    assert error.reason is Reason.SOURCE_UNREACHABLE


def test_tls_that_is_none(server: GitServer, root: Path) -> None:
    assert refused(server.url().replace("http:", "https:"), root).reason is Reason.SOURCE_UNREACHABLE


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git.invalid/x",
        "git://git.invalid/x",
        "file:///etc",
        "/etc/passwd",
        "../shop.git",
        "ext::sh -c touch% /tmp/pwned",
        "https://user:pw@git.invalid/x",
        "https://token@git.invalid/x",
        "http://git.invalid\\@127.0.0.1/",
        "https://",
        "https:///x",
        "--upload-pack=x",
        "",
        "https://h:99999/x",
        "https://h:abc/x",
        "https://[::1/x",
        "http://git%2einvalid/x",  # curl decodes it, so that the pinned address would not match
        "http://bücher.invalid/x",
    ],
)
def test_url_that_is_not_fetched_from(url: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: pytest.fail("it is not even looked up"))
    assert refused(url, root).reason is Reason.SOURCE_INVALID


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "http://localhost:8080/x", "http://0177.0.0.1/x", "http://2130706433/x"]
)
def test_address_that_is_not_fetched_from(url: str, root: Path) -> None:
    assert refused(url, root).reason is Reason.SOURCE_INVALID
    assert list(root.iterdir()) == [], "git was not even started"


@pytest.mark.parametrize("url", ["https://a..b/x", f"https://{'a' * 64}.invalid/x", "https://none.invalid/x"])
def test_host_without_an_address(url: str, root: Path) -> None:
    assert refused(url, root).reason in (Reason.SOURCE_UNREACHABLE, Reason.SOURCE_INVALID)


@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy", "GIT_PROXY_COMMAND", "GIT_SSL_NO_VERIFY"])
def test_environment_of_the_pod_does_not_steer_git(
    name: str, server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    fetch_revision(server.url(), "main", root)


def test_settings_of_the_pods_home_do_not_steer_git(
    server: GitServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text('[http]\n\tproxy = http://127.0.0.1:1\n[core]\n\thooksPath = "/tmp"\n')
    fetch_revision(server.url(), "main", root)


def test_hooks_in_a_repository_are_not_run(server: GitServer, root: Path) -> None:
    hooks = root / ".git" / "hooks"
    hooks.mkdir(parents=True)
    hook = hooks / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch pwned\n")
    hook.chmod(0o755)
    fetch_revision(server.url(), "main", root)
    assert not (root / "pwned").exists()


def test_credentials_are_asked_of_nobody(server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = root.parent / "askpass"
    asked.write_text(f"#!/bin/sh\ntouch {root.parent}/asked\necho secret\n")
    asked.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(asked))
    monkeypatch.setenv("SSH_ASKPASS", str(asked))
    server.status = 401
    refused(server.url(), root)
    assert not os.path.lexists(root.parent / "asked")


# ---- proxies and certificates


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_of_the_pod_is_used_and_finds_the_address_itself(
    name: str, server: GitServer, commits: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, rules: object) -> list[str]:
        raise AssertionError("behind a proxy, names need no address here")

    monkeypatch.setattr(module, "resolve_host", resolve)
    monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
    assert fetch_revision("http://git.example/shop.git", "main", root).commit == commits["second"]
    assert server.proxied == {"git.example"}


@pytest.mark.parametrize("excepted", ["git.invalid", ".invalid", "a.example, git.invalid", "*", "a.example, *.invalid"])
def test_an_excepted_host_is_reached_without_the_proxy(
    excepted: str, server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", excepted)
    fetch_revision(server.url(), "main", root)
    assert server.proxied == set()


def test_an_exception_with_a_port_is_for_this_port(
    server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", f"git.invalid:{server.port}")
    fetch_revision(server.url(), "main", root)
    assert module.find_proxy("http", "git.invalid", server.port + 1) == "http://127.0.0.1:1"


def test_an_ipv6_address_needs_no_setting_that_curl_cannot_read(root: Path) -> None:
    assert "CURLOPT_RESOLVE" not in str(refused("http://[2001:db8::1]/shop.git", root))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "169.254.169.254", "[::1]", "168.63.129.16", "2852039166", "0xa9.0xfe.43518", "169.254.169.254."],
)
def test_a_proxy_is_not_sent_to_an_address_that_is_refused(
    host: str, server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    assert refused(f"http://{host}/shop.git", root).reason is Reason.SOURCE_INVALID
    assert server.paths == []


def test_a_proxys_login_is_not_among_gits_arguments(
    server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:hunter22@127.0.0.1:{server.port}")
    fetch_revision("http://git.example/shop.git", "main", root)
    assert commands
    assert "hunter22" not in str(commands)


def test_a_server_with_a_companys_certificate_is_trusted_once_the_installer_says_so(
    repository: tuple[Path, dict[str, str]], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "DNS:git.invalid")
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(repository[0], certificate) as server:
        url = f"https://git.invalid:{server.port}/shop.git"
        assert refused(url, root).reason is Reason.CERTIFICATE_NOT_TRUSTED
        monkeypatch.setattr(
            module, "write_trust", lambda folder, own, trusted: write_trust(tmp_path, own, certificate.certificate)
        )
        assert fetch_revision(url, "main", root).commit == repository[1]["second"]


def test_the_commit_is_described(server: GitServer, root: Path) -> None:
    facts = fetch_revision(server.url(), "main", root)
    assert (facts.revision, facts.message) == ("main", "second")
    assert facts.author is not None
    assert re.fullmatch(r".+ <.+@.+>", facts.author)
