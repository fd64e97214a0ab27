"""Which addresses a source may be fetched from."""

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.address import is_allowed, resolve_host
from buildandpush.source.report import SourceError

API_SERVER = "10.96.0.1"


@pytest.fixture(autouse=True)
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet tells every container where the API server is."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", API_SERVER)


@pytest.mark.parametrize(
    "address",
    ["140.82.121.4", "10.0.0.5", "192.168.1.10", "172.16.0.1", "2606:50c0:8000::153", "fd00::10", "168.63.129.17"],
)
def test_public_and_private_networks_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "168.63.129.16",
        "224.0.0.1",
        "ff02::1",
        API_SERVER,
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:168.63.129.16",
        f"::ffff:{API_SERVER}",
        "64:ff9b::169.254.169.254",
        "64:ff9b::a83f:8110",
        "2002:a9fe:a9fe::",
        "::169.254.169.254",
    ],
)
def test_the_pods_own_surroundings_are_not(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("written", ["fd00:10:96::1", "fd00:10:96:0:0:0:0:1", "FD00:10:96::1"])
def test_the_api_server_is_refused_however_its_address_is_written(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00:10:96:0::1")
    assert not is_allowed(written)


@pytest.mark.parametrize("host", [None, "", "kubernetes.default.svc"])
def test_pod_that_was_told_no_address_still_refuses_the_rest(host: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if host is None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    else:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    assert is_allowed("10.0.0.5")
    assert not is_allowed("169.254.169.254")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "169.254.169.254", "0x7f000001"])
def test_host_on_a_forbidden_address_is_refused_by_name_and_address(host: str) -> None:
    with pytest.raises(SourceError) as caught:
        resolve_host(host, 443)
    assert caught.value.reason is Reason.SOURCE_INVALID
    assert host in str(caught.value)


def test_every_address_of_a_host_is_told() -> None:
    assert resolve_host("10.1.2.3", 443) == ["10.1.2.3"]


def test_one_forbidden_address_among_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may be given two addresses so that the check sees one and git takes the other."""
    answers = [(2, 1, 6, "", (address, 443)) for address in ("140.82.121.4", "169.254.169.254")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: answers)
    with pytest.raises(SourceError):
        resolve_host("two.example", 443)


@pytest.mark.parametrize("host", ["none.invalid", "a..b", "a" * 64 + ".invalid", "", "ho st", "x\0y"])
def test_host_without_an_address_is_an_error_of_ours(host: str) -> None:
    with pytest.raises(SourceError):
        resolve_host(host, 443)
