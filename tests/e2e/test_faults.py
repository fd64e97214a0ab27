"""Faults of what every build shares: the registry, the operator, the control plane. These tests run alone."""

import time

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM, Build, Snapshot, build_manifest, inline
from tests.e2e.harness.fixtures import BuildFactory, Stopped, connector_manifest, operator_logs, secret_manifest
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture
def operator(api: Api, settings: Settings) -> OperatorPod:
    """The operator in a pod that was not killed before; the log that goes with the old pod is kept."""
    pod = OperatorPod(api, kept=operator_logs(settings))
    if pod.restarts():
        pod.renew()
    return pod


@pytest.mark.usefixtures("login")
def test_a_registry_that_goes_down_before_the_push_is_named(
    make_build: BuildFactory, gate: Gate, registry: Registry, stopped: Stopped
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"), retries=0)
    gate.wait_arrival()
    with stopped("azure"):
        assert not registry.is_up()
        gate.open()
        failed = build.wait_failed("RegistryUnreachable", within=120)
    assert "Check the registry's name" in failed.build["message"]
    assert "connection refused" in failed.build["message"]
    assert "digest" not in failed.status
    assert registry.digest(build.repository, "latest") is None


@pytest.mark.usefixtures("login")
def test_a_registry_that_comes_back_gets_the_image_by_itself(
    make_build: BuildFactory, gate: Gate, registry: Registry, stopped: Stopped
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    with stopped("azure"):
        gate.open()
        retrying = build.wait_reason("Retrying", within=60)
    assert retrying.told("Ready") == ("Unknown", "Retrying")
    assert "registry did not answer" in retrying.condition("Ready")["message"]
    ended = build.wait_succeeded(within=90)
    assert (ended.run["number"], ended.build["attempt"]) == (1, 2)
    assert registry.digest(build.repository, "latest") == ended.status["digest"]


@pytest.mark.usefixtures("login")
def test_a_registry_that_is_down_from_the_start_is_named(make_build: BuildFactory, stopped: Stopped) -> None:
    with stopped("azure"):
        failed = make_build(retries=0).wait_failed("RegistryUnreachable", within=120)
    assert failed.failure["container"] == "kaniko"


def _assert_one_run_of_one_pod(build: Build, ended: Snapshot, registry: Registry, *, uid: str = "") -> None:
    assert (ended.run["number"], ended.build["attempt"]) == (1, 1)
    assert len(build.pods()) == 1
    assert uid in ("", build.pods()[0]["metadata"]["uid"])
    assert ended.build["podUid"] == build.pods()[0]["metadata"]["uid"]
    assert registry.digest(build.repository, "latest") == ended.status["digest"]
    build.wait_event("Normal", "Succeeded")
    assert build.events() == [("Normal", "Accepted"), ("Normal", "Succeeded")]


@pytest.mark.usefixtures("login")
def test_an_operator_killed_while_building_adopts_its_pod(
    make_build: BuildFactory, gate: Gate, operator: OperatorPod, registry: Registry
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    uid, restarts = build.pod()["metadata"]["uid"], operator.restarts()
    operator.kill()
    operator.wait_restarted(restarts)
    gate.open()
    _assert_one_run_of_one_pod(build, build.wait_succeeded(), registry, uid=uid)


@pytest.mark.usefixtures("login")
def test_a_build_that_ends_while_the_operator_is_down_is_told_later(
    make_build: BuildFactory, gate: Gate, operator: OperatorPod, registry: Registry
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    restarts = operator.restarts()
    operator.kill()
    gate.open()
    operator.wait_restarted(restarts)
    _assert_one_run_of_one_pod(build, build.wait_succeeded(within=90), registry)


@pytest.mark.usefixtures("login")
def test_an_operator_killed_right_after_the_apply_builds_once(
    make_build: BuildFactory, operator: OperatorPod, registry: Registry
) -> None:
    restarts = operator.restarts()
    build = make_build()
    operator.kill()
    operator.wait_restarted(restarts)
    _assert_one_run_of_one_pod(build, build.wait_succeeded(within=90), registry)


@pytest.mark.usefixtures("login")
def test_an_edit_made_while_the_operator_is_down_replaces_the_run(
    make_build: BuildFactory, gate: Gate, operator: OperatorPod, registry: Registry
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    restarts = operator.restarts()
    operator.kill()
    build.edit_dockerfile(f"{FROM}RUN echo newer > /newer\n")
    operator.wait_restarted(restarts)
    build.wait_succeeded(run=2, within=90)
    assert "newer" in registry.files(build.repository, "latest")
    assert len(build.pods()) == 2


@pytest.mark.usefixtures("login")
def test_an_operator_started_anew_rebuilds_nothing(
    make_build: BuildFactory, operator: OperatorPod, registry: Registry
) -> None:
    build = make_build()
    before = build.wait_succeeded()
    restarts = operator.restarts()
    operator.kill()
    operator.wait_restarted(restarts)
    make_build(connectorRef="nobody").wait_reason("ConnectorMissing", within=60)
    assert build.read().run == before.run
    _assert_one_run_of_one_pod(build, build.read(), registry)


def test_an_operator_asked_to_stop_ends_by_itself(operator: OperatorPod) -> None:
    """Else each rollout takes the whole grace of 30 s, and for as long two of them are at work."""
    started = time.monotonic()
    operator.renew()
    assert time.monotonic() - started < 25


def test_a_namespace_without_its_service_account_yet_is_waited_for(
    api: Api, namespace: str, settings: Settings, registry: Registry, stopped: Stopped
) -> None:
    """The controller manager makes that account a moment after the namespace; until then pods are refused."""
    fresh = f"{namespace[:50]}-fresh"
    with stopped("kube-controller-manager"):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fresh}})
        api.create(secret_manifest(fresh, {"username": registry.user, "password": registry.password}))
        api.create(connector_manifest(fresh, settings, {}))
        api.create(build_manifest(fresh, "first", {}))
        build = Build(api, fresh, "first")
        refused = build.wait(lambda now: "serviceaccount" in str(now).lower(), "the missing account is named")
    try:
        assert refused.told("Completed")[0] == "False", str(refused)
        build.wait_succeeded(within=60)
    finally:
        api.delete("Namespace", fresh)


@pytest.mark.usefixtures("login")
def test_another_replica_takes_over_from_one_that_is_gone_for_good(
    make_build: BuildFactory, gate: Gate, operator: OperatorPod, registry: Registry
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    uid = build.pod()["metadata"]["uid"]
    _, others = operator.lose()
    successor = eventually(operator.find_leader, "another operator leads", within=60)
    assert successor["metadata"]["name"] in others
    gate.open()
    _assert_one_run_of_one_pod(build, build.wait_succeeded(within=60), registry, uid=uid)


@pytest.mark.usefixtures("login")
def test_a_lease_that_is_deleted_stays_with_the_operator_that_acts(
    make_build: BuildFactory, gate: Gate, operator: OperatorPod, registry: Registry
) -> None:
    build = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    uid, restarts = build.pod()["metadata"]["uid"], operator.restarts()
    leader, began = operator.read()["metadata"]["name"], operator.log().count("lease.leading")
    with operator.frozen():
        operator.delete_lease()
        eventually(lambda: operator.holder() == "", "the other replica makes the Lease again, for nobody", within=8)
    eventually(lambda: operator.holder() == leader, "the operator that acts takes the Lease back", within=8)
    gate.open()
    _assert_one_run_of_one_pod(build, build.wait_succeeded(), registry, uid=uid)
    assert (operator.restarts(), operator.log().count("lease.leading")) == (restarts, began)
