"""A source that somebody sends into the build pod."""

from pydantic import Field

from buildandpush.api.base import ApiModel, cel, rules

UPLOAD_SECONDS = 600


class UploadSource(ApiModel):
    """One tar that is sent into the waiting build pod with kubectl exec."""

    timeout: str | None = Field(
        None,
        max_length=32,
        description="How long the build pod waits for the upload. It counts as a part of spec.timeout, and has to be "
        "shorter. Default: 10m",
        json_schema_extra=rules(
            cel(
                "self.matches('^[0-9a-zA-Zµμ. ]+$')",
                expression="""'source.upload.timeout: "' + self + '" is no duration; write for example 90s or 10m'""",
                message="source.upload.timeout must be a duration such as 90s or 10m",
            )
        ),
    )
