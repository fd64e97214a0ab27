"""Which network addresses a source may be fetched from.

A URL is its author's input, and the init container stands inside the cluster's network: the node's metadata service,
loopback and the API server are not for fetching.
"""

import contextlib
import os
import re
import socket
from typing import Final

from buildandpush.api.addresses import AddressRules
from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+")


def resolve_host(host: str, port: int, rules: AddressRules | None = None) -> list[str]:
    """The host's addresses, each of them allowed; raises SourceError otherwise. The caller connects to these only. The
    default of `rules` is what builds may not fetch from."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise SourceError(Reason.SOURCE_INVALID, f"{host!r} is no host name: {error}") from error
    except OSError as error:
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"host {host!r} has no address: {error}") from error
    addresses = sorted({str(item[4][0]) for item in found})
    for address in addresses:
        refuse_address(address, host, rules)
    return addresses


def refuse_odd_name(host: str) -> None:
    """Raise SourceError for what is no plain host name or address. curl and proxies decode what is percent-encoded, so
    another host would be asked than the one that was checked."""
    if not _HOST.fullmatch(host):
        raise SourceError(Reason.SOURCE_INVALID, f"{host!r} is no plain host name; write other alphabets as xn--…")


def refuse_address(address: str, host: str = "", rules: AddressRules | None = None) -> None:
    """Raise SourceError for an address that builds may not fetch from. A name is none, and passes."""
    with contextlib.suppress(ValueError):
        rules = rules or AddressRules(os.environ.get("KUBERNETES_SERVICE_HOST", ""))
        if rules.refuses(_usual_form(address)):
            named = f"{host!r} is {address}" if host else repr(address)
            raise SourceError(Reason.SOURCE_INVALID, f"host {named}, which builds may not fetch from")


def _usual_form(address: str) -> str:
    """An IPv4 address in its usual form. A proxy may also read 2130706433, 0x7f.1 and 127.0.0.1. as 127.0.0.1."""
    with contextlib.suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(address.rstrip(".")))
    return address
