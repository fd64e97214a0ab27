"""Checks of the names and the platforms of stages."""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from buildandpush.source.dockerfile.finding import Finding, Place
from buildandpush.source.dockerfile.stages import SCRATCH

_ALIKE: Final = 0.8
"""As alike as biuld and build; bash and base are less so."""
_MAX_NAME: Final = 64
_MAX_NAMES: Final = 20


def check_name(place: Place) -> Iterator[Finding]:
    """A COPY --from that no stage is named by, but nearly."""
    if place.instruction.keyword == "COPY" and place.instruction.flag("from"):
        yield from _misspelt(place, place.instruction.flag("from") or "", "--from=")


def check_start(place: Place) -> Iterator[Finding]:
    """The FROM line: a base that is nearly a stage's name, and a platform that kaniko ignores."""
    word = place.instruction.words[0] if place.instruction.words else ""
    if place.stage.base_stage is None:
        yield from _misspelt(place, place.scope.expand(word) or "", "")
    asked = place.instruction.flag("platform")
    platform = place.scope.expand(asked) if asked else None
    if platform and place.settings.platform and not _same_platform(platform, place.settings.platform):
        yield place.found("from-platform", f"--platform={platform}")


def _same_platform(one: str, other: str) -> bool:
    return one.lower().split("/")[:2] == other.lower().split("/")[:2]


def _misspelt(place: Place, name: str, prefix: str) -> Iterator[Finding]:
    """Images may have any name, so only a bare word counts that is close to a stage's name and to no image's here."""
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{3,{_MAX_NAME}}}", name) or name.isdigit():
        return
    if place.plan.find(name, place.stage.index) is not None or not place.plan.may_guess() or _is_image(place, name):
        return
    known = [stage.name for stage in place.plan.stages if stage.name and stage is not place.stage][:_MAX_NAMES]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)
    if near:
        yield place.found("stage-name", f"{prefix}{name}", f"write {prefix}{near[0]}")


def _is_image(place: Place, name: str) -> bool:
    """Whether another line has the word as the name of an image, with or without a tag."""
    starts = place.instruction.keyword == "FROM"
    others = (stage for stage in place.plan.stages if not (starts and stage is place.stage))
    bases = (stage.base or "" for stage in others if stage.base_stage is None)
    return name == SCRATCH or any(re.split("[:@]", base)[0].split("/")[-1] == name for base in bases)
