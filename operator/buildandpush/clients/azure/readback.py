"""Reads a push back from an ACR with azure-containerregistry: what the tags name, and what the image is.

The client is made for one reading: kept longer, it would go on with a login that has ended. For every single operation
it asks without a token, exchanges its login anew, and asks for a token to the repository. So the exchange is answered
here, with the login that is held already, and a token that the registry has just taken is used again.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from azure.containerregistry import ArtifactManifestProperties
from azure.containerregistry.aio import ContainerRegistryClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpResponse, AsyncHttpTransport

from buildandpush.clients.outside import ODD_ANSWERS, ONE_TRY, Outside, is_passing
from buildandpush.clients.recent import Recent
from buildandpush.clients.traffic.pauses import read_pause_of
from buildandpush.core.azure.cloud import REGISTRY_AUDIENCE
from buildandpush.core.azure.errors import clip_foreign, is_busy
from buildandpush.core.azure.login import Credentials
from buildandpush.core.azure.token import is_token
from buildandpush.core.facts import ReadBack
from buildandpush.core.foreign import admit

_EXCHANGE_PATH: Final = "/oauth2/exchange"
_TIMEOUT_SECONDS: Final = 30.0
TOKEN_SECONDS: Final = 300.0
"""How long a token is used again at most. Registries let them live for an hour or more, whatever happens to a role."""
_AUTHORIZATION: Final = "Authorization"
_REFUSED: Final = (401, 403)


class AcrReader:
    """Reads with the refresh token of an ACR."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._tokens: Recent[_Place, _Token] = Recent()

    async def read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials
    ) -> ReadBack:
        """Ask the registry for the digest and for each tag. It raises nothing for a registry's failure."""
        host, path = repository.split("/", 1)
        pause = 0
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._open(repository, credentials) as client:
                return await _read_image(client, path, tags, digest)
        except HttpResponseError as error:
            # An answer may be a whole page of a proxy, so the message shows only its beginning.
            problem = f"{host} answered {error.status_code}: {error.message}"
            passing = is_busy(error.status_code or 0) or is_passing(error.inner_exception)
            pause = read_pause_of(error)
        except (AzureError, TimeoutError, OSError, *ODD_ANSWERS) as error:
            # For example content that does not match its digest, or a challenge that the client cannot read.
            problem = f"{host}: {str(error) or type(error).__name__}"
            passing = is_passing(getattr(error, "inner_exception", None)) or isinstance(error, TimeoutError)
            pause = read_pause_of(error)
        message = clip_foreign(admit(problem, [credentials.password]))
        return ReadBack({}, digest_found=False, problem=message, passing=passing, retry_after_seconds=pause)

    @asynccontextmanager
    async def _open(self, repository: str, credentials: Credentials) -> AsyncIterator[ContainerRegistryClient]:
        host = repository.split("/", 1)[0]
        sent = await self._outside.transport(credentials.ca_bundle)
        transport = _HeldLogin(sent, repository, credentials.password, self._tokens)
        client = ContainerRegistryClient(
            f"https://{host}", _NoCredential(), audience=REGISTRY_AUDIENCE, transport=transport, **ONE_TRY
        )
        async with client:
            yield client


@dataclass(frozen=True)
class _Manifest:
    """What a read-back tells of a manifest. The content may have some MiB, and a build has many tags."""

    digest: str
    media_type: str


async def _read_image(client: ContainerRegistryClient, path: str, tags: tuple[str, ...], digest: str) -> ReadBack:
    """A tag names the manifest that whoever pulls the tag gets, so that manifest is asked for. Where it is the image's
    own, the image needs no other request for it."""
    properties = await _read_properties(client, path, digest)
    manifests = {tag: await _read_manifest(client, path, tag) for tag in tags}
    named = {tag: manifest.digest if manifest is not None else None for tag, manifest in manifests.items()}
    own = next((found for found in manifests.values() if found is not None and found.digest == digest), None)
    own = own or await _read_manifest(client, path, digest)
    if own is None:
        return ReadBack(named, digest_found=False)
    # The metadata may be behind the content. Nothing hangs on what it tells.
    return ReadBack(
        named,
        digest_found=True,
        size_bytes=properties.size_in_bytes if properties is not None else None,
        media_type=own.media_type or None,
        platform=_platform_of(properties) if properties is not None else None,
    )


