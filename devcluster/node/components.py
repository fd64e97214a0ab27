"""The one table of components: command line, ports, readiness and order; supervisor.py starts them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.machine.ports import PortUse
from devcluster.node import health
from devcluster.settings import NODE_NAME, PACKAGE_DIR, REPOSITORY_ROOT, Settings

_LOOPBACK = "127.0.0.1"
# The defaults, 20 and 50 requests a second, delay the first service account and throttle tests with many pods.
_UNHURRIED = ("--kube-api-qps=500", "--kube-api-burst=1000")


@dataclass(frozen=True)
class Component:
    """A process of the cluster. `after` names those that must be ready before it starts."""

    name: str
    argv: tuple[str, ...]
    ports: tuple[PortUse, ...]
    is_ready: Callable[[], bool]
    after: tuple[str, ...] = ()
    config_files: tuple[Path, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    ready_timeout_seconds: float = 60


NAMES = (
    "etcd",
    "containerd",
    "registry",
    "azure",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
)


def build_components(settings: Settings, registry_program: Path) -> tuple[Component, ...]:
    """Build the table, in an order in which `after` never points forward."""
    return (
        _build_etcd(settings),
        _build_containerd(settings),
        _build_registry(settings, registry_program),
        _build_azure(settings),
        _build_api_server(settings),
        _build_controller_manager(settings),
        _build_scheduler(settings),
        _build_kubelet(settings),
        _build_kube_proxy(settings),
        _build_coredns(settings),
    )


def _build_etcd(settings: Settings) -> Component:
    client = f"http://{_LOOPBACK}:{settings.ports.etcd_client}"
    peer = f"http://{_LOOPBACK}:{settings.ports.etcd_peer}"
    argv = (
        f"{settings.bin}/etcd",
        f"--data-dir={settings.state}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # The data is worth nothing after a power cut, and fsync is what makes etcd slow on a laptop's disk.
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    ports = tuple(PortUse("etcd", _LOOPBACK, port) for port in (settings.ports.etcd_client, settings.ports.etcd_peer))
    return Component("etcd", argv, ports, lambda: health.answers(f"{client}/health", containing='"health":"true"'))


def _build_containerd(settings: Settings) -> Component:
    config = settings.config / "containerd.toml"
    return Component(
        "containerd",
        (f"{settings.bin}/containerd", f"--config={config}"),
        (),
        lambda: health.containerd_answers(settings),
        config_files=(config,),
        # containerd finds its shim on PATH, and the shim finds iptables and the like there.
        env={"PATH": f"{settings.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )


def _build_registry(settings: Settings, program: Path) -> Component:
    config = settings.config / "registry.yaml"
    return Component(
        "registry",
        (str(program), "serve", str(config)),
        (PortUse("registry", _LOOPBACK, settings.ports.registry_behind),),
        lambda: health.answers(f"http://{_LOOPBACK}:{settings.ports.registry_behind}/v2/"),
        config_files=(config,),
    )


def _build_azure(settings: Settings) -> Component:
    config = settings.config / "azure.json"
    ports = settings.ports
    program = PACKAGE_DIR / "azure"
    return Component(
        "azure",
        (sys.executable, "-m", "devcluster.azure", str(config)),
        (
            PortUse("azure", settings.network.gateway, ports.registry),
            PortUse("azure", settings.network.gateway, ports.azure_node),
            PortUse("azure", _LOOPBACK, ports.azure_control),
        ),
        lambda: health.answers(f"https://{settings.registry_address}/v2/", settings=settings, statuses=(200, 401)),
        after=("registry",),
        config_files=(
            *(config, settings.pki / "registry.crt", settings.ca_certificate, settings.pki / "sa.pub"),
            *sorted(program.glob("*.py")),
            program / "world.yaml",
        ),
        env={"PYTHONPATH": str(REPOSITORY_ROOT)},
    )


def _build_api_server(settings: Settings) -> Component:
    pki = settings.pki
    argv = (
        f"{settings.bin}/kube-apiserver",
        f"--etcd-servers=http://{_LOOPBACK}:{settings.ports.etcd_client}",
        f"--bind-address={settings.network.gateway}",
        f"--advertise-address={settings.network.gateway}",
        f"--secure-port={settings.ports.api_server}",
        f"--service-cluster-ip-range={settings.network.service_cidr}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # Tests change pods at their creation, as meshes and policy engines do; this one needs no webhook server.
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
        "--allow-privileged=true",
        "--event-ttl=1h",
        # Pods leave a dead node after seconds rather than five minutes, so that tests can watch it.
        "--default-not-ready-toleration-seconds=10",
        "--default-unreachable-toleration-seconds=10",
    )
    return Component(
        "kube-apiserver",
        argv,
        (PortUse("kube-apiserver", settings.network.gateway, settings.ports.api_server),),
        lambda: health.answers(f"{settings.api_url}/readyz", settings=settings),
        after=("etcd",),
        config_files=(pki / "apiserver.crt", pki / "ca.crt", pki / "sa.pub", pki / "apiserver-kubelet-client.crt"),
        ready_timeout_seconds=90,
    )


def _build_controller_manager(settings: Settings) -> Component:
    pki, kubeconfig = settings.pki, settings.config / "controller-manager.kubeconfig"
    argv = (
        f"{settings.bin}/kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--bind-address={_LOOPBACK}",
        f"--secure-port={settings.ports.controller_manager}",
        f"--tls-cert-file={pki}/loopback.crt",
        f"--tls-private-key-file={pki}/loopback.key",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--use-service-account-credentials=true",
        *_UNHURRIED,
        "--leader-elect=false",
        "--allocate-node-cidrs=false",
        # Its default is outside the state folder, and would be made there.
        f"--flex-volume-plugin-dir={settings.state}/kubelet/volume-plugins",
        # Longer than the kubelet's lease (8 s, renewed every 2 s), short enough for a test to wait for.
        "--node-monitor-period=2s",
        "--node-monitor-grace-period=12s",
    )
    port = settings.ports.controller_manager
    return Component(
        "kube-controller-manager",
        argv,
        (PortUse("kube-controller-manager", _LOOPBACK, port),),
        lambda: health.answers(f"https://{_LOOPBACK}:{port}/healthz", settings=settings),
        after=("kube-apiserver",),
        config_files=(kubeconfig, pki / "loopback.crt", pki / "sa.pub"),
    )


def _build_scheduler(settings: Settings) -> Component:
    pki, kubeconfig, port = settings.pki, settings.config / "scheduler.kubeconfig", settings.ports.scheduler
    argv = (
        f"{settings.bin}/kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        f"--bind-address={_LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={pki}/loopback.crt",
        f"--tls-private-key-file={pki}/loopback.key",
        "--leader-elect=false",
        *_UNHURRIED,
    )
    return Component(
        "kube-scheduler",
        argv,
        (PortUse("kube-scheduler", _LOOPBACK, port),),
        lambda: health.answers(f"https://{_LOOPBACK}:{port}/healthz", settings=settings),
        after=("kube-apiserver",),
        config_files=(kubeconfig, pki / "loopback.crt"),
    )


def _build_kubelet(settings: Settings) -> Component:
    config, kubeconfig = settings.config / "kubelet.yaml", settings.config / "node.kubeconfig"
    argv = (
        f"{settings.bin}/kubelet",
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={settings.state}/kubelet",
        f"--cert-dir={settings.state}/kubelet/pki",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={settings.network.gateway}",
    )
    health_port = settings.ports.kubelet_health
    return Component(
        "kubelet",
        argv,
        (
            PortUse("kubelet", settings.network.gateway, settings.ports.kubelet),
            PortUse("kubelet", _LOOPBACK, health_port),
        ),
        lambda: health.answers(f"http://{_LOOPBACK}:{health_port}/healthz"),
        after=("kube-apiserver", "containerd"),
        config_files=(config, kubeconfig, settings.pki / "kubelet.crt", settings.ca_certificate),
    )


def _build_kube_proxy(settings: Settings) -> Component:
    config, kubeconfig = settings.config / "kube-proxy.yaml", settings.config / "kube-proxy.kubeconfig"
    health_port = settings.ports.kube_proxy_health
    return Component(
        "kube-proxy",
        (f"{settings.bin}/kube-proxy", f"--config={config}"),
        (
            PortUse("kube-proxy", _LOOPBACK, health_port),
            PortUse("kube-proxy", _LOOPBACK, settings.ports.kube_proxy_metrics),
        ),
        lambda: health.answers(f"http://{_LOOPBACK}:{health_port}/healthz"),
        after=("kube-apiserver",),
        config_files=(config, kubeconfig),
    )


def _build_coredns(settings: Settings) -> Component:
    corefile, kubeconfig = settings.config / "Corefile", settings.config / "coredns.kubeconfig"
    gateway, port = settings.network.gateway, settings.ports.dns
    return Component(
        "coredns",
        (f"{settings.bin}/coredns", "-conf", str(corefile)),
        (
            PortUse("coredns", gateway, port),
            PortUse("coredns", gateway, port, protocol="udp"),
            PortUse("coredns", _LOOPBACK, settings.ports.dns_ready),
        ),
        lambda: health.answers(f"http://{_LOOPBACK}:{settings.ports.dns_ready}/ready"),
        after=("kube-apiserver",),
        config_files=(corefile, kubeconfig),
    )
