"""A source object of Flux as source."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import ApiModel, Name


class FluxSource(ApiModel):
    """What a source object of Flux has fetched: the artifact in its status, whose digest is compared."""

    kind: Annotated[str, Field(json_schema_extra={"enum": ["GitRepository", "OCIRepository", "Bucket"]})] = Field(
        description="Kind of the Flux object, of the group source.toolkit.fluxcd.io: GitRepository, OCIRepository or "
        "Bucket. Example: GitRepository"
    )
    name: Name = Field(description="Its name, in the namespace of this resource. Example: shop")
