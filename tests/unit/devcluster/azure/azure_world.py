"""The emulated Azure in the test's own process, under its production names, with the operator's own clients at it."""

import asyncio
import datetime
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import jwt
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from buildandpush.api.connector import AzureConnectorSpec
from buildandpush.clients.azure.entra import EntraClient
from buildandpush.clients.azure.tokens import AcrClient
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.outside import Outside
from buildandpush.core.azure.cloud import REGISTRY_AUDIENCE
from buildandpush.core.azure.credential import ClientSecret, Connector, Credential, FederatedIdentity, Resolved
from devcluster.azure.server import Azure, ServerConfig
from devcluster.node.pki import ensure_pki
from devcluster.settings import Settings
from tests.pinned import LOOPBACK, PinnedResolver

NOW = datetime.datetime.now(datetime.UTC)
TENANT = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT = "11111111-1111-4111-8111-222222222222"
CUSTOM_TENANT = "11111111-1111-4111-8111-555555555555"
SUBSCRIPTION = "22222222-2222-4222-8222-111111111111"
CUSTOM_SUBSCRIPTION = "22222222-2222-4222-8222-555555555555"
APP = "33333333-3333-4333-8333-111111111111"
NOBODY = "33333333-3333-4333-8333-999999999999"
SECRET = "the-client-secret"
ISSUER = "https://kubernetes.default.svc.cluster.local"
SUBJECT = "system:serviceaccount:shop:buildandpush-identity"
HOST = "contoso.azurecr.io"
ABAC = "contosoabac.azurecr.io"
MANY = [f"many{number}.azurecr.io" for number in range(5)]
BY_SECRET = ClientSecret(TENANT, APP, SECRET)
FEDERATED = FederatedIdentity(TENANT, APP, "buildandpush-identity")


def make_certificate() -> tuple[str, str]:
    """An application's certificate and its key, in PEM form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "builds")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def describe_world(certificate: str) -> dict[str, Any]:
    """Two tenants, a cloud of one's own, registries with roles of either kind."""
    registry = {"tenant": TENANT, "subscription": SUBSCRIPTION}
    custom = {"tenant": CUSTOM_TENANT, "subscription": CUSTOM_SUBSCRIPTION}
    return {
        "tenants": [
            {"id": TENANT, "domain": "contoso.onmicrosoft.com"},
            {"id": OTHER_TENANT},
            {"id": CUSTOM_TENANT, "authority": "login.microsoftonline.us"},
        ],
        "subscriptions": [
            {"id": SUBSCRIPTION, "name": "Contoso Builds", "tenant": TENANT},
            {"id": CUSTOM_SUBSCRIPTION, "name": "Own", "tenant": CUSTOM_TENANT, "manager": "management.azure.com"},
        ],
        "registries": [
            {"host": HOST, **registry, "armAudience": False},
            {"host": ABAC, **registry, "abac": True},
            {"host": "fabrikam.azurecr.io", "tenant": OTHER_TENANT, "subscription": SUBSCRIPTION},
            {"host": "own.azurecr.us", **custom},
            *({"host": host, **registry} for host in MANY),
        ],
        "principals": [
            {
                "clientId": APP,
                "tenant": TENANT,
                "secrets": [{"value": SECRET}, {"value": "old", "expiresAt": "2020-01-01T00:00:00Z"}],
                "certificates": [certificate],
                "federations": [{"issuer": ISSUER, "subject": SUBJECT}],
                "roles": [
                    {"role": "AcrPush", "scope": HOST},
                    {"role": "RepositoryWriter", "scope": ABAC, "repositories": "shop/*"},
                    {"role": "Reader", "scope": SUBSCRIPTION},
                ],
            },
            {"clientId": NOBODY, "tenant": TENANT, "secrets": [{"value": SECRET}]},
            {
                "clientId": APP,
                "tenant": CUSTOM_TENANT,
                "secrets": [{"value": SECRET}],
                "roles": [{"role": "Reader", "scope": CUSTOM_SUBSCRIPTION}],
            },
        ],
    }


