"""Each fault of the table, while builds are in flight: none lost, none doubled, nothing left behind."""

import os

import pytest

from tests.chaos.drill import Fault, Outcome, drill
from tests.chaos.faults import FAULTS
from tests.chaos.inflict import MANY
from tests.chaos.scene import Scene
from tests.e2e.harness.fixtures import find_leaks

BUILDS = int(os.environ.get("CHAOS_BUILDS", "20"))
ROWS = [pytest.param(one, id=one.name, marks=[pytest.mark.brief] if one.brief else []) for one in FAULTS]

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("fault", ROWS)
def test_a_fault_loses_and_doubles_nothing(fault: Fault, scene: Scene, outcomes: list[Outcome]) -> None:
    outcome = drill(fault, scene, BUILDS)
    outcomes.append(outcome)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.why
    assert outcome.in_flight >= BUILDS // 2, "the fault met too few builds to say anything"
    assert {fault.tells} - {""} <= scene.told(), "the builds saw nothing of the fault"
    assert scene.orphans() == []
    assert find_leaks(scene.api, scene.registry, scene.namespace, scene.azure.list_secrets()) == []
    if BUILDS >= MANY:  # the garbage collector takes its time after an outage
        scene.clear()
