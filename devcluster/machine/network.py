"""Makes and removes the node's own bridge; iptables.py makes the rules around it."""

import json
from contextlib import suppress
from typing import Any

from devcluster.errors import DevclusterError
from devcluster.machine.shell import run
from devcluster.settings import Settings


def bridge_exists(settings: Settings) -> bool:
    """Tell whether our bridge is there."""
    return any(link.get("ifname") == settings.network.bridge for link in _read_links())


def ensure_bridge(settings: Settings) -> bool:
    """Make the bridge with its address before anything listens on it; tell whether anything was changed."""
    network = settings.network
    wanted = (network.gateway, network.prefix_length)
    addresses = {
        (address["local"], address["prefixlen"]): link["ifname"]
        for link in _read_links()
        for address in link.get("addr_info", [])
        if "local" in address
    }
    holder = addresses.get(wanted)
    if holder == network.bridge:
        return False
    if holder is not None:
        raise DevclusterError(
            f"The address {network.gateway}, which the cluster's bridge needs, is on {holder} already;"
            f" remove it there (`ip addr del {network.gateway}/{network.prefix_length} dev {holder}`)."
        )
    if not bridge_exists(settings):
        run(("ip", "link", "add", network.bridge, "type", "bridge"))
    run(("ip", "addr", "add", f"{network.gateway}/{network.prefix_length}", "brd", "+", "dev", network.bridge))
    run(("ip", "link", "set", network.bridge, "up"))
    return True


def remove_bridge(settings: Settings) -> bool:
    """Remove the bridge and the ends of pods' cables on it; tell whether it was there."""
    bridge = settings.network.bridge
    links = _read_links()
    if not any(link.get("ifname") == bridge for link in links):
        return False
    for link in links:
        if link.get("master") == bridge:
            # A cable whose other end's namespace has just gone vanishes by itself meanwhile.
            with suppress(DevclusterError):
                run(("ip", "link", "del", link["ifname"]))
    run(("ip", "link", "del", bridge))
    return True


def _read_links() -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(run(("ip", "-json", "address")))
    return links
