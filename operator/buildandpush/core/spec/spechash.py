"""The hash over the fields that shape the image. A new hash means that a changed spec needs a new run.

Golden hashes in the tests hold it still. A change of meaning needs a new version prefix, never a silent new value.
"""

import hashlib
import json
from typing import Any, Final

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.memo import LAST_SUBJECTS, remembered
from buildandpush.core.spec.flags import PluginFlags, parse_flags, shaping_flags

VERSION: Final = "v2"
"""v1 took `optimize` for true where it was unset."""

SHAPING_FIELDS: Final = (
    "source", "repository", "tags", "dockerfile", "context", "labels", "buildArgs", "target", "optimize",
    "buildArgsFrom", "buildSecrets", "envDockerSecrets", "fileDockerSecrets", "strategy", "variables",
)  # fmt: skip
"""The one list of fields that shape the image; of the plugin flags, their table says it. Limits, timeouts, users,
logins, caches and mirrors do not."""

_DEFAULTS: Final[dict[str, Any]] = {"dockerfile": "Dockerfile", "context": ".", "optimize": False}
_IDLE: Final = {"matrix": ("maxConcurrency", "nodeName"), "repeat": ("maxConcurrency", "nodeName", "unit")}
"""What changes no image, of each kind of strategy."""
_GIT_DEFAULTS: Final[dict[str, Any]] = {
    "keepGitDir": False,
    "depth": 1,
    "tags": False,
    "submodules": False,
    "lfs": False,
    "insecureIgnoreHostKey": False,
}


@remembered(LAST_SUBJECTS)
def hash_spec(spec: BuildAndPushACRSpec) -> str:
    """`v2:` and the sha256 over canonical JSON of the set, non-default values of the shaping fields.

    Raises SpecInvalidError for flags that cannot be read; a spec that was planned has none.
    """
    values = spec.to_dict()
    flags = parse_flags(spec.env_variables)
    values["envVariables"] = shaping_flags(flags)
    values["source"] = _without_defaults(values["source"])
    values["strategy"] = _shaping_strategy(values.get("strategy") or {})
    names = [*SHAPING_FIELDS, "envVariables", *(("workspace",) if _writes_image(flags) else ())]
    shaping = {name: values[name] for name in names if _is_set(name, values.get(name))}
    canonical = json.dumps(shaping, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{VERSION}:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _without_defaults(source: dict[str, Any]) -> dict[str, Any]:
    if "upload" in source:
        return {"upload": {}}  # how long it is waited for shapes no image
    git = source.get("git", {})
    kept = {name: value for name, value in git.items() if name != "poll" and _GIT_DEFAULTS.get(name) != value}
    return {**source, "git": kept} if git else source


def _shaping_strategy(strategy: dict[str, Any]) -> dict[str, Any]:
    """Without what says only when builds run and how they are called, and with numbers as they are without quotes."""
    shaping = {name: value for name, value in strategy.items() if name != "maxConcurrency"}
    for kind, idle in _IDLE.items():
        if kind in shaping:
            inner = shaping[kind].items()
            shaping[kind] = {name: value for name, value in inner if name not in idle and value != []}
    for holder, name in ((shaping, "parallelism"), (shaping.get("repeat", {}), "times")):
        if str(holder.get(name)).isdecimal():
            holder[name] = int(holder[name])
    return shaping


def _writes_image(flags: PluginFlags) -> bool:
    """Whether the image is read from or written to the workspace's volume."""
    return any(FLAGS[name].treatment is Treatment.PATH and FLAGS[name].shapes for name in flags.values)


def _is_set(name: str, value: Any) -> bool:
    return value not in (None, "", {}, []) and value != _DEFAULTS.get(name)
