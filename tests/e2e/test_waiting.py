"""What is missing is waited for by name, and the build goes on by itself once it is there."""

from typing import Any

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import CONNECTOR, Api
from tests.e2e.harness.build import FROM, Build, inline
from tests.e2e.harness.fixtures import BuildFactory, LoginFactory, connector_manifest, secret_manifest
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.waiting import eventually

pytestmark = pytest.mark.e2e


def _assert_waits(build: Build, reason: str, *words: str) -> None:
    waiting = build.wait_reason(reason)
    assert waiting.told("Ready") == ("Unknown", reason)
    assert waiting.told("Completed") == ("False", reason)
    assert waiting.told("Reconciling") == ("True", reason)
    assert waiting.condition("Stalled") == {}
    message = waiting.condition("Ready")["message"]
    assert [word for word in words if word not in message] == [], message
    assert build.pods() == []
    build.wait_event("Warning", reason)


def test_a_missing_connector_is_waited_for(make_build: BuildFactory, make_login: LoginFactory) -> None:
    make_login(connector=False)
    build = make_build()
    _assert_waits(build, "ConnectorMissing", "'acr'", "Create it")
    make_login()
    assert build.wait_succeeded(within=30).run["number"] == 1


def test_a_missing_secret_is_waited_for(make_build: BuildFactory, make_login: LoginFactory) -> None:
    make_login(secret=False)
    build = make_build()
    _assert_waits(build, "SecretMissing", "'acr-push'", "Create the Secret")
    make_login(connector=False)
    assert build.wait_succeeded(within=40).run["number"] == 1


def test_a_missing_key_in_the_secret_is_waited_for(
    make_build: BuildFactory, make_login: LoginFactory, api: Api, namespace: str, registry: Registry
) -> None:
    make_login(login={"password": None})
    build = make_build()
    _assert_waits(build, "SecretMissing", "'acr-push'", "password")
    api.apply(secret_manifest(namespace, {"username": registry.user, "password": registry.password}))
    build.wait_succeeded(within=40)


def test_a_connector_for_another_registry_is_waited_for(
    make_build: BuildFactory, make_login: LoginFactory, api: Api, namespace: str, settings: Settings
) -> None:
    make_login(registries=["contoso.azurecr.io"])
    build = make_build()
    _assert_waits(build, "ConnectorInvalid", "demo.azurecr.io", "contoso.azurecr.io")
    api.apply(connector_manifest(namespace, settings, {}))
    build.wait_succeeded(within=30)


def test_the_connector_itself_says_what_it_misses(make_login: LoginFactory, api: Api, namespace: str) -> None:
    def ready() -> tuple[str, str] | None:
        conditions = api.get(CONNECTOR, "acr", namespace).get("status", {}).get("conditions", [])
        return next(((item["status"], item["reason"]) for item in conditions if item["type"] == "Ready"), None)

    make_login(secret=False)
    eventually(lambda: ready() == ("False", "SecretMissing"), "connector without its Secret", within=20)
    kinds = {item["type"] for item in api.get(CONNECTOR, "acr", namespace)["status"]["conditions"]}
    assert kinds == {"Ready", "Reconciling"}, "whoever waits for it goes on waiting"
    make_login(connector=False)
    eventually(lambda: ready() == ("True", "CredentialsFound"), "connector with its Secret", within=30)


@pytest.mark.usefixtures("login")
def test_a_build_beyond_the_limit_of_its_namespace_is_queued(
    make_build: BuildFactory, api: Api, namespace: str, gate: Gate
) -> None:
    api.patch(
        "Namespace", namespace, None, {"metadata": {"annotations": {"buildandpush.dev/max-concurrent-builds": "1"}}}
    )
    first = make_build(source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    second = make_build()
    waiting = second.wait_reason("Queued")
    assert waiting.told("Completed") == ("False", "Queued")
    assert f"namespace {namespace} may have 1 build at once" in waiting.condition("Ready")["message"]
    assert second.pods() == []
    first.wait(lambda now: now.status["phase"] == "Running", "the first one running")
    gate.open()
    first.wait_succeeded()
    second.wait_succeeded()


@pytest.mark.usefixtures("login")
def test_an_image_for_another_platform_waits_for_a_node_of_it(make_build: BuildFactory) -> None:
    build = make_build(envVariables={"PLUGIN_PLATFORM": "linux/s390x"})
    waiting = build.wait_reason("Unschedulable")
    assert waiting.status["phase"] == "Pending"
    assert build.pod()["spec"]["nodeSelector"]["kubernetes.io/arch"] == "s390x"
    assert waiting.run["effective"]["platform"] == "linux/s390x"


@pytest.mark.usefixtures("login")
def test_lower_limits_help_a_pod_that_no_node_takes(make_build: BuildFactory) -> None:
    build = make_build(resources={"limits": {"memory": "100Ti"}})
    waiting = build.wait_reason("Unschedulable")
    assert "Lower resources.limits, which starts a new run" in waiting.condition("Ready")["message"]
    build.edit(resources={"limits": {"memory": "500Mi"}})
    ended = build.wait_succeeded(run=2)
    assert ended.status["observedGeneration"] == ended.generation
    assert [pod["metadata"]["labels"]["buildandpush.dev/run"] for pod in build.pods()] == ["2"]


def test_a_used_up_quota_is_waited_for(
    make_build: BuildFactory, make_login: LoginFactory, api: Api, namespace: str
) -> None:
    make_login()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": namespace}}
    api.create({**quota, "spec": {"hard": {"pods": "0"}}})
    _wait_quota_counts(api, namespace)
    build = make_build()
    _assert_waits(build, "QuotaExceeded", "exceeded quota: pods")
    api.delete("ResourceQuota", "pods", namespace)
    build.wait_succeeded(within=40)


def _wait_quota_counts(api: Api, namespace: str) -> None:
    eventually(
        lambda: "hard" in api.get("ResourceQuota", "pods", namespace).get("status", {}), "quota in force", within=20
    )


SPEC_CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "tags alike once resolved": (
        {"tags": ["1", "<+pipeline.sequenceId>"]},
        {"tags": ["1", "r<+pipeline.sequenceId>"]},
        ["tags", "'1' is given twice", "give each tag once"],
    ),
    "inline path climbs out": (
        {"source": {"inline": {"files": {"Dockerfile": "FROM scratch\n", "../evil": "x"}}}},
        {"source": {"inline": {"files": {"Dockerfile": "FROM scratch\n", "../evil": None, "good": "x"}}}},
        ["source.inline.files", "'../evil'"],
    ),
}


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("case", SPEC_CASES)
def test_a_spec_that_only_the_operator_can_refuse_heals_once_corrected(make_build: BuildFactory, case: str) -> None:
    bad, good, words = SPEC_CASES[case]
    build = make_build(**bad)
    refused = build.wait_reason("SpecInvalid")
    assert refused.told("Ready") == ("False", "SpecInvalid")
    assert refused.told("SpecValid") == ("False", "SpecInvalid")
    assert refused.told("Stalled") == ("True", "SpecInvalid")
    assert refused.status["observedGeneration"] == refused.generation
    assert refused.status["phase"] == "Invalid"
    message = refused.condition("Ready")["message"]
    assert [word for word in words if word not in message] == [], message
    build.wait_event("Warning", "SpecInvalid")
    build.edit(**good)
    assert build.wait(lambda now: now.told("SpecValid")[0] == "True", "SpecValid").run["number"] == 1
