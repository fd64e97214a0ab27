"""What git servers are asked for, by a real git and a real server."""

import asyncio
import base64
import contextlib
import ctypes
import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildandpush.api.addresses import AddressRules, parse_networks
from buildandpush.api.reasons import Reason
from buildandpush.clients.git import process as gitprocess
from buildandpush.clients.git import remote as gitremote
from buildandpush.clients.git import scratch
from buildandpush.clients.git.lookups import UnendedError
from buildandpush.clients.git.remote import GitLogin, GitRemote
from buildandpush.core.facts import Commit, GitRevision
from buildandpush.source.git import way
from buildandpush.source.network import connection
from buildandpush.source.report import SourceError
from devcluster.machine.process import parse_stat
from tests.github import GitHub, Reply
from tests.pinned import InsideRules
from tests.unit.source.git.fake_ssh import HOSTS, KEY, install_ssh
from tests.unit.source.git.git_server import GitServer, git, make_repository, serve_git
from tests.webserver import make_certificate

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@pytest.fixture(autouse=True)
def heir() -> Iterator[None]:
    """This process inherits what its children leave behind, as process 1 of a container does. Nothing may be left."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    left = _find_left()
    for process in left:
        os.waitpid(process, 0)
    assert prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0
    assert left == {}


def _find_left() -> dict[int, str]:
    """Numbers and names of the ended processes that nobody has waited for, even a while later."""
    for _ in range(100):
        left = _find_ended()
        if not left:
            break
        time.sleep(0.02)
    return left


def _find_ended() -> dict[int, str]:
    ended = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent, *_ = parse_stat((folder / "stat").read_text())
            if (state, parent) == ("Z", os.getpid()):
                ended[int(folder.name)] = (folder / "comm").read_text().strip()
    return ended


class Told:
    """Whether everybody may learn how hosts answer."""

    def __init__(self, told: bool) -> None:
        self.told = told
        self._inside: set[str] = set()

    async def may_tell(self, host: str) -> bool:
        return self.told and host not in self._inside

    def note_inside(self, host: str) -> None:
        self._inside.add(host)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with shop.git in it, and its commits."""
    folder = tmp_path_factory.mktemp("git")
    commits = make_repository(folder)
    work = folder / "work"
    for name in ("web/app", "api/app", "web/text"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("1\n")
    commits |= {"third": _commit(work, "third")}
    (work / "api/app").write_text("2\n")
    commits |= {"fourth": _commit(work, "fourth\n\nIn more words.")}
    git(work, "push", "--quiet", str(folder / "shop.git"), "main", "main:refs/pull/7/head")
    for branch, name in (("fix#1(ü)+c++@work", "first"), ("20241101", "first"), ("both", "fourth")):
        git(folder / "shop.git", "branch", branch, commits[name])
    git(folder / "shop.git", "tag", "both", commits["first"])
    return folder, commits


def _commit(work: Path, message: str) -> str:
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", message)
    return git(work, "rev-parse", "HEAD")


@pytest.fixture
def commits(repository: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return repository[1]


@pytest.fixture(params=[True, False], ids=["filters", "no filters"])
def filters(request: pytest.FixtureRequest, repository: tuple[Path, dict[str, str]]) -> bool:
    """Whether the server sends a part of a commit's objects alone."""
    git(repository[0] / "shop.git", "config", "uploadpack.allowFilter", str(request.param).lower())
    return bool(request.param)


@pytest.fixture
def server(
    repository: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[GitServer]:
    """The server. Every host is this machine, since no test may leave it."""
    monkeypatch.setattr(way, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serve_git(repository[0]) as running:
        yield running
    assert os.listdir(tmp_path) == [], "nothing stays of a question"


@pytest.fixture
def remote() -> GitRemote:
    return GitRemote(Told(True), AddressRules())


async def refused(remote: GitRemote, url: str, revision: str = "main", login: GitLogin | None = None) -> SourceError:
    """How the question was refused."""
    with pytest.raises(SourceError) as caught:
        await remote.find_commit(GitRevision(url, revision), login, details=False)
    return caught.value


@pytest.mark.parametrize(
    ("revision", "commit", "ref"),
    [
        ("", "fourth", "refs/heads/main"),
        ("HEAD", "fourth", "refs/heads/main"),
        ("heads/main", "fourth", "refs/heads/main"),
        ("fix#1(ü)+c++@work", "first", "refs/heads/fix#1(ü)+c++@work"),
        ("20241101", "first", "refs/heads/20241101"),
        ("both", "first", "refs/tags/both"),
        ("refs/heads/both", "fourth", "refs/heads/both"),
        ("main", "fourth", "refs/heads/main"),
        ("feature/x", "first", "refs/heads/feature/x"),
        ("refs/heads/main", "fourth", "refs/heads/main"),
        ("v1", "first", "refs/tags/v1"),
        ("v2", "first", "refs/tags/v2"),
        ("tags/v2", "first", "refs/tags/v2"),
        ("refs/pull/7/head", "fourth", "refs/pull/7/head"),
        ("pull/7/head", "fourth", "refs/pull/7/head"),
    ],
)
async def test_a_revision_is_at_its_commit(
    server: GitServer, remote: GitRemote, commits: dict[str, str], revision: str, commit: str, ref: str
) -> None:
    found = await remote.find_commit(GitRevision(server.url(), revision), None, details=False)
    assert found == Commit(commits[commit], ref)


async def test_a_commits_id_needs_no_question(server: GitServer, remote: GitRemote) -> None:
    assert await remote.find_commit(GitRevision(server.url(), "a" * 40), None, details=False) == Commit("a" * 40)
    assert server.paths == []


@pytest.mark.usefixtures("filters")
@pytest.mark.parametrize("revision", ["main", "fourth"])
async def test_author_and_message_come_from_the_commit_itself(
    server: GitServer, remote: GitRemote, commits: dict[str, str], revision: str
) -> None:
    at = GitRevision(server.url(), commits.get(revision, revision))
    found = await remote.find_commit(at, None, details=True)
    assert (found.commit, found.author, found.message) == (commits["fourth"], "t <t@example.com>", "fourth")


async def test_a_branch_that_moves_in_between_changes_nothing(
    server: GitServer, remote: GitRemote, commits: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = server.folder / "shop.git"
    git(bare, "branch", "--force", "moving", commits["third"])
    run = gitprocess._run

    async def move(found: way.Way, folder: Path, arguments: tuple[str, ...], memory: int) -> tuple[int, str, str]:
        if arguments[0] == "fetch":
            git(bare, "branch", "--force", "moving", commits["fourth"])
        return await run(found, folder, arguments, memory)

    monkeypatch.setattr(gitprocess, "_run", move)
    found = await remote.find_commit(GitRevision(server.url(), "moving"), None, details=True)
    assert (found.commit, found.message) == (commits["third"], "third")


async def test_a_repository_with_longer_ids(server: GitServer, remote: GitRemote) -> None:
    work, name = server.folder / "long", "long.git"
    if not work.exists():
        work.mkdir()
        git(work, "init", "--quiet", "--object-format=sha256")
        (work / "web").write_text("1\n")
        _commit(work, "first")
        git(server.folder, "clone", "--quiet", "--bare", str(work), name)
    at = GitRevision(server.url().replace("shop.git", name), "main")
    found = await remote.find_commit(at, None, details=True)
    assert (len(found.commit), found.message) == (64, "first")
    assert not await remote.is_touched(at, None, (found.commit, found.commit), ("web",))


@pytest.mark.usefixtures("filters")
@pytest.mark.parametrize(
    ("paths", "touched"),
    [
        (("web",), False),
        (("api",), True),
        (("web/app", "web/text"), False),
        (("web", "api/app"), True),
        (("nothing/there",), False),
    ],
)
async def test_paths_differ_between_two_commits_or_do_not(
    server: GitServer, remote: GitRemote, commits: dict[str, str], paths: tuple[str, ...], touched: bool
) -> None:
    at = GitRevision(server.url(), "main")
    assert await remote.is_touched(at, None, (commits["third"], commits["fourth"]), paths) is touched


async def test_a_path_that_comes_or_goes_differs(server: GitServer, remote: GitRemote, commits: dict[str, str]) -> None:
    at = GitRevision(server.url(), "main")
    assert await remote.is_touched(at, None, (commits["second"], commits["third"]), ("web",))
    assert await remote.is_touched(at, None, (commits["third"], commits["second"]), ("web",))


async def test_a_commit_that_the_server_has_not_cannot_be_compared(
    server: GitServer, remote: GitRemote, commits: dict[str, str]
) -> None:
    with pytest.raises(SourceError) as caught:
        await remote.is_touched(GitRevision(server.url(), "main"), None, ("a" * 40, commits["fourth"]), ("web",))
    assert caught.value.reason is Reason.REVISION_NOT_FOUND


@pytest.mark.parametrize(
    ("revision", "reason", "words"),
    [
        ("no-such-branch", Reason.REVISION_NOT_FOUND, "no branch or tag 'no-such-branch'"),
        ("refs/heads/v1", Reason.REVISION_NOT_FOUND, "no branch or tag 'refs/heads/v1'"),
        ("1a2b3c4", Reason.COMMIT_ID_SHORT, "7 characters"),
    ],
)
async def test_a_revision_that_is_not_there(
    server: GitServer, remote: GitRemote, revision: str, reason: Reason, words: str
) -> None:
    error = await refused(remote, server.url(), revision)
    assert (error.reason, words in str(error)) == (reason, True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, Reason.SOURCE_THROTTLED),
        (401, Reason.SOURCE_DENIED),
        (403, Reason.SOURCE_DENIED),
        (503, Reason.SOURCE_UNREACHABLE),
    ],
)
async def test_a_server_that_refuses(server: GitServer, remote: GitRemote, status: int, reason: Reason) -> None:
    server.status = status
    assert (await refused(remote, server.url())).reason is reason


async def test_over_ssh_it_is_asked_with_the_key(
    server: GitServer,
    remote: GitRemote,
    commits: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = install_ssh(tmp_path_factory.mktemp("ssh"), monkeypatch)
    url = f"git@git.invalid:{server.folder}/shop.git"
    login = GitLogin("Secret 'git-key'", {"identity": KEY, "known_hosts": HOSTS})
    found = await remote.find_commit(GitRevision(url, "main"), login, details=True)
    assert (found.commit, found.message) == (commits["fourth"], "fourth")
    assert (seen.read("key"), seen.read("hosts")) == (KEY, HOSTS)


async def test_over_ssh_a_server_has_to_be_known_unless_the_spec_says_else(
    server: GitServer, remote: GitRemote, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = install_ssh(tmp_path_factory.mktemp("ssh"), monkeypatch)
    url, login = f"ssh://git@git.invalid{server.folder}/shop.git", GitLogin("Secret 'git-key'", {"identity": KEY})
    assert (await refused(remote, url, "main", login)).reason is Reason.SOURCE_HOST_KEY
    await remote.find_commit(GitRevision(url, "main", ignore_host_key=True), login, details=False)
    assert seen.options["StrictHostKeyChecking"] == "no"


async def test_a_redirect_is_not_followed(server: GitServer, remote: GitRemote) -> None:
    server.location = f"http://elsewhere.invalid:{server.port}"
    assert (await refused(remote, server.url())).reason is Reason.SOURCE_MOVED


async def test_dns_that_says_nothing_takes_no_longer_than_it_may(
    server: GitServer, remote: GitRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(way, "resolve_host", lambda host, port, rules: over.wait(30))
    monkeypatch.setattr(gitremote, "_WAY_SECONDS", 0.05)
    error = await refused(remote, server.url())
    assert (error.reason, "DNS" in str(error)) == (Reason.SOURCE_UNREACHABLE, True)
    assert isinstance(error, UnendedError)
    assert not error.rest.done(), "the thread waits on"
    over.set()
    await asyncio.wait([error.rest])


async def test_an_address_that_the_installer_denies_is_not_asked() -> None:
    rules = AddressRules(denied=parse_networks(["10.0.0.0/8"]))
    error = await refused(GitRemote(Told(True), rules), "http://10.1.2.3/shop.git")
    assert error.reason is Reason.SOURCE_INVALID
    assert "10.1.2.3" in str(error)


async def test_of_a_commit_no_more_is_kept_than_a_status_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, remote: GitRemote
) -> None:
    make_repository(tmp_path)
    work = tmp_path / "work"
    (work / "long").write_text("1\n")
    commit = _commit(work, "\U0001f511" + " x" * 2500)
    branch = "/".join(["b" * 200] * 4)
    git(work, "push", "--quiet", str(tmp_path / "shop.git"), f"HEAD:refs/heads/{branch}")
    monkeypatch.setattr(way, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(tmp_path) as running:
        found = await remote.find_commit(GitRevision(running.url(), branch), None, details=True)
    assert found.commit == commit
    assert found.message.startswith("\U0001f511 x x")
    assert [len(text.encode()) for text in (found.message, found.ref)] == [256, 256]


async def test_of_private_hosts_users_learn_no_more_than_that_they_are_no_git_servers(server: GitServer) -> None:
    hidden = GitRemote(Told(False), AddressRules())
    server.status = 503
    error = await refused(hidden, server.url())
    assert (error.reason, "503" in str(error)) == (Reason.SOURCE_UNREACHABLE, False)
    server.status = 200
    assert "no branch" in str(await refused(hidden, server.url(), "nothing"))
    server.status = 503
    listed = GitRemote(Told(False), AddressRules(), told_hosts=("git.invalid",))
    assert "503" in str(await refused(listed, server.url()))


async def test_of_a_host_that_was_inside_nothing_is_told_though_its_name_leads_outside_a_moment_later() -> None:
    """Whoever names a host owns its DNS. It could answer a public address once the operator asks what it may tell."""
    error = await refused(GitRemote(Told(True), InsideRules()), "http://127.0.0.1:1/shop.git")
    assert str(error) == "the operator's log says how '127.0.0.1' answered"


APP = GitHub()


@pytest.fixture
def github(
    repository: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[GitServer, GitRevision]]:
    """A server that takes tokens of an App alone, and a revision there."""
    for looking in (way, connection):
        monkeypatch.setattr(looking, "resolve_host", lambda *_: ["127.0.0.1"])
    certificate = make_certificate(tmp_path, "DNS:git.invalid")
    with serve_git(repository[0], certificate) as running:
        running.github = APP
        url = f"https://git.invalid:{running.port}/shop.git"
        yield running, GitRevision(url, "main", ca_bundle=certificate.certificate.read_text())


async def test_a_github_app_is_asked_for_a_token(
    github: tuple[GitServer, GitRevision], remote: GitRemote, commits: dict[str, str]
) -> None:
    found = await remote.find_commit(github[1], GitLogin("Secret 'app'", APP.secret), details=False)
    assert found.commit == commits["fourth"]


@pytest.mark.parametrize(
    ("told", "keys", "words"),
    [
        (True, {}, "Bad credentials"),
        (False, {}, "the operator's log says how 'git.invalid' answered"),
        (False, {"githubAppID": ""}, "without githubAppID"),
    ],
)
async def test_of_a_private_host_users_learn_no_word_that_it_says_of_a_github_app(
    github: tuple[GitServer, GitRevision], told: bool, keys: dict[str, str], words: str
) -> None:
    """Any server may be named as the API of GitHub."""
    APP.replies[:] = [Reply(401, {"message": "Bad credentials"})]
    remote, login = GitRemote(Told(told), AddressRules()), GitLogin("Secret 'app'", APP.secret | keys)
    with pytest.raises(SourceError) as caught:
        await remote.find_commit(github[1], login, details=False)
    APP.replies.clear()
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert words in str(caught.value)


async def test_the_login_stands_in_gits_environment_alone(
    server: GitServer, remote: GitRemote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login = GitLogin("Secret 'git'", {"username": "ann", "password": "hunter-2-hunter"})
    error = await refused(remote, server.url(), login=login)
    assert "https://" in str(error), "never over http"
    commands: list[str] = []
    run = asyncio.create_subprocess_exec

    async def record(*command: str, **settings: object) -> object:
        commands.extend(command)
        return await run(*command, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", record)
    await refused(remote, f"https://git.invalid:{server.port}/shop.git", login=login)
    encoded = base64.b64encode(b"ann:hunter-2-hunter").decode()
    assert commands
    assert not [word for word in commands if "hunter" in word or encoded in word]


@pytest.fixture
def strange_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first in PATH, for a git of one's own."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def lives(named: Path) -> bool:
    """Whether the process is there whose number stands in the file."""
    return Path("/proc", named.read_text().strip()).exists()


def put_git(folder: Path, script: str) -> None:
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)


async def test_a_git_that_takes_too_long_is_killed_with_all_that_it_started(
    server: GitServer, remote: GitRemote, strange_git: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, grandchild = strange_git / "child", strange_git / "grandchild"
    put_git(strange_git, f"(sleep 600 & echo $! > {grandchild}; wait) & echo $! > {child}; wait")
    monkeypatch.setattr(gitprocess, "SECONDS", 1.0)
    error = await refused(remote, server.url())
    assert (error.reason, "timed out" in str(error)) == (Reason.SOURCE_UNREACHABLE, True)
    assert not lives(child), "the child lives on, or nobody has waited for its end"
    assert not lives(grandchild)


async def test_a_git_that_never_stops_talking_fills_no_memory(
    server: GitServer, remote: GitRemote, strange_git: Path
) -> None:
    put_git(strange_git, "head -c 50000000 /dev/zero; echo fatal: it is over >&2; exit 1")
    assert "it is over" in str(await refused(remote, server.url()))


async def test_a_git_may_write_and_take_only_so_much(server: GitServer, remote: GitRemote, strange_git: Path) -> None:
    put_git(strange_git, "echo fatal: $(ulimit -v) $(ulimit -f) $(ulimit -c) $(ulimit -d) >&2; exit 1")
    assert "262144 131072 0 32768" in str(await refused(remote, server.url()))


async def test_all_files_of_a_git_together_have_a_limit(
    server: GitServer, remote: GitRemote, strange_git: Path
) -> None:
    """git fetches each folder on the way to a path by itself, and a server may send a pack of any size with each. The
    kubelet would evict the operator."""
    put_git(strange_git, "for name in a b c d e; do head -c 20000000 /dev/zero > $name; done; sleep 600")
    error = await asyncio.wait_for(refused(remote, server.url()), gitprocess.SECONDS / 2)
    assert (error.reason, "72 MiB" in str(error)) == (Reason.SOURCE_INVALID, True)


async def test_one_git_at_a_time_may_take_more_memory(
    server: GitServer, remote: GitRemote, strange_git: Path, commits: dict[str, str]
) -> None:
    """All of them share the memory of the operator's container, and one server may keep several of them busy."""
    words, mark, log = "Out of memory, malloc failed (tried to allocate 33554432 bytes)", "one at work", "log"
    put_git(
        strange_git,
        f"cd {strange_git}\n"
        f'[ "$(ulimit -d)" -gt 32768 ] || {{ echo "fatal: {words}" >&2; exit 128; }}\n'
        f'mkdir "{mark}" || echo two at once >> {log}\n'
        f"echo $(ulimit -d) >> {log}\n"
        "sleep 0.2\n"
        f'rmdir "{mark}"\n'
        f"printf '{commits['fourth']}\\trefs/heads/main\\n'\n",
    )
    asked = [remote.find_commit(GitRevision(server.url(), "main"), None, details=False) for _ in range(3)]
    assert {found.commit for found in await asyncio.gather(*asked)} == {commits["fourth"]}
    assert (strange_git / log).read_text().split() == ["163840"] * 3


@pytest.mark.parametrize("size", [50_000_000, 200_000_000])
async def test_a_commit_that_takes_much_memory_is_read_by_itself_or_not_at_all(
    server: GitServer, remote: GitRemote, size: int
) -> None:
    """A few KiB of a pack, once git has decompressed them. Nobody may take the operator's memory by that."""
    bare = server.folder / f"large{size}.git"
    git(server.folder, "init", "--quiet", "--bare", bare.name)
    tree = git(bare, "hash-object", "-w", "-t", "tree", "/dev/null")
    raw = server.folder / "raw"
    raw.write_text(f"tree {tree}\nauthor t <t@x> 1 +0000\ncommitter t <t@x> 1 +0000\n\nlarge\n\n{'a' * size}")
    commit = git(bare, "hash-object", "-w", "-t", "commit", str(raw))
    git(bare, "update-ref", "refs/heads/main", commit)
    raw.unlink()
    at = GitRevision(server.url().replace("shop.git", bare.name), "main")
    if size < 100_000_000:
        assert await remote.find_commit(at, None, details=True) == Commit(commit, "refs/heads/main", "t <t@x>", "large")
    else:
        with pytest.raises(SourceError, match="takes more than the 160 MiB") as caught:
            await remote.find_commit(at, None, details=True)
        assert caught.value.reason is Reason.SOURCE_INVALID, "more memory for the build would not help"


async def test_a_container_without_room_for_a_git_is_told(
    server: GitServer, remote: GitRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    error = await refused(remote, server.url())
    assert (error.reason, str(error)) == (
        Reason.SOURCE_UNREACHABLE,
        "git cannot be started in the operator's own container: Resource temporarily unavailable",
    )


async def test_what_a_former_process_left_behind_is_removed(server: GitServer, tmp_path: Path) -> None:
    """The folder for temporary files outlives a container that is killed. The next process has the same number: 1."""
    old, others = tmp_path / f"git-{os.getpid()}-abc", tmp_path / "git-0-abc"
    for folder in (old, others):
        folder.mkdir()
        (folder / "output").write_text("much")
    scratch.remove_left()
    assert os.listdir(tmp_path) == [others.name], "another process may be at work there"
    (others / "output").unlink()
    others.rmdir()


async def test_a_question_that_is_cancelled_leaves_no_folder(
    server: GitServer, remote: GitRemote, tmp_path: Path
) -> None:
    """Nor a process, which `heir` looks for."""
    for steps in range(12):
        asked = asyncio.create_task(remote.find_commit(GitRevision(server.url(), "main"), None, details=False))
        for _ in range(steps):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    for _ in range(200):
        if not os.listdir(tmp_path):
            break
        await asyncio.sleep(0.01)
    assert os.listdir(tmp_path) == []
