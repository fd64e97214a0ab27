"""One repository of a registry, read by the registry API: what tags name, whether a digest is there, and its labels.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from urllib.request import parse_http_list, parse_keqv_list

import aiohttp
import structlog
from yarl import URL

from buildandpush.api import meta
from buildandpush.clients.bounded import MAX_ANSWER, TooLongError, read_bounded
from buildandpush.clients.outside import is_passing
from buildandpush.clients.traffic.pauses import read_pause, read_pause_of
from buildandpush.core.azure.errors import UNTOLD, clip_foreign, is_busy
from buildandpush.core.facts import Proof, ReadBack
from buildandpush.core.jsonvalue import UnreadableError, parse_json
from buildandpush.core.naming import names_run

_log = structlog.get_logger(__name__)

_TAG_PAGE: Final = 1000
_MAX_TAG_PAGES: Final = 100
_MAX_TAGS: Final = 100_000
_MAX_TAG_CHARACTERS: Final = 4 * 2**20
"""Of all of them together."""
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
_ANY_DIGEST: Final = re.compile(r"[a-z0-9+._-]{1,32}:[A-Za-z0-9=_-]{32,128}")


class NotReadError(Exception):
    """The registry cannot be read from here; its text says why."""

    def __init__(self, problem: str, *, passing: bool = False, retry_after_seconds: int = 0) -> None:
        """`passing` says whether it may be read a moment later, `retry_after_seconds` how long it wants to be left
        alone."""
        super().__init__(problem)
        self.passing = passing
        self.retry_after_seconds = retry_after_seconds

    def to_read_back(self) -> ReadBack:
        """As the answer of a read-back."""
        return ReadBack(
            {},
            digest_found=False,
            problem=str(self),
            passing=self.passing,
            retry_after_seconds=self.retry_after_seconds,
        )


async def read_image(image: "Image", tags: tuple[str, ...], digest: str) -> ReadBack:
    """What each tag names, whether the digest is there, and what that image is. Never raises for what a registry
    does."""
    try:
        found, *named = await asyncio.gather(*(image.fetch_digest(name) for name in (digest, *tags)))
        details = await image.fetch_details(digest) if found == digest else {}
    except NotReadError as error:
        return error.to_read_back()
    return ReadBack(dict(zip(tags, named, strict=True)), digest_found=found == digest, **details)


async def prove_image(image: "Image", names: tuple[str, ...], run_label: str) -> Proof:
    """The digest that all names name, if the image's own label says that this run made it. Never raises for what a
    registry does."""
    try:
        named = set(await asyncio.gather(*(image.fetch_digest(name) for name in names)))
        digest = named.pop() if len(named) == 1 else None
        if digest is None or not _DIGEST.fullmatch(digest):
            return Proof(None)
        labels = await image.fetch_labels(digest)
    except NotReadError as error:
        return Proof(None, str(error), passing=error.passing, retry_after_seconds=error.retry_after_seconds)
    return Proof(digest if names_run(labels.get(meta.IMAGE_LABEL_RUN), run_label) else None)


@dataclass(frozen=True)
class _Manifest:
    """What is used of a manifest. The whole may take 16 MiB, and its config comes as slowly as a registry likes."""

    config: Any
    """What it names as the digest of the config."""
    size_bytes: int | None
    """Of the config and the layers."""
    media_type: str


async def _tell_all(host: str) -> bool:
    """Everybody may learn how any host answers."""
    return True


class Image:
    """One repository of a registry, read with one login."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        host: str,
        path: str,
        login: str,
        *,
        scheme: str = "https",
        agent: str = meta.COMPONENT,
        may_tell: Callable[[str], Awaitable[bool]] = _tell_all,
    ) -> None:
        """`login` is the whole value of the header Authorization, `agent` that of User-Agent. `may_tell` says of a host
        that the registry sends to whether everybody may learn how it answers."""
        self.session = session
        self.host = host
        self.path = path
        self.base = URL(f"{scheme}://{host}")
        self._login = login
        self._agent = agent
        self._may_tell = may_tell
        # Some registries take the login itself, others only a token that they give for it.
        self._authorization = login
        self._exchange = asyncio.Lock()

    async def fetch_digest(self, reference: str) -> str | None:
        """The digest a tag names, or the digest itself if it is there."""
        status, headers, _ = await self._request("HEAD", f"manifests/{reference}")
        if status == 404:
            return None
        digest: str | None = headers.get("Docker-Content-Digest")
        if digest is None and ":" in reference:
            return reference  # asked for by digest, the answer itself is the proof
        if digest is None or not _ANY_DIGEST.fullmatch(digest):
            raise NotReadError(f"{self.host} did not say which digest {reference} names")
        return digest

    async def fetch_tags(self) -> tuple[str, ...]:
        """The repository's tags, page by page: each names the last tag that the next one begins after.
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags"""
        tags: list[str] = []
        characters = 0
        for _ in range(_MAX_TAG_PAGES):
            after = f"&last={quote(tags[-1], safe='')}" if tags else ""
            status, headers, body = await self._request("GET", f"tags/list?n={_TAG_PAGE}{after}")
            page = _parse(body).get("tags") if status == 200 else None
            found = [tag for tag in page if _is_tag(tag)] if isinstance(page, list) else []
            tags += found
            characters += sum(map(len, found))
            is_enough = len(tags) >= _MAX_TAGS or characters >= _MAX_TAG_CHARACTERS
            if not found or "Link" not in headers or is_enough:
                break
        return tuple(tags)

    async def fetch_details(self, digest: str) -> dict[str, Any]:
        """Size, media type and platform, as far as they can be read: nothing hangs on them."""
        try:
            manifest = await self._fetch_manifest(digest)
            config = await self._fetch_config(manifest)
        except (NotReadError, TypeError):
            return {}
        system, architecture = config.get("os"), config.get("architecture")
        return {
            "size_bytes": manifest.size_bytes,
            "media_type": manifest.media_type or None,
            "platform": f"{system}/{architecture}" if system and architecture else None,
        }

    async def _fetch_manifest(self, digest: str) -> _Manifest:
        _, headers, body = await self._request("GET", f"manifests/{digest}")
        found = _parse(body)
        config = _object(found.get("config"))
        sizes = [part["size"] for part in (config, *_layers_of(found)) if isinstance(part.get("size"), int)]
        media_type = str(headers.get("Content-Type", "")).partition(";")[0]
        return _Manifest(config.get("digest"), sum(sizes) if sizes else None, media_type)

    async def _fetch_config(self, manifest: _Manifest) -> dict[str, Any]:
        """The image's config; empty for an index, which has none."""
        digest = manifest.config
        if not isinstance(digest, str) or not _ANY_DIGEST.fullmatch(digest):
            return {}
        status, headers, blob = await self._request("GET", f"blobs/{digest}")
        if status in _REDIRECTS:
            blob = await self._fetch_elsewhere(headers.get("Location", ""))
        return _parse(blob)

    async def fetch_labels(self, digest: str) -> dict[str, str]:
        """The labels in the image's config; empty for an index, which has none."""
        config = await self._fetch_config(await self._fetch_manifest(digest))
        return _object(_object(config.get("config")).get("Labels"))

    async def _fetch_elsewhere(self, url: str) -> bytes:
        """A blob that the registry keeps in a storage account; the login does not go there."""
        if not url.startswith("https://"):
            raise NotReadError(f"{self.host} sends elsewhere without TLS")
        try:
            status, _, blob = await self._send("GET", url, {})
            if status != 200:
                raise NotReadError(f"the storage that {self.host} names answered {status}")
        except NotReadError as error:
            raise await self._hide(error, url) from error
        return blob

    async def _hide(self, error: NotReadError, url: str) -> NotReadError:
        """The error with its words only where users may have them: a stranger's registry sends wherever it likes."""
        host = ""
        with suppress(ValueError):
            host = URL(url).host or ""
        if host and await self._may_tell(host):
            return error
        _log.warning("registry.unreachable", host=host, error=str(error))
        told = f"the storage that {self.host} names: {UNTOLD}"
        return NotReadError(told, passing=error.passing, retry_after_seconds=error.retry_after_seconds)

    async def _request(self, method: str, path: str) -> tuple[int, Any, bytes]:
        url = f"{self.base.scheme}://{self.host}/v2/{self.path}/{path}"
        used = self._authorization
        status, headers, body = await self._send(method, url, {"Accept": _ACCEPT, "Authorization": used})
        if status == 401:
            await self._fetch_token(headers.get("WWW-Authenticate", ""), used)
            again = {"Accept": _ACCEPT, "Authorization": self._authorization}
            status, headers, body = await self._send(method, url, again)
        redirected = status in _REDIRECTS and path.startswith("blobs/")
        if status not in (200, 404) and not redirected:
            problem = f"{self.host} answered {status}"
            raise NotReadError(problem, passing=is_busy(status), retry_after_seconds=read_pause(status, headers))
        return status, headers, body

    async def _fetch_token(self, challenge: str, used: str) -> None:
        """Exchange the login for the token that the registry asks for, once for all requests.
        https://distribution.github.io/distribution/spec/auth/token/"""
        async with self._exchange:
            if self._authorization != used:
                return  # another request has done it meanwhile
            realm = _token_address(challenge)
            if realm is None or not is_at(realm, self.base) or not self._login.startswith("Basic "):
                raise NotReadError(f"{self.host} answered 401")  # the login goes to this host and nowhere else
            status, headers, body = await self._send("GET", str(realm), {"Authorization": self._login})
            answer = _parse(body) if status == 200 else {}
            token = answer.get("access_token") or answer.get("token")
            if not isinstance(token, str):
                problem = f"{self.host} answered {status} to the request for a token"
                raise NotReadError(problem, passing=is_busy(status), retry_after_seconds=read_pause(status, headers))
            self._authorization = f"Bearer {token}"

    async def _send(self, method: str, url: str, sent: dict[str, str]) -> tuple[int, Any, bytes]:
        try:
            # No redirect is followed: the login goes to this host and nowhere else.
            headers_sent = {**sent, "Accept-Encoding": "identity", "User-Agent": self._agent}
            async with self.session.request(method, url, headers=headers_sent, allow_redirects=False) as response:
                body = await read_bounded(response.content, MAX_ANSWER) if method == "GET" else b""
                status, headers = response.status, response.headers
        except TooLongError as error:
            raise NotReadError(f"{self.host}: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a host that no client can ask for. A server's own words may be in the others.
            problem = clip_foreign(f"{self.host}: {str(error) or type(error).__name__}")
            passing = is_passing(error) or _is_slow(error)
            raise NotReadError(problem, passing=passing, retry_after_seconds=read_pause_of(error)) from error
        return status, headers, body


def _is_slow(error: Exception) -> bool:
    """Whether the registry was reached and took too long; one that cannot be reached is no better a moment later."""
    return isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def _token_address(challenge: str) -> URL | None:
    """Where a Bearer challenge says that a token is to be had, with what it is to be asked for; None for any other."""
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        wanted = parse_keqv_list(parse_http_list(rest))
        query: dict[str, str] = {name: str(wanted[name]) for name in ("service", "scope") if name in wanted}
        return URL(wanted.get("realm", "")).update_query(query)
    except (ValueError, IndexError):  # both from what is no list of names and values
        return None


def is_at(address: URL, own: URL) -> bool:
    """Whether an address is a registry's own, which may be written with its port or without."""
    return (address.scheme, address.host, address.port) == (own.scheme, own.host, own.port)


def _layers_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    layers = manifest.get("layers")
    return [_object(layer) for layer in layers] if isinstance(layers, list) else []


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return _object(parse_json(data))
    except UnreadableError as error:
        raise NotReadError(f"the registry's answer cannot be read: {error}") from error


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
