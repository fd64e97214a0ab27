"""Reads images from the dev cluster's registry by its real address, under its production name."""

import base64
import gzip
import hashlib
import http.client
import io
import json
import socket
import ssl
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from devcluster.settings import Settings
from tests.artifacts import Artifact

_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class _PinnedConnection(http.client.HTTPSConnection):
    """HTTPS to one address, with the certificate and Host of another name."""

    def __init__(self, name: str, address: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(name, context=context, timeout=20)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection(self._address, timeout=20)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


@dataclass(frozen=True)
class Registry:
    """The registry, logged in as its only user."""

    host: str
    address: tuple[str, int]
    ca_file: str
    user: str
    password: str

    @classmethod
    def of(cls, settings: Settings) -> "Registry":
        """The dev cluster's."""
        return cls(
            settings.registry_host,
            (settings.network.gateway, settings.ports.registry),
            str(settings.ca_certificate),
            settings.registry_user,
            settings.registry_password.read_text().strip(),
        )

    def at(self, host: str, password: str) -> "Registry":
        """Another emulated registry, logged in to as its admin."""
        return replace(self, host=host, user=host.split(".", 1)[0], password=password)

    @property
    def secret_forms(self) -> tuple[str, ...]:
        """The spellings of the password that no object and no log may hold."""
        pair = f"{self.user}:{self.password}"
        return (
            self.password,
            base64.b64encode(self.password.encode()).decode(),
            base64.b64encode(pair.encode()).decode(),
        )

    def is_up(self) -> bool:
        """Whether anything listens at the registry's address."""
        try:
            with socket.create_connection(self.address, timeout=2):
                return True
        except OSError:
            return False

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag names, by the registry's own word; None where there is no such tag."""
        status, headers, _ = self._ask("HEAD", f"{_path(repository)}/manifests/{reference}")
        return headers["docker-content-digest"] if status == 200 else None

    def config(self, repository: str, reference: str) -> dict[str, Any]:
        """The image's config, its bytes checked against their digest."""
        manifest = self._manifest(repository, reference)
        result: dict[str, Any] = json.loads(self._blob(repository, manifest["config"]["digest"]))
        return result

    def labels(self, repository: str, reference: str) -> dict[str, str]:
        """The labels in the image's config."""
        return dict(self.config(repository, reference)["config"].get("Labels") or {})

    def files(self, repository: str, reference: str) -> dict[str, bytes]:
        """The image's regular files by path without leading slash, later layers over earlier ones."""
        found: dict[str, bytes] = {}
        for archive, member in self._members(repository, reference):
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                found[member.name.removeprefix("./").lstrip("/")] = content.read()
        return found

    def owners(self, repository: str, reference: str) -> dict[str, str]:
        """User and group of the image's files and folders, by path without leading slash, as uid:gid."""
        return {
            member.name.removeprefix("./").strip("/"): f"{member.uid}:{member.gid}"
            for _, member in self._members(repository, reference)
        }

    def push(self, repository: str, tag: str, artifact: Artifact) -> None:
        """Push an artifact. The repository has the registry's host before it."""
        for digest, data in artifact.blobs.items():
            begun = self._write("POST", f"{_path(repository)}/blobs/uploads/", b"", "application/octet-stream")
            place = urlsplit(begun["location"])
            target = f"{place.path}?{place.query}&digest={digest}"
            self._write("PUT", target, data, "application/octet-stream")
        kind = artifact.manifest["mediaType"]
        self._write("PUT", f"{_path(repository)}/manifests/{tag}", artifact.content, kind)

    def _members(self, repository: str, reference: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        """What each layer holds, the lowest layer first."""
        for layer in self._manifest(repository, reference)["layers"]:
            data = self._blob(repository, layer["digest"])
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
                for member in archive:
                    yield archive, member

    def _manifest(self, repository: str, reference: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self._read(f"{_path(repository)}/manifests/{reference}"))
        return result

    def _blob(self, repository: str, digest: str) -> bytes:
        data = self._read(f"{_path(repository)}/blobs/{digest}")
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
        return data

    def _read(self, path: str) -> bytes:
        status, _, data = self._ask("GET", path)
        assert status == 200, f"GET {path}: {status} {data[:200]!r}"
        return data

    def _write(self, method: str, path: str, body: bytes, kind: str) -> dict[str, str]:
        status, headers, data = self._ask(method, path, body, {"Content-Type": kind})
        assert status in (201, 202), f"{method} {path}: {status} {data[:200]!r}"
        return headers

    def _ask(
        self, method: str, path: str, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        context = ssl.create_default_context(cafile=self.ca_file)
        connection = _PinnedConnection(self.host, self.address, context)
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        try:
            headers_sent = {"Accept": _ACCEPT, "Authorization": f"Basic {login}", **(more or {})}
            connection.request(method, path, body, headers_sent)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, response.read()
        finally:
            connection.close()


def _path(repository: str) -> str:
    return f"/v2/{repository.split('/', 1)[1]}"
