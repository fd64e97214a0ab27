"""Takes the whole cluster down and leaves nothing of it on the machine except the cache."""

import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from devcluster.machine.host import CGROUP_ROOT
from devcluster.machine.iptables import remove_own_rules
from devcluster.machine.lock import exclusively
from devcluster.machine.mounts import unmount_below
from devcluster.machine.network import bridge_exists, remove_bridge
from devcluster.machine.ownership import check_owner, release
from devcluster.machine.preflight import check_state_path
from devcluster.machine.process import find_descendants, read_processes, wait_until
from devcluster.node import supervisor
from devcluster.settings import Settings

# The kubelet first, or it would start again what the next steps end.
STOP_ORDER = (
    "kubelet",
    "kube-proxy",
    "containerd",
    "coredns",
    "registry",
    "azure",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
)
_KUBELET_CGROUP = "kubepods"
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
# Folders whose place is fixed in the kubelet, containerd or CNI; each goes only if nothing else is left in it.
_SHARED_FOLDERS = (
    "/run/containerd/s",
    "/run/containerd",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/var/log/containers",
    str(_DEVICE_PLUGINS),
    "/var/lib/kubelet",
)


def take_down(settings: Settings, *, keep_logs: bool = False) -> None:
    """Stop, unmount and remove everything of the cluster's; safe to repeat, and without a cluster."""
    check_state_path(settings.state)
    with exclusively(settings, "cluster"):
        check_owner(settings)
        if not settings.state.exists() and not bridge_exists(settings):
            release()
            print("nothing to take down")
            return
        stopped = supervisor.stop_all(settings, STOP_ORDER)
        killed = end_containers(settings)
        unmounted = unmount_below(settings.state) if settings.state.exists() else 0
        had_bridge = remove_bridge(settings)
        had_rules = shutil.which("iptables-save") is not None and remove_own_rules(settings)
        remove_cgroups(CGROUP_ROOT)
        remove_leftovers(settings)
        remove_state(settings, keep_logs=keep_logs)
        release()
    print(
        f"down: stopped {len(stopped)} components and {killed} container processes, unmounted {unmounted},"
        f" bridge {'removed' if had_bridge else 'absent'}, iptables rules {'removed' if had_rules else 'absent'}"
    )


def end_containers(settings: Settings) -> int:
    """Kill containerd's shims and all that descends from them; return how many processes it was."""
    ended: set[int] = set()

    def is_all_ended() -> bool:
        processes = read_processes()
        shims = [pid for pid, (_, command) in processes.items() if _is_own_shim(command, settings)]
        # Containers first: without its shim a container's process would be nobody's descendant any more.
        alive = (*find_descendants(shims, processes), *shims)
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended.update(alive)
        return not alive

    wait_until(is_all_ended, what="the containers' processes to end", timeout_seconds=30)
    return len(ended)


def remove_cgroups(root: Path) -> None:
    """Remove the pods' control groups of every controller, deepest first."""
    tops = [path for path in (root / _KUBELET_CGROUP, *root.glob(f"*/{_KUBELET_CGROUP}")) if path.is_dir()]

    def is_all_gone() -> bool:
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                # A group stays busy for a moment after its last process has been killed.
                with suppress(OSError):
                    os.rmdir(folder)
        return not any(top.exists() for top in tops)

    wait_until(is_all_gone, what="the pods' control groups to become empty", timeout_seconds=15)


def remove_leftovers(settings: Settings) -> None:
    """Remove what kubelet, containerd and CNI leave at places that no setting moves."""
    for address in settings.state.glob("containerd/run/*/*/*/bootstrap.json"):
        with suppress(OSError, ValueError):
            Path(json.loads(address.read_text())["address"].removeprefix("unix://")).unlink(missing_ok=True)
    for result in Path("/var/lib/cni/results").glob(f"{settings.network.cni_network}-*"):
        result.unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{settings.state}/"):
            link.unlink()
    for name in ("DEPRECATION", "kubelet.sock", "kubelet_internal_checkpoint"):
        (_DEVICE_PLUGINS / name).unlink(missing_ok=True)
    for folder in _SHARED_FOLDERS:
        with suppress(OSError):
            os.rmdir(folder)


def remove_state(settings: Settings, *, keep_logs: bool) -> None:
    """Remove the state folder, or all of it but the logs."""
    if not settings.state.exists():
        return
    for entry in settings.state.iterdir():
        if keep_logs and entry in (settings.logs, settings.marker):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not keep_logs:
        settings.state.rmdir()


def _is_own_shim(command: str, settings: Settings) -> bool:
    return "containerd-shim" in command and str(settings.containerd_socket) in command
