"""What an ACR's tokens say of themselves: how long they live and what they allow. Signatures are the registry's matter.

Claims: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import jwt

USUAL_LIFE: Final = timedelta(hours=1)
"""Of a token that does not say: shorter than the three hours that an ACR gives."""


def read_life(token: str) -> timedelta:
    """How long the token lives from its issue on."""
    claims = _claims(token)
    begin, end = claims.get("iat", claims.get("nbf")), claims.get("exp")
    if not isinstance(begin, int) or not isinstance(end, int) or end <= begin:
        return USUAL_LIFE
    return timedelta(seconds=end - begin)


def read_access(token: str) -> dict[str, frozenset[str]] | None:
    """Actions by repository; None where the token does not say."""
    access = _claims(token).get("access")
    if not isinstance(access, list):
        return None
    entries = [item for item in access if isinstance(item, dict) and item.get("type") == "repository"]
    return {str(item.get("name")): frozenset(map(str, item.get("actions") or ())) for item in entries}


def scope_of(repository: str) -> str:
    """The scope that a push to a repository needs; reading it back needs the last part."""
    return f"repository:{repository}:pull,push,metadata_read"


def _claims(token: str) -> Mapping[str, Any]:
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return claims
