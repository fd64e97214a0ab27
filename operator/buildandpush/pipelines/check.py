"""Asks the operator's own core if it could build what was made."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import ANY, BuildSettings
from buildandpush.core.spec.builds import plan_builds
from buildandpush.core.spec.noeffect import find_notes
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.scope import Occasion
from buildandpush.pipelines.fields import STAND_IN_REPOSITORY
from buildandpush.pipelines.notes import Level, Notes

_IMAGE: Final = "unused"
_UID: Final = "00000000-0000-0000-0000-000000000000"
_MOST: Final = 12
"""Mistakes that are looked for in one resource."""
_STAND_INS: Final[Mapping[str, Any]] = {
    "source": {"git": {"url": "https://git.invalid/repository.git"}},
    "connectorRef": "acr",
    "repository": STAND_IN_REPOSITORY,
    "tags": ["latest"],
}
"""For a field that is wrong and must be there, so that the others can be looked at."""
_BASE: Final = "strategy"
"""What the values of other fields come from. Without it they have none, and that is no mistake of theirs."""
_BEGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Of a run that stands for all of them: expressions have values of the length and form that they get."""


def check_spec(
    spec: Mapping[str, Any], notes: Notes, *, name: str, insecure: Sequence[str] = (), run_number: int = 1
) -> None:
    """Note what the API server or the operator would refuse, and what has no effect.

    Nobody knows here what the installer allows; so all of it counts as allowed. `name` is the resource's. `insecure`
    are the registries that a flag switches TLS off for.
    """
    settings = BuildSettings(_IMAGE, _IMAGE, service_accounts=(ANY,), insecure_registries=tuple(insecure))
    occasion = Occasion(run_number, name=name, uid=_UID, started_at=_BEGIN)
    wrong: set[str] = set()
    for _ in range(_MOST):
        error = _find_mistake(spec, settings, occasion)
        # A field that is refused again, or one that is refused for want of another, says nothing new.
        if error is None or error.field in wrong:
            break
        notes.add(Level.INVALID, str(error))
        wrong.add(error.field)
        if error.field.startswith(_BASE):
            break
        spec = _without(spec, error.field)
    if not wrong:
        for note in find_notes(parse_spec(spec)):
            notes.differs(f"without effect: {note}")


def _find_mistake(spec: Mapping[str, Any], settings: BuildSettings, occasion: Occasion) -> SpecInvalidError | None:
    """The first thing that the operator refuses: it looks no further."""
    try:
        plan_builds(parse_spec(spec), settings, occasion)
    except SpecInvalidError as error:
        return error
    return None


def _without(spec: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """The spec without a field that was refused."""
    top = field.partition(".")[0]
    return {**spec, top: _STAND_INS[top]} if top in _STAND_INS else _drop(spec, field)


def _drop(value: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The map without what the path leads to, or without the last map on the way there. A key may hold dots itself."""
    first, _, rest = path.partition(".")
    inner = value.get(first)
    if path not in value and isinstance(inner, Mapping) and rest:
        return {**value, first: _drop(inner, rest)}
    gone = path if path in value else first
    return {name: each for name, each in value.items() if name != gone}
