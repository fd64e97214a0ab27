"""Finds who listens on which port from /proc alone; it opens no sockets."""

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TCP_LISTEN = "0A"
_UDP_UNCONNECTED = "07"
_ANY_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 (compared with, never bound)


@dataclass(frozen=True)
class PortUse:
    """A port one component is going to listen on."""

    owner: str
    address: str
    port: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class Listener:
    """A listening socket and, where it could be found out, the process that holds it."""

    protocol: str
    address: str
    port: int
    inode: str
    holder: str = "another process"


def parse_listeners(text: str, protocol: str) -> tuple[Listener, ...]:
    """Parse one of /proc/net/{tcp,tcp6,udp,udp6}; `protocol` is tcp or udp."""
    wanted_state = _TCP_LISTEN if protocol == "tcp" else _UDP_UNCONNECTED
    found: list[Listener] = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 10 or columns[3] != wanted_state:
            continue
        address, port = columns[1].split(":")
        found.append(Listener(protocol, _parse_address(address), int(port, 16), columns[9]))
    return tuple(found)


def find_conflict(use: PortUse, listeners: Iterable[Listener]) -> Listener | None:
    """Find the listener that would keep `use` from being bound: same port, same address or any address."""
    for listener in listeners:
        if (listener.protocol, listener.port) != (use.protocol, use.port):
            continue
        if use.address in _ANY_ADDRESSES or listener.address in (use.address, *_ANY_ADDRESSES):
            return listener
    return None


def read_listeners(ports: Iterable[int], proc: Path = Path("/proc")) -> tuple[Listener, ...]:
    """Read the listeners on the given ports, with their holders' names and pids."""
    wanted = set(ports)
    found = [
        listener
        for name, protocol in (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))
        if (proc / "net" / name).exists()
        for listener in parse_listeners((proc / "net" / name).read_text(), protocol)
        if listener.port in wanted
    ]
    if not found:
        return ()
    holders = _read_holders({listener.inode for listener in found}, proc)
    return tuple(
        Listener(one.protocol, one.address, one.port, one.inode, holders.get(one.inode, one.holder)) for one in found
    )


def _read_holders(inodes: set[str], proc: Path) -> dict[str, str]:
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    holders: dict[str, str] = {}
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            links = [os.readlink(entry) for entry in (process / "fd").iterdir()]
            name = (process / "comm").read_text().strip()
        except OSError:
            continue
        holders.update({wanted[link]: f"{name} (pid {process.name})" for link in links if link in wanted})
    return holders


def _parse_address(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's byte order, which is little-endian wherever this runs.
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
