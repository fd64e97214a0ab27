"""Which numbers of a spec's runs stand in a registry's tags."""

import pytest

from buildandpush.core.spec.numbers import find_last_number
from buildandpush.core.spec.plan import parse_spec
from tests.unit.core.factories import spec

NUMBER = "<+pipeline.sequenceId>"


@pytest.mark.parametrize(
    ("given", "found", "last"),
    [
        ([NUMBER], [], None),
        ([NUMBER], ["latest", "v1", "1.2", "1-2", "-1", ""], None),
        ([NUMBER], ["9", "10", "8"], 10),
        ([NUMBER], ["007"], 7),
        ([NUMBER], ["7", "20261126120000"], 7),
        (["1.<+pipeline.sequenceId>"], ["1.5", "1x9", "2.9", "1.5.9"], 5),
        (["b<+pipeline.sequenceId>-x<+pipeline.sequenceId>0"], ["b3-x30", "b4-x50"], 3),
        (["latest", "a<+pipeline.sequenceId>", "b<+pipeline.sequenceId>"], ["a3", "b12", "c99"], 12),
        (["latest"], ["1", "2"], None),
    ],
)
def test_the_highest_number_counts_of_tags_of_the_specs_own_form(
    given: list[str], found: list[str], last: int | None
) -> None:
    assert find_last_number(parse_spec(spec(tags=given)), found) == last


def test_of_expanded_tags_the_full_one_counts() -> None:
    raw = spec(tags=[f"v1.{NUMBER}"], envVariables={"PLUGIN_EXPAND_TAG": "true"})
    assert find_last_number(parse_spec(raw), ["1", "1.99", "1.5.0", "1.7.0"]) == 7
