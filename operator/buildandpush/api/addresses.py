"""Which network addresses a user's input may lead the operator or a build's fetch to.

Both stand inside the cluster's network. Loopback, the metadata services of the node and the API server are not for
users. Private addresses are: company registries, git servers and private endpoints have them.
"""

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Azure's platform address (DNS, health probes, the VM agent): https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM: Final = ipaddress.IPv4Address("168.63.129.16")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""For prefixes of one's own: RFC 8215."""


@dataclass(frozen=True)
class AddressRules:
    """What is refused, and what users are told of addresses. The installer may widen and narrow both."""

    api_server: str = ""
    """The API server's address in the cluster. A host name has no effect."""
    denied: tuple[Network, ...] = ()
    """Refused beside what always is."""
    allowed: tuple[Network, ...] = ()
    """Allowed whatever else says no."""

    def refuses(self, address: str) -> bool:
        """Whether an address is loopback, link-local, unspecified, multicast, Azure's platform, the API server or
        denied. Raises ValueError for a text that is no address."""
        forms = _forms(address)
        if _within(forms[:1], self.allowed):
            return False
        forbidden = {_PLATFORM, *self._find_api_server()}
        return any(_is_special(form) or form in forbidden for form in forms) or _within(forms, self.denied)

    def is_public(self, address: str) -> bool:
        """Whether everybody may learn how a host at this address answers: it is on the internet, or allowed by the
        installer. Raises ValueError for a text that is no address."""
        forms = _forms(address)
        # What is translated to IPv4 is where that address is, whose own prefix may be of a private network.
        judged = forms[1:] if _is_translated(forms[0]) else forms
        return _within(forms[:1], self.allowed) or all(form.is_global for form in judged)

    def _find_api_server(self) -> list[_Address]:
        with contextlib.suppress(ValueError):
            return [ipaddress.ip_address(self.api_server)]
        return []


@dataclass(frozen=True)
class WatchedRules(AddressRules):
    """The rules of `inner`, which remember what they were asked about."""

    inner: AddressRules = field(default_factory=AddressRules)
    seen: list[str] = field(default_factory=list)
    """The addresses that a host was found at, and that were looked at before it was connected to."""

    def refuses(self, address: str) -> bool:
        """Whether an address is refused."""
        refused = self.inner.refuses(address)
        self.seen.append(address)
        return refused

    def is_public(self, address: str) -> bool:
        """Whether everybody may learn how a host at this address answers."""
        return self.inner.is_public(address)

    def led_inside(self) -> bool:
        """Whether one of the addresses is not public."""
        return not all(map(self.is_public, self.seen))


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as 10.0.0.0/8 or 2001:db8::/32; raises ValueError, which names the text."""
    return tuple(ipaddress.ip_network(text) for text in texts)


EVERYWHERE: Final = AddressRules(allowed=parse_networks(["0.0.0.0/0", "::/0"]))
"""Rules for clients that stand where a user's own pods stand."""


def _is_special(address: _Address) -> bool:
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def _within(forms: list[_Address], networks: tuple[Network, ...]) -> bool:
    return any(form in network for form in forms for network in networks)


def _is_translated(address: _Address) -> bool:
    """Whether NAT64 translates it to the IPv4 address at its end. Only behind prefixes of 96 bits it stands there, and
    before it is nothing: https://www.rfc-editor.org/rfc/rfc6052#section-2.2"""
    return address in _NAT64 or (address in _LOCAL_NAT64 and int(address) >> 32 & 0xFFFFFFFF == 0)


def _forms(address: str) -> list[_Address]:
    """The address and every IPv4 address that it stands for: mapped, compatible, 6to4 and NAT64."""
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return [parsed]
    inner = [parsed.ipv4_mapped, parsed.sixtofour]
    if _is_translated(parsed) or int(parsed) >> 32 == 0:
        inner.append(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return [parsed, *(form for form in inner if form is not None)]
