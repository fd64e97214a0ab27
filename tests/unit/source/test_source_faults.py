"""Whose fault a fetch that failed is, by git's words, and how often it is tried."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.git import meaning
from buildandpush.source.git import way as git
from buildandpush.source.git.fetch import fetch_revision
from buildandpush.source.git.meaning import explain_git
from buildandpush.source.network import address
from buildandpush.source.network.address import resolve_host
from buildandpush.source.patience import TRIES, Clock, try_again
from buildandpush.source.report import SourceError
from tests.unit.source.git.git_server import GitServer, make_repository, serve_git

URL = "fatal: unable to access 'https://git.test/x.git/': "

WORDS: dict[Reason, list[str]] = {
    Reason.SOURCE_MOVED: [
        URL + "The requested URL returned error: 301",
        URL + "The requested URL returned error: 308",
        "fatal: unable to update url base from redirection:\n  asked for: a\n   redirect: b",
    ],
    Reason.SOURCE_THROTTLED: [
        URL + "The requested URL returned error: 429",
        "error: RPC failed; HTTP 429 curl 22 The requested URL returned error: 429\nfatal: early EOF",
        "remote: You have exceeded a secondary rate limit.\n" + URL + "The requested URL returned error: 403",
    ],
    Reason.SOURCE_DENIED: [
        "fatal: could not read Username for 'https://git.test': terminal prompts disabled",
        "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.test/x.git/'",
        URL + "The requested URL returned error: 403",
    ],
    Reason.REVISION_NOT_FOUND: [
        "fatal: couldn't find remote ref v9",
        "fatal: remote error: upload-pack: not our ref ffffffffffffffffffffffffffffffffffffffff",
    ],
    Reason.SOURCE_INVALID: [
        "fatal: repository 'https://git.test/x.git/' not found",
        URL + "The requested URL returned error: 404",
        "fatal: bad object HEAD",
        "",
    ],
    Reason.CERTIFICATE_NOT_TRUSTED: [
        URL + "SSL certificate problem: unable to get local issuer certificate",
        URL + "server certificate verification failed. CAfile: none CRLfile: none",
        URL + "SSL: no alternative certificate subject name matches target host name",
    ],
    Reason.NODE_DISK_FULL: [
        "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
    ],
    Reason.OUT_OF_MEMORY: [
        "error: index-pack died of signal 9\nfatal: fetch-pack: invalid index-pack output",
    ],
    Reason.SOURCE_UNREACHABLE: [
        "error: RPC failed; curl 92 HTTP/2 stream 3 was not closed cleanly: CANCEL (err 8)\nfatal: early EOF",
        "error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec transferred the last 60 seconds",
        "error: RPC failed; curl 18 transfer closed with outstanding read data remaining",
        "error: RPC failed; curl 56 GnuTLS recv error (-54): Error in the pull function.",
        "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502",
        "fatal: the remote end hung up unexpectedly",
        "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
        "error: 1234 bytes of body are still expected\nfetch-pack: unexpected disconnect while reading sideband packet",
        URL + "The requested URL returned error: 503",
        URL + "Could not resolve host: git.test",
        URL + "Failed to connect to git.test port 443 after 133 ms: Couldn't connect to server",
        URL + "Connection timed out after 300000 milliseconds",
        URL + "Recv failure: Connection reset by peer",
        URL + "Empty reply from server",
        URL + "gnutls_handshake() failed: The TLS connection was non-properly terminated.",
        URL + "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to git.test:443",
    ],
}
ROWS = [(words, reason) for reason, listed in WORDS.items() for words in listed]


@pytest.mark.parametrize(("stderr", "reason"), ROWS, ids=[row[0][-60:] or "nothing" for row in ROWS])
def test_gits_words_say_whose_fault_it_is(stderr: str, reason: Reason) -> None:
    error = explain_git(stderr)
    assert error.reason is reason
    assert str(error).startswith("git: ")
    assert "\n" not in str(error)
    assert explain_git(stderr.upper()).reason is reason, "curl and its libraries write as they like"


def test_a_login_in_an_address_is_not_repeated() -> None:
    assert "pw" not in str(explain_git("fatal: unable to access 'https://me:pw@git.test/': early EOF"))


def test_no_pattern_joins_words_by_anything() -> None:
    assert not [words for words, _ in meaning._MEANINGS if ".*" in words.pattern or ".+" in words.pattern]


# ---- tries


@dataclass
class Tries:
    """A fetch that fails so many times, and how long is waited between its tries."""

    root: Path
    failures: list[Reason]
    took: float = 0.0
    pauses: list[float] = field(default_factory=list)
    begun: int = 0
    time: float = 0.0

    def fetch(self) -> str:
        assert list(self.root.iterdir()) == [], "each try begins with an empty folder"
        self.begun += 1
        self.time += self.took
        (self.root / "part").write_text("half")
        if self.failures:
            raise SourceError(self.failures.pop(0), "git: no")
        return "commit"

    def run(self) -> str:
        return try_again(self.fetch, self.root, Clock(lambda: self.time, self.pauses.append))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_moments_trouble_costs_no_pod(count: int, root: Path) -> None:
    tries = Tries(root, [Reason.SOURCE_UNREACHABLE] * count)
    assert tries.run() == "commit"
    assert (tries.begun, tries.pauses) == (count + 1, [3.0, 6.0][:count])


def test_a_server_that_stays_away_is_left_to_the_next_pod(root: Path) -> None:
    tries = Tries(root, [Reason.SOURCE_UNREACHABLE] * 9)
    with pytest.raises(SourceError):
        tries.run()
    assert tries.begun == TRIES


def test_a_server_that_wants_fewer_requests_is_given_more_time(root: Path) -> None:
    tries = Tries(root, [Reason.SOURCE_THROTTLED] * 2)
    assert tries.run() == "commit"
    assert tries.pauses == [15.0, 30.0]


@pytest.mark.parametrize("reason", [Reason.SOURCE_DENIED, Reason.SOURCE_MOVED, Reason.REVISION_NOT_FOUND])
def test_what_stays_as_it_is_is_tried_once(reason: Reason, root: Path) -> None:
    tries = Tries(root, [reason])
    with pytest.raises(SourceError):
        tries.run()
    assert (tries.begun, tries.pauses) == (1, [])


def test_a_try_that_took_minutes_is_not_repeated_here(root: Path) -> None:
    tries = Tries(root, [Reason.SOURCE_UNREACHABLE], took=121)
    with pytest.raises(SourceError):
        tries.run()
    assert tries.begun == 1


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    make_repository(tmp_path / "git")
    monkeypatch.setattr(git, "resolve_host", lambda host, port, rules: ["127.0.0.1"])
    with serve_git(tmp_path / "git") as running:
        yield running


@pytest.mark.parametrize("failures", [[502, 503], [429, 429]])
def test_a_server_that_fails_twice_and_then_serves_is_fetched_from(
    failures: list[int], server: GitServer, root: Path
) -> None:
    server.failures = list(failures)
    pauses: list[float] = []
    clock = Clock(lambda: 0.0, pauses.append)
    assert try_again(lambda: fetch_revision(server.url(), "main", root), root, clock)
    assert (root / "Dockerfile").exists()
    assert len(pauses) == 2


def test_a_pack_that_breaks_off_is_fetched_again_as_a_whole(server: GitServer, root: Path) -> None:
    server.halves = 2
    pauses: list[float] = []
    left: list[list[str]] = []

    def fetch() -> str | None:
        left.append(sorted(path.name for path in root.iterdir()))
        return fetch_revision(server.url(), "main", root).commit

    assert try_again(fetch, root, Clock(lambda: 0.0, pauses.append))
    assert (server.halves, len(pauses)) == (0, 2)
    assert left == [[], [], []], "each try begins in an empty folder"
    assert "# second" in (root / "Dockerfile").read_text()


def test_a_pack_that_always_breaks_off_is_no_source(server: GitServer, root: Path) -> None:
    server.halves = 9
    with pytest.raises(SourceError) as caught:
        try_again(lambda: fetch_revision(server.url(), "main", root), root, Clock(lambda: 0.0, lambda _: None))
    assert caught.value.reason is Reason.SOURCE_UNREACHABLE
    assert not (root / "Dockerfile").exists()


def test_a_host_that_has_no_address_yet_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    found = [OSError(-3, "Temporary failure in name resolution"), OSError(-2, "Name or service not known")]

    def look_up(*_: object, **__: object) -> list[object]:
        if found:
            raise found.pop()
        return [(2, 1, 6, "", ("140.82.121.4", 443))]

    monkeypatch.setattr(address.socket, "getaddrinfo", look_up)
    clock = Clock(lambda: 0.0, lambda seconds: None)
    assert try_again(lambda: resolve_host("git.test", 443), root, clock) == ["140.82.121.4"]


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test"])
def test_a_name_that_no_host_can_have_is_the_users(host: str) -> None:
    with pytest.raises(SourceError) as caught:
        resolve_host(host, 443)
    assert caught.value.reason is Reason.SOURCE_INVALID
