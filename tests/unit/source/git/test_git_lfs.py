"""Git LFS: which files come, from where, and who sees the login."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.git import way
from buildandpush.source.git.fetch import fetch_git, fetch_wanted
from buildandpush.source.git.lfs import find_lfs_url, read_headers
from buildandpush.source.git.lfspointer import parse_pointer
from buildandpush.source.git.wanted import parse_wanted
from buildandpush.source.git.way import Access
from buildandpush.source.network import connection
from buildandpush.source.report import SourceError
from tests.unit.source.git.git_server import GitServer, git, serve_git
from tests.webserver import Certificate, make_certificate

LOGIN = f"Basic {base64.b64encode(b'ann:secret-word').decode()}"
LARGE = b"\0weights" * 100_000
ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the repositories are. Any host is this machine, as no test may leave it."""
    monkeypatch.setattr(way, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    monkeypatch.setattr(connection, "resolve_host", lambda *_: ["127.0.0.1"])
    (tmp_path / "git").mkdir()
    return tmp_path / "git"


@pytest.fixture
def server(folder: Path) -> Iterator[GitServer]:
    with serve_git(folder) as running:
        yield running


def pointer(content: bytes, *, size: int | None = None, more: str = "") -> str:
    oid = hashlib.sha256(content).hexdigest()
    wanted = len(content) if size is None else size
    return f"version https://git-lfs.github.com/spec/v1\n{more}oid sha256:{oid}\nsize {wanted}\n"


def add_repository(folder: Path, files: dict[str, str], name: str = "shop") -> str:
    work = folder / f"{name}.work"
    git(folder, "init", "--quiet", str(work))
    for path, text in {".gitattributes": ATTRIBUTES, **files}.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    if (work / "run.bin").exists():
        (work / "run.bin").chmod(0o755)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", name)
    git(folder, "clone", "--quiet", "--bare", str(work), f"{name}.git")
    return git(work, "rev-parse", "HEAD")


def keep(server: GitServer, *contents: bytes) -> None:
    server.lfs.objects |= {hashlib.sha256(content).hexdigest(): content for content in contents}


def fetch(server: GitServer, root: Path, limits: SourceLimits | None = None, **more: Any) -> None:
    fetch_git({"url": server.url(), "lfs": True, **more}, root, limits or SourceLimits())


def refused(server: GitServer, root: Path, limits: SourceLimits | None = None, **more: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch(server, root, limits, **more)
    assert "hunter22" not in str(caught.value)
    return caught.value


@pytest.mark.proves("source.git.lfs")
def test_files_take_the_place_of_their_pointers(server: GitServer, root: Path) -> None:
    keep(server, LARGE, b"small", b"")
    files = {
        "a.bin": pointer(LARGE),
        "b c/ü.bin": pointer(LARGE),
        "run.bin": pointer(b"small"),
        "none.bin": pointer(b""),
    }
    others = {"plain.bin": "no pointer", "text": pointer(b"not of Git LFS")}
    add_repository(server.folder, {**files, **others})
    fetch(server, root)
    assert (root / "a.bin").read_bytes() == (root / "b c/ü.bin").read_bytes() == LARGE
    assert (root / "run.bin").read_bytes() == b"small"
    assert (root / "run.bin").stat().st_mode & 0o111
    assert (root / "none.bin").read_bytes() == b""
    assert (root / "plain.bin").read_text() == "no pointer"
    assert (root / "text").read_text() == others["text"]
    assert len(server.lfs.downloads) == 3, "an object that two files have is downloaded once"
    assert {item.name for item in root.iterdir()} == {".gitattributes", "b c", "none.bin", *files, *others} - {
        "b c/ü.bin"
    }


def test_pointers_stay_unless_the_files_are_asked_for(server: GitServer, root: Path) -> None:
    add_repository(server.folder, {"a.bin": pointer(LARGE)})
    fetch(server, root, lfs=False)
    assert (root / "a.bin").read_text() == pointer(LARGE)
    assert server.lfs.batches == []


def test_many_objects_are_asked_for_a_hundred_at_a_time(server: GitServer, root: Path) -> None:
    contents = [b"%d" % number for number in range(201)]
    keep(server, *contents)
    add_repository(server.folder, {f"{number}.bin": pointer(content) for number, content in enumerate(contents)})
    fetch(server, root)
    assert [len(batch["objects"]) for batch in server.lfs.batches] == [100, 100, 1]
    assert (root / "200.bin").read_bytes() == b"200"


def test_a_folder_that_is_not_checked_out_has_no_files_to_fetch(server: GitServer, root: Path) -> None:
    keep(server, b"a")
    add_repository(server.folder, {"web/a.bin": pointer(b"a"), "docs/b.bin": pointer(b"b")})
    fetch(server, root, paths=["web"])
    assert (root / "web/a.bin").read_bytes() == b"a"


def test_submodules_have_theirs(server: GitServer, root: Path) -> None:
    keep(server, b"a")
    lib = add_repository(server.folder, {"a.bin": pointer(b"a")}, "lib")
    work = server.folder / "shop.work"
    add_repository(server.folder, {".gitmodules": '[submodule "x"]\n\tpath = lib\n\turl = ../lib.git\n'})
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{lib},lib")
    git(work, "commit", "--quiet", "--message", "link")
    git(work, "push", "--quiet", str(server.folder / "shop.git"), "main")
    fetch(server, root, submodules=True)
    assert (root / "lib/a.bin").read_bytes() == b"a"
    assert "/lib.git/info/lfs/objects/batch" in server.paths


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
    ("config", "base", "header", "seen"),
    [
        ("", "", {}, (LOGIN, LOGIN)),
        ("", "", {"Authorization": "Bearer of-the-answer"}, (LOGIN, "Bearer of-the-answer")),
        ("", "other", {}, (LOGIN, "")),
        ("", "other", {"x-ms-blob": "yes", "Host": "evil.invalid"}, (LOGIN, "")),
        ("same", "", {}, (LOGIN, LOGIN)),
        ("other", "", {}, ("", "")),
        ("other", "same", {}, ("", "")),
    ],
)
def test_the_login_goes_to_the_repositorys_own_host_alone(
    config: str, base: str, header: dict[str, str], seen: tuple[str, str],
    folder: Path, certificate: Certificate, access: Access, root: Path,
) -> None:  # fmt: skip
    """Neither .lfsconfig nor the server's answer lead it elsewhere."""
    with serve_git(folder, certificate) as server, serve_git(folder, certificate) as other:
        places = {"same": f"https://git.invalid:{server.port}", "other": f"https://other.invalid:{other.port}"}
        server.wanted = LOGIN
        store = other if config == "other" else server
        for each in (server, other):
            keep(each, LARGE)
        store.lfs.base, store.lfs.header = places.get(base, ""), header
        files = {".lfsconfig": f"[lfs]\n\turl = {places[config]}/shop.git/info/lfs\n"} if config else {}
        add_repository(folder, {"a.bin": pointer(LARGE), **files})
        fetch_wanted(f"{places['same']}/shop.git", parse_wanted({"lfs": True}), root, access)
        asked = [*zip(server.paths, server.seen, strict=True), *zip(other.paths, other.seen, strict=True)]
        assert {each for path, each in asked if path.endswith("/batch")} == {seen[0]}
        (download,) = [*server.lfs.downloads, *other.lfs.downloads]
    assert download.get("authorization", "") == seen[1]
    assert "evil.invalid" not in download["host"]
    assert download.get("x-ms-blob") == header.get("x-ms-blob")
    assert (root / "a.bin").read_bytes() == LARGE


def test_a_wrong_login_and_the_servers_words_are_told_without_it(
    folder: Path, certificate: Certificate, access: Access, root: Path
) -> None:
    with serve_git(folder, certificate) as server:
        add_repository(folder, {"a.bin": pointer(LARGE)})
        server.lfs.status, server.lfs.answer = 403, {"message": f"no rights for {LOGIN} (ann:secret-word)"}
        with pytest.raises(SourceError, match="answers 403: no rights for") as caught:
            fetch_wanted(f"https://git.invalid:{server.port}/shop.git", parse_wanted({"lfs": True}), root, access)
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert "secret-word" not in str(caught.value)
    assert LOGIN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.SOURCE_DENIED),
        (404, Reason.SOURCE_INVALID),
        (301, Reason.SOURCE_MOVED),
        (429, Reason.SOURCE_THROTTLED),
        (500, Reason.SOURCE_UNREACHABLE),
        (503, Reason.SOURCE_UNREACHABLE),
    ],
)
def test_a_server_without_an_answer_is_understood(status: int, reason: Reason, server: GitServer, root: Path) -> None:
    add_repository(server.folder, {"a.bin": pointer(LARGE)})
    server.lfs.status = status
    error = refused(server, root)
    assert error.reason is reason
    assert f"/shop.git/info/lfs answers {status}" in str(error)


