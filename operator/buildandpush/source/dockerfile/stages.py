"""The stages of a Dockerfile: what each is built on, which of them are built, and which variables they know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from buildandpush.source.dockerfile.reader import MAX_INSTRUCTIONS, Dockerfile, Instruction
from buildandpush.source.dockerfile.words import expand

SCRATCH: Final = "scratch"
MAX_STAGES: Final = 200
"""More are no Dockerfile that somebody wrote."""

_MAX_GUESSES: Final = 40


class TooManyLinesError(Exception):
    """Nobody wrote this Dockerfile by hand, and it would take long to be looked at."""


@dataclass
class Stage:
    """One stage, from its FROM line on."""

    index: int
    name: str
    """In lower case; empty for a stage without a name."""
    base: str | None
    """The image or stage it is built on; None if that is not known."""
    base_stage: "Stage | None"
    start: Instruction
    """The FROM line."""
    instructions: list[Instruction] = field(default_factory=list)
    needed: bool = False
    copied: bool = False
    """Whether COPY --from of a stage that is built takes files from it."""

    @property
    def on_scratch(self) -> bool:
        """Whether there is nothing below its own files."""
        return self.base_stage.on_scratch if self.base_stage else self.base == SCRATCH

    def triggered(self) -> list[Instruction]:
        """What runs in it: the ONBUILD lines of the stage below, and its own lines but for those."""
        below = self.base_stage.instructions if self.base_stage else ()
        return [one for one in below if one.trigger] + [one for one in self.instructions if not one.trigger]


@dataclass
class Scope:
    """The variables as they are at a line."""

    values: dict[str, str | None]
    closed: bool
    """Whether there are no others: images have variables of their own."""
    escape: str

    def expand(self, word: str) -> str | None:
        """The word; None if it hangs on what is not known."""
        return expand(word, self.values, closed=self.closed, escape=self.escape)


@dataclass
class Plan:
    """All stages, and the values that hold before the first."""

    stages: list[Stage]
    arguments: Mapping[str, str | None]
    """Build arguments that are given; None for one whose value is not known."""
    defaults: Mapping[str, str | None]
    """ARG lines before the first FROM, and what the builder itself sets."""
    escape: str
    _ends: dict[int, dict[str, str | None]] = field(default_factory=dict)
    """The variables at the end of each stage that was asked for."""
    _guesses: int = 0

    def may_guess(self) -> bool:
        """Whether one more name may be held against those of all stages, which takes long."""
        self._guesses += 1
        return self._guesses <= _MAX_GUESSES

    def find(self, word: str, before: int | None = None) -> Stage | None:
        """The stage of this name or number, before another one."""
        known = self.stages[:before]
        if word.isascii() and word.isdigit() and len(word) < 6:
            return known[int(word)] if int(word) < len(known) else None
        name = word.lower()
        return next((stage for stage in known if stage.name == name), None) if name else None

    def walk(self, stage: Stage) -> Iterator[tuple[Instruction, Scope]]:
        """The stage's instructions in turn, each with the variables that it sees."""
        below = self._end(stage.base_stage) if stage.base_stage else {}
        scope = Scope(dict(below), stage.on_scratch, self.escape)
        for instruction in stage.triggered():
            yield instruction, scope
            self._note(instruction, scope)
        self._ends[stage.index] = scope.values

    def _end(self, stage: Stage) -> dict[str, str | None]:
        if stage.index not in self._ends:
            for _ in self.walk(stage):
                pass
        return self._ends[stage.index]

    def _note(self, instruction: Instruction, scope: Scope) -> None:
        if instruction.keyword == "ARG":
            for word in instruction.words:
                scope.values.update(self.declare(word, scope))
        elif instruction.keyword == "ENV":
            # One line does not see its own values.
            scope.values.update([(name, scope.expand(word)) for name, word in pairs(instruction.text)])

    def declare(self, word: str, scope: Scope) -> dict[str, str | None]:
        """What one word of an ARG line sets; nothing for an argument that nobody gives."""
        name, equals, default = word.partition("=")
        if name in self.arguments:
            return {name: self.arguments[name]}
        if equals:
            return {name: scope.expand(default)}
        return {name: self.defaults[name]} if name in self.defaults else {}


