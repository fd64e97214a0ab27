"""The bridge to git's http server: what the CGI program is told, and a real fetch through it."""

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from devcluster.demo.gitserver import serving
from devcluster.errors import DevclusterError
from devcluster.machine.gitbackend import Request, build_cgi_environment, parse_cgi_headers


def _git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=trunk")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    _git(folder, "init", "--quiet")
    for number in range(3):
        (folder / "file").write_text(str(number))
        _git(folder, "add", "file")
        _git(folder, "commit", "--quiet", "--message", str(number))
    return folder


def test_the_cgi_environment_follows_the_request() -> None:
    request = Request(
        "GET", "/r.git/info/refs?service=git-upload-pack", content_encoding="gzip", git_protocol="version=2"
    )
    environment = build_cgi_environment(request, Path("/srv"), {"PATH": "/bin", "HOME": "/root", "GIT_DIR": "/x"})
    assert environment["PATH_INFO"] == "/r.git/info/refs"
    assert environment["QUERY_STRING"] == "service=git-upload-pack"
    assert environment["HTTP_CONTENT_ENCODING"] == "gzip"
    assert environment["GIT_PROTOCOL"] == "version=2"
    assert environment["GIT_PROJECT_ROOT"] == "/srv"
    assert not {"HOME", "GIT_DIR", "CONTENT_TYPE"} & set(environment)


def test_the_programs_status_becomes_the_answers() -> None:
    assert parse_cgi_headers(b"Status: 403 Forbidden\r\nExpires: 0") == (403, [("Expires", "0")])
    assert parse_cgi_headers(b"Content-Type: x/y") == (200, [("Content-Type", "x/y")])


@pytest.mark.parametrize("state", ["branch", "detached", "shallow"])
def test_the_last_commit_is_served_whatever_state_the_clone_is_in(repository: Path, tmp_path: Path, state: str) -> None:
    if state == "shallow":
        _git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
        repository = tmp_path / "shallow"
    if state != "branch":
        _git(repository, "checkout", "--quiet", "--detach")
    (repository / "file").write_text("not committed")
    served_from, client = tmp_path / "served", tmp_path / "client"
    client.mkdir()
    _git(client, "init", "--quiet")
    with serving(repository, served_from, address="127.0.0.1", port=0) as served:
        for revision in (served.commit, "main"):
            _git(client, "fetch", "--quiet", "--depth=1", served.url, revision)
            assert _git(client, "rev-parse", "FETCH_HEAD") == served.commit == _git(repository, "rev-parse", "HEAD")
            assert _git(client, "show", "FETCH_HEAD:file") == "2"


def test_nothing_but_reading_the_repository_is_served(repository: Path, tmp_path: Path) -> None:
    with serving(repository, tmp_path / "served", address="127.0.0.1", port=0) as served:
        for path in ("/git-receive-pack", "/../gitconfig", "/HEAD"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(served.url + path)
            caught.value.close()
            assert caught.value.code == 404
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{served.url}/info/refs?service=git-receive-pack")
        caught.value.close()
        assert caught.value.code == 403


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with (
        pytest.raises(DevclusterError, match="run it from a git clone"),
        serving(tmp_path / "plain", tmp_path / "served", address="127.0.0.1", port=0),
    ):
        pass
