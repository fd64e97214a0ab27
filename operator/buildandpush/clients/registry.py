"""Reads a pushed image back from its registry: does each tag name the digest?

The registry API: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from buildandpush.core.login import Credentials
from buildandpush.core.world import ReadBack

_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class _UnreadableError(Exception):
    """The registry cannot be read from here; its text says why."""


async def read_back(repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials) -> ReadBack:
    """Ask the registry for the digest and for what each tag names; never raises for what the registry does."""
    host, path = repository.split("/", 1)
    if host not in credentials.hosts:
        return ReadBack({}, digest_found=False, problem=f"the connector does not serve {host} any more")
    context = ssl.create_default_context()
    if credentials.ca_bundle:
        context.load_verify_locations(cadata=credentials.ca_bundle)
    auth = aiohttp.BasicAuth(credentials.username, credentials.password, encoding="utf-8")
    connector = aiohttp.TCPConnector(ssl=context, limit=4)
    async with aiohttp.ClientSession(connector=connector, auth=auth, timeout=_TIMEOUT) as session:
        try:
            found = await _fetch_digest(session, host, path, digest)
            named = await asyncio.gather(*(_fetch_digest(session, host, path, tag) for tag in tags))
        except _UnreadableError as error:
            return ReadBack({}, digest_found=False, problem=str(error))
    return ReadBack(dict(zip(tags, named, strict=True)), digest_found=found == digest)


async def _fetch_digest(session: aiohttp.ClientSession, host: str, path: str, reference: str) -> str | None:
    url = f"https://{host}/v2/{path}/manifests/{reference}"
    try:
        # No redirect is followed: the login goes to this host and nowhere else.
        async with session.head(url, headers={"Accept": _ACCEPT}, allow_redirects=False) as response:
            return _digest_of(response.status, response.headers, host)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise _UnreadableError(f"{host}: {str(error) or type(error).__name__}") from error


def _digest_of(status: int, headers: Mapping[str, str], host: str) -> str | None:
    if status == 404:
        return None
    if status != 200:
        raise _UnreadableError(f"{host} answered {status}")
    return headers.get("Docker-Content-Digest")
