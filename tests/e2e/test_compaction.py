"""What happens while a watch is cut and etcd forgets it: no watch tells of it any more."""

from collections.abc import Iterator

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.compaction import compact_etcd
from tests.e2e.harness.fixtures import BuildFactory, Stopped
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.operatorpod import NAMESPACE as OPERATOR_NAMESPACE
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.shell import Shell
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.chaos]


@pytest.fixture
def patient_leader(shell: Shell, operator: OperatorPod) -> Iterator[OperatorPod]:
    """An operator that may stand still for minutes without losing its lead."""

    def set_lease(seconds: int) -> None:
        done = shell.helm(
            "upgrade", "buildandpush-operator", "charts/buildandpush-operator", "--namespace", OPERATOR_NAMESPACE,
            "--reuse-values", "--set", f"leaseSeconds={seconds}", "--wait",
        )  # fmt: skip
        assert done.code == 0, done.err

    set_lease(600)
    try:
        yield operator
    finally:
        set_lease(15)
        operator.read()


@pytest.mark.usefixtures("login")
def test_what_went_while_the_watch_was_cut_is_found_out_after_a_compaction(
    make_build: BuildFactory, gate: Gate, patient_leader: OperatorPod, stopped: Stopped, api: Api, settings: Settings
) -> None:
    """After 410 Gone a watch starts with a list. The list does not hold what is gone, and no event tells of it."""
    loses_its_pod = make_build("loses-its-pod", source=inline(f"{FROM}{gate.run_line}"))
    goes = make_build("goes", source=inline(f"{FROM}{gate.run_line}"))
    stays = make_build("stays", source=inline(f"{FROM}{gate.run_line}"))
    for build in (loses_its_pod, goes, stays):
        build.wait(lambda now: now.status.get("phase") == "Running", "its pod runs")
    pod = loses_its_pod.pod()["metadata"]
    begun = {kind: api.revision(kind) for kind in ("Pod", "BuildAndPushACR")}
    with patient_leader.frozen():
        api.delete("Pod", pod["name"], pod["namespace"], grace_seconds=0)
        goes.delete()
        eventually(lambda: not goes.pods(), "the garbage collector has taken the pod", within=60)
        with stopped("kube-apiserver"):
            compact_etcd(settings)
        eventually(api.answers, "the API server answers", within=60)
        assert all(api.has_expired(kind, version) for kind, version in begun.items())
    gate.open()
    ended = loses_its_pod.wait_succeeded(within=100)
    assert (ended.run["number"], ended.build["attempt"]) == (1, 2)
    kept = stays.wait_succeeded(within=60)
    assert (kept.run["number"], kept.build["attempt"], len(stays.pods())) == (1, 1, 1)
    again = make_build("goes").wait_succeeded(within=60)
    assert (again.run["number"], again.build["attempt"]) == (1, 1)
    assert patient_leader.restarts() == 0, "it is the same process that was cut off"
