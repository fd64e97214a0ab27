"""How much a spec may hold. Its free parts, such as affinity, hold whatever the API server takes."""

from collections.abc import Mapping
from typing import Any, Final

from buildandpush.core.errors import SpecInvalidError

MOST_VALUES: Final = 20_000
"""A spec has some hundred. As 1 MiB of empty values it would take 30 MiB of memory, in each place that keeps it."""
MOST_LEVELS: Final = 100
"""A spec has some ten. What walks through values ends at a thousand."""


def check_size(raw: Mapping[str, Any]) -> None:
    """Raise SpecInvalidError for a spec that is larger than any that builds something."""
    level: list[Any] = [raw]
    values = levels = 0
    while level:
        level = [inner for value in level for inner in _find_inner(value)]
        values += len(level)
        levels += 1
        if values > MOST_VALUES:
            raise SpecInvalidError("spec", f"it holds more than {MOST_VALUES} values; leave out what no build needs")
        if levels > MOST_LEVELS:
            raise SpecInvalidError("spec", f"it has more than {MOST_LEVELS} levels; leave out what no build needs")


def _find_inner(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()
