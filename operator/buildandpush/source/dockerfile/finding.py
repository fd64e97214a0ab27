"""What the checks look at and what they give."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildandpush.source.dockerfile.context import Context
from buildandpush.source.dockerfile.reader import Instruction
from buildandpush.source.dockerfile.stages import Plan, Scope, Stage


@dataclass(frozen=True)
class Settings:
    """What of the build, besides its Dockerfile, decides what kaniko makes of it."""

    switched: bool = True
    """Whether the executor's switches are set."""
    snapshot_mode: str = "full"
    user_namespace: bool = False
    keeps_git: bool = True
    """Whether the source keeps a .git folder that it has."""
    keeps_var_run: bool = True
    platform: str = ""
    """The image's platform, such as linux/arm64."""
    target: str = ""
    build_arguments: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One difference at one line."""

    check: str
    """Its id in the table."""
    line: int
    """Line of the Dockerfile; 0 for what stands in no line."""
    word: str
    """What of the line it is about."""
    remedy: str = ""
    """What to write instead, if that is known better than by the table."""
    later: bool = False
    """Whether it is about builds on this image."""


@dataclass(frozen=True)
class Place:
    """One instruction, where it stands and what it sees."""

    instruction: Instruction
    stage: Stage
    scope: Scope
    plan: Plan
    context: Context
    settings: Settings

    def found(self, check: str, word: str, remedy: str = "") -> Finding:
        """A finding at this line."""
        return Finding(check, self.instruction.line, f"{self.instruction.keyword} {word}".strip(), remedy)
