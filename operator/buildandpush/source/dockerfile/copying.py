"""Checks of what COPY and ADD take from the context and where they put it."""

import bz2
import posixpath
import re
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Final

from buildandpush.source.dockerfile.context import has_wildcard
from buildandpush.source.dockerfile.finding import Finding, Place

OWN_FOLDER: Final = "/kaniko"
# What a kubelet or a container runtime mounts into each container. kaniko leaves mounts out of the image.
_POD_FILES: Final = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab")
_POD_FOLDERS: Final = ("/proc", "/sys", "/dev")

_URL: Final = re.compile(r"https?://", re.IGNORECASE)
# As BuildKit tells git addresses: https://docs.docker.com/reference/dockerfile/#adding-files-from-a-git-repository
_GIT: Final = re.compile(r"(git://|ssh://|git@|[\w.-]+@[\w.-]+:)|https?://[^\s#?]+\.git([#?].*)?$", re.IGNORECASE)

_VARIABLE: Final = re.compile(r"\$\{[^}]*\}|\$\w+")

_START: Final = 64 * 1024
_TAR_BLOCK: Final = 512
_LOOKS_OF_UNPACKING: Final = 4_000
"""What it counts for among the context's looks to unpack a file's beginning."""
_UNPACKED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2"}
_NOT_UNPACKED: Final = {b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def copied_words(place: Place) -> tuple[tuple[str, ...], str]:
    """The words of a COPY or ADD that name sources, and the one that names the target."""
    words = place.instruction.words
    return (words[:-1], words[-1]) if words else ((), "")


def takes_from_context(place: Place) -> bool:
    """Whether it is a COPY or ADD without --from."""
    return place.instruction.keyword in ("COPY", "ADD") and place.instruction.flag("from") is None


def local_sources(place: Place) -> list[str]:
    """The sources in the context whose words are known here, as they are written."""
    if not takes_from_context(place):
        return []
    expanded = (place.scope.expand(word) for word in copied_words(place)[0])
    return [word for word in expanded if word is not None and not is_remote(word)]


def is_remote(word: str) -> bool:
    """Whether a source of ADD is fetched from elsewhere."""
    return bool(_URL.match(word) or _GIT.match(word))


def check_sources(place: Place) -> Iterator[Finding]:
    """Sources that lead out of the context, that .dockerignore excludes, and patterns that nothing matches."""
    sources = local_sources(place)
    escaping = [source for source in chain(sources, _unknown_sources(place)) if place.context.leads_out(source)]
    for source in escaping:
        yield place.found("copy-escape", source)
    if escaping:
        return
    matches = {source: place.context.find(source) for source in sources}
    empty = {source for source, paths in matches.items() if not any(map(place.context.copies_something, paths))}
    for source, paths in matches.items():
        if paths and source in empty and not has_wildcard(source):
            yield place.found("copy-ignored", source)
        if any(place.context.is_link(path) and place.context.copies_something(path) for path in paths):
            yield place.found("copy-link", source)
    if any(map(has_wildcard, sources)):
        for source, paths in matches.items():
            if not paths and not has_wildcard(source) and len(empty) < len(sources):
                yield place.found("copy-missing", source)
    whole = len(sources) == len(copied_words(place)[0]) and not place.instruction.heredocs
    none_left = all(source in empty for source in sources)
    if whole and none_left and any(map(has_wildcard, sources)):
        yield place.found("copy-nothing", " ".join(sources))


def _unknown_sources(place: Place) -> Iterator[str]:
    """The sources that hang on unknown values, with a deep folder for each of these."""
    if takes_from_context(place):
        for word in copied_words(place)[0]:
            if place.scope.expand(word) is None:
                yield _VARIABLE.sub("v/v/v/v", word)


def check_target(place: Place) -> Iterator[Finding]:
    """Targets that kaniko leaves out of the image."""
    if place.instruction.keyword in ("COPY", "ADD"):
        word = copied_words(place)[1]
    elif place.instruction.keyword == "WORKDIR":
        word = place.instruction.text
    else:
        return
    target = place.scope.expand(word)
    if target is None or not target.startswith("/"):
        return
    path = "/" + posixpath.normpath(target).lstrip("/")
    if is_below(path, OWN_FOLDER):
        yield place.found("own-folder", path)
    elif path in _POD_FILES or any(is_below(path, folder) for folder in _POD_FOLDERS):
        yield place.found("pod-file", path)
    elif is_below(path, "/var/run") and not place.settings.keeps_var_run:
        yield place.found("var-run", path)


def is_below(path: str, folder: str) -> bool:
    """Whether a clean path is the folder or lies in it."""
    return path == folder or path.startswith(f"{folder}/")


def check_added(place: Place) -> Iterator[Finding]:
    """Git addresses, and files that kaniko takes for archives it can unpack."""
    if place.instruction.keyword != "ADD":
        return
    for word in copied_words(place)[0]:
        address = place.scope.expand(word)
        if address is not None and _GIT.match(address):
            yield place.found("add-git", address)
    for source in local_sources(place):
        if place.context.leads_out(source):
            continue
        for path in place.context.find(source):
            start = place.context.read_start(path, _START)
            if start.startswith(tuple(_UNPACKED)):
                place.context.count(_LOOKS_OF_UNPACKING)
            check = _judge_archive(start)
            if check:
                yield place.found(check, path)


def _judge_archive(start: bytes) -> str:
    """The check that a file's first bytes fall under; empty for what kaniko handles as Docker does."""
    if any(start.startswith(magic) for magic in _NOT_UNPACKED):
        return "add-compression"
    kind = next((name for magic, name in _UNPACKED.items() if start.startswith(magic)), "")
    if not kind:
        return ""
    try:
        unpacked = _unpack(start, kind)
    except (OSError, ValueError, zlib.error):
        return "add-no-archive"
    return "" if _is_tar(unpacked) else "add-no-archive"


def _unpack(start: bytes, kind: str) -> bytes:
    """The first block of what is compressed."""
    if kind == "gzip":
        return zlib.decompressobj(wbits=31).decompress(start, _TAR_BLOCK)
    return bz2.BZ2Decompressor().decompress(start, _TAR_BLOCK)


def _is_tar(block: bytes) -> bool:
    """Whether it is the header of a tar archive: its checksum says so. Zeros end an archive without files."""
    if len(block) < _TAR_BLOCK:
        return False
    if not any(block):
        return True
    told = block[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,8}", told):
        return False
    counted = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    return int(told, 8) == counted
