"""Brings the whole cluster up and tells how it is; down.py takes it down."""

import datetime
import time
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.images.load import ensure_pause_image
from devcluster.machine import preflight
from devcluster.machine.host import read_host_facts
from devcluster.machine.iptables import ensure_node_identity_rule
from devcluster.machine.lock import exclusively
from devcluster.machine.network import ensure_bridge
from devcluster.machine.ownership import check_owner, claim
from devcluster.machine.packages import COMPILE_PACKAGES, RUNTIME_PACKAGES, ensure_docker_registry, ensure_packages
from devcluster.machine.process import wait_until
from devcluster.machine.shell import run
from devcluster.node import health, supervisor
from devcluster.node.components import Component, build_components
from devcluster.node.configs import write_configs
from devcluster.node.emulator import ensure_azure_secrets
from devcluster.node.pki import ensure_pki
from devcluster.node.registry import ensure_registry_login
from devcluster.node.toolchain import CLUSTER_TOOLS, TOOLS_DIR, ensure_tools, find_uncompiled, link_tools
from devcluster.settings import PACKAGE_DIR, Settings, build_no_proxy


@dataclass(frozen=True)
class ComponentStatus:
    """How one component is."""

    name: str
    pid: int | None
    is_ready: bool
    ports: str


def bring_up(settings: Settings) -> None:
    """Bring the node to ready. Steps that are done already are skipped, so it may run at any time."""
    began = time.monotonic()
    preflight.check_state_path(settings.state)
    with exclusively(settings, "cluster"):  # a cluster that another command takes down just now is half a cluster
        check_owner(settings)
    facts = read_host_facts()
    preflight.check_host(facts, needed_go=preflight.read_needed_go(TOOLS_DIR.glob("*/go.mod")))
    ensure_packages(RUNTIME_PACKAGES)
    if find_uncompiled(CLUSTER_TOOLS, settings, facts.go_version):
        ensure_packages(COMPILE_PACKAGES)
    tools = ensure_tools(CLUSTER_TOOLS, settings, facts.go_version)
    registry_program = ensure_docker_registry(settings)
    with exclusively(settings, "cluster"):
        claim(settings)
        prepare(settings, tools)
        components = build_components(settings, registry_program)
        started = start_components(settings, components)
        wait_for_node(settings)
    _print_summary(settings, started, time.monotonic() - began)


def prepare(settings: Settings, tools: dict[str, Path]) -> None:
    """Write keys, configuration and links, and make the bridge: all that must be there before the first process."""
    for folder, mode in ((settings.state, 0o755), (settings.containerd_socket.parent, 0o711)):
        folder.mkdir(parents=True, exist_ok=True)
        # Pods in user namespaces pass through these folders as an unprivileged user.
        folder.chmod(mode)
    link_tools(tools, settings.bin)
    ensure_pki(settings, datetime.datetime.now(datetime.UTC))
    ensure_registry_login(settings)
    ensure_azure_secrets(settings)
    write_configs(settings)
    ensure_bridge(settings)
    ensure_node_identity_rule(settings)


def start_components(settings: Settings, components: tuple[Component, ...]) -> tuple[str, ...]:
    """Start what does not run; the pause image and CoreDNS's rights go in as soon as their server answers."""
    by_name = {component.name: component for component in components}
    first = tuple(by_name[name] for name in ("etcd", "containerd", "registry", "azure", "kube-apiserver"))
    rest = tuple(component for component in components if component not in first)
    started = supervisor.ensure_running(settings, first)
    ensure_pause_image(settings)
    if {"kube-apiserver", "etcd"} & set(started):
        apply_manifests(settings)
    return started + supervisor.ensure_running(settings, (*first, *rest))


def apply_manifests(settings: Settings) -> None:
    """Apply the few objects the cluster itself needs."""
    manifest = PACKAGE_DIR / "manifests" / "coredns-rbac.yaml"
    kubectl = (settings.bin / "kubectl", "--kubeconfig", settings.kubeconfig)
    run((*kubectl, "apply", "--server-side", "-f", manifest), env={"NO_PROXY": build_no_proxy(settings)})


def wait_for_node(settings: Settings) -> None:
    """Wait until the node says it is ready and pods can be made."""

    def is_node_ready() -> bool:
        return health.read_node(settings)["ready"] == "True"

    try:
        wait_until(is_node_ready, what="the node to become ready", timeout_seconds=60)
    except DevclusterError as err:
        message = health.read_node(settings)["message"]
        log = supervisor.log_path(settings, "kubelet")
        raise DevclusterError(f"{err}; it says: {message or 'nothing'}. See {log}.") from err
    wait_until(lambda: health.has_default_account(settings), what="the default service account", timeout_seconds=30)


def read_components(settings: Settings) -> tuple[Component, ...]:
    """Build the table for a cluster that was brought up before; raise if none was."""
    if not settings.config.exists():
        raise DevclusterError(
            f"There is no dev cluster in {settings.state}; bring one up with `python -m devcluster up`"
        )
    return build_components(settings, ensure_docker_registry(settings))


def read_status(settings: Settings) -> tuple[ComponentStatus, ...]:
    """Ask every component how it is."""
    return tuple(_read_one(settings, component) for component in read_components(settings))


def _read_one(settings: Settings, component: Component) -> ComponentStatus:
    record = supervisor.read_running(settings, component.name)
    ports = " ".join(f"{use.address}:{use.port}/{use.protocol}" for use in component.ports) or "unix socket"
    return ComponentStatus(
        component.name, record.pid if record else None, record is not None and component.is_ready(), ports
    )


def _print_summary(settings: Settings, started: tuple[str, ...], elapsed_seconds: float) -> None:
    node = health.read_node(settings)
    what = f"started {', '.join(started)}" if started else "everything was running"
    print(f"up in {elapsed_seconds:.1f} s: {what}")
    print(f"node ready: Kubernetes {node['kubelet']}, {node['runtime']}, {node['os']}")
    print(
        f"registry: {settings.registry_host} (user {settings.registry_user}, password in {settings.registry_password})"
    )
    print('use it: eval "$(python -m devcluster env)"')
