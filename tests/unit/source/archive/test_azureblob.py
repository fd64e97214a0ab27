"""Azure Blob Storage: what is sent with a login, and what its errors mean."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.archive.azureblob import BlobLogin, explain_blob, read_blob_login
from buildandpush.source.report import SourceError

URL = "https://contoso.blob.core.windows.net/releases/shop.tgz"
SAS = "sv=2022-11-02&se=2026-01-02T03:04:05Z&sr=b&sp=r&sig=a%2Fb%3D"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)


def by_sas(folder: Path, sas: str, **more: Any) -> BlobLogin:
    (folder / "sas").write_text(sas)
    return read_blob_login({"url": URL, "sasSecretRef": {"name": "x"}, **more}, folder)


def by_token(folder: Path) -> BlobLogin:
    (folder / "bearerToken").write_text("entra-token\n")
    return read_blob_login({"url": URL, "connectorRef": "acr"}, folder)


@pytest.mark.proves("source.archive.sasSecretRef.name")
@pytest.mark.parametrize("written", [SAS, f"?{SAS}", f"{SAS}\n", f"  ?{SAS}  "])
def test_a_signature_is_appended_to_the_address_in_memory_alone(tmp_path: Path, written: str) -> None:
    login = by_sas(tmp_path, written)
    assert (login.url, dict(login.headers)) == (f"{URL}?{SAS}", {})
    assert SAS not in repr(login)
    assert {SAS, "a/b="} == set(login.secrets)
    assert by_sas(tmp_path, SAS, url=f"{URL}?versionid=1").url == f"{URL}?versionid=1&{SAS}"


@pytest.mark.parametrize(
    "written",
    ["", "?", "sv=1&se=2", f"{URL}?{SAS}", "sig=a b", "sig=a\nb", "sig=a#b", "sig=" + "x" * 5000, "sig=\u00e9"],
)
def test_what_is_no_signature_is_told_and_not_repeated(tmp_path: Path, written: str) -> None:
    with pytest.raises(SourceError, match="holds no shared access signature") as caught:
        by_sas(tmp_path, written)
    assert caught.value.reason is Reason.SOURCE_DENIED
    assert not written or written not in str(caught.value)


@pytest.mark.proves("source.archive.connectorRef")
def test_a_token_is_sent_with_the_version_that_it_needs(tmp_path: Path) -> None:
    login = by_token(tmp_path)
    assert login.url == URL
    assert login.headers == {"Authorization": "Bearer entra-token", "x-ms-version": "2021-12-02"}
    assert "entra-token" not in repr(login)


@pytest.mark.parametrize(
    ("kind", "status", "code", "now", "reason", "words"),
    [
        ("sas", 403, "AuthenticationFailed", NOW, Reason.SOURCE_DENIED, "does not accept the signature"),
        ("sas", 403, "AuthenticationFailed", LATER, Reason.SOURCE_DENIED, "ended at 2026-01-02T03:04:05Z"),
        ("sas", 403, "AuthorizationPermissionMismatch", NOW, Reason.SOURCE_DENIED, "the permission r"),
        ("token", 403, "AuthorizationPermissionMismatch", NOW, Reason.SOURCE_DENIED, "Storage Blob Data Reader"),
        ("token", 401, "InvalidAuthenticationInfo", NOW, Reason.SOURCE_DENIED, "belong to the tenant"),
        ("token", 403, "AuthenticationFailed", NOW, Reason.SOURCE_DENIED, "belong to the tenant"),
        ("token", 403, "AuthorizationFailure", NOW, Reason.SOURCE_DENIED, "network rules"),
        ("token", 404, "BlobNotFound", NOW, Reason.SOURCE_INVALID, "no such blob"),
        ("token", 404, "ContainerNotFound", NOW, Reason.SOURCE_INVALID, "no such container"),
        ("token", 409, "BlobArchived", NOW, Reason.SOURCE_INVALID, "archive tier"),
        ("token", 503, "ServerBusy", NOW, Reason.SOURCE_THROTTLED, "too many requests"),
        ("token", 403, "SomethingNew", NOW, Reason.SOURCE_DENIED, "answers 403 SomethingNew"),
        ("none", 409, "PublicAccessNotPermitted", NOW, Reason.SOURCE_DENIED, "sasSecretRef or connectorRef"),
        ("none", 404, "ResourceNotFound", NOW, Reason.SOURCE_DENIED, "sasSecretRef or connectorRef"),
    ],
)
def test_azures_codes_become_reasons_with_a_remedy(
    tmp_path: Path, kind: str, status: int, code: str, now: datetime, reason: Reason, words: str
) -> None:
    login = {"sas": by_sas(tmp_path, SAS), "token": by_token(tmp_path), "none": BlobLogin(url=URL)}[kind]
    error = explain_blob(status, code, login, now)
    assert error is not None
    assert error.reason is reason
    assert code in str(error)
    assert words in str(error)
    assert "sig=" not in str(error)


@pytest.mark.parametrize(("url", "code"), [("https://files.example/a/b", "BlobNotFound"), (URL, ""), (URL, "<b>x</b>")])
def test_what_is_no_code_of_azures_is_left_to_the_status(url: str, code: str) -> None:
    assert explain_blob(404, code, BlobLogin(url=url), NOW) is None
    assert explain_blob(500, "InternalError", BlobLogin(url=URL), NOW) is None
