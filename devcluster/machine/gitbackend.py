"""What `git http-backend` is told of a request, and what it answers: git-http-backend(1) and RFC 3875."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """The parts of an http request that a CGI program gets."""

    method: str
    target: str
    content_type: str = ""
    content_length: str = ""
    content_encoding: str = ""
    git_protocol: str = ""


def build_cgi_environment(request: Request, root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Build the environment of `git http-backend`; source: git-http-backend(1) and RFC 3875."""
    parts = urlsplit(request.target)
    given = {
        "CONTENT_TYPE": request.content_type,
        "CONTENT_LENGTH": request.content_length,
        "HTTP_CONTENT_ENCODING": request.content_encoding,
        # Without it the client falls back to version 0, which refuses to fetch a commit that no branch is at.
        "GIT_PROTOCOL": request.git_protocol,
    }
    return {
        "PATH": environ.get("PATH", os.defpath),
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(parts.path),
        "QUERY_STRING": parts.query,
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        **build_git_configuration(root),
        **{name: value for name, value in given.items() if value},
    }


def parse_cgi_headers(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    """Parse what a CGI program prints above its body: the status it asks for (200 if none), and the headers."""
    pairs = [line.partition(":") for line in head.decode("latin-1").splitlines() if ":" in line]
    headers = [(name.strip(), value.strip()) for name, _, value in pairs]
    status = next((int(value.split()[0]) for name, value in headers if name.lower() == "status"), 200)
    return status, [(name, value) for name, value in headers if name.lower() != "status"]


def build_git_configuration(folder: Path) -> dict[str, str]:
    """Let git read the settings of the folder's file gitconfig, if there is one, and no others."""
    return {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "LC_ALL": "C"}
