"""Writes the configuration files of the components; their command lines are in components.py."""

import base64
import json
from pathlib import Path
from typing import Any

import yaml

from devcluster.machine.host import may_lower_oom_scores
from devcluster.machine.shell import write_file
from devcluster.node.dns import build_corefile
from devcluster.node.emulator import build_azure_config
from devcluster.node.registry import build_registry_config
from devcluster.settings import CLUSTER_DOMAIN, NODE_NAME, Settings

KUBECONFIG_USERS = ("controller-manager", "scheduler", "kube-proxy", "node", "coredns")


def write_configs(settings: Settings) -> None:
    """Write every configuration file; files whose content is right stay untouched."""
    folder = settings.config
    write_file(settings.kubeconfig, _dump(build_kubeconfig(settings, "admin")), mode=0o600)
    for user in KUBECONFIG_USERS:
        write_file(folder / f"{user}.kubeconfig", _dump(build_kubeconfig(settings, user)), mode=0o600)
    write_file(folder / "kubelet.yaml", _dump(build_kubelet_config(settings)))
    write_file(folder / "kube-proxy.yaml", _dump(build_kube_proxy_config(settings)))
    write_file(folder / "containerd.toml", build_containerd_config(settings, restrict_oom=not may_lower_oom_scores()))
    hosts = folder / "certs.d" / settings.registry_host / "hosts.toml"
    write_file(hosts, build_registry_hosts(settings))
    write_file(folder / "cni" / "10-devcluster.conflist", json.dumps(build_cni_config(settings), indent=2))
    write_file(folder / "Corefile", build_corefile(settings, Path("/etc/resolv.conf").read_text()))
    write_file(folder / "registry.yaml", _dump(build_registry_config(settings)))
    write_file(folder / "azure.json", json.dumps(build_azure_config(settings), indent=2))


def build_kubeconfig(settings: Settings, user: str) -> dict[str, Any]:
    """Build the kubeconfig of one client certificate, with everything embedded."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "devcluster",
                "cluster": {
                    "server": settings.api_url,
                    "certificate-authority-data": _encode(settings.ca_certificate),
                },
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encode(settings.pki / f"{user}.crt"),
                    "client-key-data": _encode(settings.pki / f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": user}}],
        "current-context": "devcluster",
    }


def build_kubelet_config(settings: Settings) -> dict[str, Any]:
    """Build the kubelet's configuration; what differs from its defaults is there for a reason given here."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.network.gateway,
        "port": settings.ports.kubelet,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": settings.ports.kubelet_health,
        "tlsCertFile": str(settings.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(settings.pki / "kubelet.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(settings.ca_certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{settings.containerd_socket}",
        # There may be no systemd; cgroupfs works with and without it, on both cgroup versions.
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [settings.network.gateway],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": "/etc/resolv.conf",
        "maxPods": 250,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 8,
        # A threshold of 0% switches a signal off: a nearly full disk of the developer's must not evict pods.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
        # 100 switches image garbage collection off, for the same reason.
        "imageGCHighThresholdPercent": 100,
        "containerLogMaxSize": "10Mi",
        "containerLogMaxFiles": 3,
        # The defaults of these three are outside the state folder.
        "podLogsDir": str(settings.state / "kubelet" / "pod-logs"),
        "volumePluginDir": str(settings.state / "kubelet" / "volume-plugins"),
        "staticPodPath": "",
    }


def build_kube_proxy_config(settings: Settings) -> dict[str, Any]:
    """Build kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(settings.config / "kube-proxy.kubeconfig")},
        "hostnameOverride": NODE_NAME,
        "bindAddress": settings.network.gateway,
        "healthzBindAddress": f"127.0.0.1:{settings.ports.kube_proxy_health}",
        "metricsBindAddress": f"127.0.0.1:{settings.ports.kube_proxy_metrics}",
        "clusterCIDR": settings.network.pod_cidr,
        "nodePortAddresses": [settings.network.pod_cidr],
        # Masquerading all sends answers between two pods of the bridge back through the host, which otherwise
        # needs the br_netfilter module; not every kernel has it.
        "iptables": {"masqueradeAll": True, "localhostNodePorts": False, "syncPeriod": "10s", "minSyncPeriod": "0s"},
        # Zero means hands off: containers may not write these kernel settings.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }


def build_containerd_config(settings: Settings, *, restrict_oom: bool) -> str:
    """Build containerd's configuration, with every folder of its own below the state folder."""
    root = settings.state / "containerd"
    return f"""version = 3
root = "{root}/root"
state = "{root}/run"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{settings.containerd_socket}"
[plugins.'io.containerd.internal.v1.opt']
  path = "{root}/opt"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{settings.images.pause}"
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = "{settings.config}/certs.d"
[plugins.'io.containerd.cri.v1.runtime']
  enable_cdi = false
  netns_mounts_under_state_dir = true
  # Where CAP_SYS_RESOURCE is missing no process may get a negative oom_score_adj, and every sandbox would die.
  restrict_oom_score_adj = {str(restrict_oom).lower()}
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{settings.network.cni_bin_dir}"]
    conf_dir = "{settings.config}/cni"
    use_internal_loopback = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "{settings.bin}/runc"
        Root = "{root}/runc"
        SystemdCgroup = false
"""


def build_registry_hosts(settings: Settings) -> str:
    """Build the file that sends the node's pulls from the registry's name to its address, with our authority."""
    url = f"https://{settings.registry_address}"
    return f"""server = "{url}"
[host."{url}"]
  capabilities = ["pull", "resolve"]
  ca = "{settings.ca_certificate}"
"""


def build_cni_config(settings: Settings) -> dict[str, Any]:
    """Build the pod network: our bridge, addresses handed out by host-local, host ports by portmap."""
    network = settings.network
    bridge = {
        "type": "bridge",
        "bridge": network.bridge,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(settings.state / "cni"),
            "ranges": [[{"subnet": network.pod_cidr, "gateway": network.gateway}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": network.cni_network, "plugins": [bridge, portmap]}


def _encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _dump(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)
