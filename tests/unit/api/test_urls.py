"""Which addresses that users write hold a secret, and which are Azure Repos'."""

import re

import pytest

from buildandpush.api.urls import AZURE_BLOB_URL, AZURE_REPOS_URL, SIGNED_URL


@pytest.mark.parametrize(
    "query",
    ["?sv=1&sig=x", "?Sig=x", "?token=x", "?private_token=x", "?a=1;job_token=x", "?X-Amz-Signature=x",
     "?X-Goog-Signature=x", "?X-Amz-Security-Token=x", "?Signature=x", "?api_key=x", "?apikey=x"],
)  # fmt: skip
def test_addresses_with_a_secret_are_known(query: str) -> None:
    assert re.search(SIGNED_URL, f"https://files.example/a.tgz{query}")


@pytest.mark.parametrize(
    "address", ["/a.tgz?ref=token", "/sig=1/a.tgz", "/a.tgz?design=1", "/a.tgz?key=a", "/a?tokens=2"]
)
def test_addresses_without_a_secret_are_taken(address: str) -> None:
    assert not re.search(SIGNED_URL, f"https://files.example{address}")


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com@evil.example/x",
        "https://dev.azure.com:x@evil.example/x",
        "https://evil.example/https://dev.azure.com/",
        "https://evil.example#@dev.azure.com/",
        "https://evil.example?@dev.azure.com/",
        "https://evil.example\\@dev.azure.com/",
        "https://dev.azure.com.evil.example/x",
        "https://dev.azure.com:8443/x",
        "https://dev.azure.com\n.evil.example/x",
        "https://evil.example/.visualstudio.com/x",
        "https://visualstudio.com/x",
        "https://a.b.visualstudio.com/x",
        "http://dev.azure.com/x",
        " https://dev.azure.com/x",
    ],
)
def test_a_token_for_azure_repos_goes_nowhere_else(url: str) -> None:
    assert not re.search(AZURE_REPOS_URL, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.blob.core.windows.net/releases/shop/1.4.tgz",
        "https://contoso-secondary.blob.core.windows.net/$root/a.zip?versionid=2025-01-01T00:00:00.0000000Z",
        "https://contoso.blob.core.usgovcloudapi.net/c/b",
        "https://contoso.blob.core.chinacloudapi.cn/c/b",
    ],
)
def test_blobs_of_each_cloud(url: str) -> None:
    assert re.fullmatch(AZURE_BLOB_URL, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.blob.core.windows.net/c/b",
        "https://contoso.blob.core.windows.net.evil.example/c/b",
        "https://evil.example/https://contoso.blob.core.windows.net/c/b",
        "https://evil.example#.blob.core.windows.net/c/b",
        "https://evil.example?.blob.core.windows.net/c/b",
        "https://evil.example\\.blob.core.windows.net/c/b",
        "https://x@contoso.blob.core.windows.net/c/b",
        "https://a.b.blob.core.windows.net/c/b",
        "https://blob.core.windows.net/c/b",
        "https://contoso.blob.core.windows.net:8443/c/b",
        "https://contoso.blob.core.windows.net\n.evil.example/c/b",
        "https://contoso.file.core.windows.net/c/b",
        "https://contoso.blob.core.windows.net/c",
    ],
)
def test_a_token_for_azure_storage_goes_nowhere_else(url: str) -> None:
    assert not re.fullmatch(AZURE_BLOB_URL, url)
