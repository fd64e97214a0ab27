"""The proxy and the additional certificates of the pod."""

import ipaddress
import os
import ssl
import urllib.request
from pathlib import Path
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.source.report import SourceError

TRUSTED: Final = Path("/etc/buildandpush-certificates/trusted.crt")
"""Where the pod mounts the certificates that the operator's installer trusts."""


def find_proxy(scheme: str, host: str, port: int) -> str:
    """The proxy for a host, from the pod's environment; empty for none. NO_PROXY may hold names, domains (also with
    *.), addresses and networks, and names and domains with a port."""
    proxies = urllib.request.getproxies_environment()
    excepted = ",".join(item.strip().removeprefix("*.") for item in proxies.get("no", "").split(","))
    # It is there on every system; only its type stub is not.
    bypassed = urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined]
        f"{host}:{port}", {**proxies, "no": excepted}
    )
    return "" if bypassed or _is_in_excepted_network(host) else proxies.get(scheme, "")


def write_trust(folder: Path, own: str = "", trusted: Path = TRUSTED) -> Path | None:
    """Write a file with the usual certificates, the installer's and the source's own into the folder. None if neither
    of the two gives any.

    git trusts only the certificates of the given file, so it holds all of them. Raises SourceError for own ones that
    cannot be read.
    """
    if not trusted.exists() and not own:
        return None
    usual = ssl.get_default_verify_paths().cafile
    parts = [Path(usual).read_text() if usual and Path(usual).exists() else ""]
    parts += [trusted.read_text() if trusted.exists() else "", own]
    made = folder / "trusted.crt"
    if own:
        made.write_text(own)
        _check_certificates(made)
    made.write_text("\n".join(parts))
    return made


def _check_certificates(file: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError as error:
        raise SourceError(
            Reason.SOURCE_INVALID, "caBundle holds what is no certificate in PEM form; compare it with the original"
        ) from error


def _is_in_excepted_network(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    networks = [_network(text) for text in excepted.split(",")]
    return any(network is not None and address in network for network in networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
