"""Git LFS: fetches the files that a repository has pointers to.

git-lfs itself is not used. It connects to hosts by their names, so that nobody checks the addresses, and it reads
.lfsconfig: with that file the repository's author sends it, and the login, wherever they like. Here that file and the
server's answer say only where to ask. Each address is checked, the login goes to the repository's own host alone, and
what comes is compared with the pointer. https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.git.lfspointer import Pointer, find_pointers
from buildandpush.source.git.settingsfile import read_settings
from buildandpush.source.git.submodules import refuse_host
from buildandpush.source.git.way import Server, Way, split_url
from buildandpush.source.hidden import hide
from buildandpush.source.network.ask import Request, ask
from buildandpush.source.network.connection import PLAIN, VERIFIED
from buildandpush.source.network.download import Access, download
from buildandpush.source.report import SourceError

_JSON: Final = "application/vnd.git-lfs+json"
_IN_A_BATCH: Final = 100
_AT_A_TIME: Final = 8
_MOST_HEADERS: Final = 32
_SET_BY_US: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class Room:
    """How much all repositories of a source may bring by Git LFS."""

    def __init__(self, limits: SourceLimits) -> None:
        self._limits, self._files, self._bytes = limits, 0, 0

    def take(self, pointers: Sequence[Pointer]) -> None:
        """Raise SourceError if these are too many or too large."""
        self._files += len(pointers)
        self._bytes += sum(pointer.size for pointer in pointers)
        told = self._limits.tell_files() if self._files > self._limits.max_files else ""
        told = told or (self._limits.tell_bytes() if self._bytes > self._limits.max_bytes else "")
        if told:
            raise SourceError(Reason.SOURCE_TOO_LARGE, f"what Git LFS keeps for the repository has {told}")


@dataclass(frozen=True)
class _Store:
    """The LFS server of a repository."""

    server: Server
    header: str = field(repr=False)
    """The login; empty for none."""
    trust: Path | None

    @property
    def tls(self) -> str:
        return VERIFIED if self.server.scheme == "https" else PLAIN


def fetch_lfs(root: Path, server: Server, way: Way, allowed_hosts: tuple[str, ...], room: Room) -> None:
    """Put the files in the place of their pointers; raises SourceError."""
    pointers = find_pointers(root, way)
    if not pointers:
        return
    room.take(pointers)
    objects = _group(pointers)
    store = _find_store(root, server, way)
    refuse_host(store.server.host, allowed_hosts)
    print(f"Fetching {len(pointers)} files of Git LFS from {store.server.url}", flush=True)
    with ThreadPoolExecutor(_AT_A_TIME) as workers:
        for begin in range(0, len(objects), _IN_A_BATCH):
            part = objects[begin : begin + _IN_A_BATCH]
            actions = _ask_for(store, [same[0] for same in part])
            for _ in workers.map(lambda same, action: _place(root, store, same, action), part, actions):
                pass


def _group(pointers: Sequence[Pointer]) -> list[list[Pointer]]:
    """The pointers to the same object together; raises SourceError where they say different sizes of it, since each of
    them gets a copy and the limits count what they say."""
    by_object: dict[str, list[Pointer]] = {}
    for pointer in pointers:
        by_object.setdefault(pointer.oid, []).append(pointer)
    for first, *others in by_object.values():
        other = next((pointer for pointer in others if pointer.size != first.size), None)
        if other is not None:
            told = (
                f"says {other.size} bytes of an object of which {first.path!r} says {first.size}; correct the pointer"
            )
            raise SourceError(Reason.SOURCE_INVALID, f"{other.path!r} of Git LFS {told}")
    return list(by_object.values())


def _find_store(root: Path, server: Server, way: Way) -> _Store:
    settings = dict(read_settings(root, way, ".lfsconfig"))
    url = settings.get("lfs.url") or settings.get("remote.origin.lfsurl")
    if not url and server.scheme == "ssh":
        raise SourceError(
            Reason.SOURCE_INVALID,
            "files of Git LFS are fetched over http(s) alone; use an https:// url, or name their server as lfs.url in "
            ".lfsconfig",
        )
    found = split_url(url or find_lfs_url(server.url))
    if found.scheme not in ("http", "https"):
        raise SourceError(Reason.SOURCE_INVALID, "lfs.url in .lfsconfig is no http(s) address; correct it")
    is_same = (found.scheme, found.host, found.port) == (server.scheme, server.host, server.port)
    trust = way.environment.get("GIT_SSL_CAINFO")
    return _Store(found, way.header if is_same else "", Path(trust) if trust else None)


def find_lfs_url(url: str) -> str:
    """https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md"""
    url = url.rstrip("/")
    return f"{url}/info/lfs" if url.endswith(".git") else f"{url}.git/info/lfs"


def _ask_for(store: _Store, wanted: Sequence[Pointer]) -> list[dict[str, Any]]:
    """How each object is downloaded, in the same order."""
    asked = {"operation": "download", "transfers": ["basic"], "hash_algo": "sha256"}
    objects = [{"oid": pointer.oid, "size": pointer.size} for pointer in wanted]
    name, _, value = store.header.partition(": ")
    headers = {"Accept": _JSON, "Content-Type": _JSON, **({name: value} if value else {})}
    url = f"{store.server.url.rstrip('/')}/objects/batch"
    body = json.dumps({**asked, "objects": objects}).encode()
    answer = ask(Request("POST", url, "the LFS server's address", headers, body), store.trust, tls=store.tls)
    if answer.status != 200:
        told = answer.read_object().get("message")
        raise _explain(store, answer.status, f"the LFS server {store.server.url} answers {answer.status}", told)
    return list(_read_actions(store, wanted, answer.read_object()))


def _read_actions(store: _Store, wanted: Sequence[Pointer], told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = told.get("objects")
    items = [item for item in (listed if isinstance(listed, list) else ()) if isinstance(item, dict)]
    found = {item["oid"]: item for item in items if isinstance(item.get("oid"), str)}
    for pointer in wanted:
        item = found.get(pointer.oid, {})
        error, actions = item.get("error"), item.get("actions")
        if isinstance(error, dict):
            code = error.get("code")
            words = f"{pointer.path!r}: the LFS server has no object {pointer.oid} for it"
            raise _explain(store, code if isinstance(code, int) else 404, words, error.get("message"))
        action = actions.get("download") if isinstance(actions, dict) else None
        if not isinstance(action, dict) or not isinstance(action.get("href"), str):
            message = f"{pointer.path!r}: the LFS server names no download for the object {pointer.oid}"
            raise SourceError(Reason.SOURCE_INVALID, message)
        yield {**action, "authenticated": item.get("authenticated") is True}


def _explain(store: _Store, status: int, words: str, told: object) -> SourceError:
    reason = {401: Reason.SOURCE_DENIED, 403: Reason.SOURCE_DENIED, 429: Reason.SOURCE_THROTTLED}.get(status)
    if reason is None and status in (301, 302, 303, 307, 308):
        reason = Reason.SOURCE_MOVED
    if reason is None:
        reason = Reason.SOURCE_UNREACHABLE if status >= 500 or status == 408 else Reason.SOURCE_INVALID
    more = f": {hide(told, [store.header], most=300)}" if isinstance(told, str) and told else ""
    return SourceError(reason, words + more)


def _place(root: Path, store: _Store, same: Sequence[Pointer], action: Mapping[str, Any]) -> None:
    """Download an object and put it in the place of all pointers to it."""
    first, *others = same
    file = root / ".git" / f"lfs-{first.oid}"
    try:
        _download(store, first, action, file)
        for pointer in others:
            _replace(root / pointer.path, shutil.copyfile(file, file.with_name(f"{file.name}-copy")))
        _replace(root / first.path, file)
    except SourceError as error:
        raise SourceError(error.reason, f"{first.path!r} of Git LFS: {hide(str(error), [store.header])}") from None


def _download(store: _Store, pointer: Pointer, action: Mapping[str, Any], file: Path) -> None:
    url = action["href"]
    is_plain = url.lower().startswith("http://")
    if is_plain and store.tls == VERIFIED:
        raise SourceError(Reason.SOURCE_INVALID, "the LFS server sends the download to an http:// address")
    headers = read_headers(action.get("header"))
    if not action["authenticated"] and store.header and not any(name.lower() == "authorization" for name in headers):
        target = split_url(url)
        if (target.scheme, target.host, target.port) == (store.server.scheme, store.server.host, store.server.port):
            name, _, value = store.header.partition(": ")
            headers[name] = value
    access = Access(headers, store.trust, PLAIN if is_plain else VERIFIED, what="the object")
    found = download(url, file, access, replace(SourceLimits(), max_download_bytes=pointer.size))
    if found != pointer.oid:
        raise SourceError(Reason.SOURCE_INVALID, f"its SHA-256 is {found} and not {pointer.oid}")


def read_headers(told: object) -> dict[str, str]:
    """The headers that the LFS server wants with a download; raises SourceError for one that no request can carry."""
    if told is None:
        return {}
    if not isinstance(told, dict) or len(told) > _MOST_HEADERS:
        raise SourceError(Reason.SOURCE_INVALID, "the LFS server names headers that are none")
    for name, value in told.items():
        is_name = isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not is_name or not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise SourceError(Reason.SOURCE_INVALID, "the LFS server names a header that no request can carry")
    return {name: value for name, value in told.items() if name.lower() not in _SET_BY_US}


def _replace(place: Path, file: Path) -> None:
    mode = stat.S_IMODE(place.lstat().st_mode)
    file.chmod(mode)
    os.replace(file, place)
