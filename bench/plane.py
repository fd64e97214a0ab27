"""A control plane for the bench alone, on free ports of loopback: etcd, API server, scheduler, simulated nodes and the
emulated Azure. It needs no root, and it ends with the `with` that it was begun in.

There is no controller manager. What the bench needs of it, an account for pods and nodes without a taint, is made here.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from bench.interpreter import MACHINE, Command
from bench.registry import DIGEST
from devcluster.machine.host import read_go_version
from devcluster.machine.ports import PortUse
from devcluster.machine.process import wait_until
from devcluster.machine.shell import write_file
from devcluster.node import health, supervisor
from devcluster.node.components import Component, build_components
from devcluster.node.configs import build_kubeconfig
from devcluster.node.emulator import build_azure_config
from devcluster.node.pki import ensure_pki
from devcluster.node.toolchain import CLUSTER_TOOLS, EXTRA_TOOLS, ensure_tools, link_tools
from devcluster.settings import REPOSITORY_ROOT, Network, Ports, Settings, build_no_proxy, read_settings

LOOPBACK: Final = "127.0.0.1"
TENANT: Final = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION: Final = "22222222-2222-4222-8222-111111111111"
APPLICATION: Final = "33333333-3333-4333-8333-111111111111"
SECRET: Final = "of-the-bench"  # noqa: S105 - logs in to the emulated Azure of a bench
HOSTS: Final = tuple(f"bench{number}.azurecr.io" for number in range(10))
"""Registries. The last one is the slow one."""
NODES: Final = 5
IDENTITY: Final = "bench"
"""Who holds the Lease."""
_PROGRAMS: Final = ("etcd", "kube-apiserver", "kube-scheduler", "kwok")
_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.5
_TOLD_LINES: Final = 10

# Production names lead to the emulated Azure, as the DNS of the local cluster does it.
_OPERATOR: Final = """\
import sys
from buildandpush.__main__ import main
from buildandpush.clients import outside
from tests.pinned import PinnedResolver
del outside.Resolver  # an error, should it have another name by then
outside.Resolver = lambda: PinnedResolver("127.0.0.1", int(sys.argv[1]))
main()
"""


@dataclass
class Plane:
    """A running control plane, and the operator as one more process."""

    settings: Settings
    operator: subprocess.Popen[bytes] | None = None
    command: Command = MACHINE
    """What runs the operator's program. A profiler may stand before the interpreter."""

    @property
    def operator_log(self) -> Path:
        """Where the operator's lines go."""
        return self.settings.logs / "operator.log"

    def start_operator(self) -> None:
        """Start the operator, and wait until it says that it is well."""
        port = _free_ports(1)[0]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BUILDANDPUSH_")},
            "KUBECONFIG": str(self.settings.kubeconfig),
            "NO_PROXY": build_no_proxy(self.settings),
            "PYTHONPATH": f"{REPOSITORY_ROOT / 'operator'}:{REPOSITORY_ROOT}",
            "BUILDANDPUSH_EXECUTOR_IMAGE": "executor:bench",
            "BUILDANDPUSH_SOURCE_IMAGE": "source:bench",
            "BUILDANDPUSH_CA_FILE": str(self.settings.ca_certificate),
            "BUILDANDPUSH_EGRESS_ALLOWED": "127.0.0.0/8",
            "BUILDANDPUSH_POD_NAME": IDENTITY,
            "BUILDANDPUSH_POD_NAMESPACE": "default",
            "BUILDANDPUSH_LEASE_SECONDS": "60",  # longer than any wait for the processor on a busy machine
            "BUILDANDPUSH_PORT": str(port),
            "BUILDANDPUSH_STATE_DIR": str(self.settings.state),
        }
        with self.operator_log.open("ab") as log:
            self.operator = subprocess.Popen(
                [*self.command, "-c", _OPERATOR, str(self.settings.ports.registry)],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(
            lambda: health.answers(f"http://{LOOPBACK}:{port}/healthz"),
            what=f"the operator, whose log is {self.operator_log}",
            timeout_seconds=_START_SECONDS,
        )

    def stop_operator(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the operator, with SIGTERM as Kubernetes does it, or as the caller says."""
        operator, self.operator = self.operator, None
        if operator is not None:
            operator.send_signal(number)
            operator.wait(timeout=_START_SECONDS)

    async def guard_operator(self) -> None:
        """Wait until the operator ends without being stopped, as when it loses its lease, and raise RuntimeError."""
        while self.operator is None or self.operator.poll() is None:  # noqa: ASYNC110 - a process has no Event
            await asyncio.sleep(_LOOK_SECONDS)
        raise RuntimeError(f"the operator has ended with exit code {self.operator.returncode}")

    def operator_cpu_seconds(self) -> float:
        """The processor time that the operator has used so far."""
        if self.operator is None:
            return 0.0
        fields = Path(f"/proc/{self.operator.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def operator_peak_mib(self) -> float:
        """The most memory that the operator has had."""
        if self.operator is None:
            return 0.0
        text = Path(f"/proc/{self.operator.pid}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def run_plane(command: Command = MACHINE) -> Iterator[Plane]:
    """Start everything but the operator, which is run by `command` when it is started."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        settings = _make_settings(Path(folder))
        components = _prepare(settings)
        plane = Plane(settings, command=command)
        try:
            supervisor.ensure_running(settings, components)
            yield plane
        except BaseException:
            if plane.operator_log.exists():
                lines = plane.operator_log.read_text().splitlines()
                print("the operator's last lines:", *lines[-_TOLD_LINES:], sep="\n")
            raise
        finally:
            plane.stop_operator(signal.SIGKILL)
            supervisor.stop_all(settings, [component.name for component in reversed(components)])


def _make_settings(folder: Path) -> Settings:
    names = ("etcd_client", "etcd_peer", "api_server", "scheduler", "registry", "azure_control", "azure_node")
    ports = Ports(**dict(zip(names, _free_ports(len(names)), strict=True)))
    return Settings(
        state=folder,
        cache=read_settings().cache,
        network=Network(gateway=LOOPBACK),
        ports=ports,
        registry_host=HOSTS[0],
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _prepare(settings: Settings) -> tuple[Component, ...]:
    """Programs, certificates and files; then the processes that are to be started."""
    wanted = [tool for tool in (*CLUSTER_TOOLS, *EXTRA_TOOLS) if tool.name in _PROGRAMS]
    link_tools(ensure_tools(wanted, settings, read_go_version()), settings.bin)
    ensure_pki(settings, datetime.now(UTC))
    for user, path in (("admin", settings.kubeconfig), ("scheduler", settings.config / "scheduler.kubeconfig")):
        write_file(path, yaml.safe_dump(build_kubeconfig(settings, user)), mode=0o600)
    known = {component.name: component for component in build_components(settings, Path())}
    server = replace(
        known["kube-apiserver"],
        argv=(
            *known["kube-apiserver"].argv,
            "--endpoint-reconciler-type=none",  # it refuses an address of loopback
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        ),
    )
    return known["etcd"], server, known["kube-scheduler"], _build_azure(settings), _build_kwok(settings)


def _build_azure(settings: Settings) -> Component:
    config, world = settings.config / "azure.json", settings.config / "world.yaml"
    write_file(world, yaml.safe_dump(_describe_world()))
    write_file(config, json.dumps({**build_azure_config(settings), "world": str(world), "secrets": {}}))
    return Component(
        "azure",
        (sys.executable, "-m", "bench.registry", str(config)),
        tuple(PortUse("azure", LOOPBACK, port) for port in (settings.ports.registry, settings.ports.azure_control)),
        lambda: health.answers(f"https://{settings.registry_address}/v2/", settings=settings, statuses=(200, 401)),
        config_files=(config,),
        env={"PYTHONPATH": f"{REPOSITORY_ROOT / 'operator'}:{REPOSITORY_ROOT}"},
    )


def _describe_world() -> dict[str, Any]:
    roles = [{"role": role, "scope": host} for host in HOSTS for role in ("AcrPush", "Reader")]
    principal = {"clientId": APPLICATION, "tenant": TENANT, "secrets": [{"value": SECRET}], "roles": roles}
    return {
        "tenants": [{"id": TENANT, "domain": "bench.onmicrosoft.com"}],
        "subscriptions": [{"id": SUBSCRIPTION, "name": "Bench", "tenant": TENANT}],
        "registries": [{"host": host, "tenant": TENANT, "subscription": SUBSCRIPTION} for host in HOSTS],
        "principals": [principal],
    }


def _build_kwok(settings: Settings) -> Component:
    stages, configuration = REPOSITORY_ROOT / "bench" / "stages.yaml", settings.config / "stages.yaml"
    write_file(configuration, stages.read_text().replace("DIGEST", DIGEST))
    argv = (
        f"{settings.bin}/kwok",
        f"--kubeconfig={settings.kubeconfig}",
        f"--config={configuration}",
        "--manage-nodes-with-label-selector=type=kwok",
        "--node-lease-duration-seconds=40",
    )
    return Component("kwok", argv, (), lambda: True, after=("kube-apiserver",), config_files=(configuration,))
