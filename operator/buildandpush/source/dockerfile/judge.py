"""What becomes of findings: which end the run, which are only told, and in which words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from buildandpush.api.dockerfilechecks import CHECKS, Level
from buildandpush.source.dockerfile.finding import Finding

MAX_LINES: Final = 5
"""So many are told of one build; a report has little room, and nobody reads more."""
_MAX_REFUSALS: Final = 3
_MAX_WORD: Final = 60
_MAX_WORD_READ: Final = 1000
_LOGIN: Final = re.compile(r"://[^/@\s]*@")


@dataclass(frozen=True)
class Judgement:
    """Both in words, a line for each kind."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    about_source: bool = False
    """Whether all refusals are about what was fetched and none about the Dockerfile."""


def judge(findings: Sequence[Finding], mode: str) -> Judgement:
    """`mode` is spec.dockerfileChecks; empty for each check's own level."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.check, []).append(finding)
    refused = {check: found for check, found in kinds.items() if _refuses(found, mode)}
    told = {check: found for check, found in kinds.items() if check not in refused and mode != "Off"}
    return Judgement(
        _bound([_describe(found) for found in refused.values()], _MAX_REFUSALS),
        _bound([_describe(found) for found in told.values()], MAX_LINES),
        bool(refused) and all(CHECKS[check].source for check in refused),
    )


def _refuses(found: Sequence[Finding], mode: str) -> bool:
    level = CHECKS[found[0].check].level
    if level is Level.ALWAYS:
        return True
    if all(finding.later for finding in found):
        return mode == "Refuse"
    return mode == "Refuse" or (not mode and level is Level.REFUSE)


def _describe(found: Sequence[Finding]) -> str:
    first, check = found[0], CHECKS[found[0].check]
    word = _LOGIN.sub("://***@", first.word[:_MAX_WORD_READ])
    word = word if len(word) <= _MAX_WORD else f"{word[: _MAX_WORD - 1]}…"
    lines = sorted({finding.line for finding in found})
    where = f"line {first.line}: {'ONBUILD ' if first.later else ''}{word}"
    more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
    return f"{where}{more}: {check.kaniko}; {first.remedy or check.remedy}"


def _bound(lines: Iterable[str], most: int) -> tuple[str, ...]:
    """At most so many, the last of them saying how many more there are."""
    every = list(lines)
    if len(every) <= most:
        return tuple(every)
    return (*every[: most - 1], f"and {len(every) - most + 1} more kinds of difference")
