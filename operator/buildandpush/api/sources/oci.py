"""An OCI artifact as source."""

from pydantic import Field

from buildandpush.api.base import ApiModel


class OciSource(ApiModel):
    """An OCI artifact with the files as a layer."""

    image: str = Field(
        min_length=1, max_length=512, description="The artifact. Example: contoso.azurecr.io/source/shop:v1"
    )
