"""Takes secrets out of text before it reaches a status, an Event or a log."""

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_MIN_LENGTH: Final = 4
"""Shorter values would blank out half of any text; no login that short deserves the name."""

_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
# Up to the last @ before the path: a password may hold one itself.
_USERINFO: Final = re.compile(r"(://)[^/\s\"'<>]*@")
_USERINFO_WITH_SLASH: Final = re.compile(r"(://[^\s\"'<>@:/]*:)[^\s\"'<>]*@")
_AUTH_ENTRY: Final = re.compile(r'("(?:auth|password|[a-z_]*token|client_[a-z]+)"\s*:\s*")(?:[^"\\]|\\.)*')
_AUTH_HEADER: Final = re.compile(r"\b(Basic|Bearer) +[A-Za-z0-9+/=._~-]{8,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given values (raw, base64, and as URLs, JSON and HTML write them), JWTs, logins of docker
    configs and of token services, of HTTP headers and of URLs."""
    for value in sorted({form for secret in secrets for form in _encodings(secret)}, key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _JWT.sub(MASK, text)
    text = _AUTH_ENTRY.sub(rf"\1{MASK}", text)
    text = _AUTH_HEADER.sub(rf"\1 {MASK}", text)
    text = _USERINFO_WITH_SLASH.sub(rf"://{MASK}@", text)
    return _USERINFO.sub(rf"\1{MASK}@", text)


def _encodings(secret: str) -> set[str]:
    if len(secret) < _MIN_LENGTH:
        return set()
    encoded = base64.b64encode(secret.encode()).decode()
    escaped = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    slashed = [form.replace("/", "\\/") for form in escaped]
    return {secret, encoded, quote(secret, safe=""), quote_plus(secret), html.escape(secret), *escaped, *slashed}
