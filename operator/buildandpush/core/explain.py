"""The words that explain a reason to a person."""

from buildandpush.api.explanations import NO_REMEDY, RUN_AGAIN, explain
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE
from buildandpush.core.text import clip


def describe(reason: Reason, detail: str = "", remedy: str = "") -> str:
    """Cause, detail and remedy in one message of at most 1 KiB. A given remedy replaces the reason's own."""
    explanation = explain(reason)
    middle = f" ({clip(detail, MAX_MESSAGE // 2)})" if detail else ""
    if remedy:
        remedy = f" {remedy}"
    elif explanation.remedy != NO_REMEDY:
        remedy = f" {explanation.remedy}"
    return clip(f"{explanation.cause.removesuffix('.')}{middle}.{remedy}", MAX_MESSAGE)


def describe_meanwhile(reason: Reason, detail: str = "", remedy: str = "") -> str:
    """The same for a run that has not ended. It does not advise to run it again."""
    return describe(reason, detail, remedy).removesuffix(f" {RUN_AGAIN}")
