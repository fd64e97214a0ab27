"""What the expressions of a spec may name, and the values of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.expressions.evaluate import Scope
from buildandpush.core.expressions.tree import Node, Template, Value, find_paths
from buildandpush.core.facts import FluxArtifact
from buildandpush.core.spec.codebase import NAMES, Codebase
from buildandpush.core.spec.combination import Combination

CODEBASE: Final = "codebase"
DETAILS: Final = frozenset({"commitMessage", "gitUserId"})
"""What only the commit itself tells, beside its id."""
STAND_IN: Final = "codebase-7f3a9c51"
"""Stands for an expression whose commit is not known yet. It can be a tag and a part of a path. No spec has it."""


@dataclass(frozen=True)
class Occasion:
    """The run whose values expressions have, as far as it is known."""

    number: int
    codebase: Codebase | None = None
    """None until the operator has found out the commit."""
    name: str = ""
    """Of the resource."""
    uid: str = ""
    started_at: datetime | None = None
    artifact: FluxArtifact | None = None
    """What the Flux object of the source has fetched, once the operator has asked."""
    combination: Combination | None = None
    """The build of the run whose values count too; None for what holds for the whole run."""


def build_scope(spec: BuildAndPushACRSpec, occasion: Occasion) -> Scope:
    """The names and their values. Nothing starts a run here that `trigger` knows of, so all of it is null."""
    looped = {} if occasion.combination is None else occasion.combination.values()
    variables: dict[str, Value] = dict(spec.variables or {})
    started = occasion.started_at
    pipeline: dict[str, Value] = {
        "sequenceId": occasion.number,
        "executionId": f"{occasion.uid}-{occasion.number}",
        "name": occasion.name,
        "identifier": occasion.name,
        "startTs": None if started is None else int(started.timestamp() * 1000),
        "variables": variables,
    }
    stage: dict[str, Value] = {"variables": variables}
    step: dict[str, Value] = {"identifier": occasion.name, "name": occasion.name}
    if occasion.combination is not None:
        step["identifierPostFix"] = occasion.combination.postfix
    if "matrix" in looped:
        stage["matrix"] = looped["matrix"]
    return {
        "pipeline": pipeline,
        "stage": stage,
        "step": step,
        CODEBASE: _describe(occasion.codebase),
        "trigger": None,
        **looped,
    }


def _describe(codebase: Codebase | None) -> Value:
    values: Mapping[str, str] = codebase.values() if codebase is not None else dict.fromkeys(NAMES, STAND_IN)
    described: dict[str, Value] = {name: value or None for name, value in values.items() if "." not in name}
    return {**described, "build": {"type": values["build.type"] or None}}


def names_codebase(part: str | Node) -> frozenset[str]:
    """What an expression names of the run's commit; empty for words."""
    paths = [] if isinstance(part, str) else find_paths(part)
    return frozenset(path[1] if len(path) > 1 else "" for path in paths if path[0] == CODEBASE)


def names_in(template: Template) -> frozenset[str]:
    """What a text names of the run's commit."""
    return frozenset(name for part in template for name in names_codebase(part))
