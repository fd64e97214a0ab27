"""Azure Blob Storage: downloads for tokens of Entra ID and for shared access signatures, and Azure's errors in XML.

https://learn.microsoft.com/rest/api/storageservices/get-blob
"""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from aiohttp import web

from devcluster.azure.answers import AnswerError
from devcluster.azure.entra import STORAGE_AUDIENCE
from devcluster.azure.model import StorageAccount, World
from devcluster.azure.tokens import Tokens

_OLDEST_FOR_TOKENS = "2017-11-09"
_SIGNED = (
    "sp",
    "st",
    "se",
    None,
    "si",
    "sip",
    "spr",
    "sv",
    "sr",
    "snapshot",
    "ses",
    "rscc",
    "rscd",
    "rsce",
    "rscl",
    "rsct",
)
"""The fields of what is signed, in their order, from version 2020-12-06 on. None is the blob or container.
https://learn.microsoft.com/rest/api/storageservices/create-service-sas"""


def sign(account: StorageAccount, path: str, values: Mapping[str, str]) -> str:
    """The signature of a service SAS for container/blob, or for its container with sr=c."""
    signed = path if values.get("sr") == "b" else path.split("/", 1)[0]
    resource = f"/blob/{account.name}/{signed}"
    text = "\n".join(resource if name is None else values.get(name, "") for name in _SIGNED)
    return base64.b64encode(hmac.digest(base64.b64decode(account.key), text.encode(), hashlib.sha256)).decode()


class Storage:
    """The blobs of all accounts."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens

    def answer(self, request: web.Request, account: StorageAccount) -> tuple[web.Response, str]:
        """The answer to one request, and who asked; raises AnswerError."""
        path = unquote(request.path).lstrip("/")
        if request.method not in ("GET", "HEAD"):
            raise storage_error(405, "UnsupportedHttpVerb", "The resource doesn't support the specified HTTP verb.")
        caller = self._caller(request, account, path)
        container, _, blob = path.partition("/")
        if container not in {name.split("/", 1)[0] for name in account.blobs}:
            raise storage_error(404, "ContainerNotFound", "The specified container does not exist.")
        if not blob or path not in account.blobs:
            raise storage_error(404, "BlobNotFound", "The specified blob does not exist.")
        content = base64.b64decode(account.blobs[path])
        headers = {"x-ms-request-id": str(uuid.uuid4()), "x-ms-blob-type": "BlockBlob"}
        return web.Response(body=content, content_type="application/octet-stream", headers=headers), caller

    def _caller(self, request: web.Request, account: StorageAccount, path: str) -> str:
        authorization = request.headers.get("Authorization", "")
        if authorization:
            return self._check_token(request, account, path, authorization)
        if "sig" in request.query:
            _check_signature(account, path, request.query)
            return "sas"
        raise storage_error(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")

    def _check_token(self, request: web.Request, account: StorageAccount, path: str, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _failed(f"Authentication scheme {scheme} is not supported.")
        if request.headers.get("x-ms-version", "") < _OLDEST_FOR_TOKENS:
            raise _failed("Authentication scheme Bearer is not supported in this version.")
        claims = self._tokens.read(token, STORAGE_AUDIENCE)
        if claims is None or claims["tid"] != account.tenant:
            detail = "Issuer validation failed." if claims else "Audience or lifetime validation failed."
            raise storage_error(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.", detail)
        principal = self._world.principal(claims["appid"], claims["tid"])
        scopes = {account.host, f"{account.host}/{path.split('/', 1)[0]}"}
        roles = principal.roles if principal else []
        if not any(role.role == "StorageBlobDataReader" and role.scope in scopes for role in roles):
            raise _mismatch()
        return str(claims["appid"])


def _check_signature(account: StorageAccount, path: str, values: Mapping[str, str]) -> None:
    if values.get("sv", "") < "2020-12-06" or values.get("sr") not in ("b", "c"):
        raise _failed("sv or sr is missing, or of a version that is not emulated.")
    if not hmac.compare_digest(sign(account, path, values).encode(), values["sig"].encode()):
        raise _failed("Signature did not match.")
    now = datetime.now(UTC)
    begin, end = _time(values.get("st", "2000-01-01T00:00:00Z")), _time(values.get("se", ""))
    if begin is None or end is None or not begin <= now < end:
        told = (
            f"Start [{values.get('st', '')}] - Expiry [{values.get('se', '')}] - Current [{now:%a, %d %b %Y %H:%M:%S}]"
        )
        raise _failed(f"Signature not valid in the specified time frame: {told}")
    if "r" not in values.get("sp", ""):
        raise _mismatch()


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _failed(detail: str) -> AnswerError:
    message = (
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        "including the signature."
    )
    return storage_error(403, "AuthenticationFailed", message, detail)


def _mismatch() -> AnswerError:
    message = "This request is not authorized to perform this operation using this permission."
    return storage_error(403, "AuthorizationPermissionMismatch", message)


def storage_error(status: int, code: str, message: str, detail: str = "") -> AnswerError:
    """An error of Azure Storage.
    https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2"""
    number = str(uuid.uuid4())
    told = f"{message}\nRequestId:{number}\nTime:{datetime.now(UTC).isoformat()}"
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{told}</Message>{more}</Error>'
    headers = {"x-ms-error-code": code, "x-ms-request-id": number}
    return AnswerError(web.Response(status=status, text=body, content_type="application/xml", headers=headers))
