"""Paths, addresses, ports, versions and names of the dev cluster as frozen data; nothing here touches the machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES_VERSION = "v1.37.2"
NODE_NAME = "devcluster"
CLUSTER_DOMAIN = "cluster.local"
REPOSITORY_ROOT = Path(__file__).resolve().parent.parent
PACKAGE_DIR = Path(__file__).resolve().parent

# containerd's and kubelet's sockets live below the state folder, and a Unix socket's path ends at 107 characters.
MAX_STATE_PATH_LENGTH = 60

REGISTRY_DOMAINS = ("azurecr.io", "azurecr.us", "azurecr.cn")
BLOB_DOMAINS = ("blob.core.windows.net", "blob.core.usgovcloudapi.net", "blob.core.chinacloudapi.cn")
AZURE_HOSTS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "dev.azure.com",
    "management.azure.com",
    "management.usgovcloudapi.net",
    "management.chinacloudapi.cn",
    # A cloud of one's own.
    "login.stack.test",
    "management.stack.test",
)
# Hosts that only look like a registry's end here too, so that a login sent to one is seen.
LOOK_ALIKE_DOMAIN = "evil.test"
NODE_IDENTITY_ADDRESS = "169.254.169.254"


@dataclass(frozen=True)
class Network:
    """Addresses of the node's own bridge and of the two ranges behind it."""

    bridge: str = "bpdev0"
    gateway: str = "10.88.0.1"
    prefix_length: int = 16
    pod_cidr: str = "10.88.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    kubernetes_service: str = "10.96.0.1"
    cni_network: str = "buildandpush-devcluster"
    cni_bin_dir: str = "/usr/lib/cni"


@dataclass(frozen=True)
class Ports:
    """TCP ports of the components; DNS uses its number for UDP too."""

    etcd_client: int = 2379
    etcd_peer: int = 2380
    api_server: int = 6443
    controller_manager: int = 10257
    scheduler: int = 10259
    kubelet: int = 10250
    kubelet_health: int = 10248
    kube_proxy_health: int = 10256
    kube_proxy_metrics: int = 10249
    dns: int = 53
    dns_ready: int = 18181
    registry: int = 443
    registry_behind: int = 18500
    azure_control: int = 18443
    azure_node: int = 18169


@dataclass(frozen=True)
class DnsOverride:
    """A name, or an anchored family of names, that the cluster's DNS answers itself with `address`."""

    zone: str
    pattern: str
    address: str


@dataclass(frozen=True)
class ImageNames:
    """Names under which the project's images are known, to the node and to the registry."""

    pause: str = "localhost/buildandpush/pause:1"
    base: str = "localhost/buildandpush/base:13"
    executor: str = "localhost/buildandpush/kaniko-executor:dev"
    operator: str = "localhost/buildandpush/operator:dev"
    registry_base: tuple[str, ...] = ("base/debian-python:13", "base/python:3.13")
    registry_busybox: str = "base/busybox:1.36"


@dataclass(frozen=True)
class Settings:
    """Everything the other modules need to know about where the cluster lives."""

    state: Path
    cache: Path
    network: Network = field(default_factory=Network)
    ports: Ports = field(default_factory=Ports)
    images: ImageNames = field(default_factory=ImageNames)
    registry_host: str = "demo.azurecr.io"
    registry_user: str = "devcluster"

    @property
    def marker(self) -> Path:
        """Return the file that says the state folder is ours to empty."""
        return self.state / ".buildandpush-devcluster"

    @property
    def pki(self) -> Path:
        """Return the folder of certificates and keys."""
        return self.state / "pki"

    @property
    def ca_certificate(self) -> Path:
        """Return the certificate every server of the cluster is signed by."""
        return self.pki / "ca.crt"

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def config(self) -> Path:
        """Return the folder of the components' configuration files and kubeconfigs."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """Return the folder of the components' logs."""
        return self.state / "logs"

    @property
    def pids(self) -> Path:
        """Return the folder of the components' process records."""
        return self.state / "run"

    @property
    def bin(self) -> Path:
        """Return the folder of links to the compiled tools, meant for PATH."""
        return self.state / "bin"

    @property
    def containerd_socket(self) -> Path:
        """Return containerd's socket."""
        return self.state / "containerd" / "containerd.sock"

    @property
    def api_url(self) -> str:
        """Return the API server's address as the host and the pods use it."""
        return f"https://{self.network.gateway}:{self.ports.api_server}"

    @property
    def registry_address(self) -> str:
        """Return the registry's real address, which needs no DNS."""
        return f"{self.network.gateway}:{self.ports.registry}"

    @property
    def registry_password(self) -> Path:
        """Return the file of the registry user's password."""
        return self.state / "registry" / "password"

    @property
    def registry_dockerconfig(self) -> Path:
        """Return the registry login in the form image pull secrets and skopeo use."""
        return self.state / "registry" / "dockerconfig.json"

    @property
    def dns_overrides(self) -> tuple[DnsOverride, ...]:
        """Return the names answered with an address of our own: Azure's, and one that only looks like it."""
        address = self.network.gateway
        below = (
            (domain, f"^.+[.]{_escape(domain)}[.]$") for domain in (*REGISTRY_DOMAINS, *BLOB_DOMAINS, LOOK_ALIKE_DOMAIN)
        )
        exact = ((host, f"^{_escape(host)}[.]$") for host in AZURE_HOSTS)
        return tuple(DnsOverride(zone, pattern, address) for zone, pattern in (*below, *exact))

    @property
    def azure(self) -> Path:
        """Return the folder of the emulated Azure's secrets and keys."""
        return self.state / "azure"

    @property
    def azure_control(self) -> str:
        """Return the address of the emulated Azure's control API."""
        return f"http://127.0.0.1:{self.ports.azure_control}"


def _escape(name: str) -> str:
    return name.replace(".", "[.]")


def build_no_proxy(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """Build NO_PROXY: what the environment says, plus what no proxy outside can reach."""
    given = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    network = settings.network
    own = (
        *("localhost", "127.0.0.1", network.pod_cidr, network.service_cidr, ".svc", f".{CLUSTER_DOMAIN}"),
        *(f".{domain}" for domain in (*REGISTRY_DOMAINS, *BLOB_DOMAINS, LOOK_ALIKE_DOMAIN)),
        *AZURE_HOSTS,
    )
    return ",".join(dict.fromkeys((*filter(None, given.split(",")), *own, settings.registry_host)))


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read DEVCLUSTER_STATE and XDG_CACHE_HOME; nothing else of the settings reads the environment."""
    cache_home = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME', '/root')}/.cache"
    return Settings(
        state=Path(environ.get("DEVCLUSTER_STATE") or "/var/lib/buildandpush-devcluster"),
        cache=Path(cache_home) / "buildandpush-devcluster",
    )
