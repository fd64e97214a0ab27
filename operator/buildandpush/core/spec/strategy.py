"""`failureStrategies` and `when`: what a failure becomes, and whether a run is built.

As pipelines have them: https://developer.harness.io/docs/platform/pipelines/failure-handling/define-a-failure-strategy-on-stages-and-steps
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.step import (
    ACTIONS,
    ERROR_KINDS,
    FOREIGN_ACTIONS,
    FOREIGN_ERROR_KINDS,
    FailureAction,
    FailureStrategy,
    When,
)
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.evaluate import Scope, check_names, is_true
from buildandpush.core.expressions.reader import read_condition
from buildandpush.core.expressions.tree import ExpressionError
from buildandpush.core.spec.combination import names_combination
from buildandpush.core.spec.quantity import parse_duration_seconds
from buildandpush.core.spec.scope import Occasion, build_scope, names_codebase

_FIELD: Final = "failureStrategies"
MAX_RETRIES: Final = 10
DEFAULT_INTERVAL_SECONDS: Final = 10

_RETRIES: Final = ("Retry", "RetryStepGroup")
_NEXT: Final = {"Retry": "onRetryFailure", "RetryStepGroup": "onRetryFailure", "ManualIntervention": "onTimeout"}
"""Where an action holds the one that follows it."""
_MAX_ACTIONS: Final = 4
"""Actions within each other: after the last retry, or after the time for an answer."""

_KINDS: Final = {
    Reason.TIMED_OUT: "Timeout",
    Reason.PUSH_UNAUTHORIZED: "Authentication",
    Reason.SOURCE_DENIED: "Authentication",
    Reason.SOURCE_HOST_KEY: "Authentication",
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


def _check_action(action: FailureAction, depth: int = 1) -> None:
    if action.type not in (*ACTIONS, *FOREIGN_ACTIONS):
        raise SpecInvalidError(_FIELD, f"{action.type!r} is no action; use one of {', '.join(ACTIONS)}")
    if depth > _MAX_ACTIONS:
        raise SpecInvalidError(_FIELD, f"more than {_MAX_ACTIONS} actions stand within each other; use fewer")
    if action.type in _RETRIES:
        _retry_count(action)
        _intervals(action)
        if _next_action(action).type in _RETRIES:
            raise SpecInvalidError(_FIELD, "onRetryFailure retries again; raise retryCount instead")
    if action.type in _NEXT:
        _check_action(_next_action(action), depth + 1)


def find_foreign_actions(strategies: Sequence[FailureStrategy] | None) -> dict[str, str]:
    """The actions in the rules that only a pipeline's own machinery can take, each with what becomes of it."""
    found: dict[str, str] = {}
    for strategy in strategies or ():
        action = strategy.on_failure.action
        for _ in range(_MAX_ACTIONS):
            if action.type in FOREIGN_ACTIONS:
                found[action.type] = FOREIGN_ACTIONS[action.type]
            if action.type not in _NEXT:
                break
            action = _next_action(action)
    return found


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
    if action.type in _RETRIES:
        if retried < _retry_count(action):
            intervals = _intervals(action)
            return FailureOutcome(retry_after_seconds=intervals[min(retried, len(intervals) - 1)])
        return _decide(_next_action(action), retried)
    if action.type == "ManualIntervention":
        return _decide(_next_action(action), retried)
    return FailureOutcome(ignored=action.type in ("Ignore", "MarkAsSuccess"))


def _retry_count(action: FailureAction) -> int:
    value = (action.spec or {}).get("retryCount")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        value = int(value)
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


def _next_action(action: FailureAction) -> FailureAction:
    """The action after the last retry has failed, or after nobody has answered."""
    name = _NEXT[action.type]
    given: Any = (action.spec or {}).get(name) or {}
    inner = given.get("action") if isinstance(given, dict) else None
    if inner is None:
        return FailureAction(type="MarkAsFailure")
    if not isinstance(inner, dict) or not isinstance(inner.get("type"), str):
        raise SpecInvalidError(_FIELD, f"{name}.action has no type; write for example type: MarkAsFailure")
    return FailureAction(type=inner["type"], spec=inner.get("spec") if isinstance(inner.get("spec"), dict) else None)


def condition_names(when: When | None) -> frozenset[str]:
    """What the condition names of the run's commit; empty for one that cannot be read, which `is_met` refuses."""
    try:
        return names_codebase(read_condition(_condition(when))) if _condition(when) else frozenset()
    except ExpressionError:
        return frozenset()


def is_met(spec: BuildAndPushACRSpec, occasion: Occasion) -> bool:
    """Whether a run is built. Raises SpecInvalidError for an invalid condition. No stage comes before a run, so a run
    that requires a failed stage is never built. Without the commit, a condition that speaks of it counts as met.

    It holds for all builds of the run, so it knows nothing of a combination."""
    when = spec.when
    if when is None:
        return True
    condition = _condition(when)
    met = _evaluate(condition, build_scope(spec, replace(occasion, combination=None)), occasion) if condition else True
    return met and when.stage_status != "Failure"


def _condition(when: When | None) -> str:
    return ((when.condition if when is not None else None) or "").strip()


def _evaluate(condition: str, scope: Scope, occasion: Occasion) -> bool:
    """Whether a condition is met. An unknown name is an error even where nobody needs its value."""
    try:
        node = read_condition(condition)
        if names_combination(node):
            raise ExpressionError(
                "it is asked once for the whole run, so no build of a strategy has a value in it; take builds out with "
                "strategy.matrix.exclude"
            )
        check_names(node, scope)
        if occasion.codebase is None and names_codebase(node):
            return True
        return is_true(node, scope)
    except ExpressionError as error:
        raise SpecInvalidError("when.condition", str(error)) from error
