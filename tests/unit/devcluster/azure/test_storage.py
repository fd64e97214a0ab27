"""The emulated Azure Blob Storage: as strict as Azure."""

import base64
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from buildandpush.core.azure.credential import ClientSecret
from devcluster.azure.model import StorageAccount
from devcluster.azure.storage import sign
from tests.unit.devcluster.azure.azure_world import (
    APP,
    NOBODY,
    OTHER_TENANT,
    SECRET,
    TENANT,
    Running,
    log_in,
    make_certificate,
    run_azure,
)

HOST = "contoso.blob.core.windows.net"
BLOB = "releases/shop.tgz"
ACCOUNT = StorageAccount(
    host=HOST,
    tenant=TENANT,
    key=base64.b64encode(b"k" * 64).decode(),
    blobs={BLOB: base64.b64encode(b"content").decode()},
)
STORAGE = "https://storage.azure.com"
VERSION = {"x-ms-version": "2021-12-02"}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with run_azure(tmp_path, make_certificate()) as found:
        async with aiohttp.ClientSession() as session:
            role = {"role": "StorageBlobDataReader", "scope": HOST}
            reader = {"clientId": APP, "tenant": TENANT, "secrets": [{"value": SECRET}], "roles": [role]}
            other = {**reader, "tenant": OTHER_TENANT}
            world = {
                "accounts": [
                    ACCOUNT.model_dump(by_alias=True),
                    {**ACCOUNT.model_dump(by_alias=True), "host": f"other{HOST}", "tenant": OTHER_TENANT},
                ],
                "principals": [reader, other],
            }
            async with session.post(f"{found.control}/world", json=world) as answer:
                assert answer.status == 200, await answer.text()
        yield found


async def ask(at: Running, path: str = BLOB, host: str = HOST, **headers: str) -> tuple[int, str, bytes]:
    """Status, error code and body."""
    connector = aiohttp.TCPConnector(resolver=at.resolver, ssl=_trusting_nobody())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://{host}/{path}", headers=headers) as answer,
    ):
        return answer.status, answer.headers.get("x-ms-error-code", ""), await answer.read()


def _trusting_nobody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def ask_by_token(at: Running, token: str, **changes: str) -> tuple[int, str, bytes]:
    return await ask(at, Authorization=f"Bearer {token}", **{**VERSION, **changes})


def signed(path: str = BLOB, account: StorageAccount = ACCOUNT, **changes: str) -> str:
    end = datetime.now(UTC) + timedelta(hours=1)
    values = {"sv": "2022-11-02", "se": f"{end:%Y-%m-%dT%H:%M:%SZ}", "sr": "b", "sp": "r", **changes}
    return f"{path}?{urlencode({**values, 'sig': sign(account, path, values)})}"


async def test_an_identity_with_the_role_reads_by_a_token_for_storage_alone(running: Running) -> None:
    token = await log_in(running, audience=STORAGE)
    assert await ask_by_token(running, token) == (200, "", b"content")
    assert (await ask_by_token(running, await log_in(running)))[:2] == (401, "InvalidAuthenticationInfo")
    assert (await ask(running, Authorization=f"Bearer {token}"))[:2] == (403, "AuthenticationFailed"), "no version"
    nobody = await log_in(running, ClientSecret(TENANT, NOBODY, SECRET), STORAGE)
    assert (await ask_by_token(running, nobody))[:2] == (403, "AuthorizationPermissionMismatch")
    assert (await ask_by_token(running, token, host=f"other{HOST}"))[:2] == (401, "InvalidAuthenticationInfo")


async def test_a_signature_is_of_one_key_blob_time_and_permission(running: Running) -> None:
    assert await ask(running, signed()) == (200, "", b"content")
    assert (await ask(running, signed(sr="c")))[0] == 200
    other = ACCOUNT.model_copy(update={"key": base64.b64encode(b"x" * 64).decode()})
    refused = {
        "another key": signed(account=other),
        "another blob": signed("releases/other.tgz").replace("other", "shop"),
        "another permission": signed(sp="w").replace("sp=w", "sp=r"),
        "ended": signed(se="2024-01-01T00:00:00Z"),
        "not begun": signed(st="2099-01-01T00:00:00Z"),
        "an old version": signed(sv="2015-04-05"),
    }
    for name, path in refused.items():
        assert (await ask(running, path))[:2] == (403, "AuthenticationFailed"), name
    assert (await ask(running, signed(sp="w")))[:2] == (403, "AuthorizationPermissionMismatch")


async def test_what_is_not_there_is_told_to_whom_may_read(running: Running) -> None:
    assert (await ask(running, signed("releases/none")))[:2] == (404, "BlobNotFound")
    assert (await ask(running, signed("none/none")))[:2] == (404, "ContainerNotFound")
    status, code, body = await ask(running)
    assert (status, code) == (409, "PublicAccessNotPermitted")
    assert b"<Error><Code>PublicAccessNotPermitted</Code>" in body
