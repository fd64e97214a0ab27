"""The certificates in PEM form that a connector trusts."""

import ssl
from functools import lru_cache
from typing import Final

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_MAX_KNOWN: Final = 64
"""Bundles whose reading is remembered: builds look at their connectors again and again."""


def find_certificates(bundle: str) -> str:
    """The certificates of a bundle without what stands between them; empty for none. OpenSSL takes ASCII, and comments
    are in any language. Raises ValueError."""
    if not bundle:
        return ""
    blocks = [
        f"{_BEGIN}{inner}{_END}"
        for inner, found, _ in (part.partition(_END) for part in bundle.replace("\r\n", "\n").split(_BEGIN)[1:])
        if found
    ]
    certificates = "\n".join(dict.fromkeys(blocks))
    if len(blocks) != bundle.count(_BEGIN) or not blocks or not certificates.isascii():
        raise ValueError("the certificates are not in PEM form")
    return certificates


@lru_cache(maxsize=_MAX_KNOWN)
def holds_certificates(bundle: str) -> bool:
    """Whether each certificate of a bundle can be read, and there is one. The CRD looks for a beginning alone."""
    try:
        found = find_certificates(bundle)
        if found:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except (ssl.SSLError, ValueError):
        return False
    return bool(found)
