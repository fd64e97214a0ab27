"""How settings without a proof are found. `make lint` holds docs/settings.md against the real tests."""

import pytest

from buildandpush.api.flagtable import FLAGS
from tests.proofs import find_gaps, list_fields, render_page

ALL = {name: {"tests/unit/test_x.py::test_y"} for name in (*list_fields(), *FLAGS)}


def test_settings_that_all_have_a_proof_leave_no_gap() -> None:
    assert find_gaps(ALL) == []


@pytest.mark.parametrize("name", ["labels", "resources.limits.memory", "PLUGIN_NO_PUSH", "podTemplate.labels"])
def test_a_setting_without_a_proof_is_named(name: str) -> None:
    (gap,) = find_gaps({key: tests for key, tests in ALL.items() if key != name})
    assert f"no test proves {name};" in gap


def test_a_marker_that_names_no_setting_is_named_since_it_may_be_a_misspelling() -> None:
    (gap,) = find_gaps({**ALL, "lables": {"tests/unit/test_x.py::test_y"}})
    assert gap == "lables, which tests/unit/test_x.py::test_y proves, is no setting"


def test_only_fields_that_are_acted_on_need_a_proof() -> None:
    fields = list_fields()
    assert {"source.git.url", "tags", "outputs.artifactFile", "workspace.persistentVolumeClaim.claimName"} <= set(
        fields
    )
    assert not [field for field in fields if field.startswith(("outputs.configMap", "envVariables"))]


def test_the_page_has_a_row_for_every_setting_with_its_tests() -> None:
    rows = [line for line in render_page(ALL).splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(ALL)
    assert all(row.endswith("| `unit/test_x.py::test_y` |") for row in rows)
