"""The pure parts of the demo on kind; kind-config.yaml itself is tried with kind's loader elsewhere."""

import shutil

import pytest

from devcluster.demo.kind import add_host, build_hosts_toml, check_programs, find_gateway
from devcluster.errors import DevclusterError

COREFILE = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    forward . /etc/resolv.conf
}
"""


def test_a_host_is_added_in_front_and_the_rest_stays() -> None:
    changed = add_host(COREFILE, "demo.azurecr.io", "172.18.0.3").splitlines()
    assert changed[1:5] == ["    hosts {", "        172.18.0.3 demo.azurecr.io", "        fallthrough", "    }"]
    assert [changed[0], *changed[5:]] == COREFILE.splitlines()


def test_adding_it_again_changes_nothing_and_a_new_address_replaces_the_old() -> None:
    once = add_host(COREFILE, "demo.azurecr.io", "172.18.0.3")
    assert add_host(once, "demo.azurecr.io", "172.18.0.3") == once
    assert add_host(add_host(COREFILE, "demo.azurecr.io", "172.18.0.9"), "demo.azurecr.io", "172.18.0.3") == once


def test_containerd_is_told_our_authority() -> None:
    assert 'ca = "/etc/containerd/certs.d/demo.azurecr.io/ca.crt"' in build_hosts_toml("demo.azurecr.io")


def test_the_gateway_is_the_ipv4_one() -> None:
    configuration = [
        {"Subnet": "fc00::/64", "Gateway": "fc00::1"},
        {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"},
    ]
    assert find_gateway([{"IPAM": {"Config": configuration}}]) == "172.18.0.1"
    with pytest.raises(DevclusterError, match="no IPv4 gateway"):
        find_gateway([{"IPAM": {"Config": configuration[:1]}}])


def test_a_missing_program_is_named_with_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "kind" else f"/bin/{name}")
    with pytest.raises(DevclusterError, match=r"needs kind, .*kind\.sigs\.k8s\.io"):
        check_programs()
