"""Asks the operator's own core if it could build what was made."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import ANY, BuildSettings
from buildandpush.core.spec.builds import plan_builds
from buildandpush.core.spec.noeffect import find_notes
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.scope import Occasion
from buildandpush.pipelines.notes import Level, Notes

_IMAGE: Final = "unused"


def check_spec(spec: Mapping[str, Any], notes: Notes, *, insecure: Sequence[str] = (), run_number: int = 1) -> None:
    """Note what the API server or the operator would refuse, and what has no effect.

    Nobody knows here what the installer allows; so all of it counts as allowed. `insecure` are the registries that a
    flag switches TLS off for.
    """
    settings = BuildSettings(_IMAGE, _IMAGE, service_accounts=(ANY,), insecure_registries=tuple(insecure))
    try:
        parsed = parse_spec(spec)
        plan_builds(parsed, settings, Occasion(run_number))
    except SpecInvalidError as error:
        notes.add(Level.INVALID, str(error))
        return
    for note in find_notes(parsed):
        notes.differs(f"without effect: {note}")
