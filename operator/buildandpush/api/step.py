"""The parts that a pipeline gives every step: conditions, and what to do on a failure. `strategy` has its loops."""

from typing import Annotated, Any, Literal

from pydantic import Field

from buildandpush.api.base import ANYTHING, ATOMIC, ApiModel

_ShortText = Annotated[str, Field(max_length=128)]


ERROR_KINDS = ("AllErrors", "Timeout", "Authentication", "Authorization", "Connectivity", "Verification", "Unknown")
FOREIGN_ERROR_KINDS = (
    "DelegateProvisioning", "DelegateRestart", "InputTimeoutError", "PolicyEvaluationFailure", "ApprovalRejection",
    "UserMarkedFailure",
)  # fmt: skip
"""Kinds that pipelines know and no build here fails by. Rules for them are accepted and never match."""
ACTIONS = ("Abort", "Ignore", "MarkAsFailure", "MarkAsSuccess", "Retry")
FOREIGN_ACTIONS = {
    "ManualIntervention": "nobody is asked; the action of onTimeout follows at once, or else the run fails",
    "ProceedWithDefaultValues": "no build waits for inputs; the run fails",
    "StageRollback": "nothing is rolled back; the run fails, and the last good image stays in the status",
    "PipelineRollback": "nothing is rolled back; the run fails, and the last good image stays in the status",
    "RetryStepGroup": "there is no group; it counts as Retry",
}
"""Actions that only a pipeline's own machinery can take, and what becomes of them."""


class When(ApiModel):
    """The condition under which a run is built."""

    stage_status: Literal["Success", "Failure", "All"] | None = Field(
        None,
        description="Accepted from pipelines. A resource has no earlier stage that can fail: with Success and All a "
        "run is built, with Failure it never is.",
    )
    condition: str | None = Field(
        None,
        max_length=1024,
        description="A run is built only if this is true. It compares expressions, numbers and texts in quotes: "
        "== != < <= > >= or the words eq ne lt le gt ge; =~ matches a whole text (RE2), =^ is begins with, =$ is ends "
        "with, !~ !^ !$ are their opposites. && || ! or the words and, or, not join comparisons; parentheses group "
        "them. A run that is not built does not use up its number. Example: <+pipeline.sequenceId> > 1",
    )


class FailureAction(ApiModel):
    """What happens after a failure."""

    type: _ShortText = Field(
        description="Abort or MarkAsFailure: the run fails, as it does without a rule. Ignore or MarkAsSuccess: the "
        "resource is ready with the reason IgnoredFailure, and keeps the digest and artifacts of the last good run. "
        "Retry: further attempts follow. Pipelines' other actions are accepted: ManualIntervention counts as the "
        "action of its onTimeout, RetryStepGroup as Retry, and rollbacks as MarkAsFailure. Example: Ignore"
    )
    spec: dict[str, Any] | None = Field(
        None,
        description="Settings of Retry. retryCount: 1 to 10. retryIntervals: for example [10s, 1m]; the last one holds "
        "for all further attempts; default 10s. onRetryFailure: the action after the last attempt; default "
        "MarkAsFailure.",
        json_schema_extra=ANYTHING,
    )


class OnFailure(ApiModel):
    """Which failures, and what happens after them."""

    errors: list[_ShortText] = Field(
        max_length=16,
        description="Kinds of failure: AllErrors, Timeout, Authentication, Authorization, Connectivity, Verification, "
        'Unknown (everything else, a failed RUN included). Example: ["AllErrors"]',
        json_schema_extra=ATOMIC,
    )
    action: FailureAction = Field(description="What happens after the failure.")


class FailureStrategy(ApiModel):
    """One rule for failures. The first rule that matches decides."""

    on_failure: OnFailure = Field(description="Which failures, and what happens after them.")
