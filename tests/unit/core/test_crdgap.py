"""Two CustomResourceDefinitions differ by their fields."""

import copy
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.crd import build_crd, connector_crd
from buildandpush.core.crdgap import CrdGap, find_dropped, find_fields, find_gap


def status_of(crd: dict[str, Any]) -> dict[str, Any]:
    """The properties of a CRD's status."""
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"][
        "properties"
    ]
    return found


@pytest.mark.parametrize("make", [build_crd, connector_crd])
def test_a_crd_lacks_nothing_of_itself(make: Any) -> None:
    assert find_gap(make(), make()) == CrdGap()


def test_what_an_older_crd_lacks_is_named_however_deep() -> None:
    older = copy.deepcopy(build_crd())
    del status_of(older)["handledRebuilds"]
    del status_of(older)["run"]["properties"]["builds"]["items"]["properties"]["podUid"]
    gap = find_gap(build_crd(), older)
    assert gap == CrdGap(missing=frozenset({"status.handledRebuilds", "status.run.builds.podUid"}))
    assert find_gap(older, build_crd()).unknown == gap.missing


def test_words_and_bounds_are_no_fields() -> None:
    other = copy.deepcopy(build_crd())
    status_of(other)["digest"] = {"type": "string", "maxLength": 1, "description": "other"}
    assert find_gap(build_crd(), other) == CrdGap()


@pytest.mark.parametrize("installed", [{}, {"spec": {"versions": []}}, {"spec": {"versions": [{"name": "v9"}]}}])
def test_a_crd_without_this_version_lacks_everything(installed: dict[str, Any]) -> None:
    gap = find_gap(build_crd(), installed)
    assert {"spec.repository", "status.run.number"} <= gap.missing


def test_the_fields_of_an_object_are_those_that_say_something() -> None:
    status = {"phase": "Pending", "digest": None, "run": {"number": 1, "source": None}, "conditions": [{"type": "x"}]}
    assert find_fields(status) == {
        "status.phase",
        "status.run",
        "status.run.number",
        "status.conditions",
        "status.conditions.type",
    }


@pytest.mark.parametrize(
    ("stored", "dropped"),
    [
        ({"phase": "Pending", "run": {"number": 1, "rebuild": "x"}, "conditions": [{"type": "x"}]}, set()),
        ({"phase": "Pending", "run": {"number": 1}, "conditions": [{"type": "x"}]}, {"run.rebuild"}),
        ({"phase": "Pending", "run": {"number": 2, "rebuild": "y"}, "conditions": [{"type": "x"}]}, set()),
        ({"phase": "Pending", "run": {"number": 1, "rebuild": "x"}, "conditions": [{}]}, {"conditions.type"}),
        ({"run": "1"}, {"phase", "run.number", "run.rebuild", "conditions", "conditions.type"}),
        ({}, {"phase", "run", "run.number", "run.rebuild", "conditions", "conditions.type"}),
    ],
)
def test_what_does_not_come_back_was_dropped(stored: dict[str, Any], dropped: set[str]) -> None:
    status = {
        "phase": "Pending",
        "digest": None,
        "run": {"number": 1, "rebuild": "x", "source": None},
        "conditions": [{"type": "x"}],
    }
    assert find_dropped(status, stored) == {f"status.{name}" for name in dropped}


def test_what_lies_in_a_map_or_in_the_items_of_a_list_is_looked_at() -> None:
    def crd(names: list[str]) -> dict[str, Any]:
        fields = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        status = {"properties": {"byName": {"additionalProperties": fields}, "all": {"items": fields}}}
        schema = {"openAPIV3Schema": {"properties": {"status": status}}}
        return {"spec": {"versions": [{"name": meta.VERSION, "schema": schema}]}}

    assert find_gap(crd(["old", "new"]), crd(["old"])).missing == {"status.byName.new", "status.all.new"}


@pytest.mark.parametrize("empty", [None, [], {}])
def test_who_drops_what_is_empty_loses_nothing(empty: Any) -> None:
    assert find_dropped({"links": empty}, {}) == set()
    assert find_dropped({"links": empty, "phase": "Pending"}, {}) == {"status.phase"}
