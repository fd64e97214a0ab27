"""What several kinds of source have in common."""

from pydantic import Field

from buildandpush.api.base import ApiModel, Name

MAX_CA_BYTES = 32 * 1024
"""The certificates travel in an annotation of the pod."""


class SourceSecretReference(ApiModel):
    """A Secret of the same namespace with a login to the server of the source."""

    name: Name = Field(description="Name of the Secret. Example: git-login")
