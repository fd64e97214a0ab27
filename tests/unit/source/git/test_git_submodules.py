"""Submodules: from where they may come, who sees the login, and where hostile ones end."""

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git import submodules, way
from buildandpush.source.git.fetch import fetch_git, fetch_wanted
from buildandpush.source.git.settingsfile import split_settings
from buildandpush.source.git.submodules import find_address, parse_urls
from buildandpush.source.git.wanted import parse_wanted
from buildandpush.source.git.way import Access, Server, split_url
from buildandpush.source.report import SourceError
from tests.unit.source.git.fake_ssh import HOSTS, KEY, install_ssh
from tests.unit.source.git.git_server import GitServer, git, serve_git
from tests.webserver import Certificate, make_certificate

LOGIN = f"Basic {base64.b64encode(b'ann:secret-word').decode()}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the repositories are. Any host is this machine, as no test may leave it."""
    monkeypatch.setattr(way, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    (tmp_path / "git").mkdir()
    return tmp_path / "git"


@pytest.fixture
def server(folder: Path) -> Iterator[GitServer]:
    with serve_git(folder) as running:
        yield running


def add_repository(
    folder: Path, name: str, files: dict[str, str], links: dict[str, str] | None = None, settings: str | None = None
) -> str:
    """A bare repository with files, and a link at each path to a commit; gives back its own commit. `settings` is what
    .gitmodules holds."""
    work = folder / f"{name}.work"
    git(folder, "init", "--quiet", str(work))
    for path, text in ({**files, ".gitmodules": settings} if settings is not None else files).items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    git(work, "add", "--all")
    for path, commit in (links or {}).items():
        git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    git(work, "commit", "--quiet", "--message", name)
    git(folder, "clone", "--quiet", "--bare", str(work), f"{name}.git")
    return git(work, "rev-parse", "HEAD")


def module(path: str, url: str, name: str = "") -> str:
    return f'[submodule "{name or path}"]\n\tpath = {path}\n\turl = {url}\n'


def fetch(server: GitServer, root: Path, **more: object) -> None:
    fetch_git({"url": server.url(), "submodules": True, **more}, root)


def refused(server: GitServer, root: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch(server, root)
    return caught.value


@pytest.mark.proves("source.git.submodules")
@pytest.mark.parametrize("keep", [False, True])
def test_submodules_and_theirs_are_checked_out(keep: bool, server: GitServer, root: Path) -> None:
    deep = add_repository(server.folder, "deep", {"deep.txt": "deep"})
    old = add_repository(
        server.folder, "lib", {"old.txt": "old", "more/a": ""}, {"in/deep": deep}, module("in/deep", "../deep.git")
    )
    git(server.folder / "lib.work", "rm", "--quiet", "old.txt")
    git(server.folder / "lib.work", "commit", "--quiet", "--message", "newer")
    git(server.folder / "lib.work", "push", "--quiet", str(server.folder / "lib.git"), "main")
    settings = module("libs/one", "../lib.git") + module("two", f"{server.url()[: -len('/shop.git')]}/lib.git/", "../x")
    add_repository(server.folder, "shop", {"Dockerfile": ""}, {"libs/one": old, "two": old}, settings)
    fetch(server, root, keepGitDir=keep)
    assert (root / "libs/one/old.txt").read_text() == "old"
    assert (root / "two/in/deep/deep.txt").read_text() == "deep"
    kept = sorted(str(path.parent.relative_to(root)) for path in root.rglob(".git"))
    assert kept == ([".", "libs/one", "libs/one/in/deep", "two", "two/in/deep"] if keep else [])


def test_they_are_left_out_unless_they_are_asked_for(server: GitServer, root: Path) -> None:
    lib = add_repository(server.folder, "lib", {"a": ""})
    add_repository(server.folder, "shop", {"Dockerfile": ""}, {"lib": lib}, module("lib", "../lib.git"))
    facts = fetch_git({"url": server.url()}, root)
    assert facts.empty_submodules == ("lib",)
    assert list((root / "lib").iterdir()) == []
    assert not [path for path in server.paths if "lib" in path]


def test_a_folder_that_is_not_checked_out_has_no_submodules(server: GitServer, root: Path) -> None:
    lib = add_repository(server.folder, "lib", {"a": "a"})
    settings = module("web/lib", "../lib.git") + module("docs/lib", "https://elsewhere.invalid/x.git")
    links = {"web/lib": lib, "docs/lib": lib}
    add_repository(server.folder, "shop", {"web/a": "", "docs/a": ""}, links, settings)
    fetch(server, root, paths=["web"])
    assert (root / "web/lib/a").read_text() == "a"
    assert not (root / "docs").exists()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path, "DNS:git.invalid,DNS:other.invalid")


@pytest.fixture
def access(tmp_path: Path, certificate: Certificate) -> Access:
    (tmp_path / "login").mkdir()
    (tmp_path / "login" / "username").write_text("ann")
    (tmp_path / "login" / "password").write_text("secret-word")
    return Access("Secret 'git-login'", tmp_path / "login", certificate.certificate.read_text())


@pytest.mark.parametrize(
    ("host", "elsewhere", "seen"),
    [("git.invalid", False, {LOGIN}), ("other.invalid", False, {""}), ("git.invalid", True, {""})],
)
def test_the_login_goes_to_the_first_host_and_port_alone(
    host: str, elsewhere: bool, seen: set[str], folder: Path, certificate: Certificate, access: Access, root: Path
) -> None:
    (folder / "there").mkdir()
    lib = add_repository(folder / "there", "lib", {"a": "a"})
    with serve_git(folder, certificate) as server, serve_git(folder, certificate) as other:
        server.wanted = LOGIN if seen == {LOGIN} else ""
        there = other if elsewhere else server
        url = f"https://{host}:{there.port}/there/lib.git"
        add_repository(folder, "shop", {"Dockerfile": ""}, {"lib": lib}, module("lib", url))
        wanted = parse_wanted({"submodules": True})
        fetch_wanted(f"https://git.invalid:{server.port}/shop.git", wanted, root, access)
        asked = zip(there.paths, there.seen, strict=True)
        assert {header for path, header in asked if "/lib.git" in path} == seen
    assert (root / "lib/a").read_text() == "a"


def test_a_submodule_that_wants_a_login_of_its_own_is_told_with_its_place(
    folder: Path, certificate: Certificate, access: Access, root: Path
) -> None:
    with serve_git(folder, certificate) as server, serve_git(folder, certificate) as other:
        other.wanted = "Basic x"
        settings = module("libs/a", f"https://other.invalid:{other.port}/lib.git")
        add_repository(folder, "shop", {"Dockerfile": ""}, {"libs/a": "a" * 40}, settings)
        with pytest.raises(
            SourceError, match="submodule 'libs/a': git: .*the login of source.git goes to git.invalid alone"
        ) as caught:
            fetch_wanted(
                f"https://git.invalid:{server.port}/shop.git", parse_wanted({"submodules": True}), root, access
            )
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert "secret-word" not in str(caught.value)


def test_each_address_is_checked_like_the_first(server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, _: object) -> list[str]:
        if host != "git.invalid":
            raise SourceError(
                Reason.SOURCE_INVALID, f"host {host!r} is 169.254.169.254, which builds may not fetch from"
            )
        return ["127.0.0.1"]

    monkeypatch.setattr(way, "resolve_host", resolve)
    add_repository(server.folder, "shop", {"a": ""}, {"lib": "a" * 40}, module("lib", "http://metadata.invalid/x.git"))
    error = refused(server, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert "submodule 'lib': host 'metadata.invalid' is 169.254.169.254" in str(error)


@pytest.mark.parametrize(
    ("allowed", "fits"), [([], True), (["git.invalid"], True), (["*.invalid"], True), (["other.invalid"], False)]
)
def test_a_host_that_the_installer_does_not_allow_is_not_asked(
    allowed: list[str], fits: bool, server: GitServer, root: Path
) -> None:
    lib = add_repository(server.folder, "lib", {"a": "a"})
    add_repository(server.folder, "shop", {"a": ""}, {"lib": lib}, module("lib", server.url().replace("shop", "lib")))
    if fits:
        fetch(server, root, allowedHosts=allowed)
        return
    with pytest.raises(SourceError, match="git.allowedHosts of the chart"):
        fetch(server, root, allowedHosts=allowed)
    assert not [path for path in server.paths if "/lib.git" in path]


def test_a_redirect_of_a_submodule_is_not_followed(folder: Path, server: GitServer, root: Path) -> None:
    with serve_git(folder) as moved:
        moved.location = f"http://git.invalid:{server.port}"
        add_repository(
            folder, "shop", {"a": ""}, {"lib": "a" * 40}, module("lib", f"http://git.invalid:{moved.port}/x.git")
        )
        assert refused(server, root).reason is Reason.SOURCE_MOVED


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, "submodule 'lib' has no url in .gitmodules"),
        ("", "submodule 'lib' has no url"),
        ('[submodule "x"]\n\tpath = lib\n', "submodule 'lib' has no url"),
        ("[submodule", "bad config"),
        (module("lib", "file:///etc"), "is no address that is fetched from"),
        (module("lib", "/etc"), "is no address that is fetched from"),
        (module("lib", "lib.git"), "is no address that is fetched from"),
        (module("lib", "ext::sh -c touch% pwned"), "is no address that is fetched from"),
        (module("lib", "-u./pwned"), "is no address that is fetched from"),
        (module("lib", "--upload-pack=touch pwned"), "is no address that is fetched from"),
        (module("lib", "fd::17"), "is no address that is fetched from"),
        (module("lib", "git://git.invalid/lib.git"), "is no address that is fetched from"),
        (module("lib", "git@elsewhere.invalid:a/lib.git"), "elsewhere.invalid"),
        (module("lib", "ssh://-oProxyCommand=touch%20pwned/x"), "oProxyCommand"),
        (module("lib", "../../lib.git"), "leads above the root of the server"),
        (module("lib", "../a/../../lib.git"), "in its middle"),
        (module("lib", "https://ann:hunter22@git.invalid/lib.git"), "without a login"),
        (module("lib", "http://127.0.0.1%2f.invalid/x"), "no plain host name"),
        (module("lib", "../nothing.git"), "not found"),
    ],
)  # fmt: skip
def test_what_is_no_submodule_to_fetch_is_told(settings: str | None, words: str, server: GitServer, root: Path) -> None:
    add_repository(server.folder, "shop", {"Dockerfile": ""}, {"lib": "a" * 40}, settings)
    error = refused(server, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert words in str(error)
    assert "hunter22" not in str(error)
    assert not list(root.rglob("pwned"))


@pytest.mark.parametrize("name", ["../../../x", "..", "-x", "a/../b", "/etc", ".git", "x\\\\..\\\\y"])
@pytest.mark.parametrize(
    "setting", ["", "\tupdate = !touch pwned\n", "\tignore = all\n\tfetchRecurseSubmodules = no\n"]
)
def test_a_hostile_name_or_setting_says_nothing(name: str, setting: str, server: GitServer, root: Path) -> None:
    lib = add_repository(server.folder, "lib", {"a": "a", "hooks/post-checkout": "#!/bin/sh\ntouch pwned\n"})
    before = set(root.parent.iterdir())
    settings = module("lib", "../lib.git", name) + setting + "[core]\n\thooksPath = lib/hooks\n"
    add_repository(server.folder, "shop", {"Dockerfile": ""}, {"lib": lib}, settings)
    fetch(server, root, keepGitDir=True)
    assert (root / "lib/a").read_text() == "a"
    assert sorted(os.listdir(root)) == [".git", ".gitmodules", "Dockerfile", "lib"]
    assert set(root.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("mode", "kind", "name"),
    [
        ("120000", "blob", ".gitmodules"),
        ("100644", "blob", ".git"),
        ("100644", "blob", ".."),
        ("040000", "tree", ".git"),
    ],
)
def test_a_tree_that_no_git_would_make_is_not_checked_out(
    mode: str, kind: str, name: str, server: GitServer, root: Path
) -> None:
    lib = add_repository(server.folder, "lib", {"a": "a"})
    add_repository(server.folder, "shop", {"a": ""}, {"lib": lib})
    bare = server.folder / "shop.git"
    entry = f"{mode} {kind} {git(bare, 'rev-parse', 'HEAD:a' if kind == 'blob' else 'HEAD^{tree}')}\t{name}\n"
    tree = subprocess.run(["git", "mktree"], cwd=bare, input=entry, text=True, capture_output=True, check=True)
    commit = git(bare, "commit-tree", "-m", "hostile", tree.stdout.strip())
    git(bare, "update-ref", "refs/heads/main", commit)
    error = refused(server, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert f"invalid path '{name}" in str(error)


def test_a_commit_that_a_submodule_does_not_have_is_told(server: GitServer, root: Path) -> None:
    add_repository(server.folder, "lib", {"a": "a"})
    add_repository(server.folder, "shop", {"a": ""}, {"lib": "a" * 40}, module("lib", "../lib.git"))
    error = refused(server, root)
    assert error.reason is Reason.REVISION_NOT_FOUND
    assert "submodule 'lib'" in str(error)
    assert "push this commit of the submodule" in str(error)


@pytest.mark.parametrize(("most", "deepest", "fits"), [(2, 8, True), (1, 8, False), (8, 2, True), (8, 1, False)])
def test_their_number_and_depth_are_bounded(
    most: int, deepest: int, fits: bool, server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submodules, "MOST", most)
    monkeypatch.setattr(submodules, "DEEPEST", deepest)
    deep = add_repository(server.folder, "deep", {"a": "a"})
    lib = add_repository(server.folder, "lib", {"a": "a"}, {"deep": deep}, module("deep", "../deep.git"))
    add_repository(server.folder, "shop", {"a": ""}, {"lib": lib}, module("lib", "../lib.git"))
    if fits:
        fetch(server, root)
        assert (root / "lib/deep/a").exists()
    else:
        assert refused(server, root).reason is Reason.SOURCE_TOO_LARGE


@pytest.mark.parametrize(
    ("parent", "url", "address"),
    [
        ("https://h.example/a/shop.git", "../lib.git", "https://h.example/a/lib.git"),
        ("https://h.example/a/shop.git/", "../lib.git", "https://h.example/a/lib.git"),
        ("https://h.example/a/shop.git", "../../b/lib.git", "https://h.example/b/lib.git"),
        ("https://h.example/a/shop.git", "./lib.git", "https://h.example/a/shop.git/lib.git"),
        ("https://h.example/shop.git", "../lib.git", "https://h.example/lib.git"),
        ("https://h.example:8443/a/shop", "git@h.example:b/lib.git", "https://h.example:8443/b/lib.git"),
        ("https://h.example/a/shop", "ssh://git@h.example:2222/b/lib.git", "https://h.example/b/lib.git"),
        ("https://h.example/a/shop", "H.example:b/lib.git", "https://h.example/b/lib.git"),
        ("https://h.example/a/shop", "git@other.example:b/lib.git", "git@other.example:b/lib.git"),
        ("https://h.example/a/shop", "http://other.example/lib", "http://other.example/lib"),
        ("git@h.example:a/shop.git", "../lib.git", "git@h.example:a/lib.git"),
        ("git@h.example:shop.git", "../lib.git", "git@h.example:lib.git"),
        ("ssh://git@h.example:22/a/shop.git", "../lib.git", "ssh://git@h.example:22/a/lib.git"),
        ("ssh://git@h.example/a/shop.git", "git@h.example:b/lib.git", "git@h.example:b/lib.git"),
    ],
)
def test_address(parent: str, url: str, address: str) -> None:
    over_http = parent.startswith("http")
    server = split_url(parent) if over_http else Server(parent, "ssh", "h.example", 22, "git")
    assert find_address(url, server) == address


def test_the_last_of_two_settings_counts_as_in_git() -> None:
    told = "submodule.a.b.path\nlib\0submodule.a.b.url\nfirst\0submodule.a.b.url\nlast\0core.bare\0submodule.c.url\nx\0"
    assert parse_urls(split_settings(told)) == {"lib": "last"}


@pytest.mark.parametrize("form", ["../lib.git", "git@git.invalid:{}/lib.git", "ssh://git@git.invalid{}/lib.git"])
def test_over_ssh_the_key_serves_submodules_on_the_same_host(
    form: str, folder: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_ssh(tmp_path / "ssh", monkeypatch)
    lib = add_repository(folder, "lib", {"lib.txt": "lib"})
    add_repository(folder, "shop", {"Dockerfile": ""}, {"lib": lib}, module("lib", form.format(folder)))
    access = Access("Secret 'git-key'", keys={"ssh-privatekey": KEY, "known_hosts": HOSTS})
    wanted = parse_wanted({"submodules": True})
    fetch_wanted(f"ssh://git@git.invalid{folder}/shop.git", wanted, root, access)
    assert (root / "lib/lib.txt").read_text() == "lib"


@pytest.mark.parametrize("url", ["git@other.invalid:lib.git", "ssh://git@git.invalid:2222/lib.git"])
def test_the_key_goes_to_no_other_server(
    url: str, folder: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = install_ssh(tmp_path / "ssh", monkeypatch)
    add_repository(folder, "shop", {"Dockerfile": ""}, {"lib": "1" * 40}, module("lib", url))
    access = Access("Secret 'git-key'", keys={"ssh-privatekey": KEY, "known_hosts": HOSTS})
    with pytest.raises(SourceError, match=r"needs a key, and the login goes to git\.invalid alone"):
        fetch_wanted(f"ssh://git@git.invalid{folder}/shop.git", parse_wanted({"submodules": True}), root, access)
    assert "git@git.invalid" in seen.arguments
