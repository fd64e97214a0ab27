"""The signed JWTs that the emulated services give and accept."""

import time
import uuid
from typing import Any

import jwt


class Tokens:
    """Makes tokens and reads its own."""

    def __init__(self, key: str) -> None:
        self._key = key

    def make(self, lifetime_seconds: int, **claims: Any) -> str:
        """A token. `jti` makes each token different."""
        now = int(time.time())
        usual = {"jti": str(uuid.uuid4()), "iat": now, "nbf": now, "exp": now + lifetime_seconds}
        return jwt.encode({**usual, **claims}, self._key, algorithm="HS256")

    def read(self, token: str, audience: str | list[str]) -> dict[str, Any] | None:
        """The claims of our token for this audience; None for another token, or one that has ended."""
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], audience=audience)
        except jwt.PyJWTError:
            return None
        return claims
