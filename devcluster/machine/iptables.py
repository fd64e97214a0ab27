"""Works out from iptables-save text which rules and chains are the cluster's, and removes those only."""

import re
import shutil
from dataclasses import dataclass, field

from devcluster.errors import DevclusterError
from devcluster.machine.shell import run
from devcluster.settings import NODE_IDENTITY_ADDRESS, Settings

_KUBERNETES_PREFIX = "KUBE-"
_CNI_PREFIX = "CNI-"
# One set for all CNI networks of a machine, so ours only while no other network uses them.
_SHARED_CNI_CHAINS = ("CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ", "CNI-ADMIN", "CNI-FORWARD")
_FAMILIES = (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore"))


@dataclass(frozen=True)
class Table:
    """One table of iptables-save: its chains, and its rules as `-A CHAIN …` lines."""

    name: str
    chains: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def parse_tables(text: str) -> tuple[Table, ...]:
    """Parse iptables-save output."""
    tables: list[Table] = []
    for line in text.splitlines():
        if line.startswith("*"):
            tables.append(Table(line[1:].strip()))
        elif line.startswith(":") and tables:
            tables[-1].chains.append(line[1:].split()[0])
        elif line.startswith("-A ") and tables:
            tables[-1].rules.append(line)
    return tuple(tables)


def find_own_chains(table: Table, cni_network: str) -> frozenset[str]:
    """Find the chains kubelet and kube-proxy made, and those CNI made for the given network."""
    kubernetes = {chain for chain in table.chains if chain.startswith(_KUBERNETES_PREFIX)}
    cni = {chain for chain in table.chains if chain.startswith(_CNI_PREFIX)}
    named = [rule for rule in table.rules if _read_cni_network(rule)]
    foreign = {
        chain
        for chain in cni - set(_SHARED_CNI_CHAINS)
        for rule in named
        if chain in _read_chains(rule) and _read_cni_network(rule) != cni_network
    }
    others = any(_read_cni_network(rule) != cni_network for rule in named)
    kept = foreign | (set(_SHARED_CNI_CHAINS) if others else set())
    return frozenset(kubernetes | (cni - kept))


def build_removal(text: str, cni_network: str) -> str:
    """Build the iptables-restore --noflush input that removes what is ours; empty if nothing is."""
    lines: list[str] = []
    for table in parse_tables(text):
        own = find_own_chains(table, cni_network)
        jumps = [rule for rule in table.rules if _is_own_rule(rule, own, cni_network)]
        if not own and not jumps:
            continue
        lines.append(f"*{table.name}")
        lines.extend(f"-D {rule.removeprefix('-A ')}" for rule in jumps)
        # Empty all before deleting any: a chain another one still jumps to cannot be deleted.
        lines.extend(f"-F {chain}" for chain in sorted(own))
        lines.extend(f"-X {chain}" for chain in sorted(own))
        lines.append("COMMIT")
    return "\n".join(lines) + "\n" if lines else ""


def remove_own_rules(settings: Settings) -> bool:
    """Remove what is ours for IPv4 and IPv6; tell whether there was anything."""
    removed = False
    for save, restore in _FAMILIES:
        if shutil.which(save) is None:
            continue
        removal = build_removal(run((save,)), settings.network.cni_network)
        if removal:
            run((restore, "--noflush", "--wait"), stdin=removal)
            removed = True
    return removed


def build_node_identity_rule(settings: Settings) -> tuple[str, ...]:
    """Build the rule that sends pods' requests for a node's identity to the emulated Azure; the machine's own requests
    go where they went before. Its comment is what removal finds it by."""
    network = settings.network
    comment = f'name: "{network.cni_network}" node identity'
    target = f"{network.gateway}:{settings.ports.azure_node}"
    return (
        *("PREROUTING", "-s", network.pod_cidr, "-d", f"{NODE_IDENTITY_ADDRESS}/32", "-p", "tcp", "--dport", "80"),
        *("-m", "comment", "--comment", comment, "-j", "DNAT", "--to-destination", target),
    )


def ensure_node_identity_rule(settings: Settings) -> None:
    """Put the rule in unless it is there."""
    rule = build_node_identity_rule(settings)
    try:
        run(("iptables", "--wait", "-t", "nat", "-C", *rule))
    except DevclusterError:
        run(("iptables", "--wait", "-t", "nat", "-A", *rule))


def _is_own_rule(rule: str, own: frozenset[str], cni_network: str) -> bool:
    chain, target = _read_chains(rule)
    if chain in own:
        return False
    return target in own or _read_cni_network(rule) == cni_network


def _read_chains(rule: str) -> tuple[str, str]:
    words = rule.split()
    target = re.search(r"\s-[jg] (\S+)", rule)
    return words[1], target.group(1) if target else ""


def _read_cni_network(rule: str) -> str:
    # The plugins write the network's name into the comment of each rule; iptables-save escapes the quotes.
    found = re.search(r'name: \\?"([^"\\]+)\\?"', rule)
    return found.group(1) if found else ""
