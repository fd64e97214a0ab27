"""Which network addresses a source may be fetched from.

A URL is its author's input, and the init container stands inside the cluster's network: the node's metadata service,
loopback and the API server are not for fetching.
"""

import contextlib
import ipaddress
import os
import socket
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

# Azure's platform address (DNS, health probes, the VM agent): https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM: Final = "168.63.129.16"
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve_host(host: str, port: int) -> list[str]:
    """The host's addresses, each of them allowed; raises SourceError otherwise. The caller connects to these only."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"{host!r} is no host name: {error}") from error
    except OSError as error:
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"host {host!r} has no address: {error}") from error
    addresses = sorted({str(item[4][0]) for item in found})
    for address in addresses:
        refuse_address(address, host)
    return addresses


def refuse_address(address: str, host: str = "") -> None:
    """Raise SourceError for an address that builds may not fetch from. A name is none, and passes."""
    with contextlib.suppress(ValueError):
        if not is_allowed(_usual_form(address)):
            named = f"{host!r} is {address}" if host else repr(address)
            raise SourceError(Reason.SOURCE_INVALID, f"host {named}, which builds may not fetch from")


def _usual_form(address: str) -> str:
    """An IPv4 address in its usual form. A proxy may also read 2130706433, 0x7f.1 and 127.0.0.1. as 127.0.0.1."""
    with contextlib.suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(address.rstrip(".")))
    return address


def is_allowed(address: str) -> bool:
    """Whether an address is none of: loopback, link-local, unspecified, multicast, Azure's platform, API server."""
    forbidden = {ipaddress.ip_address(_PLATFORM)}
    with contextlib.suppress(ValueError):  # a host name, or none at all
        forbidden.add(ipaddress.ip_address(os.environ.get("KUBERNETES_SERVICE_HOST", "")))
    return not any(_is_special(form) or form in forbidden for form in _forms(address))


def _is_special(address: _Address) -> bool:
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def _forms(address: str) -> list[_Address]:
    """The address and every IPv4 address that it stands for: mapped, compatible, 6to4 and NAT64."""
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return [parsed]
    inner = [parsed.ipv4_mapped, parsed.sixtofour]
    if parsed in _NAT64 or int(parsed) >> 32 == 0:
        inner.append(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return [parsed, *(form for form in inner if form is not None)]
