"""`failureStrategies` and `when`: what a failure becomes, and whether a run is built.

As pipelines have them: https://developer.harness.io/docs/platform/pipelines/failure-handling/define-a-failure-strategy-on-stages-and-steps
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.spec import SEQUENCE_ID
from buildandpush.api.step import ACTIONS, ERROR_KINDS, FOREIGN_ERROR_KINDS, FailureAction, FailureStrategy, When
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.expression import evaluate
from buildandpush.core.spec.quantity import parse_duration_seconds

_FIELD: Final = "failureStrategies"
MAX_RETRIES: Final = 10
DEFAULT_INTERVAL_SECONDS: Final = 10

_INSTEAD: Final = {
    "ManualIntervention": "use MarkAsFailure: annotate the resource with buildandpush.dev/rebuild to try again",
    "ProceedWithDefaultValues": "use Ignore",
    "StageRollback": "use MarkAsFailure: the last good image stays in the status",
    "PipelineRollback": "use MarkAsFailure: the last good image stays in the status",
    "RetryStepGroup": "use Retry",
}

_KINDS: Final = {
    Reason.TIMED_OUT: "Timeout",
    Reason.PUSH_UNAUTHORIZED: "Authentication",
    Reason.SOURCE_DENIED: "Authentication",
    Reason.BASE_IMAGE_DENIED: "Authentication",
    Reason.PUSH_DENIED: "Authorization",
    Reason.POD_REFUSED: "Authorization",
    Reason.REGISTRY_UNREACHABLE: "Connectivity",
    Reason.REGISTRY_NETWORK_DENIED: "Connectivity",
    Reason.REGISTRY_THROTTLED: "Connectivity",
    Reason.SOURCE_UNREACHABLE: "Connectivity",
    Reason.SOURCE_THROTTLED: "Connectivity",
    Reason.TAG_EXISTS: "Verification",
}


@dataclass(frozen=True)
class FailureOutcome:
    """What a failure becomes."""

    ignored: bool = False
    retry_after_seconds: int | None = None
    """None: no further attempt."""


FAILS: Final = FailureOutcome()


def check_strategies(strategies: Sequence[FailureStrategy] | None) -> None:
    """Raise SpecInvalidError for the first rule that the operator cannot follow."""
    for strategy in strategies or ():
        for kind in strategy.on_failure.errors:
            if kind not in ERROR_KINDS + FOREIGN_ERROR_KINDS:
                raise SpecInvalidError(_FIELD, f"{kind!r} is no kind of failure; use one of {', '.join(ERROR_KINDS)}")
        _check_action(strategy.on_failure.action)


def _check_action(action: FailureAction) -> None:
    if action.type not in ACTIONS:
        instead = _INSTEAD.get(action.type, f"use one of {', '.join(ACTIONS)}")
        raise SpecInvalidError(_FIELD, f"the action {action.type!r} has no meaning here; {instead}")
    if action.type != "Retry":
        return
    _retry_count(action)
    _intervals(action)
    last = _last_action(action)
    if last.type == "Retry":
        raise SpecInvalidError(_FIELD, "onRetryFailure retries again; raise retryCount instead")
    _check_action(last)


def find_foreign_kinds(strategies: Sequence[FailureStrategy] | None) -> tuple[str, ...]:
    """The kinds of failure in the rules that only a pipeline's own machinery has, once each."""
    kinds = (kind for strategy in strategies or () for kind in strategy.on_failure.errors)
    return tuple(dict.fromkeys(kind for kind in kinds if kind in FOREIGN_ERROR_KINDS))


def decide_failure(strategies: Sequence[FailureStrategy] | None, reason: Reason, retried: int) -> FailureOutcome:
    """What a failure with this reason becomes. `retried` counts the attempts that a strategy has asked for already. The
    first rule that matches decides."""
    kind = _KINDS.get(reason, "Unknown")
    for strategy in strategies or ():
        if {"AllErrors", kind} & set(strategy.on_failure.errors):
            return _decide(strategy.on_failure.action, retried)
    return FAILS


def _decide(action: FailureAction, retried: int) -> FailureOutcome:
    if action.type == "Retry":
        if retried < _retry_count(action):
            intervals = _intervals(action)
            return FailureOutcome(retry_after_seconds=intervals[min(retried, len(intervals) - 1)])
        return _decide(_last_action(action), retried)
    return FailureOutcome(ignored=action.type in ("Ignore", "MarkAsSuccess"))


def _retry_count(action: FailureAction) -> int:
    value = (action.spec or {}).get("retryCount")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_RETRIES:
        raise SpecInvalidError(_FIELD, f"retryCount {value!r} is none; write a number from 1 to {MAX_RETRIES}")
    return value


def _intervals(action: FailureAction) -> list[int]:
    """Seconds before each further attempt. The last value holds for all that follow."""
    given = (action.spec or {}).get("retryIntervals") or []
    if not isinstance(given, list) or len(given) > MAX_RETRIES:
        raise SpecInvalidError(_FIELD, f"retryIntervals is no list of up to {MAX_RETRIES}; write for example [10s, 1m]")
    return [parse_duration_seconds(f"{_FIELD}.retryIntervals", str(item)) for item in given] or [
        DEFAULT_INTERVAL_SECONDS
    ]


def _last_action(action: FailureAction) -> FailureAction:
    """The action after the last retry has failed."""
    given: Any = (action.spec or {}).get("onRetryFailure") or {}
    inner = given.get("action") if isinstance(given, dict) else None
    if inner is None:
        return FailureAction(type="MarkAsFailure")
    if not isinstance(inner, dict) or not isinstance(inner.get("type"), str):
        raise SpecInvalidError(_FIELD, "onRetryFailure.action has no type; write for example type: MarkAsFailure")
    return FailureAction(type=inner["type"], spec=inner.get("spec") if isinstance(inner.get("spec"), dict) else None)


def is_met(when: When | None, run_number: int) -> bool:
    """Whether a run is built. Raises SpecInvalidError for an invalid condition. No stage comes before a run, so a run
    that requires a failed stage is never built."""
    if when is None:
        return True
    condition = (when.condition or "").strip()
    met = evaluate(condition, {SEQUENCE_ID: float(run_number)}) if condition else True
    return met and when.stage_status != "Failure"
