"""git over ssh: what ssh is told, what it may read, and what no hostile address makes of it."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git import way as module
from buildandpush.source.git.fetch import fetch_revision
from buildandpush.source.git.ssh import Route, prepare_ssh
from buildandpush.source.git.sshkey import SshLogin
from buildandpush.source.git.way import Access, find_way, split_url
from buildandpush.source.report import SourceError
from tests.unit.source.git.fake_ssh import HOSTS, KEY, Seen, install_ssh
from tests.unit.source.git.git_server import make_repository

ORIGIN = "Secret 'git-key'"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git")
    make_repository(folder)
    return folder / "shop.git"


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    monkeypatch.setattr(module, "resolve_host", lambda host, port, rules: ["192.0.2.7", "192.0.2.8"])
    return install_ssh(tmp_path / "ssh", monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def access(**more: str) -> Access:
    return Access(ORIGIN, keys={"ssh-privatekey": KEY, "known_hosts": HOSTS, **more})


@pytest.mark.parametrize("form", ["ssh://git@git.invalid{}", "ssh://git@git.invalid:22{}", "git@git.invalid:{}"])
def test_both_forms_are_fetched(form: str, repository: Path, seen: Seen, root: Path) -> None:
    fetch_revision(form.format(repository), "main", root, access())
    assert "FROM scratch" in (root / "Dockerfile").read_text()
    assert "git@git.invalid" in seen.arguments


def test_a_commit_that_the_server_gives_by_its_branches_only_is_found_over_the_same_way(
    repository: Path, seen: Seen, root: Path
) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "main~1"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert fetch_revision(f"ssh://git@git.invalid{repository}", commit, root, access()).commit == commit


def test_the_key_is_read_from_memory_by_its_user_alone(repository: Path, seen: Seen, root: Path) -> None:
    fetch_revision(f"ssh://git@git.invalid{repository}", "main", root, access())
    assert seen.read("key") == KEY
    assert seen.read("mode") == "600\n"
    assert seen.read("hosts") == HOSTS
    assert seen.options["IdentityFile"].startswith("/proc/")


def test_the_key_stands_in_no_argument_no_variable_and_no_file(
    repository: Path, seen: Seen, root: Path, commands: list[list[str]]
) -> None:
    fetch_revision(f"ssh://git@git.invalid{repository}", "main", root, access(password="hunter-2-hunter"))
    told = [str(commands), seen.read("arguments"), seen.read("environment")]
    told += [path.read_text(errors="replace") for path in root.rglob("*") if path.is_file()]
    assert not [secret for secret in (KEY.splitlines()[1], "hunter-2-hunter") for text in told if secret in text]


def test_what_ssh_read_is_gone_with_the_way(seen: Seen) -> None:
    way = find_way(split_url("ssh://git@git.invalid/x"), access())
    held = [Path(part.partition("=")[2]) for part in way.environment["GIT_SSH_COMMAND"].split() if "=/proc/" in part]
    assert [path.read_text() for path in held] == [KEY, HOSTS]
    del way
    assert not [path for path in held if path.exists()]


def test_ssh_reads_nothing_of_the_machine_and_trusts_known_hosts_alone(
    repository: Path, seen: Seen, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    fetch_revision(f"ssh://git@git.invalid{repository}", "main", root, access())
    assert seen.arguments[:2] == ["-F", "/dev/null"]
    wanted = {
        "StrictHostKeyChecking": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
        "ConnectTimeout": "60",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    assert {name: seen.options[name] for name in wanted} == wanted
    assert "SSH_AUTH_SOCK" not in seen.read("environment")


def test_ssh_connects_to_the_checked_addresses(repository: Path, seen: Seen, root: Path) -> None:
    fetch_revision(f"ssh://git@git.invalid:2222{repository}", "main", root, access())
    assert seen.options["ProxyCommand"].endswith("tunnel.py git.invalid 2222 192.0.2.7 192.0.2.8")
    assert seen.options["ProxyUseFdpass"] == "yes"


def test_a_proxy_is_named_in_the_environment_alone(
    repository: Path, seen: Seen, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://ann:pw-of-proxy@proxy.invalid:3128")
    fetch_revision(f"ssh://git@git.invalid{repository}", "main", root, access())
    assert seen.options["ProxyCommand"].endswith("tunnel.py git.invalid 22")
    assert "pw-of-proxy" not in seen.read("arguments")
    assert "BUILDANDPUSH_PROXY=http://ann:pw-of-proxy@proxy.invalid:3128\n" in seen.read("environment")


def test_an_address_that_builds_may_not_fetch_from_is_refused() -> None:
    with pytest.raises(SourceError, match="may not fetch from") as caught:
        find_way(split_url("ssh://git@127.0.0.1/x.git"), access())
    assert caught.value.reason is Reason.SOURCE_INVALID


def test_every_host_key_is_taken_where_the_spec_says_so(repository: Path, seen: Seen, root: Path) -> None:
    keys = {"identity": KEY}
    fetch_revision(f"ssh://git@git.invalid{repository}", "main", root, Access(ORIGIN, keys=keys, ignore_host_key=True))
    assert seen.options["StrictHostKeyChecking"] == "no"
    assert seen.read("hosts") == ""


def test_ssh_may_ask_for_a_passphrase_and_gets_no_other_answer(seen: Seen) -> None:
    ssh = prepare_ssh(Route("git.invalid", 22, ("192.0.2.7",)), SshLogin(KEY, HOSTS, "open sesame"), ORIGIN)
    assert "BatchMode=no" in ssh.environment["GIT_SSH_COMMAND"]
    environment = {"PATH": os.environ["PATH"], **ssh.environment}
    asked = subprocess.run(
        [ssh.environment["SSH_ASKPASS"], "Enter it:"], env=environment, capture_output=True, check=True
    )
    assert asked.stdout == b"open sesame"


def test_a_user_without_a_name_gets_one_for_ssh(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    ssh = prepare_ssh(Route("git.invalid", 22, ("192.0.2.7",)), SshLogin(KEY, HOSTS), ORIGIN)
    command = ssh.environment["GIT_SSH_COMMAND"].split()
    assert command[:2] == ["env", "LD_PRELOAD=libnss_wrapper.so"]
    passwd = Path(command[2].removeprefix("NSS_WRAPPER_PASSWD="))
    assert passwd.read_text() == f"build:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n"
    assert command[4] == "ssh"


@pytest.mark.parametrize(
    ("url", "bare", "host", "port", "user"),
    [
        ("ssh://git@github.com/a/b.git", None, "github.com", 22, "git"),
        ("ssh://git@git.example:2222/a/b.git", None, "git.example", 2222, "git"),
        ("git@github.com:a/b.git", None, "github.com", 22, "git"),
        (" git@github.com:a/b.git\n", "git@github.com:a/b.git", "github.com", 22, "git"),
        ("git@ssh.dev.azure.com:v3/contoso/My%20Shop/web", None, "ssh.dev.azure.com", 22, "git"),
        (
            "git@ssh.dev.azure.com:v3/contoso/My Shop/web",
            "git@ssh.dev.azure.com:v3/contoso/My%20Shop/web",
            "ssh.dev.azure.com",
            22,
            "git",
        ),
        ("contoso@vs-ssh.visualstudio.com:v3/contoso/S/web", None, "vs-ssh.visualstudio.com", 22, "contoso"),
        ("ssh://git@git.example/my shop.git", "ssh://git@git.example/my%20shop.git", "git.example", 22, "git"),
        ("git@git.example:my shop.git", None, "git.example", 22, "git"),
    ],
)
def test_addresses_of_ssh(url: str, bare: str | None, host: str, port: int, user: str) -> None:
    server = split_url(url)
    assert (server.url, server.scheme) == (bare or url, "ssh")
    assert (server.host, server.port, server.user) == (host, port, user)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://-oProxyCommand=touch@git.invalid/x",
        "ssh://git@-oProxyCommand=touch/x",
        "-oProxyCommand=touch@git.invalid:x",
        "git@-oProxyCommand=touch:x",
        "git@git.invalid:-oProxyCommand=touch",
        "git@git.invalid:",
        "ssh://git@git.invalid",
        "ssh://git.invalid/x",
        "git.invalid:x",
        "ssh://git:password@git.invalid/x",
        "ssh://git@git.invalid:0/x",
        "ssh://git@git.invalid:65536/x",
        "ssh://git@git.invalid:99999999/x",
        "ssh://git@git.invalid:22:22/x",
        "ssh://$(id)@git.invalid/x",
        "ssh://git@git%2einvalid/x",
        "ssh://git@git.invalid/x\ny",
        "git@git.invalid:x\x00y",
        "ssh+git://git@git.invalid/x",
        "ext::sh -c touch",
    ],
)
def test_what_could_be_an_option_or_a_command_is_no_address(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        split_url(url)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["/$(touch bad)", "/`touch bad`", "/';touch bad;'", "/a b;touch bad", '/";touch bad', "/--upload-pack=touch"],
)
@pytest.mark.parametrize("form", ["ssh://git@git.invalid{}", "git@git.invalid:{}"])
def test_a_path_is_one_word_of_the_servers_shell(path: str, form: str, seen: Seen, root: Path) -> None:
    with pytest.raises(SourceError):
        fetch_revision(form.format(path), "main", root, access())
    assert "git@git.invalid" in seen.arguments
    assert not [found for folder in (seen.folder, root, Path.cwd()) for found in folder.glob("bad")]


def test_over_ssh_no_other_protocol_is_used(repository: Path, seen: Seen) -> None:
    way = find_way(split_url(f"ssh://git@git.invalid{repository}"), access())
    assert module.build_environment(way)["GIT_ALLOW_PROTOCOL"] == "ssh"


def test_a_password_is_no_key_and_a_key_is_no_password() -> None:
    with pytest.raises(SourceError, match="holds no ssh key, and an ssh url needs one") as caught:
        find_way(split_url("ssh://git@git.invalid/x"), Access(ORIGIN, keys={"password": "hunter-2-hunter"}))
    assert caught.value.reason is Reason.SOURCE_DENIED
    with pytest.raises(SourceError, match="holds an ssh key, which is no login for https") as caught:
        find_way(split_url("https://git.invalid/x"), access())
    assert caught.value.reason is Reason.SOURCE_DENIED


def test_the_keys_of_a_mounted_secret_are_read(tmp_path: Path, seen: Seen) -> None:
    (tmp_path / "ssh-privatekey").write_text(KEY)
    (tmp_path / "known_hosts").write_text(HOSTS)
    way = find_way(split_url("ssh://git@git.invalid/x"), Access(ORIGIN, tmp_path))
    assert way.ssh is not None
    assert Path(way.ssh.files[0].path).read_text() == KEY
