"""What a spec asks for that can lose a part of the image without a word: done as asked, and told in SpecValid."""

from typing import Final

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import PUSH_ONLY, PluginFlags, parse_flags
from buildandpush.core.spec.options import NEW_RUN, SNAPSHOT_MODE

_BY_METADATA: Final = (
    "a write that leaves a file's size and time as they were is lost, and so are file capabilities that RUN sets"
)
_BY_MARKER: Final = "a RUN line's write that leaves a file's time as it was is lost"


def find_risks(spec: BuildAndPushACRSpec) -> tuple[str, ...]:
    """Each field or flag by which changes can get lost, with what is lost; none for a spec that cannot be used."""
    try:
        flags = parse_flags(spec.env_variables)
    except SpecInvalidError:
        return ()
    if flags.is_on(PUSH_ONLY):
        return ()
    return tuple(f"{name}: {why}" for name, why in (*_of_snapshots(spec, flags), *_of_runs(flags)))


def _of_snapshots(spec: BuildAndPushACRSpec, flags: PluginFlags) -> list[tuple[str, str]]:
    if spec.optimize:
        return [("optimize", _BY_METADATA)]
    if flags.text(SNAPSHOT_MODE) in ("redo", "time"):
        return [(flags.field_of(SNAPSHOT_MODE), _BY_METADATA)]
    return []


def _of_runs(flags: PluginFlags) -> list[tuple[str, str]]:
    return [(flags.field_of(NEW_RUN), _BY_MARKER)] if flags.is_on(NEW_RUN) else []
