"""Serves this repository's last commit over http with git's own server, on one address, while the demo runs."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from devcluster.errors import DevclusterError
from devcluster.machine.gitbackend import (
    Request,
    build_cgi_environment,
    build_git_configuration,
    parse_cgi_headers,
)
from devcluster.machine.shell import run, write_file

PORT = 18418
REPOSITORY = "buildandpush.git"
# git's smart protocol for reading is these two; nobody pushes here.
_PATHS = (f"/{REPOSITORY}/info/refs", f"/{REPOSITORY}/git-upload-pack")
_MAX_REQUEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Served:
    """Where the repository is served, and which commit its branch main is at."""

    url: str
    commit: str


def copy_head(repository: Path, folder: Path) -> str:
    """Make a bare repository in the folder whose branch main is the last commit; return that commit.

    Whatever state the repository is in will do: shallow, another branch, none at all; changes that are not committed
    are not in it.
    """
    # git refuses repositories of another user, such as a checkout that CI mounts into a container.
    write_file(folder / "gitconfig", "[safe]\n\tdirectory = *\n")
    environment = build_git_configuration(folder)
    bare = folder / REPOSITORY
    try:
        run(("git", "init", "--quiet", "--bare", "--initial-branch=main", bare), env=environment)
        fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", f"file://{repository}", "+HEAD:refs/heads/main")
        run(("git", "-C", bare, *fetch), env=environment)
        return run(("git", "-C", bare, "rev-parse", "main"), env=environment).strip()
    except DevclusterError as err:
        raise DevclusterError(
            f"The demo serves the last commit of {repository}, which git cannot read ({err});"
            " run it from a git clone with at least one commit"
        ) from err


@contextmanager
def serving(repository: Path, folder: Path, *, address: str, port: int = PORT) -> Iterator[Served]:
    """Serve the repository's last commit at this address, with its copy in the folder, until the context ends."""
    if shutil.which("git") is None:
        raise DevclusterError("git is not installed, but the demo serves this repository with it; apt-get install git")
    commit = copy_head(repository, folder)
    server = _listen(folder, address, port)
    threading.Thread(target=server.serve_forever, name="git", daemon=True).start()
    try:
        yield Served(f"http://{address}:{server.server_address[1]}/{REPOSITORY}", commit)
    finally:
        server.shutdown()
        server.server_close()


def _listen(root: Path, address: str, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, root)

        def do_POST(self) -> None:
            _answer(self, root)

        def log_message(self, *_: object) -> None:
            pass

    for candidate in (port, 0):
        try:
            return ThreadingHTTPServer((address, candidate), Handler)
        except OSError as err:
            problem = err
    raise DevclusterError(
        f"Nothing can listen on {address} ({problem.strerror}); the address must be this machine's own: bring the"
        " cluster up, and for kind use Docker on Linux rather than Docker Desktop."
    )


def _answer(handler: BaseHTTPRequestHandler, root: Path) -> None:
    request = _read_request(handler)
    if urlsplit(request.target).path not in _PATHS or int(request.content_length or 0) > _MAX_REQUEST_BYTES:
        handler.send_error(404)
        return
    done = subprocess.run(
        ["git", "http-backend"],
        input=handler.rfile.read(int(request.content_length or 0)),
        env=build_cgi_environment(request, root, os.environ),
        capture_output=True,
        check=False,
    )
    head, separator, body = done.stdout.partition(b"\r\n\r\n")
    if not separator:
        handler.send_error(500, "git http-backend failed")
        return
    status, headers = parse_cgi_headers(head)
    handler.send_response(status)
    for name, value in (*headers, ("Content-Length", str(len(body)))):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _read_request(handler: BaseHTTPRequestHandler) -> Request:
    # A long request comes in chunks of unknown length, which this bridge does not read: git asks for one commit.
    length = handler.headers.get("Content-Length", "0")
    return Request(
        method=handler.command,
        target=handler.path,
        content_type=handler.headers.get("Content-Type", ""),
        content_length=length if length.isdigit() else "0",
        content_encoding=handler.headers.get("Content-Encoding", ""),
        git_protocol=handler.headers.get("Git-Protocol", ""),
    )
