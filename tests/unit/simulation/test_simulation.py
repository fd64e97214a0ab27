"""The operator in a world where everything goes wrong, in every order that hypothesis can think of."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, Verbosity, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import get_state_machine_test

from tests.unit.simulation.machine import World

STEPS = int(os.environ.get("SIMULATION_STEPS", "4000"))
EXPLORES = os.environ.get("SIMULATION_EXPLORES") == "yes"
"""Whether each call takes other steps: `make simulation` does. `make test` must say the same twice of the same code."""
SEEDS = range(1, 5)
"""Each is a test of its own, so that they can run side by side."""
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


@pytest.mark.parametrize("number", SEEDS)
def test_nothing_is_lost_doubled_or_left_hanging(number: int) -> None:
    """At least that many steps in all, counted by the invariant that runs after each."""
    World.steps = 0
    wanted = STEPS // len(SEEDS)
    run_steps = get_state_machine_test(
        World,
        settings=settings(
            max_examples=wanted // SHORTEST_ON_AVERAGE,
            stateful_step_count=STEPS_PER_EXAMPLE,
            deadline=None,
            verbosity=Verbosity.normal,
            suppress_health_check=list(HealthCheck),
            derandomize=False,
            database=DirectoryBasedExampleDatabase(FAILURES) if EXPLORES else None,
            print_blob=True,
        ),
    )
    (run_steps if EXPLORES else seed(number)(run_steps))()
    assert World.steps >= wanted
