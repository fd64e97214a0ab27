"""Takes a login out of a server's words, which may send back what the server got."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

_SHORTEST: Final = 4
"""Shorter ones stand in many a word, and protect nothing."""


def hide(text: str, headers: Iterable[str]) -> str:
    """The text without the values of the headers, and without the password in them, in all usual forms."""
    forms = {form for header in headers for secret in _secrets_in(header) for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _secrets_in(value: str) -> Iterator[str]:
    """A header's value, what is behind its scheme, and the password that this may be the base64 form of."""
    yield value
    word = value.rpartition(" ")[2]
    yield word
    try:
        login = base64.b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return
    yield login
    yield login.partition(":")[2]


def _forms(secret: str) -> list[str]:
    if len(secret) < _SHORTEST:
        return []
    return [secret, quote(secret, safe=""), quote(secret), base64.b64encode(secret.encode()).decode().rstrip("=")]
