"""What an ACR's tokens say about themselves: how long they live and what they allow. The registry checks signatures.

Claims: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

USUAL_LIFE: Final = timedelta(hours=1)
"""Of a token that does not say: shorter than the three hours that an ACR gives."""
_LONGEST_LIFE: Final = timedelta(days=1)
"""More is no registry's; times in milliseconds look so."""
_MAX_TOKEN: Final = 16 * 1024
"""Characters. An ACR's tokens have some thousand, and servers take no longer headers."""
_LAST_SECOND: Final = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


def is_token(text: str) -> bool:
    """Whether a text may be a token. Thousands of tokens are kept, and users choose who gives them."""
    return 0 < len(text) <= _MAX_TOKEN and text.isascii()


def read_life(token: str) -> timedelta:
    """How long the token lives after its issue. Zero if it had ended before."""
    claims = _claims(token)
    begin, end = claims.get("iat", claims.get("nbf")), claims.get("exp")
    if not isinstance(begin, int) or not isinstance(end, int):
        return USUAL_LIFE
    if end <= begin:
        return timedelta(0)
    return timedelta(seconds=end - begin) if end - begin <= _LONGEST_LIFE.total_seconds() else USUAL_LIFE


def read_end(token: str) -> datetime | None:
    """When the token says that it ends; None if it does not say so, or not clearly."""
    end = _claims(token).get("exp")
    if not isinstance(end, int) or isinstance(end, bool) or not 0 <= end < _LAST_SECOND:
        return None
    return datetime.fromtimestamp(end, UTC)


def read_access(token: str) -> dict[str, frozenset[str]] | None:
    """The allowed actions by repository; None if the token does not say."""
    access = _claims(token).get("access")
    if not isinstance(access, list):
        return None
    entries = [item for item in access if isinstance(item, dict) and item.get("type") == "repository"]
    return {str(item.get("name")): _actions(item) for item in entries}


def _actions(entry: Mapping[str, Any]) -> frozenset[str]:
    actions = entry.get("actions")
    return frozenset(map(str, actions)) if isinstance(actions, list) else frozenset()


def scope_of(repository: str) -> str:
    """The scope of a push to a repository. The read-back needs its last part."""
    return f"repository:{repository}:pull,push,metadata_read"


def pull_scope_of(repository: str) -> str:
    """The scope of a pull from a repository."""
    return f"repository:{repository}:pull"


PULL_ALL: Final = "repository:*:pull"
"""The scope of pulls from all repositories. A registry with roles for repositories (ABAC) refuses it.
https://github.com/Azure/acr-cli/issues/501"""


def has_repository_roles(refresh_token: str) -> bool:
    """Whether a registry's refresh token says that roles hold for single repositories there (ABAC).
    https://github.com/Azure/acr-cli/pull/577"""
    return "aad_identity" in _claims(refresh_token)


def _claims(token: str) -> Mapping[str, Any]:
    if len(token) > _MAX_TOKEN:
        return {}
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}
    return claims
