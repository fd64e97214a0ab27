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
from buildandpush.pipelines.notes import Level, Notes

_IMAGE: Final = "unused"
_UID: Final = "00000000-0000-0000-0000-000000000000"
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
    try:
        parsed = parse_spec(spec)
        plan_builds(parsed, settings, Occasion(run_number, name=name, uid=_UID, started_at=_BEGIN))
    except SpecInvalidError as error:
        notes.add(Level.INVALID, str(error))
        return
    for note in find_notes(parsed):
        notes.differs(f"without effect: {note}")
