"""The plans of all builds of a run, and whether they can stand beside each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.reader import read_text
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.combination import Combination, names_combination
from buildandpush.core.spec.expansion import is_unknown
from buildandpush.core.spec.matrix import expand_strategy, has_strategy
from buildandpush.core.spec.plan import BuildPlan, plan_build
from buildandpush.core.spec.scope import Occasion, names_codebase
from buildandpush.core.spec.strategy import condition_names

MAX_TEXT: Final = 48 * 1024
"""Bytes that the status of a run has for the values and tags of its builds. A larger status could not be written."""
_MAX_TAG: Final = 128
_SHOWN: Final = 200


@dataclass(frozen=True)
class PlannedBuild:
    """One build of a run."""

    combination: Combination
    plan: BuildPlan

    @property
    def key(self) -> str:
        """Names the build in the status and in its pod's name."""
        return self.combination.key


def plan_builds(spec: BuildAndPushACRSpec, settings: BuildSettings, occasion: Occasion) -> tuple[PlannedBuild, ...]:
    """The builds of a run, in the order of their keys; one without a strategy. Raises SpecInvalidError.

    No two of them push the same tag to the same repository. Before the commit is known, this is known only of those
    that do not depend on it.
    """
    combinations = expand_strategy(spec, occasion)
    if not has_strategy(spec):
        return (PlannedBuild(combinations[0], plan_build(spec, settings, occasion)),)
    builds = tuple(_plan(spec, settings, replace(occasion, combination=each)) for each in combinations)
    if len(builds) > 1:
        _check_shared(spec, builds[0].plan)
        _check_size(spec, builds)
        _check_destinations(spec, builds, knows_commit=occasion.codebase is not None)
    return builds


def _plan(spec: BuildAndPushACRSpec, settings: BuildSettings, occasion: Occasion) -> PlannedBuild:
    combination = occasion.combination or Combination()
    try:
        return PlannedBuild(combination, plan_build(spec, settings, occasion))
    except SpecInvalidError as error:
        message = str(error).removeprefix(f"{error.field}: ")
        raise SpecInvalidError(error.field, f"{message} (in {combination.describe()})") from error


def _check_shared(spec: BuildAndPushACRSpec, plan: BuildPlan) -> None:
    """Raise SpecInvalidError for what the builds of a run cannot share."""
    if plan.upload_seconds:
        raise SpecInvalidError(
            "source.upload", "a folder is sent to one build, and strategy makes several; use another kind of source"
        )
    git = spec.source.git
    if git is not None and not _is_shared(git.revision) and (git.poll is not None or condition_names(spec.when)):
        field = "source.git.poll" if git.poll is not None else "when.condition"
        raise SpecInvalidError(
            field, "it speaks of one commit, and the builds of strategy have several revisions; write one revision"
        )
    paths = plan.options.workspace.paths
    if paths and not plan.options.push_only:
        raise SpecInvalidError(
            plan.options.flags.field_of(next(iter(paths))),
            "each build of strategy would write this file; leave the flag out, or write a resource for each build",
        )


def _check_size(spec: BuildAndPushACRSpec, builds: Sequence[PlannedBuild]) -> None:
    """Raise SpecInvalidError for more text than the status of a run can hold."""
    size = 0
    for build in builds:
        size += sum(len(f"{name}{value}".encode()) for name, value in build.combination.named().items())
        # Tags that depend on the commit are not there yet.
        size += sum(map(len, build.plan.tags)) + _MAX_TAG * max(0, len(spec.tags or ()) - len(build.plan.tags))
    if size > MAX_TEXT:
        raise SpecInvalidError(
            "strategy",
            f"the values and tags of its {len(builds)} builds have {size} bytes, more than the {MAX_TEXT} that a "
            "status holds; write fewer or shorter ones, or several resources",
        )


def _check_destinations(spec: BuildAndPushACRSpec, builds: Sequence[PlannedBuild], *, knows_commit: bool) -> None:
    """Raise SpecInvalidError for two builds that push the same tag to the same repository."""
    seen: dict[str, Combination] = {}
    for build in builds:
        for destination in _list_destinations(spec, build.plan, knows_commit=knows_commit):
            first = seen.setdefault(destination, build.combination)
            if first is not build.combination:
                raise SpecInvalidError(
                    "tags",
                    f"{first.describe()} and {build.combination.describe()} both push {destination[:_SHOWN]}; put "
                    f"{_find_difference(first, build.combination)} into tags or repository",
                )


def _list_destinations(spec: BuildAndPushACRSpec, plan: BuildPlan, *, knows_commit: bool) -> Iterator[str]:
    """What is pushed, as far as it is known. A tag that all builds share counts even if its value comes later."""
    if plan.options.no_push:
        return
    is_own = not _is_shared(spec.repository) or not _has_one_commit(spec)
    if not knows_commit and is_unknown(plan.repository) and is_own:
        return
    repository = spec.repository if not knows_commit and is_unknown(plan.repository) else plan.repository
    knows_all = knows_commit or not _has_one_commit(spec)
    later = [] if knows_all else [tag for tag in spec.tags or () if _is_later(tag) and _is_shared(tag)]
    yield from (f"{repository}:{tag}" for tag in (*plan.tags, *later))


def _is_shared(text: str) -> bool:
    return not any(names_combination(part) for part in read_text(text))


def _has_one_commit(spec: BuildAndPushACRSpec) -> bool:
    return spec.source.git is None or _is_shared(spec.source.git.revision)


def _is_later(text: str) -> bool:
    return any(names_codebase(part) for part in read_text(text))


def _find_difference(one: Combination, other: Combination) -> str:
    """The expression that tells two builds apart."""
    for name, value in one.matrix.items():
        if other.matrix.get(name) != value:
            return f"<+matrix.{name}>"
    return "<+repeat.item>" if one.item is not None else "<+strategy.iteration>"
