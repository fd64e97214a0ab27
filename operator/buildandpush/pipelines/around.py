"""What a pipeline gives every step, its groups and its stage: conditions, loops, timeouts and rules for failures."""

from typing import Any, Final

from pydantic import ValidationError

from buildandpush.api.step import FailureStrategy
from buildandpush.api.strategy import RESERVED, Repeat, Strategy
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.strategy import check_strategies
from buildandpush.pipelines.find import FoundStep
from buildandpush.pipelines.inputs import is_input
from buildandpush.pipelines.notes import Notes, join_names
from buildandpush.pipelines.reading import read_part, read_text, settle_input
from buildandpush.pipelines.values import Map, Value, as_list, as_map, as_text, is_null, join_path

_FAILURE: Final = "Failure"
_ROLLBACK: Final = "rollbackSteps"
_WHEN: Final = ("stageStatus", "pipelineStatus", "condition")
_LOOPS: Final = tuple(field.alias or name for name, field in Strategy.model_fields.items())
_OF_REPEAT: Final = tuple(field.alias or name for name, field in Repeat.model_fields.items())
_NUMBERS: Final = frozenset(
    {"retryCount", "maxConcurrency", "times", "parallelism", "partitionSize", "start", "end", "tolerationSeconds"}
)
_LEVELS = tuple[tuple[str, Map], ...]


def plan_around(found: FoundStep, notes: Notes) -> dict[str, Any]:
    """The fields `timeout`, `when`, `strategy` and `failureStrategies`."""
    levels = _levels(found)
    for name, holder in levels[1:]:
        if not is_null(holder.get("timeout")):
            notes.left_out(f"the timeout of the {name} ({as_text(holder['timeout'])}); timeout holds for one build")
    return {
        "timeout": read_text("timeout", found.step.get("timeout"), notes),
        "when": _plan_when(levels, notes, rolls_back=f"{_ROLLBACK}[" in found.path),
        "strategy": _plan_strategy(levels, notes),
        "failureStrategies": _plan_failures(levels, notes),
    }


def _levels(found: FoundStep) -> _LEVELS:
    """The step, its groups from the inside to the outside, and the stage; each with its name for notes."""
    groups = tuple(("step group", group) for group in reversed(found.around.groups))
    return (("step", found.step), *groups, ("stage", found.around.stage))


def _plan_when(levels: _LEVELS, notes: Notes, *, rolls_back: bool) -> dict[str, str]:
    conditions: list[str] = []
    status = _FAILURE if rolls_back else ""
    if rolls_back:
        notes.differs("the step is for a rollback, and nothing is rolled back here; so none is made")
    for name, holder in reversed(levels):
        settled = read_part(f"when of the {name}", holder.get("when"), notes)
        status = _status(name, settled, status, notes)
        condition = read_text(f"when.condition of the {name}", settled.get("condition"), notes)
        unknown = [key for key in settled if key not in _WHEN]
        if unknown:
            notes.left_out(f"when of the {name}: {join_names(unknown)}: no part of a condition")
        if condition:
            conditions.append(condition)
    joined = conditions[0] if len(conditions) == 1 else " && ".join(f"({each})" for each in conditions)
    return {key: text for key, text in (("stageStatus", status), ("condition", joined)) if text}


def _status(name: str, when: Map, before: str, notes: Notes) -> str:
    """The step's own status, unless something around it runs only after a failure."""
    status = as_text(when.get("stageStatus")) or as_text(when.get("pipelineStatus"))
    if status == _FAILURE and name != "step":
        notes.differs(f"the {name} runs only after a failure, which comes before no build here; so none is made")
    return _FAILURE if _FAILURE in (status, before) else status if name == "step" else before


