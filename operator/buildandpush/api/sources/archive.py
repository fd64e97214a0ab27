"""An archive of a web server as source."""

from typing import Annotated

from pydantic import ConfigDict, Field

from buildandpush.api.base import ApiModel, cel, pem_rules, rules
from buildandpush.api.sources.common import MAX_CA_BYTES, SourceSecretReference
from buildandpush.api.urls import SIGNED_URL

_HEADERS = "put it into a Secret and name it in source.archive.headersRef"


class ArchiveSource(ApiModel):
    """A tar or zip archive from a web server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.sha256) != (has(self.unverified) && self.unverified)",
                message="source.archive: give the archive's sha256, or unverified: true if its content may change",
            )
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
                cel("self.matches('^https://[^/]+')", message="source.archive.url must begin with https://"),
                cel(
                    "!self.matches('^[a-z]+://[^/]*@')", message=f"source.archive.url must not hold a login; {_HEADERS}"
                ),
                cel(
                    f"!self.matches('{SIGNED_URL}')",
                    message=f"source.archive.url must not hold a signature or token; {_HEADERS}",
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
    ca_bundle: str | None = Field(
        None,
        max_length=MAX_CA_BYTES,
        description="Certificates in PEM form that the web server is trusted by, beside the usual ones.",
        json_schema_extra=pem_rules("source.archive.caBundle"),
    )
