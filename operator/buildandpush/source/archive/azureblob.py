"""Azure Blob Storage: how a login is sent, and what its errors mean.

https://learn.microsoft.com/rest/api/storageservices/authorize-requests-to-azure-storage
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.api.urls import AZURE_BLOB_URL
from buildandpush.source.report import SourceError

LOGIN_MOUNT: Final = Path(meta.STORAGE_LOGIN_MOUNT)
_VERSION: Final = "2021-12-02"
"""Of the service's protocol. Tokens of Entra ID need one to be named, 2017-11-09 or later."""
_SAS: Final = re.compile(r"[A-Za-z0-9%&=._~:/+-]{1,4096}")
_CODE: Final = re.compile(r"[A-Za-z]{1,64}")
_AGAIN: Final = "Then set the annotation buildandpush.dev/rebuild to a new value"
_NO_LOGIN, _BY_SAS, _BY_TOKEN = "", "sas", "token"


@dataclass(frozen=True)
class BlobLogin:
    """How the source's container logs in."""

    kind: str = _NO_LOGIN
    url: str = field(default="", repr=False)
    """What is asked, with the signature if there is one."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no message may hold."""
    ends_at: datetime | None = None
    """When the signature says that it ends."""


def read_blob_login(archive: Mapping[str, Any], folder: Path = LOGIN_MOUNT) -> BlobLogin:
    """The login that the request names; raises SourceError."""
    url = archive["url"]
    if "connectorRef" in archive:
        token = (folder / "bearerToken").read_text().strip()
        return BlobLogin(_BY_TOKEN, url, {"Authorization": f"Bearer {token}", "x-ms-version": _VERSION}, (token,))
    if "sasSecretRef" not in archive:
        return BlobLogin(url=url)
    return sign_url(url, (folder / "sas").read_text(errors="replace"))


def sign_url(url: str, text: str) -> BlobLogin:
    """The login by a signature; raises SourceError for text that is none."""
    sas = text.strip().removeprefix("?")
    values = parse_qs(sas) if _SAS.fullmatch(sas) else {}
    if "sig" not in values:
        raise SourceError(
            Reason.SOURCE_DENIED,
            "the key sas of the Secret in sasSecretRef holds no shared access signature; put into it what follows the "
            "question mark of the address that Azure gives, such as sv=…&se=…&sr=b&sp=r&sig=…",
        )
    parts = urlsplit(url)
    signed = urlunsplit(parts._replace(query=f"{parts.query}&{sas}" if parts.query else sas))
    return BlobLogin(_BY_SAS, signed, {}, (sas, values["sig"][0]), _read_end(values.get("se", [""])[0]))


def _read_end(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def explain_blob(status: int, code: str, login: BlobLogin, now: datetime) -> SourceError | None:
    """What Azure's error code means. None for a status that means the same everywhere, and for a URL of others."""
    if not re.fullmatch(AZURE_BLOB_URL, login.url) or not _CODE.fullmatch(code):
        return None
    told = f"Azure Storage answers {status} {code}"
    if code in _BY_CODE:
        reason, words = _BY_CODE[code]
        return SourceError(reason, f"{told}: {words}")
    if code in ("AuthenticationFailed", "InvalidAuthenticationInfo"):
        return SourceError(Reason.SOURCE_DENIED, f"{told}: {_why_not_authenticated(login, now)}")
    if code == "AuthorizationPermissionMismatch":
        return SourceError(Reason.SOURCE_DENIED, f"{told}: {_PERMISSION[login.kind]}")
    if code in ("ResourceNotFound", "NoAuthenticationInformation") and login.kind == _NO_LOGIN:
        return SourceError(Reason.SOURCE_DENIED, f"{told}: {_ANONYMOUS}")
    return SourceError(Reason.SOURCE_DENIED, told) if status in (401, 403) else None


def _why_not_authenticated(login: BlobLogin, now: datetime) -> str:
    if login.kind == _BY_TOKEN:
        return (
            "it does not accept the token of the connector's identity. The storage account has to belong to the tenant "
            "and the cloud of the identity; name another connector in source.archive.connectorRef"
        )
    if login.ends_at is not None and login.ends_at <= now:
        return f"the signature ended at {login.ends_at:%Y-%m-%dT%H:%M:%SZ}. {_NEW_SAS}"
    if login.kind == _BY_SAS:
        return (
            "it does not accept the signature: a part of it is missing, it is for another container or blob, it begins "
            f"later, or the key or policy that it was made with has changed. {_NEW_SAS}"
        )
    return _ANONYMOUS


_NEW_SAS: Final = "Put a new one into the Secret of sasSecretRef"
_ANONYMOUS: Final = "it gives the blob to nobody without a login. Name one in sasSecretRef or connectorRef"
_PERMISSION: Final = {
    _BY_TOKEN: "the connector's identity may not read the blob. Give it the role Storage Blob Data Reader on the "
    f"container or the storage account; that takes effect after up to ten minutes. {_AGAIN}",
    _BY_SAS: "the signature does not allow to read. Put one with the permission r into the Secret of sasSecretRef",
    _NO_LOGIN: _ANONYMOUS,
}
_INVALID, _DENIED = Reason.SOURCE_INVALID, Reason.SOURCE_DENIED
_BY_CODE: Final[Mapping[str, tuple[Reason, str]]] = {
    "BlobNotFound": (
        _INVALID,
        "the container has no such blob. Correct source.archive.url; names of blobs are case-sensitive",
    ),
    "ContainerNotFound": (_INVALID, "the account has no such container. Correct source.archive.url"),
    "BlobArchived": (_INVALID, f"the blob is in the archive tier. Move it to the tier Hot or Cool. {_AGAIN}"),
    "PublicAccessNotPermitted": (_DENIED, _ANONYMOUS),
    "AuthorizationFailure": (
        _DENIED,
        f"the account's network rules do not let this pod in. Let in its outgoing address or its network. {_AGAIN}",
    ),
    "AuthorizationSourceIPMismatch": (_DENIED, f"the signature is for other addresses (sip). {_NEW_SAS}"),
    "AuthorizationResourceTypeMismatch": (_DENIED, f"the signature does not cover objects (srt=o). {_NEW_SAS}"),
    "AuthorizationServiceMismatch": (_DENIED, f"the signature does not cover blobs (ss=b). {_NEW_SAS}"),
    "KeyBasedAuthenticationNotPermitted": (
        _DENIED,
        "the account takes no signature made with its key. Make a user delegation SAS, or use connectorRef",
    ),
    "AccountIsDisabled": (_DENIED, f"the storage account is disabled. Enable it. {_AGAIN}"),
    "ServerBusy": (Reason.SOURCE_THROTTLED, "it gets too many requests"),
}
"""https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes"""
