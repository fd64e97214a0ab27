"""The demo's cluster where Docker and kind are: a kind cluster, and a registry with TLS and login that it reaches.

The tests have no Docker daemon: they try the pure parts of this module, and kind-config.yaml with kind's own loader.
"""

import datetime
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from devcluster.demo.kindchecks import LABEL, check_programs, check_registries, registry_name
from devcluster.demo.kubectl import Kubectl
from devcluster.errors import DevclusterError
from devcluster.machine.shell import run, write_file
from devcluster.node.deploy import deploy_operator
from devcluster.node.pki import ensure_pki
from devcluster.node.registry import ensure_registry_login
from devcluster.settings import REPOSITORY_ROOT, ImageNames, Network, Settings

_NETWORK = "kind"
_REGISTRY_IMAGE = "docker.io/library/registry:2"
_SKOPEO_IMAGE = "quay.io/skopeo/stable:latest"
_IMAGES = ImageNames(operator="buildandpush/operator:dev", executor="ghcr.io/osscontainertools/kaniko:v1.28.3")
# What the examples' FROM lines name, and where it is copied from.
_BASES = {
    "base/python:3.13": "docker.io/library/python:3.13-slim",
    "base/busybox:1.36": "docker.io/library/busybox:1.36",
}
_CERTIFICATES = "/etc/containerd/certs.d"
_CREATION_SECONDS = 1800
"""kind's node image is about 1 GB, and downloading it is part of the creation."""


def bring_up_kind(settings: Settings, name: str) -> Settings:
    """Bring the kind cluster to where the operator runs, and return its settings. It skips steps that are done."""
    check_programs()
    check_registries(name)
    own = replace(settings, state=settings.cache / f"kind-{name}", images=_IMAGES)
    _ensure_cluster(own, name)
    run(("kind", "export", "kubeconfig", "--name", name, "--kubeconfig", own.kubeconfig))
    own = replace(own, network=replace(Network(), gateway=_read_gateway()))
    ensure_pki(own, datetime.datetime.now(datetime.UTC))
    ensure_registry_login(own)
    address = _ensure_registry(own, name)
    _tell_nodes(own, name)
    _tell_dns(own, address)
    _push_bases(own)
    _load_images(name)
    deploy_operator(own)
    return own


def _ensure_cluster(settings: Settings, name: str) -> None:
    """Create the cluster unless it is there whole. A creation that was interrupted leaves a part, which is removed."""
    exists = name in run(("kind", "get", "clusters")).split()
    complete = settings.config / "kind-complete"
    if exists and complete.exists():
        return
    if exists:
        print(f"kind: deleting cluster {name}, whose creation did not end", flush=True)
        run(("kind", "delete", "cluster", "--name", name))
    complete.unlink(missing_ok=True)
    # A new cluster counts its runs from 1 again, so images of the old one would stand in the way of its tags.
    registry = registry_name(name)
    run(("docker", "rm", "--force", registry))
    run(("docker", "volume", "rm", "--force", registry))
    print(f"kind: creating cluster {name}; the first time, this downloads 1 GB", flush=True)
    config = REPOSITORY_ROOT / "kind-config.yaml"
    creation = ("kind", "create", "cluster", "--name", name, "--config", config, "--kubeconfig", settings.kubeconfig)
    try:
        run(creation, timeout_seconds=_CREATION_SECONDS)
    except BaseException:
        run(("kind", "delete", "cluster", "--name", name))
        raise
    write_file(complete, "The cluster was created to its end.\n")


def build_hosts_toml(host: str) -> str:
    """Build containerd's hosts.toml for the registry: its usual address, and our authority."""
    return f'server = "https://{host}"\n\n[host."https://{host}"]\n  ca = "{_CERTIFICATES}/{host}/ca.crt"\n'


def add_host(corefile: str, host: str, address: str) -> str:
    """Add a name to a Corefile, which kind makes without a hosts block, or correct its address."""
    kept: list[str] = []
    is_ours = False
    for line in corefile.splitlines():
        is_ours = is_ours or line.strip() == "hosts {"
        if not is_ours:
            kept.append(line)
        is_ours = is_ours and line.strip() != "}"
    block = ["    hosts {", f"        {address} {host}", "        fallthrough", "    }"]
    start = next(number for number, line in enumerate(kept) if line.strip().endswith("{")) + 1
    return "\n".join([*kept[:start], *block, *kept[start:]]) + "\n"


def find_gateway(networks: Sequence[dict[str, Any]]) -> str:
    """Find the IPv4 gateway, at which pods reach the host, in what `docker network inspect` says."""
    entries = (entry for network in networks for entry in network["IPAM"]["Config"] or ())
    found = next((entry["Gateway"] for entry in entries if ":" not in entry.get("Gateway", ":")), None)
    if found is None:
        raise DevclusterError(
            f"The Docker network {_NETWORK} has no IPv4 gateway; remove it (docker network rm {_NETWORK})"
            " and run the demo again."
        )
    return str(found)


