"""What a registry's answer to a request means, in the words of the registry client and of Azure.

The text is a stranger's: it comes bounded, and every pattern takes time in proportion to its length.
"""

import re
from enum import Enum, auto
from typing import Final


class Answer(Enum):
    """What a registry said."""

    REFUSED = auto()
    """It does not know who asks."""
    DENIED = auto()
    NOT_FOUND = auto()
    THROTTLED = auto()
    TROUBLE = auto()
    """Its own trouble, which may be over a moment later: it failed, or it lost what was uploaded before."""
    OTHER = auto()


# What the registry client says of a request: https://github.com/google/go-containerregistry, remote/transport/error.go
_ASKED: Final = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) https?://\S+: (multiple errors returned: )?")
_STATUS: Final = re.compile(r"unexpected status code (\d{3})\b")
_CODE: Final = re.compile(r"\b([A-Za-z][A-Za-z_]{3,40}): ")
_CODES: Final = {
    "UNAUTHORIZED": Answer.REFUSED,
    "DENIED": Answer.DENIED,
    "INSUFFICIENT_SCOPE": Answer.DENIED,
    "MANIFEST_UNKNOWN": Answer.NOT_FOUND,
    "NAME_UNKNOWN": Answer.NOT_FOUND,
    "TOOMANYREQUESTS": Answer.THROTTLED,
    # A registry of several regions, or one behind a proxy, loses an upload or a layer that it had a moment before.
    "BLOB_UNKNOWN": Answer.TROUBLE,
    "BLOB_UPLOAD_INVALID": Answer.TROUBLE,
    "BLOB_UPLOAD_UNKNOWN": Answer.TROUBLE,
    "MANIFEST_BLOB_UNKNOWN": Answer.TROUBLE,
    "UNAVAILABLE": Answer.TROUBLE,
    "UNKNOWN": Answer.TROUBLE,
}
_STATUSES: Final = {
    401: Answer.REFUSED,
    403: Answer.DENIED,
    404: Answer.NOT_FOUND,
    408: Answer.TROUBLE,
    416: Answer.TROUBLE,  # a part of an upload that does not fit to the part before
    424: Answer.TROUBLE,  # the registry that this one caches did not answer
    425: Answer.TROUBLE,
    429: Answer.THROTTLED,
    499: Answer.TROUBLE,
}
_MANIFEST: Final = re.compile(r"\bGET https?://([A-Za-z0-9.:-]{1,260})/v2/([a-z0-9._/-]{1,255})/manifests/")


def find_missing_image(line: str) -> str:
    """The repository, host included, whose manifest a registry does not have; empty where the line names none."""
    found = _MANIFEST.search(line)
    return f"{found[1]}/{found[2]}" if found and find_answer(line) is Answer.NOT_FOUND else ""


def find_answer(line: str, *, bare: bool = False) -> Answer | None:
    """What a registry answered, by its first word after the request. `bare`: the line tells of a push, so the first
    known word counts although no request stands before it."""
    asked = _ASKED.search(line)
    if asked is not None:
        return _read_answer(line, asked.end())
    if not bare:
        return None
    status = _STATUS.search(line)
    known = next((_of_code(found[1]) for found in _CODE.finditer(line) if _of_code(found[1])), None)
    return known or (_of_status(int(status[1])) if status else None)


def _read_answer(line: str, at: int) -> Answer:
    status = _STATUS.match(line, at)
    if status is not None:
        return _of_status(int(status[1]))
    code = _CODE.match(line, at)
    return (_of_code(code[1]) if code else None) or Answer.OTHER


def _of_code(code: str) -> Answer | None:
    upper = code.upper()
    return Answer.TROUBLE if upper.startswith("INTERNAL") else _CODES.get(upper)


def _of_status(status: int) -> Answer:
    return Answer.TROUBLE if status >= 500 else _STATUSES.get(status, Answer.OTHER)


# https://learn.microsoft.com/azure/container-registry/container-registry-access-selected-networks
_FIREWALL: Final = re.compile(r"client with ip (?:'|\\u0027)?([0-9a-f.:]{2,45}?)(?:'|\\u0027)? is not allowed", re.I)


def find_denied_address(text: str) -> str | None:
    """The address that a registry's network rules refuse, if it says so."""
    found = _FIREWALL.search(text)
    return found[1] if found else None
