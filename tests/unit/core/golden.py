"""Golden files: what a decision or a plan came out as, whole, written down once and read by a person.

`make golden` writes them afresh; what has changed then shows in the diff, and is to be read before it is committed.
"""

import os
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from buildandpush.core.build.world import CreatePod, Decision

FOLDER = Path(__file__).parent / "golden"
WRITE = os.environ.get("GOLDEN") == "write"


def check(name: str, value: Any) -> None:
    """Compare a value with its golden file; `name` is relative to the folder, without `.yaml`."""
    path = FOLDER / f"{name}.yaml"
    text = yaml.safe_dump(plain(value), sort_keys=False, width=120, allow_unicode=True)
    if WRITE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path.name} was never written; run `make golden` and read it"
    assert text == path.read_text(), f"{path.name} differs; if it should, run `make golden` and read the diff"


def plain(value: Any) -> Any:
    """Values of the core as YAML can hold them; a manifest is its pod's name, since it has golden files of its own."""
    if isinstance(value, Decision):
        return _decision(value)
    if isinstance(value, CreatePod):
        return {"CreatePod": value.name}
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {item.name: plain(getattr(value, item.name)) for item in fields(value)}}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, frozenset | set):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _decision(decision: Decision) -> dict[str, Any]:
    found = {
        "actions": plain(decision.actions),
        "questions": plain(decision.questions),
        "wakeAt": plain(decision.wake_at),
        "status": plain(decision.status),
    }
    return {name: value for name, value in found.items() if value not in (None, [])}