async def _read_properties(
    client: ContainerRegistryClient, path: str, digest: str
) -> ArtifactManifestProperties | None:
    try:
        return await client.get_manifest_properties(path, digest)
    except ResourceNotFoundError:
        return None


async def _read_manifest(client: ContainerRegistryClient, path: str, reference: str) -> _Manifest | None:
    """A manifest by a tag or a digest; None if there is none. Its digest is that of its content: the client checks."""
    try:
        found = await client.get_manifest(path, reference)
    except ResourceNotFoundError:
        return None
    return _Manifest(str(found.digest), (found.media_type or "").partition(";")[0])  # a proxy may add a charset


def _platform_of(properties: ArtifactManifestProperties) -> str | None:
    system, architecture = properties.operating_system, properties.architecture
    if not system or not architecture:
        return None
    return f"{getattr(system, 'value', system)}/{getattr(architecture, 'value', architecture)}"


class _NoCredential:
    """Takes the place of an Entra credential. Its token is never sent, because the exchange is answered here."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """An empty token."""
        return AccessToken("", 0)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> "_NoCredential":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@dataclass(frozen=True)
class _Place:
    """What a token is good for: a repository of a registry, by one of its two interfaces, and with one login."""

    repository: str
    interface: str
    """`acr` for the metadata, `v2` for the content."""
    login: str
    """A hash of the refresh token: where a user writes it, it may have any length."""


@dataclass(frozen=True)
class _Token:
    authorization: str
    until: float
    """By the event loop's clock."""


class _HeldLogin(AsyncHttpTransport):  # type: ignore[type-arg]
    """Answers the exchange with the known refresh token, and sends everything else, but only to the one host. What
    comes without a token is sent with the one that the registry took last."""

    def __init__(
        self, transport: AioHttpTransport, repository: str, refresh_token: str, tokens: Recent[_Place, _Token]
    ) -> None:
        self._transport = transport
        self._repository = repository
        self._host = repository.split("/", 1)[0]
        self._refresh_token = refresh_token
        self._login = sha256(refresh_token.encode()).hexdigest()
        self._tokens = tokens
        self._answers: list[Any] = []

    async def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a request."""
        address = urlsplit(request.url)
        if address.netloc.lower() == self._host and address.path == _EXCHANGE_PATH:
            return _HeldAnswer(request, json.dumps({"refresh_token": self._refresh_token}).encode())
        place = _Place(self._repository, address.path.lstrip("/").partition("/")[0], self._login)
        known = self._find_token(place, address.netloc.lower()) if _AUTHORIZATION not in request.headers else None
        if known is not None:
            answer = await self._send(request, kwargs, known)
            if answer.status_code not in _REFUSED:
                return answer
            self._tokens.pop(place)
            del request.headers[_AUTHORIZATION]
        answer = await self._send(request, kwargs)
        given = request.headers.get(_AUTHORIZATION)
        if given is not None and is_token(given) and answer.status_code not in _REFUSED:
            self._tokens.put(place, _Token(given, asyncio.get_running_loop().time() + TOKEN_SECONDS))
        return answer

    def _find_token(self, place: _Place, host: str) -> str | None:
        """The token that the registry took last for this; None for any other host."""
        token = self._tokens.get(place) if host == self._host else None
        return token.authorization if token is not None and asyncio.get_running_loop().time() < token.until else None

    async def _send(self, request: Any, kwargs: dict[str, Any], authorization: str | None = None) -> Any:
        if authorization is not None:
            request.headers[_AUTHORIZATION] = authorization
        self._release()  # the client asks one thing after the other
        answer = await self._transport.send(request, **kwargs)
        self._answers.append(answer)
        return answer

    async def open(self) -> None:
        """The session is open already."""

    async def close(self) -> None:
        """The session stays open for others."""
        self._release()

    def _release(self) -> None:
        """Let go of the answers. The client does not read those that it refuses."""
        for answer in self._answers:
            answer.internal_response.release()
        self._answers.clear()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _HeldAnswer(AsyncHttpResponse):
    """The answer to an exchange, as azure-core's pipeline reads it."""

    def __init__(self, request: Any, body: bytes) -> None:
        super().__init__(request, None)
        self.status_code = 200
        self.reason = "OK"
        self.content_type = "application/json"
        self.headers = {"Content-Type": self.content_type, "Content-Length": str(len(body))}
        self._body = body

    def body(self) -> bytes:
        """The whole answer."""
        return self._body
