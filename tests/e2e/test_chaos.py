"""Twenty builds, ten violent ends of the operator at random moments: none lost, none doubled."""

import random

import pytest

from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.chaos]

BUILDS = 20
KILLS = 10


@pytest.mark.usefixtures("login")
def test_an_operator_killed_ten_times_loses_and_doubles_nothing(
    make_build: BuildFactory, operator: OperatorPod, registry: Registry
) -> None:
    # The moments are random in what they hit, and the same in each run.
    moments = sorted(random.Random(20).sample(range(1, BUILDS * 3), KILLS))
    builds = [make_build(f"build-{number}", resources={"requests": {"memory": "64Mi"}}) for number in range(BUILDS)]

    def writes() -> int:
        """A clock that runs with the work: how many steps all builds have taken together."""
        phases = {"Pending": 1, "Running": 2, "Succeeded": 3}
        return sum(phases.get(build.read().status.get("phase", ""), 0) for build in builds)

    for moment in moments:
        eventually(lambda due=moment: writes() >= due, f"step {moment}", within=120)
        operator.kill()
        operator.renew()
    for build in builds:
        ended = build.wait_succeeded(within=240)
        assert (ended.run["number"], ended.build["attempt"]) == (1, 1)
        pods = build.pods()
        assert [pod["metadata"]["uid"] for pod in pods] == [ended.build["podUid"]]
        assert registry.digest(build.repository, "latest") == ended.status["digest"]
