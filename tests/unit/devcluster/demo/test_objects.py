"""The objects of the demo, made from the real examples."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from devcluster.demo.__main__ import render_next_steps, render_result
from devcluster.demo.gitserver import Served
from devcluster.demo.objects import (
    RegistryLogin,
    adapt_examples,
    build_proof_pod,
    build_pull_secret,
    list_builds,
    read_examples,
    request_rebuilds,
)
from devcluster.errors import DevclusterError
from devcluster.settings import REPOSITORY_ROOT, read_settings

LOGIN = RegistryLogin("demo.azurecr.io", "me", "secret", "-----BEGIN CERTIFICATE-----\n", "s3cr3t")
SERVED = Served("http://10.88.0.1:1/buildandpush.git", "c0ffee")


@pytest.fixture
def adapted() -> dict[str, dict[str, Any]]:
    examples = read_examples(REPOSITORY_ROOT / "examples")
    made = adapt_examples(examples, namespace="demo", login=LOGIN, served=SERVED)
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in made}


def test_every_example_goes_into_the_namespace(adapted: dict[str, dict[str, Any]]) -> None:
    assert {item["metadata"]["namespace"] for item in adapted.values()} == {"demo"}
    assert list_builds(adapted.values()) == ("hello", "web")


def test_the_login_replaces_the_placeholder(adapted: dict[str, dict[str, Any]]) -> None:
    assert adapted["Secret/acr-sp"]["stringData"] == {"clientSecret": "s3cr3t"}
    connector = adapted["AzureConnector/acr"]["spec"]
    assert connector["caBundle"] == LOGIN.ca_certificate
    assert connector["servicePrincipal"]["secretRef"]["name"] == "acr-sp"


def test_a_registry_without_an_azure_gets_a_user_name_and_password() -> None:
    examples = read_examples(REPOSITORY_ROOT / "examples")
    made = adapt_examples(examples, namespace="demo", login=replace(LOGIN, client_secret=""), served=SERVED)
    by_name = {item["metadata"]["name"]: item for item in made}
    assert by_name["acr-sp"]["stringData"] == {"username": "me", "password": "secret"}
    assert by_name["acr"]["spec"]["registryCredentials"] == {"secretRef": {"name": "acr-sp"}}
    assert "servicePrincipal" not in by_name["acr"]["spec"]
    assert "subscriptionId" not in by_name["web"]["spec"]


def test_a_git_source_gets_address_and_commit_and_an_inline_one_stays(adapted: dict[str, dict[str, Any]]) -> None:
    assert adapted["BuildAndPushACR/web"]["spec"]["source"] == {"git": {"url": SERVED.url, "revision": "c0ffee"}}
    assert set(adapted["BuildAndPushACR/hello"]["spec"]["source"]) == {"inline"}


def test_a_rebuild_is_asked_of_the_named_builds_only(adapted: dict[str, dict[str, Any]]) -> None:
    asked = request_rebuilds(adapted.values(), {"web", "acr"}, "demo-1")
    annotated = {
        item["metadata"]["name"]: item["metadata"]["annotations"] for item in asked if "annotations" in item["metadata"]
    }
    assert annotated == {"web": {"buildandpush.dev/rebuild": "demo-1"}}
    assert "annotations" not in adapted["BuildAndPushACR/web"]["metadata"]


def test_the_context_and_dockerfile_of_the_example_exist(adapted: dict[str, dict[str, Any]]) -> None:
    spec = adapted["BuildAndPushACR/web"]["spec"]
    assert (REPOSITORY_ROOT / spec["dockerfile"]).is_file()
    assert (REPOSITORY_ROOT / spec["context"]).is_dir()


def test_a_folder_without_examples_is_refused() -> None:
    with pytest.raises(DevclusterError, match="no examples"):
        read_examples(REPOSITORY_ROOT / "devcluster")


def test_the_pull_secret_is_a_docker_login_for_the_registry() -> None:
    config = json.loads(build_pull_secret("demo", LOGIN)["stringData"][".dockerconfigjson"])
    assert base64.b64decode(config["auths"]["demo.azurecr.io"]["auth"]) == b"me:secret"


def test_a_service_is_ready_when_it_answers_and_others_have_no_probe() -> None:
    service = build_proof_pod("web-proof", "demo", image="r/i@sha256:1", port=8080)["spec"]
    assert service["imagePullSecrets"] == [{"name": "acr-pull"}]
    assert service["containers"][0]["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
    assert "readinessProbe" not in build_proof_pod("x", "demo", image="i", port=None)["spec"]["containers"][0]


def test_a_result_names_digest_tags_and_pull_command() -> None:
    text = render_result(_RESULT)
    for part in ("web (run 2)", "sha256:1", "r/web:latest, r/web:1.2", "docker pull r/web@sha256:1", "c0ffee"):
        assert part in text


def test_the_next_steps_fit_the_cluster() -> None:
    settings = read_settings({"HOME": "/home/me"})
    built = {"web": _RESULT}
    assert "make down" in render_next_steps(settings, built, kind=None)
    on_kind = render_next_steps(settings, built, kind="bp")
    assert "kind delete cluster --name bp" in on_kind
    assert "make down" not in on_kind


_RESULT: dict[str, Any] = {
    "metadata": {"name": "web"},
    "status": {
        "digest": "sha256:1",
        "run": {"number": 2, "source": {"commit": "c0ffee"}, "builds": [{"podName": "web-r2"}]},
        "artifacts": [{"image": f"r/web:{tag}"} for tag in ("latest", "1.2")],
        "links": {"pullCommand": "docker pull r/web@sha256:1"},
    },
}
