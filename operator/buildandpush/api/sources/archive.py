"""An archive of a web server as source."""

from typing import Annotated

from pydantic import ConfigDict, Field

from buildandpush.api.base import ApiModel, Name, cel, pem_rules, rules
from buildandpush.api.sources.common import MAX_CA_BYTES, SourceSecretReference
from buildandpush.api.urls import AZURE_BLOB_URL, SIGNED_URL

_HEADERS = "put it into a Secret and name it in source.archive.headersRef, or sasSecretRef for Azure Blob Storage"


class ArchiveSource(ApiModel):
    """A tar or zip archive from a web server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.sha256) != (has(self.unverified) && self.unverified)",
                message="source.archive: give the archive's sha256, or unverified: true if its content may change",
            ),
            cel(
                "[has(self.headersRef), has(self.sasSecretRef), has(self.connectorRef)].filter(one, one).size() <= 1",
                message="source.archive has several of headersRef, sasSecretRef and connectorRef; give one of them",
            ),
            cel(
                f"(!has(self.sasSecretRef) && !has(self.connectorRef)) || self.url.matches('{AZURE_BLOB_URL}')",
                message="source.archive.sasSecretRef and connectorRef are logins to Azure Blob Storage alone "
                "(https://<account>.blob.core.windows.net/<container>/<blob>); for other servers use headersRef",
            ),
        )
    )

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Where the .tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst or .zip is, over https. "
            "Example: https://example.com/shop-1.4.2.tar.gz",
            json_schema_extra=rules(
                cel(
                    "self.matches('^https://[^/]+')",
                    message="source.archive.url must begin with https://",
                    hides_value=True,
                ),
                cel(
                    "!self.matches('^[a-z]+://[^/]*@')",
                    message=f"source.archive.url must not hold a login; {_HEADERS}",
                    hides_value=True,
                ),
                cel(
                    f"!self.matches('{SIGNED_URL}')",
                    message=f"source.archive.url must not hold a signature or token; {_HEADERS}",
                    hides_value=True,
                ),
            ),
        ),
    ]
    sha256: Annotated[str, Field(max_length=64, pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="What the archive must hash to, as sha256sum prints it. Example: 9f86d08…"
    )
    unverified: bool | None = Field(
        None,
        description="true: take the archive without a checksum. Whoever answers at the address decides what is built.",
    )
    strip_components: int | None = Field(
        None,
        ge=0,
        le=16,
        description="How many leading folders of each path are left out. Archives of GitHub and GitLab have one. "
        "Default: 0",
    )
    headers_ref: SourceSecretReference | None = Field(
        None,
        description="Secret whose keys are sent as headers, such as Authorization or PRIVATE-TOKEN. They go to the "
        "host of url and to no other. Default: none.",
    )
    sas_secret_ref: SourceSecretReference | None = Field(
        None,
        description="Secret whose key `sas` holds a shared access signature for a blob in Azure Blob Storage, with or "
        "without the leading question mark. It is sent to the host of url and to no other, and is never printed. "
        "Default: none.",
    )
    connector_ref: Name | None = Field(
        None,
        description="AzureConnector whose identity reads a blob in Azure Blob Storage. The operator gives the build a "
        "token of Entra ID that lives for about an hour. The identity needs the role Storage Blob Data Reader on the "
        "container or the storage account. Example: acr",
    )
    ca_bundle: str | None = Field(
        None,
        max_length=MAX_CA_BYTES,
        description="Certificates in PEM form that the web server is trusted by, beside the usual ones.",
        json_schema_extra=pem_rules("source.archive.caBundle"),
    )
