"""Names of the resources: the step's identifier, with its stage's and its pipeline's where two would be the same."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from buildandpush.api.connector import CONNECTOR_NAME_PATTERN
from buildandpush.core.naming import connector_name
from buildandpush.pipelines.find import FoundStep
from buildandpush.pipelines.values import Map, as_text

LONGEST: Final = 63
_LONGEST_NAME: Final = 253
_NAME: Final = re.compile(CONNECTOR_NAME_PATTERN)
_ODD: Final = re.compile(r"[^a-z0-9]+")


def assign_names(steps: Sequence[FoundStep]) -> list[str]:
    """One name for each step. It does not depend on the order, unless two steps have all names in common."""
    forms = [_forms(step) for step in steps]
    names = [form[0] for form in forms]
    for length in range(1, max(map(len, forms), default=0)):
        counts = Counter(names)
        names = [
            form[min(length, len(form) - 1)] if counts[name] > 1 else name
            for name, form in zip(names, forms, strict=True)
        ]
    return _number(names)


def _forms(found: FoundStep) -> list[str]:
    """From short to long: step, stage and step, pipeline, stage and step."""
    parts = [found.name, *(_identity(holder) for holder in (found.around.stage, found.around.pipeline))]
    given = [part for part in map(slug, parts) if part] or ["build"]
    return [_fit("-".join(reversed(given[: number + 1]))) for number in range(len(given))]


def _identity(holder: Map) -> str:
    return as_text(holder.get("identifier")) or as_text(holder.get("name"))


def name_connector(reference: str) -> str:
    """The name that a pipeline's identifier of a connector or secret becomes; empty if it can be no name."""
    name = connector_name(reference[: 4 * _LONGEST_NAME])
    return name if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) else ""


def slug(text: str) -> str:
    """A text in the characters of a name."""
    return _ODD.sub("-", text[:512].lower()).strip("-")


def _fit(name: str) -> str:
    """A long name is cut and gets a hash of the whole."""
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _number(names: list[str]) -> list[str]:
    """What is still the same gets numbers, in the order of the steps."""
    taken = set(names)
    seen: set[str] = set()
    result: list[str] = []
    next_number: Counter[str] = Counter()
    for name in names:
        unique = name
        while unique in seen:
            next_number[name] += 1
            candidate = f"{name[: LONGEST - 8].rstrip('-')}-{next_number[name] + 1}"
            unique = name if candidate in taken else candidate
        seen.add(unique)
        result.append(unique)
    return result
