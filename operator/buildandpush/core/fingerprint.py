"""Tells whether values are still the same, without keeping them: for Secrets that a run was made with."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

_MARK: Final = "hmac-sha256:"
_LETTERS: Final = 32


def digest_values(values: Mapping[str, str]) -> str:
    """One digest for the values of an object's keys. It stays in memory: nobody may try words against it."""
    return hashlib.sha256(json.dumps(sorted(values.items())).encode()).hexdigest()


def fingerprint(digest: str, uid: str) -> str:
    """What a status may hold of a digest: keyed by the resource's uid, so that two resources which use the same Secret
    do not show it, and that a word which was tried for one says nothing of another."""
    return _MARK + hmac.new(uid.encode(), digest.encode(), hashlib.sha256).hexdigest()[:_LETTERS]


def is_fingerprint(text: str) -> bool:
    """Whether a status's word for an object is one of these. Older operators wrote its uid and version."""
    return text.startswith(_MARK)