def _read_gateway() -> str:
    return find_gateway(json.loads(run(("docker", "network", "inspect", _NETWORK))))


def _ensure_registry(settings: Settings, name: str) -> str:
    """Run the registry and return its address; always anew, for its certificates may be. Its images are in a volume."""
    registry, folder = registry_name(name), settings.registry_password.parent
    run(("docker", "rm", "--force", registry))
    variables = {
        "REGISTRY_HTTP_ADDR": "0.0.0.0:443",
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/pki/registry.crt",
        "REGISTRY_HTTP_TLS_KEY": "/pki/registry.key",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": settings.registry_host,
        "REGISTRY_AUTH_HTPASSWD_PATH": "/login/htpasswd",
    }
    run((
        "docker", "run", "--detach", "--name", registry, "--restart=unless-stopped", "--label", LABEL,
        "--network", _NETWORK, "--network-alias", settings.registry_host,
        "--volume", f"{registry}:/var/lib/registry",
        "--volume", f"{settings.pki}:/pki:ro",
        "--volume", f"{folder}:/login:ro",
        *(f"--env={key}={value}" for key, value in variables.items()),
        _REGISTRY_IMAGE,
    ))  # fmt: skip
    template = f'{{{{(index .NetworkSettings.Networks "{_NETWORK}").IPAddress}}}}'
    return run(("docker", "inspect", "--format", template, registry)).strip()


def _tell_nodes(settings: Settings, name: str) -> None:
    host = settings.registry_host
    toml = settings.config / "kind-hosts.toml"
    write_file(toml, build_hosts_toml(host))
    for node in run(("kind", "get", "nodes", "--name", name)).split():
        run(("docker", "exec", node, "mkdir", "-p", f"{_CERTIFICATES}/{host}"))
        run(("docker", "cp", settings.ca_certificate, f"{node}:{_CERTIFICATES}/{host}/ca.crt"))
        run(("docker", "cp", toml, f"{node}:{_CERTIFICATES}/{host}/hosts.toml"))


def _tell_dns(settings: Settings, address: str) -> None:
    kubectl = Kubectl(settings, "kube-system")
    corefile = json.loads(kubectl.call("get", "configmap", "coredns", "--output=json"))["data"]["Corefile"]
    wanted = add_host(corefile, settings.registry_host, address)
    if wanted == corefile:
        return
    kubectl.call("patch", "configmap", "coredns", "--patch", json.dumps({"data": {"Corefile": wanted}}))
    kubectl.call("rollout", "restart", "deployment/coredns")
    kubectl.call("rollout", "status", "deployment/coredns", "--timeout=180s")


def _push_bases(settings: Settings) -> None:
    """Copy the base images into the registry, by skopeo in a container: Docker itself does not trust our authority."""
    certificates = settings.config / "registry-ca"
    write_file(certificates / "ca.crt", settings.ca_certificate.read_text())
    for repository, origin in _BASES.items():
        if _has_image(settings, certificates, repository):
            continue
        print(f"registry: copying {origin} to {settings.registry_host}/{repository}", flush=True)
        run((
            *_skopeo(settings, certificates), "copy", "--quiet", "--retry-times=2",
            "--dest-authfile=/login.json", "--dest-cert-dir=/certificates",
            f"docker://{origin}", f"docker://{settings.registry_host}/{repository}",
        ))  # fmt: skip


def _has_image(settings: Settings, certificates: Path, repository: str) -> bool:
    image = f"docker://{settings.registry_host}/{repository}"
    options = ("--authfile=/login.json", "--cert-dir=/certificates")
    try:
        run((*_skopeo(settings, certificates), "inspect", "--raw", *options, image))
    except DevclusterError:
        return False
    return True


def _skopeo(settings: Settings, certificates: Path) -> tuple[str, ...]:
    return (
        "docker", "run", "--rm", "--network", _NETWORK,
        "--volume", f"{certificates}:/certificates:ro",
        "--volume", f"{settings.registry_dockerconfig}:/login.json:ro",
        _SKOPEO_IMAGE,
    )  # fmt: skip


def _load_images(name: str) -> None:
    print(f"docker: building {_IMAGES.operator} from operator/Dockerfile", flush=True)
    dockerfile = Path("operator") / "Dockerfile"
    run(("docker", "build", "--file", dockerfile, "--tag", _IMAGES.operator, "."), cwd=REPOSITORY_ROOT)
    run(("kind", "load", "docker-image", "--name", name, _IMAGES.operator))
    # Docker 29 keeps an image's whole index, of which `kind load` finds only this machine's part:
    # https://github.com/kubernetes-sigs/kind/issues/3795
    for node in run(("kind", "get", "nodes", "--name", name)).split():
        print(f"kind: node {node} pulls {_IMAGES.executor}", flush=True)
        run(("docker", "exec", node, "crictl", "pull", _IMAGES.executor))
