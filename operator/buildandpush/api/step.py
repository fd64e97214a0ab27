"""The parts that a pipeline gives every step: conditions, loops and what to do on a failure."""

from typing import Annotated, Any, Literal

from pydantic import Field

from buildandpush.api.base import ANYTHING, ATOMIC, ApiModel

_ShortText = Annotated[str, Field(max_length=128)]


ERROR_KINDS = ("AllErrors", "Timeout", "Authentication", "Authorization", "Connectivity", "Verification", "Unknown")
ACTIONS = ("Abort", "Ignore", "MarkAsFailure", "MarkAsSuccess", "Retry")


class When(ApiModel):
    """Whether a run is built at all."""

    stage_status: Literal["Success", "Failure", "All"] | None = Field(
        None,
        description="Kept from pipelines; there is no stage here that could fail, so Success and All let a run be "
        "built and Failure never does.",
    )
    condition: str | None = Field(
        None,
        max_length=1024,
        description="What must be true for a run to be built: comparisons (== != < <= > >=) of numbers, texts in "
        "quotes and <+pipeline.sequenceId>, joined by && and ||, with ! and parentheses. A run that is not built uses "
        "up no number. Example: <+pipeline.sequenceId> > 1",
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

    type: _ShortText = Field(
        description="Abort or MarkAsFailure: the run has failed, as without a rule. Ignore or MarkAsSuccess: the "
        "resource counts as ready, with the reason IgnoredFailure; digest and artifacts stay those of the last "
        "good run. Retry: further attempts. Example: Ignore"
    )
    spec: dict[str, Any] | None = Field(
        None,
        description="Settings of Retry: retryCount (1 to 10), retryIntervals (such as [10s, 1m], the last for all that "
        "follow; default 10s) and onRetryFailure with the action that follows then (default MarkAsFailure).",
        json_schema_extra=ANYTHING,
    )


class OnFailure(ApiModel):
    """Which failures, and what is done."""

    errors: list[_ShortText] = Field(
        max_length=16,
        description="Kinds of failure: AllErrors, Timeout, Authentication, Authorization, Connectivity, Verification, "
        'Unknown (everything else, a failed RUN included). Example: ["AllErrors"]',
        json_schema_extra=ATOMIC,
    )
    action: FailureAction = Field(description="What is done.")


class FailureStrategy(ApiModel):
    """One rule for failures; the first that matches is taken."""

    on_failure: OnFailure = Field(description="Which failures, and what is done.")
