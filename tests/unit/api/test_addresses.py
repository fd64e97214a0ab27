"""Which addresses users' input may lead to, and of which they learn how they answer."""

import pytest

from buildandpush.api.addresses import AddressRules, parse_networks

API_SERVER = "10.96.0.1"
RULES = AddressRules(API_SERVER)


@pytest.mark.parametrize(
    "address",
    ["140.82.121.4", "10.0.0.5", "192.168.1.10", "172.16.0.1", "2606:50c0:8000::153", "fd00::10", "168.63.129.17"],
)
def test_public_and_private_networks_are_allowed(address: str) -> None:
    assert not RULES.refuses(address)


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
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::",
        "::169.254.169.254",
    ],
)
def test_the_pods_own_surroundings_are_not(address: str) -> None:
    assert RULES.refuses(address)


def test_behind_a_shorter_prefix_of_nat64_other_bytes_are_the_address() -> None:
    """64:ff9b:1:2::/64 and 140.82.121.127, which would be 127.0.0.0 behind a longer one."""
    assert not RULES.refuses("64:ff9b:1:2:8c:5279:7f00:0")


@pytest.mark.parametrize("written", ["fd00:10:96::1", "fd00:10:96:0:0:0:0:1", "FD00:10:96::1"])
def test_the_api_server_is_refused_however_its_address_is_written(written: str) -> None:
    assert AddressRules("fd00:10:96:0::1").refuses(written)


@pytest.mark.parametrize("api_server", ["", "kubernetes.default.svc"])
def test_without_an_address_of_the_api_server_the_rest_is_refused(api_server: str) -> None:
    assert not AddressRules(api_server).refuses("10.0.0.5")
    assert AddressRules(api_server).refuses("169.254.169.254")


def test_the_installer_may_deny_networks_and_allow_some_again() -> None:
    denied, allowed = parse_networks(["10.0.0.0/8", "fd00::/8"]), parse_networks(["10.1.2.0/24", "127.0.0.1"])
    rules = AddressRules(denied=denied, allowed=allowed)
    refused = {
        address: rules.refuses(address)
        for address in ("10.0.0.5", "::ffff:10.0.0.5", "fd00::1", "10.1.2.3", "127.0.0.1", "127.0.0.2", "192.168.0.1")
    }
    assert refused == {
        "10.0.0.5": True,
        "::ffff:10.0.0.5": True,
        "fd00::1": True,
        "10.1.2.3": False,
        "127.0.0.1": False,
        "127.0.0.2": True,
        "192.168.0.1": False,
    }


@pytest.mark.parametrize(
    "address",
    ["140.82.121.4", "2606:50c0:8000::153", "10.1.2.3", "64:ff9b::140.82.121.4", "64:ff9b:1:2::140.82.121.4"],
)
def test_how_public_and_allowed_addresses_answer_is_told(address: str) -> None:
    assert AddressRules(allowed=parse_networks(["10.1.2.0/24"])).is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.5", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "fd00::1", "::ffff:10.0.0.5"),
        *("64:ff9b::10.0.0.5", "64:ff9b:1::10.0.0.5"),
    ],
)
def test_how_private_addresses_answer_is_not_told(address: str) -> None:
    assert not RULES.is_public(address)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "private", ""])
def test_a_network_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text or "''"):
        parse_networks([text])


@pytest.mark.parametrize("text", ["registry.example", "", "10.0.0.256"])
def test_a_name_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RULES.refuses(text)
