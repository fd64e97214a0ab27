"""What GitHub does with an App: it takes what the App's key signs, and gives a token for git. As strict as GitHub.

https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

APP, INSTALLATION = "12345", "678"
_PATH: Final = re.compile("/api/v3/app/installations/([0-9]+)/access_tokens")
_MAX_SECONDS: Final = 600


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    told: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return json.dumps(self.told).encode()


@dataclass
class GitHub:
    """A server of GitHub Enterprise with one App, which one installation lets read some repositories."""

    repositories: tuple[str, ...] = ("shop",)
    public: str = "/public/"
    """How the paths of repositories begin that everybody may read."""
    replies: list[Reply] = field(default_factory=list)
    """What is answered in place of tokens, each used once."""
    tokens: list[str] = field(default_factory=list)
    """Those that were given."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the requests for them."""

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def private_key(self) -> str:
        """In the form of the file that GitHub lets its user download."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

    @property
    def secret(self) -> dict[str, str]:
        """The keys of the right Secret."""
        return {
            "githubAppID": APP,
            "githubAppInstallationID": INSTALLATION,
            "githubAppPrivateKey": self.private_key,
        }

    def answer(self, method: str, path: str, headers: Message, body: bytes) -> Reply | None:
        """The answer of the API. None for what is no request to it."""
        if not path.startswith("/api/v3/"):
            return None
        if self.replies:
            return self.replies.pop(0)
        refused = self._refuse_app(headers)
        if refused:
            return refused
        found = _PATH.fullmatch(path)
        if method != "POST" or not found or found[1] != INSTALLATION:
            return Reply(404, {"message": "Not Found"})
        wanted = json.loads(body)
        self.asked.append(wanted)
        if wanted.get("permissions") != {"contents": "read"}:
            return Reply(422, {"message": "The permissions requested are not granted to this installation."})
        if not set(wanted.get("repositories", self.repositories)) <= set(self.repositories):
            return Reply(422, {"message": "There is at least one repository that does not exist or is not accessible."})
        # The form of 2026. The tests look for whatever has the form of the second part.
        token = f"ghs_{APP}_{jwt.encode({'jti': secrets.token_hex(8)}, self._key, algorithm='RS256')}"
        self.tokens.append(token)
        return Reply(201, {"token": token, "expires_at": "2100-01-01T00:00:00Z", "repository_selection": "selected"})

    def lets_in(self, authorization: str | None, path: str) -> bool:
        """Whether git may read a path with this header. A token that is none opens nothing, be it public or not."""
        if not authorization:
            return path.startswith(self.public)
        logins = [f"x-access-token:{token}".encode() for token in self.tokens]
        return authorization in [f"Basic {base64.b64encode(login).decode()}" for login in logins]

    def _refuse_app(self, headers: Message) -> Reply | None:
        if not headers.get("User-Agent"):
            return Reply(403, {"message": "Please make sure your request has a User-Agent header"})
        scheme, _, signed = (headers.get("Authorization") or "").partition(" ")
        try:
            claims = jwt.decode(
                signed, self._key.public_key(), algorithms=["RS256"], options={"require": ["iss", "iat", "exp"]}
            )
        except jwt.PyJWTError:
            return Reply(401, {"message": "A JSON web token could not be decoded"})
        if scheme != "Bearer" or claims["exp"] > time.time() + _MAX_SECONDS:
            return Reply(401, {"message": "'Expiration time' claim ('exp') is too far in the future"})
        return None if claims["iss"] == APP else Reply(404, {"message": "Integration not found"})
