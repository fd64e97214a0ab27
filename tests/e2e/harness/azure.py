"""The dev cluster's Azure as tests use it: identities and registries of their own, faults, and what was asked."""

import base64
import json
import secrets
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from devcluster.azure.model import StorageAccount
from devcluster.azure.storage import sign
from devcluster.settings import Settings

TENANT: Final = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT: Final = "11111111-1111-4111-8111-222222222222"
SUBSCRIPTION: Final = "22222222-2222-4222-8222-111111111111"
BASE_HOST: Final = "demo.azurecr.io"
_NO_PROXY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Identity:
    """An application of Entra ID."""

    client_id: str
    tenant: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Azure:
    """The emulated Azure's control API."""

    control: str
    used_secrets: Path
    """Where the secrets of all tests are kept, for the one that looks for them everywhere."""

    @classmethod
    def of(cls, settings: Settings) -> "Azure":
        """The dev cluster's."""
        return cls(settings.azure_control, settings.azure / "e2e-secrets")

    # ---- the world

    def make_registry(self, **changes: Any) -> str:
        """A registry of the test's own; gives back its host."""
        host = changes.pop("host", f"e2e{secrets.token_hex(4)}.azurecr.io")
        self._post(
            "/world", {"registries": [{"host": host, "tenant": TENANT, "subscription": SUBSCRIPTION, **changes}]}
        )
        return str(host)

    def make_tenant(self) -> str:
        """A tenant of the test's own, whose faults meet no other test."""
        tenant = str(uuid.uuid4())
        self._post("/world", {"tenants": [{"id": tenant}]})
        return tenant

    def make_identity(self, *roles: tuple[str, str] | tuple[str, str, str], **changes: Any) -> Identity:
        """An application with a secret and these roles (role, scope, and pattern of repositories). It may pull the base
        images."""
        secret = f"~{secrets.token_urlsafe(27)}"
        identity = Identity(changes.pop("client_id", str(uuid.uuid4())), changes.get("tenant", TENANT), secret)
        self.remember(secret)
        self.set_identity(identity, *roles, **changes)
        return identity

    def set_identity(self, identity: Identity, *roles: tuple[str, str] | tuple[str, str, str], **changes: Any) -> None:
        """Write an application anew, with other roles or credentials."""
        principal = {
            "clientId": identity.client_id,
            "tenant": identity.tenant,
            "secrets": [{"value": identity.secret}],
            "roles": [
                {"role": role[0], "scope": role[1], "repositories": role[2] if len(role) > 2 else "*"}
                for role in (*roles, ("AcrPull", BASE_HOST))
            ],
            **changes,
        }
        self._post("/world", {"principals": [principal]})

    def make_account(self, blobs: dict[str, bytes], **changes: Any) -> StorageAccount:
        """A storage account with these blobs, by container/blob."""
        account = StorageAccount(
            host=changes.pop("host", f"e2e{secrets.token_hex(4)}.blob.core.windows.net"),
            tenant=TENANT,
            key=base64.b64encode(secrets.token_bytes(64)).decode(),
            blobs={path: base64.b64encode(content).decode() for path, content in blobs.items()},
        )
        self.remember(account.key)
        self._post("/world", {"accounts": [account.model_dump(by_alias=True)]})
        return account

    def sign_blob(self, account: StorageAccount, path: str, *, ends_in: timedelta = timedelta(hours=1)) -> str:
        """A service SAS that reads one blob."""
        end = f"{datetime.now(UTC) + ends_in:%Y-%m-%dT%H:%M:%SZ}"
        values = {"sv": "2022-11-02", "se": end, "sr": "b", "sp": "r"}
        signature = sign(account, path, values)
        self.remember(signature)
        self.remember(quote(signature, safe=""))
        return urlencode({**values, "sig": signature})

    def remember(self, secret: str) -> None:
        """Remember a secret that no object and no log may hold."""
        with self.used_secrets.open("a") as stream:
            stream.write(f"{secret}\n")

    def remember_key(self, pem: str) -> None:
        """Note a private key in PEM form by a line in its middle: a text may hold it with other line breaks."""
        lines = pem.strip().splitlines()
        self.remember(lines[len(lines) // 2])

    def list_secrets(self) -> list[str]:
        """The secrets used so far, by all tests."""
        return self.used_secrets.read_text().split() if self.used_secrets.exists() else []

    # ---- faults

    @contextmanager
    def fault(self, action: dict[str, Any], *, times: int | None = None, **match: str) -> Iterator[None]:
        """A fault for the length of a `with`, or for some requests; match: host, path (an expression), method."""
        number = self.add_fault(action, times=times, **match)
        try:
            yield
        finally:
            self._send("DELETE", f"/faults/{number}")

    def add_fault(self, action: dict[str, Any], *, times: int | None = None, **match: str) -> int:
        """A fault; gives back its number."""
        return int(self._post("/faults", {"match": match, "action": action, "times": times})["id"])

    # ---- what was asked

    def requests(self, **query: str) -> list[dict[str, Any]]:
        """Requests by host, method, kind, principal, path (a regular expression) and since (a time)."""
        return list(self._send("GET", f"/requests?{urlencode(query)}")["requests"])

    def count(self, **query: str) -> int:
        """How many there were."""
        return len(self.requests(**query))

    @staticmethod
    def now() -> str:
        """The time, for `since`."""
        return str(time.time())

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        return self._send("POST", path, json.dumps(body).encode())

    def _send(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.control}{path}", data=body, headers=headers, method=method)
        with _NO_PROXY.open(request, timeout=10) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer
