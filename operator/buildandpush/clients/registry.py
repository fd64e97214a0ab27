"""Reads registries for the operator: what tags name, whether a digest is there, whose run an image is of."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from typing import Final, Protocol

import aiohttp
import structlog

from buildandpush.api.reasons import Reason
from buildandpush.clients.azure.readback import AcrReader
from buildandpush.clients.image import Image, NotReadError, prove_image, read_image
from buildandpush.clients.outside import Outside
from buildandpush.clients.recent import Recent
from buildandpush.clients.traffic.buckets import ASKER
from buildandpush.clients.traffic.pauses import Pauses
from buildandpush.clients.traffic.places import NAMESPACE
from buildandpush.core.azure.errors import UNTOLD
from buildandpush.core.azure.login import Credentials
from buildandpush.core.facts import Proof, ReadBack, Waiting

_log = structlog.get_logger(__name__)

LAG_SECONDS: Final = (0.5, 1.0, 2.0, 3.0)
"""Waits between readings of an image that is not there yet, or of a registry that failed just now."""
_LAG_LIMIT_SECONDS: Final = 20.0
"""A registry that takes this long over its answers is asked again later, and not by a worker that waits for it."""
LIST_SECONDS: Final = 60.0
"""How long all pages of a list of tags may take."""
TURN_SECONDS: Final = 5.0
"""How long a worker waits until others of its namespace have their lists."""
_NAME_A_NUMBER: Final = "The operator asks again. If you set firstRunNumber to a number, it needs no list."
_LONG_PAUSE_SECONDS: Final = 5
"""So is one that wants to be left alone for this long."""


class RegistryReader(Protocol):
    """What this module offers, so that a test's registry can take its place."""

    async def read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials, /
    ) -> ReadBack: ...

    async def read_tags(self, repository: str, tags: tuple[str, ...], credentials: Credentials, /) -> ReadBack: ...

    async def list_tags(self, repository: str, credentials: Credentials, /) -> tuple[str, ...] | Waiting | None: ...

    async def find_proof(
        self, repository: str, tags: tuple[str, ...], run_label: str, credentials: Credentials, /
    ) -> Proof: ...


