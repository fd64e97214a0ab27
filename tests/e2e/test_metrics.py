"""What a build leaves in the metrics that the replicas serve."""

import pytest

from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.waiting import eventually

# Other builds at the same time would be counted too.
pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.usefixtures("login")]

BUILDS = 'buildandpush_builds_total{reason="Succeeded",result="Succeeded"}'
STARTED = 'buildandpush_builds_started_total{trigger="Spec"}'
PHASES = [
    f'buildandpush_build_phase_duration_seconds_count{{phase="{phase}"}}'
    for phase in ("queue", "source", "start", "build", "verify")
]


def test_a_build_is_counted_once_with_its_phases(make_build: BuildFactory, operator: OperatorPod) -> None:
    before = operator.metrics()
    build = make_build()
    build.wait_succeeded()

    def grown(*series: str) -> list[float]:
        now = operator.metrics()
        return [
            sum(found.get(name, 0.0) - before.get(pod, {}).get(name, 0.0) for pod, found in now.items())
            for name in series
        ]

    # The operator hears that its write was taken after everybody else can read it.
    eventually(lambda: grown(BUILDS) == [1.0], "the build is counted", within=10, last_seen=lambda: str(grown(BUILDS)))
    generation = build.edit(timeout="2h").generation  # a change that starts no run, and a further pass
    build.wait(lambda now: now.status["observedGeneration"] == generation, "the change is seen")
    assert grown(BUILDS, STARTED, *PHASES) == [1.0] * (2 + len(PHASES))


def test_one_replica_leads_and_all_serve_metrics(operator: OperatorPod) -> None:
    leader = operator.read()["metadata"]["name"]
    served = operator.metrics()
    assert len(served) > 1
    assert {name: series["buildandpush_leader"] for name, series in served.items()} == {
        name: float(name == leader) for name in served
    }
    assert all(series["process_resident_memory_bytes"] > 0 for series in served.values())
    assert served[leader]['buildandpush_api_requests_total{code="200",verb="GET"}'] > 0
