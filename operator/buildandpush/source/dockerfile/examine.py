"""All checks of one Dockerfile in turn."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Final

from buildandpush.source.dockerfile import copying, fetched, flags, stagechecks, statechecks
from buildandpush.source.dockerfile.context import Context
from buildandpush.source.dockerfile.finding import Finding, Place, Settings
from buildandpush.source.dockerfile.reader import Instruction, read_dockerfile
from buildandpush.source.dockerfile.stages import Plan, Scope, Stage, TooManyLinesError, plan_stages
from buildandpush.source.dockerfile.statechecks import State, note_state

_OF_A_LINE: Final[tuple[Callable[[Place], Iterator[Finding]], ...]] = (
    flags.check_flags,
    flags.check_mounts,
    copying.check_sources,
    copying.check_target,
    copying.check_added,
    stagechecks.check_name,
    statechecks.check_heredocs,
    fetched.check_git_folder,
)


class NotReadableError(Exception):
    """The Dockerfile is none, or too long to be checked; `empty` says which."""

    def __init__(self, message: str, *, empty: bool) -> None:
        super().__init__(message)
        self.empty = empty


@dataclass
class _Examination:
    plan: Plan
    context: Context
    settings: Settings
    states: dict[int, State] = field(default_factory=dict)
    used: list[tuple[int, str]] = field(default_factory=list)

    def examine_stage(self, stage: Stage) -> Iterator[Finding]:
        """The findings of one stage. The stages it is built on have been looked at before."""
        begin = Scope(dict(self.plan.defaults), closed=True, escape=self.plan.escape)
        if stage.needed:
            yield from stagechecks.check_start(self._place(stage, stage.start, begin))
        below = self.states.get(stage.base_stage.index) if stage.base_stage else None
        state = deepcopy(below) if below else State()
        for instruction, scope in self.plan.walk(stage):
            place = self._place(stage, instruction, scope)
            if stage.needed:
                for check in _OF_A_LINE:
                    yield from check(place)
                yield from statechecks.check_state(place, state)
                self.used.extend((instruction.line, source) for source in fetched.used_sources(place))
            note_state(place, state, self._copied_state(place))
        self.states[stage.index] = state
        if stage.needed:
            yield from self._examine_triggers(stage, scope=Scope({}, closed=False, escape=self.plan.escape))

    def _copied_state(self, place: Place) -> State | None:
        source = place.instruction.flag("from") if place.instruction.keyword == "COPY" else None
        stage = self.plan.find(source, place.stage.index) if source else None
        return self.states[stage.index] if stage else None

    def _examine_triggers(self, stage: Stage, scope: Scope) -> Iterator[Finding]:
        """ONBUILD lines are for builds on this image, whichever builder makes those."""
        if any(other.base_stage is stage and other.needed for other in self.plan.stages):
            return  # looked at where they run
        for instruction in stage.instructions:
            if instruction.trigger:
                place = self._place(stage, instruction, scope)
                for check in (flags.check_flags, flags.check_mounts):
                    yield from (replace(finding, later=True) for finding in check(place))

    def _place(self, stage: Stage, instruction: Instruction, scope: Scope) -> Place:
        return Place(instruction, stage, scope, self.plan, self.context, self.settings)


def examine(
    text: str, context: Context, settings: Settings, *, machine: str = "", submodules: Sequence[str] = ()
) -> list[Finding]:
    """Everything that kaniko makes of a Dockerfile in another way than Docker, as far as the files tell.

    `machine` is the platform of this machine, `submodules` the paths in the context that were not fetched. Raises
    NotReadableError, and TooManyFilesError for a context that is too large.
    """
    dockerfile = read_dockerfile(text)
    if not dockerfile.instructions:
        raise NotReadableError("it is empty" if not text.strip() else "it holds comments only", empty=True)
    platform = _platform_arguments(settings.platform or machine, machine)
    try:
        plan = plan_stages(dockerfile, arguments=settings.build_arguments, platform=platform, target=settings.target)
    except TooManyLinesError as error:
        raise NotReadableError("it has too many lines to be checked", empty=False) from error
    if not plan.stages:
        raise NotReadableError("it has no FROM line", empty=True)
    examination = _Examination(plan, context, settings)
    found = [finding for stage in plan.stages for finding in examination.examine_stage(stage)]
    found += fetched.find_missing(context, submodules, examination.used)
    return found


def _platform_arguments(target: str, machine: str) -> dict[str, str]:
    """https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope"""
    arguments: dict[str, str] = {}
    for prefix, platform in (("TARGET", target), ("BUILD", machine)):
        system, architecture, variant = (*platform.split("/"), "", "")[:3]
        if architecture:
            arguments |= {
                f"{prefix}PLATFORM": platform,
                f"{prefix}OS": system,
                f"{prefix}ARCH": architecture,
                f"{prefix}VARIANT": variant,
            }
    return arguments
