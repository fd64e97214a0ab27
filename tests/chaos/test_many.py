"""The operator is killed while a thousand builds run, on simulated nodes: this machine has no room for so many pods."""

import os

import pytest

from bench.api import Api
from bench.plane import run_plane
from bench.recovery import recover
from bench.scene import prepare
from tests.chaos.drill import Outcome

BUILDS = int(os.environ.get("CHAOS_MANY_BUILDS", "1000"))

# The supervisor of the control plane stops processes by their ids, and knows nothing of who started them.
STOPPED_BY_ID = "ignore:subprocess .* is still running:ResourceWarning"

pytestmark = [pytest.mark.chaos, pytest.mark.filterwarnings(STOPPED_BY_ID)]


async def test_a_killed_operator_loses_and_doubles_none_of_many_builds(outcomes: list[Outcome]) -> None:
    with run_plane() as plane:
        async with Api.connect(plane.settings) as api:
            await prepare(plane, api)
            found = await recover(plane, api, BUILDS)
    why = dict.fromkeys(found.lost, "is lost") | dict.fromkeys(found.doubled, "had more than one pod")
    lost, doubled = len(found.lost), len(found.doubled)
    outcomes.append(Outcome("operator-killed-simulated", found.in_flight, lost, doubled, round(found.seconds, 1), why))
    assert (lost, doubled) == (0, 0), dict(list(why.items())[:5])
    assert found.in_flight == BUILDS
