"""Which addresses a source may be fetched from."""

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.source.network.address import resolve_host
from buildandpush.source.report import SourceError

API_SERVER = "10.96.0.1"


@pytest.fixture(autouse=True)
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet tells every container where the API server is."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", API_SERVER)


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
