"""Builds CoreDNS's configuration: the cluster's own names, ours, and the machine's resolvers for the rest."""

import re

from devcluster.settings import CLUSTER_DOMAIN, DnsOverride, Settings

# What a pod asks for may change within a test, so nothing is remembered long.
_TTL_SECONDS = 5


def build_corefile(settings: Settings, resolv_conf: str) -> str:
    """Build the Corefile; without any resolver of the machine's, unknown names are refused instead of forwarded."""
    blocks = [
        f"bind {settings.network.gateway}",
        "errors",
        f"ready 127.0.0.1:{settings.ports.dns_ready}",
        *(_build_override(override) for override in settings.dns_overrides),
        _build_block(
            f"kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa",
            f"kubeconfig {settings.config / 'coredns.kubeconfig'}",
            "pods insecure",
            "fallthrough in-addr.arpa ip6.arpa",
            f"ttl {_TTL_SECONDS}",
        ),
        f"cache {_TTL_SECONDS}",
    ]
    if re.search(r"^nameserver\s", resolv_conf, re.MULTILINE):
        # A host process may ask a resolver on loopback, such as systemd's, which a pod could not.
        blocks.append("forward . /etc/resolv.conf")
    return _build_block(f".:{settings.ports.dns}", *blocks) + "\n"


def _build_override(override: DnsOverride) -> str:
    address = _build_block(
        f"template IN A {override.zone}",
        f"match {override.pattern}",
        f'answer "{{{{ .Name }}}} {_TTL_SECONDS} IN A {override.address}"',
        "fallthrough",
    )
    # NOERROR without an answer: NXDOMAIN would make resolvers give up on the A record too.
    other = _build_block(
        f"template IN ANY {override.zone}", f"match {override.pattern}", "rcode NOERROR", "fallthrough"
    )
    return f"{address}\n{other}"


def _build_block(head: str, *lines: str) -> str:
    body = "\n".join("    " + line for block in lines for line in block.splitlines())
    return f"{head} {{\n{body}\n}}"
