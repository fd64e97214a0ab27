"""Reads a registry: what tags name, whether a digest is there, whose run an image is of.

The registry API: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import asyncio
import re
from typing import Any, Final, Protocol
from urllib.parse import quote
from urllib.request import parse_http_list, parse_keqv_list

import aiohttp
from yarl import URL

from buildandpush.api import meta
from buildandpush.clients.azure.readback import AcrReader
from buildandpush.clients.bounded import MAX_ANSWER, TooLongError, read_bounded
from buildandpush.clients.outside import Outside, is_passing
from buildandpush.core.azure.errors import clip_foreign, is_busy
from buildandpush.core.azure.login import Credentials
from buildandpush.core.facts import ReadBack
from buildandpush.core.jsonvalue import UnreadableError, parse_json

LAG_SECONDS: Final = (0.5, 1.0, 2.0, 3.0)
"""Waits between readings of an image that is not there yet, or of a registry that failed just now."""
_TAG_PAGE: Final = 1000
_MAX_TAG_PAGES: Final = 100
_MAX_TAGS: Final = 100_000
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class RegistryReader(Protocol):
    """What this module offers, so that a test's registry can take its place."""

    async def read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials, /
    ) -> ReadBack: ...

    async def read_tags(self, repository: str, tags: tuple[str, ...], credentials: Credentials, /) -> ReadBack: ...

    async def list_tags(self, repository: str, credentials: Credentials, /) -> tuple[str, ...] | None: ...

    async def find_proof(
        self, repository: str, tags: tuple[str, ...], run_label: str, credentials: Credentials, /
    ) -> str | None: ...


_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
_ANY_DIGEST: Final = re.compile(r"[a-z0-9+._-]{1,32}:[A-Za-z0-9=_-]{32,128}")


class _UnreadableError(Exception):
    """The registry cannot be read from here; its text says why."""

    def __init__(self, problem: str, *, passing: bool = False) -> None:
        """`passing` says whether it may be read a moment later."""
        super().__init__(problem)
        self.passing = passing


class RegistryClient:
    """Reads registries: an ACR with Azure's own client where an identity of Azure's logs in, any other by the API."""

    def __init__(self, outside: Outside, *, lag_seconds: tuple[float, ...] = LAG_SECONDS) -> None:
        self._outside = outside
        self._acr = AcrReader(outside)
        self._lag_seconds = lag_seconds

    async def read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials
    ) -> ReadBack:
        """Ask the registry for the digest and for what each tag names; never raises for what the registry does.

        What is not there at once may only not have arrived everywhere yet, so it is asked for some seconds more. So is
        a registry that has too much to do: its answer is told once and for all.
        """
        for seconds in (*self._lag_seconds, None):
            found = await self._read_back(repository, tags, digest, credentials)
            complete = found.digest_found and all(found.tags.get(tag) for tag in tags)
            if complete or (found.problem and not found.passing) or seconds is None:
                break
            await asyncio.sleep(seconds)
        return found

    async def _read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials
    ) -> ReadBack:
        if credentials.is_token:
            return await self._acr.read_back(repository, tags, digest, credentials)
        try:
            image = self._open(repository, credentials)
            found, *named = await asyncio.gather(*(image.fetch_digest(name) for name in (digest, *tags)))
            details = await image.fetch_details(digest) if found == digest else {}
        except _UnreadableError as error:
            return ReadBack({}, digest_found=False, problem=str(error), passing=error.passing)
        return ReadBack(dict(zip(tags, named, strict=True)), digest_found=found == digest, **details)

    async def read_tags(self, repository: str, tags: tuple[str, ...], credentials: Credentials) -> ReadBack:
        """Ask the registry what each tag names; never raises for what the registry does."""
        try:
            image = self._open(repository, credentials)
            named = await asyncio.gather(*(image.fetch_digest(tag) for tag in tags))
        except _UnreadableError as error:
            return ReadBack({}, digest_found=False, problem=str(error))
        return ReadBack(dict(zip(tags, named, strict=True)), digest_found=False)

    async def list_tags(self, repository: str, credentials: Credentials) -> tuple[str, ...] | None:
        """All tags of a repository, of which one that nobody pushed to has none; None where the registry does not tell.

        After 100,000 tags it is asked no further.
        """
        try:
            return await self._open(repository, credentials).fetch_tags()
        except _UnreadableError:
            return None

    async def find_proof(
        self, repository: str, tags: tuple[str, ...], run_label: str, credentials: Credentials
    ) -> str | None:
        """The digest that all tags name, if the image's own label says that this run made it; None otherwise."""
        try:
            image = self._open(repository, credentials)
            named = set(await asyncio.gather(*(image.fetch_digest(tag) for tag in tags)))
            digest = named.pop() if len(named) == 1 else None
            if digest is None or not _DIGEST.fullmatch(digest):
                return None
            labels = await image.fetch_labels(digest)
        except _UnreadableError:
            return None
        return digest if labels.get(meta.IMAGE_LABEL_RUN) == run_label else None

    def _open(self, repository: str, credentials: Credentials) -> "_Image":
        host, path = repository.split("/", 1)
        if host not in credentials.hosts:
            raise _UnreadableError(f"the connector does not serve {host} any more")
        try:
            session = self._outside.session(credentials.ca_bundle)
            authorization = aiohttp.encode_basic_auth(credentials.username, credentials.password)
        except (OSError, ValueError) as error:  # OpenSSL's errors are OSErrors
            raise _UnreadableError(f"the connector's login cannot be used: {error}") from error
        return _Image(session, host, path, authorization)


