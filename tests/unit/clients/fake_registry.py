"""A registry on loopback with a certificate of its own CA."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@cache
def make_certificates() -> tuple[str, str, str]:
    """PEM of a CA, and of a certificate for 127.0.0.1 with its key."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])

    def builder(name: x509.Name, public: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return tuple(item.decode() for item in (_pem(ca), _pem(leaf), private))  # type: ignore[return-value]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class FakeRegistry:
    """What it holds: a digest by reference (tag or digest), and blobs by digest."""

    host: str = ""
    ca_bundle: str = ""
    references: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    passing: list[int] = field(default_factory=list)
    """Statuses of the next answers; 0: the connection breaks off."""
    passed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when none of them is left."""
    retry_after: str = ""
    """For how long those want to be left alone."""
    location: str = ""
    blob_location: str = ""
    tells_digest: bool = True
    odd_tags: bytes = b""
    """What it answers to the request for its tags, page after page."""
    challenge: str | None = None
    """With one, nobody is let in."""
    realm: str = ""
    """Where a token is to be had; with one, the login itself is not taken."""
    tokens: int = 0
    """How many tokens were given."""
    seen: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        if self.passing:
            return self._fail(request)
        if self.challenge is not None:
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})
        if self.realm:
            if request.path == "/oauth2/token":
                return self._give_token(request)
            if request.headers["Authorization"] != "Bearer let-me-in":
                scope = 'service="registry",scope="repository:shop/web:pull"'
                return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{self.realm}",{scope}'})
        elsewhere = self.blob_location if "/blobs/" in request.path else ""
        elsewhere = elsewhere or (self.location and self.location + request.path)
        if elsewhere:
            return web.Response(status=307, headers={"Location": elsewhere})
        if self.status != 200:
            return web.Response(status=self.status)
        reference = request.path.rsplit("/", 1)[1]
        if request.path.endswith("/tags/list"):
            return self._list_tags(request)
        digest = self.references.get(reference)
        if digest is None and reference not in self.bodies:
            return web.Response(status=404)
        headers = {"Docker-Content-Digest": digest} if digest and self.tells_digest else {}
        return web.Response(body=self.bodies.get(digest or reference, b""), headers=headers)

    def _list_tags(self, request: web.Request) -> web.Response:
        """A page of two tags, as a registry that keeps its pages small; the tags are listed in order."""
        if self.odd_tags:
            return web.Response(body=self.odd_tags, headers={"Link": '<x>; rel="next"'})
        tags = sorted(name for name in self.references if ":" not in name)
        if not tags:
            return web.Response(status=404)
        last = request.query.get("last", "")
        rest = [tag for tag in tags if tag > last]
        more = {"Link": f'</v2/shop/web/tags/list?last={rest[1]}&n=2>; rel="next"'} if len(rest) > 2 else {}
        return web.json_response({"name": "shop/web", "tags": rest[:2]}, headers=more)

    def _fail(self, request: web.Request) -> web.Response:
        status = self.passing.pop(0)
        if not self.passing:
            self.passed.set()
        if not status and request.transport is not None:
            request.transport.abort()
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.Response(status=status or 499, headers=headers)

    def _give_token(self, request: web.Request) -> web.Response:
        wanted = {"service": "registry", "scope": "repository:shop/web:pull"}
        if not request.headers["Authorization"].startswith("Basic ") or dict(request.query) != wanted:
            return web.Response(status=400)
        self.tokens += 1
        return web.json_response({"access_token": "let-me-in"})


@asynccontextmanager
async def serve_registry() -> AsyncIterator[FakeRegistry]:
    """A registry for the time of the block; its host is 127.0.0.1 and a free port."""
    registry = FakeRegistry(ca_bundle=make_certificates()[0])
    async with serve(registry.handle) as host:
        registry.host = host
        yield registry


@asynccontextmanager
async def serve(handle: Callable[[web.Request], Awaitable[web.StreamResponse]], **settings: Any) -> AsyncIterator[str]:
    """Answer every request over TLS for the time of the block; gives back 127.0.0.1 and a free port. The settings are
    those of aiohttp's server."""
    _, certificate, key = make_certificates()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.write_text(certificate + key)
        context.load_cert_chain(path)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(ssl=context, **settings)
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.close()
