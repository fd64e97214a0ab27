"""The hash over the fields that shape the image: it tells whether a changed spec wants a new run.

Golden hashes in the tests hold it still. A change of meaning needs a new version prefix, never a silent new value.
"""

import hashlib
import json
from typing import Any, Final

from buildandpush.api.spec import BuildAndPushACRSpec

VERSION: Final = "v1"

SHAPING_FIELDS: Final = (
    "source", "repository", "tags", "dockerfile", "context", "labels", "buildArgs", "target", "optimize",
)  # fmt: skip
"""The one list of fields that shape the image. Limits, timeouts, users and logins do not."""

_DEFAULTS: Final[dict[str, Any]] = {"dockerfile": "Dockerfile", "context": ".", "optimize": True}


def hash_spec(spec: BuildAndPushACRSpec) -> str:
    """`v1:` and the sha256 over canonical JSON of the set, non-default values of the shaping fields."""
    values = spec.to_dict()
    shaping = {name: values[name] for name in SHAPING_FIELDS if _is_set(name, values.get(name))}
    canonical = json.dumps(shaping, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{VERSION}:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _is_set(name: str, value: Any) -> bool:
    return value not in (None, "", {}, []) and value != _DEFAULTS.get(name)