class RegistryClient:
    """Reads registries: an ACR with Azure's own client where an identity of Azure's logs in, any other by the API."""

    def __init__(self, outside: Outside, *, lag_seconds: tuple[float, ...] = LAG_SECONDS) -> None:
        self._outside = outside
        self._acr = AcrReader(outside)
        self._lag_seconds = lag_seconds
        self._pauses: Pauses[tuple[str, str], ReadBack] = Pauses()
        self._listing: Recent[str, asyncio.Lock] = Recent(is_idle=lambda lock: not lock.locked())
        """Who lists tags, by namespace."""

    async def read_back(
        self, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials
    ) -> ReadBack:
        """Ask the registry for the digest and for what each tag names. Never raises for what the registry does.

        An image that is not there may only not have arrived everywhere yet, so the registry is asked for some seconds
        more. So is a registry that has too much to do.
        """
        try:
            image = await self._open(repository, credentials)
        except NotReadError as error:
            return error.to_read_back()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for seconds in (*self._lag_seconds, None):
            found = await self._read_back(image, repository, tags, digest, credentials)
            complete = found.digest_found and all(found.tags.get(tag) for tag in tags)
            wait = max(seconds or 0.0, found.retry_after_seconds)
            late = loop.time() - began > _LAG_LIMIT_SECONDS or found.retry_after_seconds >= _LONG_PAUSE_SECONDS
            if complete or (found.problem and not found.passing) or seconds is None or late:
                break
            await asyncio.sleep(wait)
        return await self._note(found, repository, credentials)

    async def _note(self, found: ReadBack, repository: str, credentials: Credentials) -> ReadBack:
        """What users are told of an answer; a pause that the registry asks for is kept."""
        told = await self._tell(found, repository)
        self._pauses.note(_key(repository, credentials), found.retry_after_seconds, told)
        return told

    async def _tell(self, found: ReadBack, repository: str) -> ReadBack:
        """What users are told of a registry that cannot be read."""
        host = repository.split("/", 1)[0]
        if not found.problem or await self._outside.may_tell(host):
            return found
        _log.warning("registry.unreachable", host=host, error=found.problem)
        return replace(found, problem=f"{host}: {UNTOLD}")

    async def _read_back(
        self, image: Image, repository: str, tags: tuple[str, ...], digest: str, credentials: Credentials
    ) -> ReadBack:
        if not credentials.is_token:
            return await read_image(image, tags, digest)
        found = await self._acr.read_back(repository, tags, digest, credentials)
        if not found.problem or found.retry_after_seconds:
            return found
        # An ACR answers for tags in two places. The one that works may confirm; that it does not know an image says
        # little while the other fails.
        other = await read_image(image, tags, digest)
        confirms = other.digest_found and all(named == digest for named in other.tags.values())
        return other if confirms else found

    async def read_tags(self, repository: str, tags: tuple[str, ...], credentials: Credentials) -> ReadBack:
        """Ask the registry what each tag names. Never raises for what the registry does."""
        try:
            image = await self._open(repository, credentials)
        except NotReadError as error:
            return error.to_read_back()
        try:
            named = await asyncio.gather(*(image.fetch_digest(tag) for tag in tags))
        except NotReadError as error:
            return await self._note(error.to_read_back(), repository, credentials)
        return ReadBack(dict(zip(tags, named, strict=True)), digest_found=False)

    async def list_tags(self, repository: str, credentials: Credentials) -> tuple[str, ...] | Waiting | None:
        """All tags of a repository, of which one that nobody pushed to has none; None where the registry does not tell,
        and Waiting where it may tell later.

        After 100,000 tags it is asked no further. They may take some MiB, so a namespace has one list at a time.
        """
        namespace = NAMESPACE.get()
        turn = self._listing.get(namespace) or self._listing.put(namespace, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await turn.acquire()
        except TimeoutError:
            told = "the builds of a namespace ask registries for all their tags one after the other"
            return Waiting(Reason.QUEUED, told, _NAME_A_NUMBER)
        try:
            return await self._list_tags(repository, credentials)
        finally:
            turn.release()

    async def _list_tags(self, repository: str, credentials: Credentials) -> tuple[str, ...] | Waiting | None:
        host = repository.split("/", 1)[0]
        try:
            async with asyncio.timeout(LIST_SECONDS):
                return await (await self._open(repository, credentials)).fetch_tags()
        except TimeoutError:
            problem = f"{host} had not listed all tags of the repository after {LIST_SECONDS:.0f} s"
            found = await self._tell(ReadBack({}, digest_found=False, problem=problem), repository)
        except NotReadError as error:
            found = await self._note(error.to_read_back(), repository, credentials)
            if not error.retry_after_seconds:
                return None
        return Waiting(Reason.REGISTRY_UNREACHABLE, found.problem, _NAME_A_NUMBER)

    async def find_proof(
        self, repository: str, tags: tuple[str, ...], run_label: str, credentials: Credentials
    ) -> Proof:
        """The digest that all tags name, if the image's own label says that this run made it."""
        try:
            image = await self._open(repository, credentials)
        except NotReadError as error:
            return Proof(None, str(error), passing=error.passing, retry_after_seconds=error.retry_after_seconds)
        proof = await prove_image(image, tags, run_label)
        unread = ReadBack({}, digest_found=False, problem=proof.problem, retry_after_seconds=proof.retry_after_seconds)
        return replace(proof, problem=(await self._note(unread, repository, credentials)).problem)

    async def _open(self, repository: str, credentials: Credentials) -> Image:
        host, path = repository.split("/", 1)
        if host not in credentials.hosts:
            raise NotReadError(f"the connector does not serve {host} any more")
        paused = self._pauses.find(_key(repository, credentials))
        if paused is not None:
            raise NotReadError(paused[0].problem, passing=True, retry_after_seconds=paused[1])
        try:
            session = await self._outside.session(credentials.ca_bundle)
            authorization = aiohttp.encode_basic_auth(credentials.username, credentials.password)
        except (OSError, ValueError) as error:  # OpenSSL's errors are OSErrors
            raise NotReadError(f"the connector's login cannot be used: {error}") from error
        ASKER.set(sha256(authorization.encode()).hexdigest())
        return Image(session, host, path, authorization, may_tell=self._outside.may_tell)


def _key(repository: str, credentials: Credentials) -> tuple[str, str]:
    """Whom a registry asks for a pause: a host, and what tells who asks it from others. A Secret may be large."""
    login = sha256(f"{credentials.username}:{credentials.password}".encode()).hexdigest()
    return repository.split("/", 1)[0], login
