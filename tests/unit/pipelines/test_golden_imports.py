"""What pipelines of many shapes become: whole texts, written once and read by a person."""

from typing import Any

import pytest
import yaml

from buildandpush.pipelines.notes import Level
from tests.unit.pipelines.shapefiles import GOLDEN, NAMES, WRITE, import_shape, render


def load(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_becomes_its_golden_file(name: str) -> None:
    result = import_shape(name)
    assert result.errors == []
    text = render(result)
    path = GOLDEN / f"{name}.yaml"
    if WRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path.name} was never written; run `make golden` and read it"
    assert text == path.read_text(), f"{path.name} differs; if it should, run `make golden` and read the diff"


@pytest.mark.parametrize("name", NAMES)
def test_the_text_holds_the_resources_and_nothing_else(name: str) -> None:
    """A reader of YAML finds each resource as it was made: no text has become a number, a date or a comment."""
    result = import_shape(name)
    made = [*result.connectors, *(each for resources in result.resources.values() for each in resources)]
    assert load(render(result)) == [each.manifest for each in made]


def test_every_golden_file_has_its_shape() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == NAMES


def test_most_shapes_can_be_built() -> None:
    """A resource that is refused says so; those are the shapes that were written for it."""
    refused = {
        name
        for name in NAMES
        for made in import_shape(name).resources.values()
        if any(note.level is Level.INVALID for each in made for note in each.notes)
    }
    assert refused == {"open-expressions", "refused", "hostile", "misspelt", "variables"}
