"""A source object of Flux as source."""

from typing import Annotated

from pydantic import Field

from buildandpush.api.base import ApiModel, Name


class FluxSource(ApiModel):
    """What a Flux source object has fetched."""

    kind: Annotated[str, Field(json_schema_extra={"enum": ["GitRepository", "OCIRepository", "Bucket"]})] = Field(
        description="Kind of the Flux object: GitRepository, OCIRepository or Bucket. Example: GitRepository"
    )
    name: Name = Field(description="Its name in this namespace. Example: shop")
