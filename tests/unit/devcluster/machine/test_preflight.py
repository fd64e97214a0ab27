"""Machines the cluster cannot run on are refused in one sentence that says what to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.machine.host import CgroupFacts, HostFacts, parse_os_release, parse_version, read_cgroups
from devcluster.machine.ports import Listener, PortUse, find_conflict, parse_listeners
from devcluster.machine.preflight import check_host, check_ports, check_state_path, read_needed_go

GOOD = HostFacts("linux", {"ID": "debian"}, 0, "go1.26.8", CgroupFacts(2))
OS_RELEASE = 'PRETTY_NAME="Linux Mint 22"\nID=linuxmint\n# a comment\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=x\n'
# Port 0x01BB = 443: once on 10.88.0.1 listening, once connected; the third line is port 53 on any address.
NET_TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100580A:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1
   1: 0100580A:01BC 0200580A:9999 01 00000000:00000000 00:00000000 00000000     0        0 4343 1
   2: 00000000:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1
"""


def test_os_release_is_parsed_with_quotes_and_comments() -> None:
    parsed = parse_os_release(OS_RELEASE)
    assert parsed["PRETTY_NAME"] == "Linux Mint 22"
    assert parsed["ID_LIKE"] == "ubuntu debian"
    assert "# a comment" not in parsed


def test_debian_and_its_derivatives_pass() -> None:
    check_host(GOOD, needed_go="1.26.0")
    check_host(replace(GOOD, os_release=parse_os_release(OS_RELEASE)), needed_go="1.26.0")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (replace(GOOD, platform="darwin"), "needs Linux, but this is darwin"),
        (replace(GOOD, os_release={"ID": "fedora", "PRETTY_NAME": "Fedora 43"}), "this is Fedora 43; run it on Debian"),
        (replace(GOOD, os_release={}), "a system without /etc/os-release"),
        (replace(GOOD, user_id=1000), "this is user 1000; run it with sudo"),
        (replace(GOOD, go_version=""), "Go is not on PATH"),
        (replace(GOOD, go_version="go1.24.4"), "Go on PATH is go1.24.4, older than the 1.26.0"),
        (replace(GOOD, cgroups=CgroupFacts(1, "the controllers memory are missing")), "controllers memory are missing"),
    ],
)
def test_other_machines_are_refused(facts: HostFacts, message: str) -> None:
    with pytest.raises(DevclusterError, match=message):
        check_host(facts, needed_go="1.26.0")


def test_go_versions_are_compared_as_numbers() -> None:
    assert parse_version("go1.9") < parse_version("go1.26.8")
    assert parse_version("go1.27rc1") == (1, 27)


def test_the_newest_go_line_counts(tmp_path: Path) -> None:
    for name, version in (("a", "1.9"), ("b", "1.26.0")):
        (tmp_path / name).write_text(f"module {name}\n\ngo {version}\n")
    assert read_needed_go([tmp_path / "a", tmp_path / "b"]) == "1.26.0"


def test_cgroup_version_is_told_by_what_is_mounted(tmp_path: Path) -> None:
    assert read_cgroups(tmp_path).version == 0
    for name in ("cpu", "cpuset", "memory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("")
    assert read_cgroups(tmp_path) == CgroupFacts(1, "the controllers pids are missing")
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert read_cgroups(tmp_path) == CgroupFacts(2)


def test_listeners_are_parsed_and_connections_are_not() -> None:
    assert parse_listeners(NET_TCP, "tcp") == (
        Listener("tcp", "10.88.0.1", 443, "4242"),
        Listener("tcp", "0.0.0.0", 53, "4444"),
    )


def test_a_taken_port_is_refused_with_its_holder() -> None:
    holder = Listener("tcp", "0.0.0.0", 53, "1", "dnsmasq (pid 99)")
    with pytest.raises(DevclusterError, match=r"Port 53/tcp on 10\.88\.0\.1.*coredns.*taken by dnsmasq \(pid 99\)"):
        check_ports([PortUse("coredns", "10.88.0.1", 53)], [holder])


@pytest.mark.parametrize(
    ("listener", "conflicts"),
    [
        (Listener("tcp", "127.0.0.1", 53, "1"), False),
        (Listener("udp", "10.88.0.1", 53, "1"), False),
        (Listener("tcp", "10.88.0.1", 54, "1"), False),
        (Listener("tcp", "10.88.0.1", 53, "1"), True),
        (Listener("tcp", "::", 53, "1"), True),
    ],
)
def test_only_the_same_protocol_port_and_address_conflict(listener: Listener, conflicts: bool) -> None:
    assert (find_conflict(PortUse("coredns", "10.88.0.1", 53), [listener]) is not None) == conflicts


@pytest.mark.parametrize("path", ["relative/state", "/", "/state", "/var/lib/" + "x" * 60])
def test_unusable_state_folders_are_refused(path: str) -> None:
    with pytest.raises(DevclusterError, match="DEVCLUSTER_STATE"):
        check_state_path(Path(path))
