"""The operator in a world where everything goes wrong, in every order that hypothesis can think of."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.simulation.machine import World

STEPS = int(os.environ.get("SIMULATION_STEPS", "4000"))
EXPLORES = os.environ.get("SIMULATION_EXPLORES") == "yes"
"""Whether each call takes other steps, as `make chaos` does. `make test` must say the same twice of the same code."""
STEPS_PER_EXAMPLE = 60
SHORTEST_ON_AVERAGE = 40
"""hypothesis ends some examples early."""

FAILURES = Path(__file__).parents[3] / ".hypothesis" / "simulation"
"""Cases that failed; they are tried first the next time."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Tens of thousands of decisions would be as many lines of log."""
    with structlog.testing.capture_logs():
        yield


def test_nothing_is_lost_doubled_or_left_hanging() -> None:
    """At least that many steps, counted by the invariant that runs after each."""
    World.steps = 0
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=STEPS // SHORTEST_ON_AVERAGE,
            stateful_step_count=STEPS_PER_EXAMPLE,
            deadline=None,
            verbosity=Verbosity.normal,
            suppress_health_check=list(HealthCheck),
            derandomize=not EXPLORES,
            database=DirectoryBasedExampleDatabase(FAILURES) if EXPLORES else None,
            print_blob=True,
        ),
    )
    assert World.steps >= STEPS