@dataclass
class AccountTokens:
    """Stands for the API server's TokenRequest: tokens signed with the cluster's key."""

    key: str
    subject: str = SUBJECT
    issuer: str = ISSUER
    made: int = 0

    async def create_service_account_token(self, namespace: str, name: str, *, audience: str) -> str:
        self.made += 1
        claims = {"iss": self.issuer, "sub": self.subject, "aud": [audience], "exp": 2**31}
        return jwt.encode(claims, self.key, algorithm="RS256")


@dataclass
class Running:
    """The emulator, and the operator's clients at it."""

    azure: Azure
    outside: Outside
    resolver: PinnedResolver
    entra: EntraClient
    acr: AcrClient
    accounts: AccountTokens
    certificate: tuple[str, str]
    control: str
    node: str

    @property
    def kubernetes(self) -> KubernetesClient:
        """The API server, for a client of its own."""
        return cast("KubernetesClient", self.accounts)


def connector(**changes: Any) -> Connector:
    """A connector that logs in by client secret unless it says otherwise."""
    principal = {"tenantId": TENANT, "clientId": APP, "secretRef": {"name": "s"}}
    spec = AzureConnectorSpec.model_validate(changes or {"servicePrincipal": principal})
    return Connector("shop", "acr", f"uid-{json.dumps(changes, sort_keys=True)}", spec)


def resolved(credential: Credential, of: Connector | None = None) -> Resolved:
    """A connector with its credential as it comes out of its Secret."""
    return Resolved(of or connector(), credential, (("Secret/s", repr(credential)),))


@asynccontextmanager
async def run_azure(folder: Path, certificate: tuple[str, str]) -> AsyncIterator[Running]:
    """The emulator on ports of its own for the length of an `async with`."""
    settings = Settings(state=folder / "state", cache=folder / "cache")
    ensure_pki(settings, NOW)
    world = folder / "world.yaml"
    world.write_text(yaml.safe_dump(describe_world(certificate[0])))
    public, control, node, behind = (_free_port() for _ in range(4))
    config = ServerConfig.model_validate(
        {
            "world": world,
            "certificate": settings.pki / "registry.crt",
            "key": settings.pki / "registry.key",
            "service_account_key": settings.pki / "sa.pub",
            "signing_key": folder / "signing-key",
            "upstream": f"127.0.0.1:{behind}",
            "repositories": str(folder / "repositories"),
            "address_host": HOST,
            "public": {"host": "127.0.0.1", "port": public},
            "control": {"host": "127.0.0.1", "port": control},
            "node": {"host": "127.0.0.1", "port": node},
        }
    )
    azure = Azure(config)
    task = asyncio.create_task(azure.run())
    await _wait_open(public)
    resolver = PinnedResolver("127.0.0.1", public)
    outside = Outside(str(settings.ca_certificate), resolver, LOOPBACK)
    accounts = AccountTokens((settings.pki / "sa.key").read_text())
    entra = EntraClient(outside, cast("KubernetesClient", accounts))
    address, endpoint = f"http://127.0.0.1:{control}", f"http://127.0.0.1:{node}"
    try:
        yield Running(azure, outside, resolver, entra, AcrClient(outside), accounts, certificate, address, endpoint)
    finally:
        await entra.close()
        await outside.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _wait_open(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def log_in(at: Running, credential: Credential = BY_SECRET, audience: str = REGISTRY_AUDIENCE) -> str:
    """A token of Entra ID."""
    return await at.entra.fetch_token(resolved(credential), audience)


async def count(at: Running, **query: str) -> int:
    """How many requests of this kind the emulated Azure has had."""
    async with aiohttp.ClientSession() as session, session.get(f"{at.control}/requests", params=query) as answer:
        return len((await answer.json())["requests"])


async def fault(at: Running, **body: Any) -> None:
    """Give the emulated Azure a fault."""
    async with aiohttp.ClientSession() as session, session.post(f"{at.control}/faults", json=body) as answer:
        assert answer.status == 200, await answer.text()
