"""Which network addresses a source may be fetched from.

A URL is its author's input, and the init container stands inside the cluster's network: the node's metadata service,
loopback and the API server are not for fetching.
"""

import ipaddress
import os
import socket
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

# Azure's platform address (DNS, health probes, the VM agent): https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM: Final = "168.63.129.16"


def resolve_host(host: str, port: int) -> list[str]:
    """The host's addresses, each of them allowed; raises SourceError otherwise. The caller connects to these only."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"host {host!r} has no address: {error.strerror}") from error
    addresses = sorted({str(item[4][0]) for item in found})
    for address in addresses:
        if not is_allowed(address):
            raise SourceError(Reason.SOURCE_INVALID, f"host {host!r} is {address}, which builds may not fetch from")
    return addresses


def is_allowed(address: str) -> bool:
    """Whether an address is none of: loopback, link-local, unspecified, multicast, Azure's platform, API server."""
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    special = parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast
    return not special and str(parsed) not in (_PLATFORM, os.environ.get("KUBERNETES_SERVICE_HOST"))