def action(**more: Any) -> dict[str, Any]:
    return {"objects": [{"oid": hashlib.sha256(LARGE).hexdigest(), "size": 1, **more}]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "names no download for the object"),
        ({"objects": 1}, "names no download"),
        ({"objects": [1, {"oid": {}}]}, "names no download"),
        (action(actions=1), "names no download"),
        (action(actions={"download": {"href": 1}}), "names no download"),
        (action(error={"code": 410, "message": "gone"}), "'a.bin': the LFS server has no object"),
        (action(error={"code": "x"}), "'a.bin': the LFS server has no object"),
        (action(actions={"download": {"href": "file:///etc/passwd"}}), "no https address"),
        (action(actions={"download": {"href": "https://u:p@git.invalid/x"}}), "without a login"),
        (action(actions={"download": {"href": "https://h%2e/x"}}), "no plain host name"),
        (action(actions={"download": {"href": "http://git.invalid/x", "header": 1}}), "headers that are none"),
        (action(actions={"download": {"href": "http://git.invalid/x", "header": {"a\r\nb": "x"}}}), "a header that no"),
        (action(actions={"download": {"href": "http://git.invalid/x", "header": {"a": "x\r\ny"}}}), "a header that no"),
    ],
)
def test_an_answer_that_is_none_is_told(answer: dict[str, Any], words: str, server: GitServer, root: Path) -> None:
    add_repository(server.folder, {"a.bin": pointer(LARGE)})
    server.lfs.answer = answer
    error = refused(server, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert "a.bin" in str(error)
    assert words in str(error)


def test_an_object_that_is_not_there_is_named_with_its_file(server: GitServer, root: Path) -> None:
    add_repository(server.folder, {"models/a.bin": pointer(LARGE)})
    error = refused(server, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert f"'models/a.bin': the LFS server has no object {hashlib.sha256(LARGE).hexdigest()}" in str(error)


@pytest.mark.parametrize("sent", [b"another", LARGE + b"x", LARGE[:-1], b""])
def test_content_that_is_not_the_pointers_is_not_built(sent: bytes, server: GitServer, root: Path) -> None:
    server.lfs.objects[hashlib.sha256(LARGE).hexdigest()] = sent
    add_repository(server.folder, {"a.bin": pointer(LARGE)})
    refused(server, root)
    assert (root / "a.bin").read_text() == pointer(LARGE)


def test_each_address_of_an_answer_is_checked(server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, *_: object) -> list[str]:
        if host == "metadata.invalid":
            raise SourceError(Reason.SOURCE_INVALID, f"host {host!r} is 169.254.169.254")
        return ["127.0.0.1"]

    monkeypatch.setattr(connection, "resolve_host", resolve)
    keep(server, LARGE)
    server.lfs.base = "http://metadata.invalid:80"
    add_repository(server.folder, {"a.bin": pointer(LARGE)})
    assert "'a.bin' of Git LFS: host 'metadata.invalid' is 169.254.169.254" in str(refused(server, root))
    config = "[lfs]\n\turl = http://metadata.invalid/x\n"
    add_repository(server.folder, {"a.bin": pointer(LARGE), ".lfsconfig": config}, "second")
    (root.parent / "second").mkdir()
    error = refused(server, root.parent / "second", url=server.url().replace("shop", "second"))
    assert "host 'metadata.invalid' is 169.254.169.254" in str(error)


def test_a_host_that_the_installer_does_not_allow_is_not_asked(server: GitServer, root: Path) -> None:
    config = f"[lfs]\n\turl = http://other.invalid:{server.port}/shop.git/info/lfs\n"
    add_repository(server.folder, {"a.bin": pointer(LARGE), ".lfsconfig": config})
    assert "git.allowedHosts of the chart" in str(refused(server, root, allowedHosts=["git.invalid"]))
    assert server.lfs.batches == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (SourceLimits(max_bytes=100), "the limit source.maxBytes"),
        (SourceLimits(max_files=1), "the limit source.maxFiles"),
    ],
)
def test_the_installers_limits_hold(limits: SourceLimits, words: str, server: GitServer, root: Path) -> None:
    add_repository(server.folder, {"a.bin": pointer(LARGE), "b.bin": pointer(b"b")})
    error = refused(server, root, limits)
    assert error.reason is Reason.SOURCE_TOO_LARGE
    assert words in str(error)
    assert server.lfs.batches == []


