"""A spec that no build has is refused before anything is made of it. Its free parts may hold whatever is JSON."""

from typing import Any

import pytest

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.size import MOST_LEVELS, MOST_VALUES
from tests.unit.core.factories import spec


def with_affinity(value: Any) -> dict[str, Any]:
    return spec(podTemplate={"affinity": {"nodeAffinity": value}})


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([{} for _ in range(MOST_VALUES)], f"more than {MOST_VALUES} values"),
        ({str(number): 1 for number in range(MOST_VALUES)}, f"more than {MOST_VALUES} values"),
        (nested(MOST_LEVELS), f"more than {MOST_LEVELS} levels"),
        (nested(1000), f"more than {MOST_LEVELS} levels"),
    ],
    ids=["empty values", "fields", "levels", "as deep as parsers take"],
)
def test_a_spec_of_too_many_values_is_refused(value: Any, why: str) -> None:
    with pytest.raises(SpecInvalidError, match=why):
        parse_spec(with_affinity(value))


def test_what_builds_have_is_not_refused() -> None:
    parse_spec(with_affinity([{"key": str(number)} for number in range(1000)]))
    parse_spec(with_affinity(nested(MOST_LEVELS - 5)))