def pairs(text: str) -> list[tuple[str, str]]:
    """Name and value of each NAME=value, or of the old form NAME value; quotation marks stay."""
    words = _split_quoted(text)
    if words and "=" not in words[0]:
        name, _, value = text.partition(" ")
        return [(name, value.strip())]
    return [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals]


def _split_quoted(text: str) -> list[str]:
    """The words between blanks that no quotation mark and no backslash holds together."""
    words, word, quote, place = list[str](), list[str](), "", 0
    while place < len(text):
        character = text[place]
        if character == "\\" and quote != "'":
            word.append(text[place : place + 2])
            place += 2
            continue
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        if not quote and character in " \t":
            if word:
                words.append("".join(word))
            word = []
        else:
            word.append(character)
        place += 1
    return [*words, "".join(word)] if word else words


def plan_stages(
    dockerfile: Dockerfile, *, arguments: Mapping[str, str | None], platform: Mapping[str, str], target: str
) -> Plan:
    """The stages of a Dockerfile. `platform` are the predefined arguments, `target` the stage that is asked for.

    Raises TooManyLinesError.
    """
    starts = sum(one.keyword == "FROM" for one in dockerfile.instructions)
    if starts > MAX_STAGES or len(dockerfile.instructions) > MAX_INSTRUCTIONS:
        raise TooManyLinesError
    defaults: dict[str, str | None] = {**platform}
    plan = Plan([], arguments, defaults, dockerfile.escape)
    before = Scope(defaults, closed=True, escape=dockerfile.escape)
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM" and not instruction.trigger:
            plan.stages.append(_begin(instruction, plan, before))
        elif plan.stages:
            plan.stages[-1].instructions.append(instruction)
        elif instruction.keyword == "ARG":
            for word in instruction.words:
                defaults.update(plan.declare(word, before))
    if _count_lines(plan.stages) > MAX_INSTRUCTIONS:
        raise TooManyLinesError
    _mark_needed(plan, target)
    return plan


def _count_lines(stages: list[Stage]) -> int:
    """How many lines run, those of ONBUILD once for each stage that they run in."""
    triggers = [sum(one.trigger for one in stage.instructions) for stage in stages]
    inherited = sum(triggers[stage.base_stage.index] for stage in stages if stage.base_stage)
    return inherited + sum(len(stage.instructions) for stage in stages)


def _begin(start: Instruction, plan: Plan, scope: Scope) -> Stage:
    words = start.words
    base = scope.expand(words[0]) if words else None
    name = words[2].lower() if len(words) > 2 and words[1].lower() == "as" else ""
    index = len(plan.stages)
    found = plan.find(base, index) if base and not base.isdigit() else None
    return Stage(index, name, base, found, start)


def _mark_needed(plan: Plan, target: str) -> None:
    """Only what the target hangs on is built; everything if there is no such stage, which kaniko tells."""
    asked = plan.find(target) if target else None
    waiting = [asked] if asked else plan.stages[-1:] if not target else list(plan.stages)
    while waiting:
        stage = waiting.pop()
        if stage.needed:
            continue
        stage.needed = True
        waiting.extend([stage.base_stage] if stage.base_stage else [])
        for copied in _copied_stages(plan, stage):
            copied.copied = True
            waiting.append(copied)


def _copied_stages(plan: Plan, stage: Stage) -> Iterator[Stage]:
    for instruction in stage.triggered():
        if instruction.keyword == "COPY":
            source = instruction.flag("from")
            found = plan.find(source, stage.index) if source else None
            if found is not None:
                yield found