def _plan_strategy(levels: _LEVELS, notes: Notes) -> dict[str, Any]:
    """The strategies of all levels as one. Two matrices with different axes are one matrix."""
    found: list[tuple[str, Map]] = []
    for name, holder in levels:
        settled = read_part(f"strategy of the {name}", holder.get("strategy"), notes)
        if settled:
            found.append((name, as_map(_settle_within(f"strategy of the {name}", settled, notes))))
    if not found:
        return {}
    (_, strategy), *others = found
    for name, other in others:
        merged = _merge_matrices(strategy, other)
        if merged:
            strategy = merged
            notes.differs(f"the matrix of the {name} has become a part of strategy.matrix")
        else:
            notes.todo(f"the strategy of the {name} ({join_names(other)}) is not carried over; write one resource each")
    unknown = [key for key in strategy if key not in _LOOPS]
    if unknown:
        notes.left_out(f"strategy: {join_names(unknown)}: no loop that means something here")
    loops = {key: value for key, value in strategy.items() if key in _LOOPS}
    return {key: _typed(key, _repeat(value, notes) if key == "repeat" else value) for key, value in loops.items()}


def _settle_within(place: str, value: Value, notes: Notes) -> Value:
    """The value with defaults in place of all that is asked for at each run and has one."""
    if isinstance(value, dict):
        return {key: _settle_within(join_path(place, key), inner, notes) for key, inner in value.items()}
    if isinstance(value, list):
        return [_settle_within(join_path(place, number), inner, notes) for number, inner in enumerate(value)]
    settled = settle_input(place, value, notes)
    return value if settled is None else settled


def _repeat(given: Value, notes: Notes) -> Value:
    if not isinstance(given, dict):
        return given
    unknown = [key for key in given if key not in _OF_REPEAT]
    if unknown:
        notes.left_out(f"strategy.repeat: {join_names(unknown)}: no part of a loop that means something here")
    return {key: value for key, value in given.items() if key in _OF_REPEAT}


def _merge_matrices(inner: Map, outer: Map) -> Map | None:
    ours, theirs = as_map(inner.get("matrix")), as_map(outer.get("matrix"))
    both = set(ours) & set(theirs) - set(RESERVED)
    if not ours or not theirs or both or len(inner) > 1 or len(outer) > 1:
        return None
    merged: Map = {**theirs, **ours}
    excluded = [*as_list(theirs.get("exclude")), *as_list(ours.get("exclude"))]
    return {"matrix": {**merged, "exclude": excluded} if excluded else merged}


def _plan_failures(levels: _LEVELS, notes: Notes) -> list[dict[str, Any]]:
    """The rules of the innermost level that has some. A rule that the operator cannot follow is left out."""
    first, planned = "", list[dict[str, Any]]()
    for name, holder in levels:
        given = holder.get("failureStrategies")
        place = f"failureStrategies of the {name}"
        if first and given and not is_null(given):
            instead = f"those of the {first} are here instead" if planned else f"the {first} has rules of its own"
            notes.left_out(f"{place}: {instead}")
            continue
        rules = _settle_within(place, given, notes) if given is not None and not is_null(given) else None
        if isinstance(rules, list) and rules:
            first, planned = name, [rule for each in rules if (rule := _plan_rule(name, each, notes))]
        elif isinstance(rules, dict | str) and not is_input(rules):
            notes.left_out(f"{place} holds a {'map' if isinstance(rules, dict) else 'text'}, where a list was expected")
    return planned


def _plan_rule(name: str, given: Value, notes: Notes) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        notes.left_out(f"failureStrategies of the {name}: a rule that is no map")
        return None
    failure = as_map(given.get("onFailure"))
    unknown = [key for key in given if key != "onFailure"]
    unknown += [key for key in failure if key not in ("errors", "action")]
    if unknown:
        notes.left_out(f"failureStrategies of the {name}: {join_names(unknown)}: no part of a rule")
    try:
        rule = FailureStrategy.model_validate(_typed("", given))
        check_strategies([rule])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        notes.left_out(f"failureStrategies of the {name}: a rule without {place}, or with another thing in its place")
    except SpecInvalidError as error:
        notes.left_out(f"{error} (a rule of the {name})")
    else:
        return rule.to_dict()
    return None


def typed_maps(values: Value | None) -> list[dict[str, Any]]:
    """Maps of a list, with numbers where Kubernetes wants numbers."""
    return [_typed("", each) for each in as_list(values) if isinstance(each, dict)]


def _typed(key: str, value: Value) -> Any:
    """The value with numbers where a resource wants numbers. All other scalars are texts."""
    if isinstance(value, dict):
        return {name: _typed(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_typed("", inner) for inner in value]
    text = str(value)
    return int(text) if key in _NUMBERS and text.isascii() and text.isdigit() and len(text) < 10 else text
