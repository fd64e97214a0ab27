"""An OCI artifact as source."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import ApiModel, cel, rules
from buildandpush.api.imagename import HOLDS_LOGIN, IMAGE_PATTERN

ArtifactName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        description="Registry, repository, and a tag or digest. With both the digest counts. A connector of the build "
        "whose login is for this registry is used; registries without one are asked anonymously. "
        "Example: contoso.azurecr.io/source/shop:v1",
        json_schema_extra=rules(
            cel(
                "!self.contains('://')",
                message="source.oci.image must be a name such as contoso.azurecr.io/source:v1, "
                "not a URL; leave out oci://",
                hides_value=True,
            ),
            cel(
                f"!{HOLDS_LOGIN} || self.contains('://')",
                message="source.oci.image holds an @ that begins no sha256 digest; "
                "give a login to an AzureConnector of the build",
                hides_value=True,
            ),
            cel(
                f"{HOLDS_LOGIN} || self.contains('://') || self.matches('^[^/]*[.:][^/]*/')",
                expression="""'source.oci.image: "' + self + '" names no registry; write '"""
                """ + '<registry>.azurecr.io/<path>:<tag>'""",
                message="source.oci.image must begin with a registry",
            ),
            cel(
                f"{HOLDS_LOGIN} || self.contains('://') || !self.matches('^[^/]*[.:][^/]*/') || "
                f"self.matches('{IMAGE_PATTERN}')",
                expression="""'source.oci.image: "' + self + '" is no name with a tag or digest; write '"""
                """ + '<registry>/<path>:<tag> or <registry>/<path>@sha256:<64 digits>'""",
                message="source.oci.image must be a name with a tag or digest",
            ),
        ),
    ),
]


class OciSource(ApiModel):
    """An artifact of a registry, as flux and oras push it: an archive, or files by their names."""

    image: ArtifactName
