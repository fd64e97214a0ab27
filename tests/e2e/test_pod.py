"""The build pod as the spec shapes it, in the notations that a pipeline's step may be pasted in."""

from typing import Any

import pytest

from devcluster.node.deploy import FIRST_BACKOFF_SECONDS
from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.build import FROM, Build, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def _kaniko(build: Build) -> Object:
    return dict(build.pod()["spec"]["containers"][0])


@pytest.mark.parametrize("user", ["0", 0], ids=["quoted", "number"])
def test_run_as_user_may_be_quoted_or_not(make_build: BuildFactory, user: str | int) -> None:
    build = make_build(runAsUser=user)
    build.wait_succeeded()
    assert _kaniko(build)["securityContext"]["runAsUser"] == 0


@pytest.mark.proves("runAsUser")
def test_another_user_builds_what_needs_no_unpacking(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(runAsUser="1000", source=inline(f"{FROM}ENV GREETING=hello\n"))
    assert build.wait_succeeded().run["effective"]["runAsUser"] == 1000
    assert _kaniko(build)["securityContext"]["runAsNonRoot"] is True
    assert "GREETING=hello" in registry.config(build.repository, "latest")["config"]["Env"]


def test_another_user_that_must_unpack_is_told_that_root_is_needed(make_build: BuildFactory) -> None:
    message = make_build(runAsUser="1000").wait_failed("RootRequired").build["message"]
    assert "runAsUser" in message


@pytest.mark.proves("resources.limits.memory", "resources.limits.cpu")
@pytest.mark.parametrize(
    ("limits", "memory", "cpu"),
    [
        pytest.param({"memory": "500Mi", "cpu": 0.4}, "500Mi", "400m", id="step, unquoted fraction"),
        pytest.param({"memory": "1Gi", "cpu": 1}, "1Gi", "1", id="whole core"),
    ],
)
def test_resource_limits_are_those_of_the_step(
    make_build: BuildFactory, limits: dict[str, Any], memory: str, cpu: str
) -> None:
    build = make_build(resources={"limits": limits})
    build.wait_succeeded()
    resources = _kaniko(build)["resources"]
    assert resources["limits"] == {"memory": memory, "cpu": cpu}
    assert resources["requests"]["memory"] == memory


@pytest.mark.proves("timeout")
@pytest.mark.parametrize(("timeout", "seconds"), [("1h 30m", 5400), ("", 3600)])
def test_timeout_becomes_the_pods_deadline(make_build: BuildFactory, timeout: str, seconds: int) -> None:
    build = make_build(timeout=timeout)
    assert build.pod()["spec"]["activeDeadlineSeconds"] == seconds
    assert build.wait_succeeded().run["effective"]["timeoutSeconds"] == seconds


@pytest.mark.proves("connectorRef")
@pytest.mark.parametrize("reference", ["account.ACR"])
def test_a_pipelines_identifier_names_the_connector(make_build: BuildFactory, reference: str) -> None:
    assert make_build(connectorRef=reference).wait_succeeded().run["effective"]["connector"] == "acr"


def test_the_sequence_id_in_tags_is_the_runs_number(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(tags=["<+pipeline.sequenceId>", "v1.<+pipeline.sequenceId>-rc"])
    assert build.wait_succeeded().build["tags"] == ["1", "v1.1-rc"]
    build.edit(labels={"changed": "yes"})
    second = build.wait_succeeded(run=2)
    assert second.build["tags"] == ["2", "v1.2-rc"]
    assert registry.digest(build.repository, "v1.2-rc") == second.status["digest"]
    assert registry.digest(build.repository, "1") != second.status["digest"]


def test_the_pod_belongs_to_the_resource_and_holds_no_cluster_rights(make_build: BuildFactory) -> None:
    build = make_build()
    build.wait_succeeded()
    pod = build.pod()
    owner = pod["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("BuildAndPushACR", build.name, build.read().uid)
    assert "blockOwnerDeletion" not in owner
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume or "projected" in volume]


def test_a_baseline_namespace_takes_the_pod(make_build: BuildFactory, api: Api, namespace: str) -> None:
    _enforce(api, namespace, "baseline")
    make_build().wait_succeeded()


def test_a_restricted_namespace_refuses_the_pod_in_the_servers_words(
    make_build: BuildFactory, api: Api, namespace: str
) -> None:
    _enforce(api, namespace, "restricted")
    build = make_build()
    message = build.wait_failed("PodRefused").build["message"]
    assert 'violates PodSecurity "restricted:latest"' in message
    assert "baseline" in message
    assert build.pods() == []


def _enforce(api: Api, namespace: str, level: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": level}
    api.patch("Namespace", namespace, None, {"metadata": {"labels": labels}})


def test_a_limit_range_refuses_the_pod_in_the_servers_words_and_less_memory_helps(
    make_build: BuildFactory, api: Api, namespace: str
) -> None:
    build = _refused_by_a_limit(make_build, api, namespace)
    build.edit(resources={"limits": {"memory": "300Mi"}})
    build.wait_succeeded(run=2)


@pytest.mark.long
def test_a_limit_range_that_goes_is_all_that_a_refused_pod_needs(
    make_build: BuildFactory, api: Api, namespace: str
) -> None:
    """The operator offers the pod again by itself, after sixty times the first wait."""
    build = _refused_by_a_limit(make_build, api, namespace)
    api.delete("LimitRange", "small", namespace)
    ended = build.wait_succeeded(run=2, within=60 * FIRST_BACKOFF_SECONDS + 60)
    assert ended.run["trigger"] == "RetryAfterChange"


def _refused_by_a_limit(make_build: BuildFactory, api: Api, namespace: str) -> Build:
    """A build whose pod may not have the memory that it asks for."""
    limits = {"limits": [{"type": "Container", "max": {"memory": "400Mi"}}]}
    metadata = {"name": "small", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": limits})
    build = make_build()
    refused = build.wait_failed("PodRefused")
    assert "maximum memory usage per Container is 400Mi" in refused.condition("Ready")["message"]
    return build
