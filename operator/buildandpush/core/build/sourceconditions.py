"""What the init container's report means for the conditions."""

from buildandpush.api.explanations import explain
from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.explain import describe
from buildandpush.core.foreign import Admitted
from buildandpush.core.pod.observation import SourceReport
from buildandpush.core.text import clip

_ABOUT_THE_DOCKERFILE = frozenset({Reason.DOCKERFILE_UNSUPPORTED, Reason.SOURCE_INCOMPLETE})
"""The source was fetched, and what was found in it ends the run."""


def note_failed_source(conditions: ConditionSet, reason: Reason, message: str) -> None:
    """The init container failed: at fetching, or at what it found."""
    if reason in _ABOUT_THE_DOCKERFILE:
        _note_ready(conditions)
        conditions.set(ConditionType.DOCKERFILE_CHECKED, "False", reason, message)
    else:
        conditions.set(ConditionType.SOURCE_READY, "False", reason, message)


def note_fetched_source(conditions: ConditionSet, report: SourceReport) -> None:
    """The source is there. DockerfileChecked is set if the init container looked at the Dockerfile."""
    _note_ready(conditions)
    if report.warnings:
        conditions.set(ConditionType.DOCKERFILE_CHECKED, "False", Reason.DOCKERFILE_DIFFERS, _list(report.warnings))
    elif report.warnings is not None:
        message = describe(Reason.DOCKERFILE_CHECKED)
        conditions.set(ConditionType.DOCKERFILE_CHECKED, "True", Reason.DOCKERFILE_CHECKED, message)


def _note_ready(conditions: ConditionSet) -> None:
    conditions.set(ConditionType.SOURCE_READY, "True", Reason.SOURCE_FETCHED, describe(Reason.SOURCE_FETCHED))


def _list(warnings: tuple[Admitted, ...]) -> str:
    """All of them in one message, with the remedy if there is room."""
    told = explain(Reason.DOCKERFILE_DIFFERS)
    return clip(f"{told.cause.removesuffix('.')}: {'; '.join(warnings)}. {told.remedy}", MAX_MESSAGE)
