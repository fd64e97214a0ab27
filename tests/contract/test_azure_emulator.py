"""The emulated registries in front of the real one: what is pushed there is read back with Azure's own client."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from buildandpush.clients.azure.readback import AcrReader
from buildandpush.clients.azure.tokens import AcrClient
from buildandpush.clients.outside import Outside
from buildandpush.clients.registry import RegistryClient
from buildandpush.core.azure.login import NULL_GUID, Credentials
from devcluster.azure.upstream import Upstream
from devcluster.settings import Settings
from tests.e2e.harness.azure import TENANT, Azure
from tests.pinned import LOOPBACK, PinnedResolver

pytestmark = [pytest.mark.e2e]

CONFIG = b'{"architecture": "amd64", "os": "linux", "config": {"Labels": {"buildandpush.dev/run": "%s"}}}'
ADMIN = "the-admin-password"
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    """A registry of this test's own, and a login to it."""

    azure: Azure
    outside: Outside
    host: str
    refresh_token: str

    @property
    def credentials(self) -> Credentials:
        return Credentials((self.host,), NULL_GUID, self.refresh_token)

    async def push(self, repository: str, *tags: str, label: str = "x") -> str:
        """An image of one layer; its digest."""
        layer = f"layer of {label}".encode()
        config = CONFIG % label.encode()
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "config": await self._upload(repository, config, "application/vnd.oci.image.config.v1+json"),
            "layers": [await self._upload(repository, layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
        }
        body = json.dumps(manifest).encode()
        for tag in tags:
            await self._send("PUT", f"{repository}/manifests/{tag}", repository, body, MEDIA_TYPE)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    async def read_back(self, repository: str, *tags: str, digest: str) -> Any:
        """By the operator's own reader."""
        return await AcrReader(self.outside).read_back(f"{self.host}/{repository}", tags, digest, self.credentials)

    async def get(self, path: str) -> tuple[dict[str, Any], str]:
        """Body and Link header of a page of the metadata API, for the admin, whom alone the catalog is shown to."""
        headers = {"Authorization": aiohttp.encode_basic_auth(self.host.split(".", 1)[0], ADMIN)}
        async with (await self.outside.session()).get(f"https://{self.host}{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(), answer.headers.get("Link", "")

    async def _upload(self, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = await self._send("POST", f"{repository}/blobs/uploads/", repository, b"", "")
        await self._send("PUT", f"{place}&digest={digest}", repository, content, "application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    async def _send(self, method: str, path: str, repository: str, body: bytes, media_type: str) -> str:
        scope = f"repository:{repository}:pull,push"
        token = await AcrClient(self.outside).fetch_access_token(self.host, self.refresh_token, [scope])
        url = path if path.startswith("https://") else f"https://{self.host}/v2/{path}"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": media_type or "application/octet-stream"}
        async with (await self.outside.session()).request(method, url, data=body, headers=headers) as answer:
            assert answer.status in (201, 202), await answer.text()
            place = answer.headers.get("Location", "")
            return place if place.startswith("https://") else f"https://{self.host}{place}"


@pytest_asyncio.fixture
async def registry(azure: Azure, settings: Settings) -> AsyncIterator[Registry]:
    host = azure.make_registry(admin=ADMIN)
    identity = azure.make_identity(("AcrPush", host))
    resolver = PinnedResolver(settings.network.gateway, settings.ports.registry)
    outside = Outside(str(settings.ca_certificate), resolver, LOOPBACK)
    form = {
        "grant_type": "client_credentials",
        "client_id": identity.client_id,
        "client_secret": identity.secret,
        "scope": "https://containerregistry.azure.net/.default",
    }
    url = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    async with (await outside.session()).post(url, data=form) as answer:
        token = (await answer.json())["access_token"]
    refresh = await AcrClient(outside).exchange(host, TENANT, token)
    yield Registry(azure, outside, host, refresh)
    await outside.close()
    await _wait_until_closed()


async def _wait_until_closed() -> None:
    """TLS connections end a little after their session, the more so where the emulator broke them off:
    https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown"""
    transports: Mapping[int, Any] = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        # Nobody tells when the last one has ended.
        while any(item.get_extra_info("socket").fileno() != -1 for item in transports.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_push_is_read_back_with_all_that_the_status_tells(registry: Registry) -> None:
    digest = await registry.push("shop/web", "latest", "v1")
    found = await registry.read_back("shop/web", "latest", "v1", "v2", digest=digest)
    assert found.problem == ""
    assert found.tags == {"latest": digest, "v1": digest, "v2": None}
    assert (found.digest_found, found.platform, found.media_type) == (True, "linux/amd64", MEDIA_TYPE)
    assert found.size_bytes == len(b"layer of x") + len(CONFIG % b"x")


async def test_a_tag_that_moved_names_the_other_digest(registry: Registry) -> None:
    first = await registry.push("shop/web", "latest", label="first")
    second = await registry.push("shop/web", "latest", label="second")
    found = await registry.read_back("shop/web", "latest", digest=first)
    assert (found.digest_found, found.tags) == (True, {"latest": second})


async def test_an_image_says_itself_whose_run_it_is_of_by_tag_and_by_digest(registry: Registry) -> None:
    digest = await registry.push("shop/web", "latest", label="uid/1")
    await registry.push("shop/web", "other", label="uid/2")
    client = RegistryClient(registry.outside)
    repository = f"{registry.host}/shop/web"
    for names, label, proven in (
        (("latest",), "uid/1", digest),
        ((digest,), "uid/1", digest),
        ((digest,), "uid/2", None),
        (("latest", "other"), "uid/1", None),
        (("sha256:" + "f" * 64,), "uid/1", None),
    ):
        found = await client.find_proof(repository, names, label, registry.credentials)
        assert (found.digest, found.problem) == (proven, ""), (names, label)


async def test_a_digest_that_was_never_pushed_is_not_found(registry: Registry) -> None:
    await registry.push("shop/web", "latest")
    found = await registry.read_back("shop/web", "latest", digest="sha256:" + "f" * 64)
    assert (found.digest_found, found.problem) == (False, "")


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ({"truncateBytes": 40}, "/v2/.*/manifests/.*"),
        ({"headers": {"Docker-Content-Digest": "sha256:" + "e" * 64}}, "/v2/.*/manifests/.*"),
        ({"expired": True}, "/oauth2/token"),
        ({"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"}, "/acr/v1/.*"),
        ({"drop": True}, "/acr/v1/.*"),
    ],
    ids=["truncated", "wrong digest", "expired token", "too many requests", "dropped"],
)
# A connection that broke off may still be closing when the test's event loop ends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_what_a_registry_gets_wrong_is_never_taken_for_a_proof(
    registry: Registry, action: dict[str, Any], path: str
) -> None:
    digest = await registry.push("shop/web", "latest")
    with registry.azure.fault(action, host=registry.host, path=path):
        found = await registry.read_back("shop/web", "latest", digest=digest)
    assert not found.digest_found
    assert found.problem


async def test_repositories_and_tags_come_in_pages_that_have_no_gap(registry: Registry) -> None:
    names = [f"shop/image-{number}" for number in range(5)]
    for name in names:
        await registry.push(name, "b", "a", "c")
    for top, key, wanted in (
        ("/acr/v1/_catalog", "repositories", names),
        (f"/acr/v1/{names[0]}/_tags", "tags", ["a", "b", "c"]),
    ):
        found: list[Any] = []
        path = f"{top}?n=2"
        while path:
            body, link = await registry.get(path)
            assert len(body[key]) <= 2
            found += [item if isinstance(item, str) else item["name"] for item in body[key]]
            path = link.partition(">")[0].removeprefix("<")
        assert found == wanted


async def test_the_list_behind_is_read_to_its_end(registry: Registry, settings: Settings) -> None:
    """The registry behind refuses large pages; that was taken for an empty list once."""
    names = [f"shop/image-{number}" for number in range(5)]
    for name in names:
        await registry.push(name, "latest")
    upstream = Upstream(f"127.0.0.1:{settings.ports.registry_behind}", page=2)
    await upstream.open()
    try:
        assert await upstream.list_repositories(registry.host) == names
        assert await upstream.list_repositories(registry.host[:-1]) == []
    finally:
        await upstream.close()


async def test_a_registry_behind_that_refuses_is_no_empty_list(settings: Settings) -> None:
    upstream = Upstream(f"127.0.0.1:{settings.ports.registry_behind}", page=100_000)
    await upstream.open()
    try:
        with pytest.raises(Exception, match="500"):
            await upstream.list_repositories("demo.azurecr.io")
    finally:
        await upstream.close()


async def test_no_session_is_left_to_another_host(registry: Registry) -> None:
    """The client follows no redirect with its token."""
    digest = await registry.push("shop/web", "latest")
    away = {"status": 307, "headers": {"Location": "https://evil.test/v2/"}}
    with registry.azure.fault(away, host=registry.host, path="/acr/v1/.*"):
        found = await registry.read_back("shop/web", "latest", digest=digest)
    assert found.problem
    assert not registry.azure.requests(host="evil.test")