class _Image:
    """One repository of a registry, read with one login."""

    def __init__(self, session: aiohttp.ClientSession, host: str, path: str, login: str) -> None:
        self.session = session
        self.host = host
        self.path = path
        self._login = login
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
            raise _UnreadableError(f"{self.host} did not say which digest {reference} names")
        return digest

    async def fetch_tags(self) -> tuple[str, ...]:
        """The repository's tags, page by page: each names the last tag that the next one begins after.
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags"""
        tags: list[str] = []
        for _ in range(_MAX_TAG_PAGES):
            after = f"&last={quote(tags[-1], safe='')}" if tags else ""
            status, headers, body = await self._request("GET", f"tags/list?n={_TAG_PAGE}{after}")
            page = _parse(body).get("tags") if status == 200 else None
            tags += [tag for tag in page if _is_tag(tag)] if isinstance(page, list) else []
            if not page or "Link" not in headers or len(tags) >= _MAX_TAGS:
                break
        return tuple(tags)

    async def fetch_details(self, digest: str) -> dict[str, Any]:
        """Size, media type and platform, as far as they can be read: nothing hangs on them."""
        try:
            _, headers, body = await self._request("GET", f"manifests/{digest}")
            manifest = _parse(body)
            parts = [_object(manifest.get("config")), *map(_object, manifest.get("layers") or ())]
            sizes = [part["size"] for part in parts if isinstance(part.get("size"), int)]
            media_type = str(headers.get("Content-Type", "")).partition(";")[0]
            config = await self._fetch_config(manifest)
        except (_UnreadableError, TypeError):
            return {}
        system, architecture = config.get("os"), config.get("architecture")
        return {
            "size_bytes": sum(sizes) if sizes else None,
            "media_type": media_type or None,
            "platform": f"{system}/{architecture}" if system and architecture else None,
        }

    async def _fetch_config(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The image's config; empty for an index, which has none."""
        digest = _object(manifest.get("config")).get("digest")
        if not isinstance(digest, str):
            return {}
        status, headers, blob = await self._request("GET", f"blobs/{digest}")
        if status in _REDIRECTS:
            blob = await self._fetch_elsewhere(headers.get("Location", ""))
        return _parse(blob)

    async def fetch_labels(self, digest: str) -> dict[str, str]:
        """The labels in the image's config; empty for an index, which has none."""
        _, _, manifest = await self._request("GET", f"manifests/{digest}")
        config = await self._fetch_config(_parse(manifest))
        return _object(_object(config.get("config")).get("Labels"))

    async def _fetch_elsewhere(self, url: str) -> bytes:
        """A blob that the registry keeps in a storage account; the login does not go there."""
        if not url.startswith("https://"):
            raise _UnreadableError(f"{self.host} sends elsewhere without TLS")
        status, _, blob = await self._send("GET", url, {})
        if status != 200:
            raise _UnreadableError(f"the storage that {self.host} names answered {status}")
        return blob

    async def _request(self, method: str, path: str) -> tuple[int, Any, bytes]:
        url = f"https://{self.host}/v2/{self.path}/{path}"
        used = self._authorization
        status, headers, body = await self._send(method, url, {"Accept": _ACCEPT, "Authorization": used})
        if status == 401:
            await self._fetch_token(headers.get("WWW-Authenticate", ""), used)
            again = {"Accept": _ACCEPT, "Authorization": self._authorization}
            status, headers, body = await self._send(method, url, again)
        redirected = status in _REDIRECTS and path.startswith("blobs/")
        if status not in (200, 404) and not redirected:
            raise _UnreadableError(f"{self.host} answered {status}", passing=is_busy(status))
        return status, headers, body

    async def _fetch_token(self, challenge: str, used: str) -> None:
        """Exchange the login for the token that the registry asks for, once for all requests.
        https://distribution.github.io/distribution/spec/auth/token/"""
        async with self._exchange:
            if self._authorization != used:
                return  # another request has done it meanwhile
            realm = _token_address(challenge)
            if realm is None or not _is_at(realm, self.host):
                raise _UnreadableError(f"{self.host} answered 401")  # the login goes to this host and nowhere else
            status, _, body = await self._send("GET", str(realm), {"Authorization": self._login})
            answer = _parse(body) if status == 200 else {}
            token = answer.get("access_token") or answer.get("token")
            if not isinstance(token, str):
                problem = f"{self.host} answered {status} to the request for a token"
                raise _UnreadableError(problem, passing=is_busy(status))
            self._authorization = f"Bearer {token}"

    async def _send(self, method: str, url: str, sent: dict[str, str]) -> tuple[int, Any, bytes]:
        try:
            # No redirect is followed: the login goes to this host and nowhere else.
            headers_sent = {**sent, "Accept-Encoding": "identity"}
            async with self.session.request(method, url, headers=headers_sent, allow_redirects=False) as response:
                body = await read_bounded(response.content, MAX_ANSWER) if method == "GET" else b""
                status, headers = response.status, response.headers
        except TooLongError as error:
            raise _UnreadableError(f"{self.host}: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a host that no client can ask for. A server's own words may be in the others.
            problem = clip_foreign(f"{self.host}: {str(error) or type(error).__name__}")
            raise _UnreadableError(problem, passing=is_passing(error)) from error
        return status, headers, body


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 128


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


def _is_at(address: URL, host: str) -> bool:
    """Whether an address is this host's own, which may be written with its port or without."""
    own = URL(f"https://{host}")
    return (address.scheme, address.host, address.port) == (own.scheme, own.host, own.port)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return _object(parse_json(data))
    except UnreadableError as error:
        raise _UnreadableError(f"the registry's answer cannot be read: {error}") from error


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
