"""Which nodes can run pods in user namespaces."""

from typing import Any

import pytest

from buildandpush.core.pod.nodes import can_map_users, runs_builds
from tests.unit.core.factories import node


@pytest.mark.parametrize(
    ("given", "able"),
    [
        (node(), True),
        (node(kubelet="v1.33.0", kernel="6.3.0"), True),
        (node(kubelet="v2.0.1", kernel="10.1"), True),
        (node(handlers=({},)), True),
        (node(handlers=({"name": "kata", "features": {}}, {"name": ""})), True),
        (node(kubelet="v1.32.9"), False),
        (node(kubelet="v1.4.0"), False),
        (node(kernel="6.2.16"), False),
        (node(kernel="5.15.0-1064-azure"), False),
        (node(kubelet="garbage"), False),
        (node(kernel=None), False),
        (node(handlers=None), False),
        (node(handlers=()), False),
        (node(handlers=({"name": "kata"},)), False),
        (node(handlers=({"name": "", "features": {"recursiveReadOnlyMounts": True}},)), False),
        (node(handlers=({"name": "", "features": None},)), False),
        ({**node(), "spec": {"providerID": "kind://docker/demo/demo-control-plane"}}, False),
        ({**node(), "spec": {"providerID": "azure:///subscriptions/x"}}, True),
        ({**node(), "spec": None}, True),
        ({}, False),
    ],
)
def test_kubelet_kernel_and_runtime_all_have_to_be_able(given: dict[str, Any], able: bool) -> None:
    assert can_map_users(given) is able


def test_only_linux_nodes_run_builds() -> None:
    windows = {"metadata": {"labels": {"kubernetes.io/os": "windows"}}, "status": {}}
    assert runs_builds(node())
    assert runs_builds({"metadata": {}, "status": {"nodeInfo": {"operatingSystem": "linux"}}})
    assert not runs_builds(windows)
    assert not runs_builds({})
    labelled = {"kubernetes.io/os": "windows"}
    assert not runs_builds({"metadata": {"labels": labelled}, "status": {"nodeInfo": {"operatingSystem": "linux"}}})
    assert not runs_builds({"metadata": {"labels": {"other": "linux"}}, "status": {}})
