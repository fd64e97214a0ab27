"""The parts that a pipeline gives every step: conditions, loops and what to do on a failure."""

from typing import Annotated, Any, Literal

from pydantic import Field

from buildandpush.api.base import ANYTHING, ATOMIC, ApiModel

_ShortText = Annotated[str, Field(max_length=128)]


class When(ApiModel):
    """Whether a run is built at all. Not supported yet."""

    stage_status: Literal["Success", "Failure", "All"] | None = Field(
        None, description="Kept from pipelines; there is no stage here, so only Success and All let a run be built."
    )
    condition: str | None = Field(
        None, max_length=1024, description="An expression that must be true. Example: <+pipeline.sequenceId> > 1"
    )


class Strategy(ApiModel):
    """Several builds in one run. Not supported yet."""

    matrix: dict[str, Any] | None = Field(
        None,
        description="Axes with their values; each combination is one build. exclude and maxConcurrency as in "
        'pipelines. Example: {"version": ["3.11", "3.12"]}',
        json_schema_extra=ANYTHING,
    )
    repeat: dict[str, Any] | None = Field(
        None, description='The same build several times. Example: {"times": 2}', json_schema_extra=ANYTHING
    )
    parallelism: int | None = Field(None, ge=1, le=64, description="That many builds at a time. Example: 4")


class FailureAction(ApiModel):
    """What is done on a failure."""

    type: _ShortText = Field(description="Abort, Ignore, MarkAsSuccess, MarkAsFailure, Retry … Example: Ignore")
    spec: dict[str, Any] | None = Field(
        None, description="Settings of the action, as in pipelines.", json_schema_extra=ANYTHING
    )


class OnFailure(ApiModel):
    """Which failures, and what is done."""

    errors: list[_ShortText] = Field(
        max_length=16,
        description='Kinds of failure; AllErrors for any. Example: ["AllErrors"]',
        json_schema_extra=ATOMIC,
    )
    action: FailureAction = Field(description="What is done.")


class FailureStrategy(ApiModel):
    """One rule for failures; the first that matches is taken."""

    on_failure: OnFailure = Field(description="Which failures, and what is done.")