def test_pointers_to_one_object_have_one_size(server: GitServer, root: Path) -> None:
    """Each gets a copy of the object, and the limit counts what the pointers say."""
    add_repository(server.folder, {"a.bin": pointer(LARGE), "b.bin": pointer(LARGE, size=0)})
    keep(server, LARGE)
    error = refused(server, root)
    assert error.reason is Reason.SOURCE_INVALID
    assert "'b.bin' of Git LFS says 0 bytes of an object of which 'a.bin' says" in str(error)
    assert server.lfs.batches == []


@pytest.mark.parametrize(
    "text",
    [pointer(LARGE, more="ext-0-foo sha256:x\n"), pointer(LARGE).replace("sha256", "md5"), pointer(LARGE, size=10**16)],
)
def test_a_pointer_that_cannot_be_followed_is_told(text: str) -> None:
    with pytest.raises(SourceError, match="of a kind that cannot be followed"):
        parse_pointer("a.bin", text.encode())


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://h.example/a/shop", "https://h.example/a/shop.git/info/lfs"),
        ("https://h.example/a/shop/", "https://h.example/a/shop.git/info/lfs"),
        ("https://h.example/a/shop.git", "https://h.example/a/shop.git/info/lfs"),
    ],
)
def test_where_the_server_is(url: str, found: str) -> None:
    assert find_lfs_url(url) == found


def test_headers_that_connections_need_are_not_the_servers_to_say() -> None:
    assert read_headers({"HOST": "x", "Content-Length": "1", "x-a": "b"}) == {"x-a": "b"}
    assert read_headers(None) == {}
