"""A step means in the resource what it meant in its pipeline; what cannot be carried over is told, never lost."""

import json
from typing import Any

import pytest

from tests.unit.pipelines.pasting import one, paste, paste_pipeline, pipeline, spec_of, step, told, told_of_file


@pytest.mark.parametrize("expression", ["<+pipeline.executionId>", "<+pipeline.startTs>", "1.0.<+pipeline.startTs>"])
def test_what_only_a_run_has_is_no_reason_to_refuse_a_tag(expression: str) -> None:
    resource = one(paste_pipeline(step(tags=[expression])))
    assert (spec_of(resource)["tags"], told(resource)) == ([expression], [])
