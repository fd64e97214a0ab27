"""A pod that a node has and cannot start: the kubelet's words, which stand in Events alone, are in the status."""

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.volumes import folder_claimed, make_folder

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

NEVER = 150
"""Seconds. A pod stands still for a minute before its Events are read; the kubelet may write them later."""


@pytest.mark.long
def test_a_volume_that_cannot_be_mounted_is_told_and_the_build_goes_on_once_it_can(
    make_build: BuildFactory, api: Api, namespace: str, settings: Settings
) -> None:
    folder = settings.state / "e2e-volumes" / namespace
    with folder_claimed(api, namespace, folder) as claim:
        flags = {"PLUGIN_NO_PUSH": True, "PLUGIN_TAR_PATH": "image.tar"}
        build = make_build(workspace={"persistentVolumeClaim": {"claimName": claim}}, envVariables=flags)
        waiting = build.wait_reason("PodNotStarted", within=NEVER)
        assert waiting.told("Ready") == ("Unknown", "PodNotStarted")
        assert waiting.status["phase"] == "Pending"
        message = waiting.condition("Ready")["message"]
        assert [word for word in ("FailedMount", str(folder), "is not a directory") if word not in message] == [], (
            message
        )
        make_folder(folder)
        # The kubelet tries again after two minutes at the latest.
        assert build.wait_succeeded(within=180).build["attempt"] == 1


@pytest.mark.long
def test_a_sandbox_that_cannot_be_made_is_told(make_build: BuildFactory, api: Api, namespace: str) -> None:
    """A runtime class whose handler no node has; a network that has no addresses left looks alike."""
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": namespace}}
    api.create({**runtime, "handler": "nowhere"})
    try:
        build = make_build(podTemplate={"runtimeClassName": namespace})
        message = build.wait_reason("PodNotStarted", within=NEVER).condition("Ready")["message"]
        assert [word for word in ("FailedCreatePodSandBox", "nowhere") if word not in message] == [], message
    finally:
        api.delete("RuntimeClass", namespace)
