"""The numbers that a registry's tags hold, by the pattern that a spec gives its own tags."""

import re
from collections.abc import Iterable
from typing import Final

from buildandpush.api.spec import MAX_RUN_NUMBER, BuildAndPushACRSpec
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.tags import plan_tags

_SAMPLE: Final = 1234567891
"""A number that no spec has in its tags by itself."""


def find_last_number(spec: BuildAndPushACRSpec, tags: Iterable[str]) -> int | None:
    """The highest number among tags that a run of this spec may have pushed; None where there is none.

    A tag counts if it differs from one of the spec's only in the run's number. A larger number than any run can have is
    a date or the like. Raises SpecInvalidError.
    """
    patterns = [_build_pattern(tag) for tag in plan_tags(spec, parse_flags(spec.env_variables), _SAMPLE).numbered]
    matches = (pattern.fullmatch(tag) for tag in tags for pattern in patterns)
    # A tag has 128 characters at most, so no number is too long for int.
    numbers = (int(match["number"]) for match in matches if match is not None)
    return max((number for number in numbers if number <= MAX_RUN_NUMBER), default=None)


def _build_pattern(tag: str) -> re.Pattern[str]:
    """A tag with the sample number in it as a pattern; the number must be the same wherever it stands."""
    first, *others = (re.escape(part) for part in tag.split(str(_SAMPLE)))
    return re.compile(first + "(?P<number>[0-9]+)" + "(?P=number)".join(others))
