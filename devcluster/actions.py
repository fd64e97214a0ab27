"""What the small commands do: status, logs, load, start, stop, tool, images; `up` and `down` have their own modules."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from devcluster import up
from devcluster.errors import DevclusterError
from devcluster.images import catalogue
from devcluster.images.load import load_archive
from devcluster.machine.host import read_go_version
from devcluster.machine.lock import exclusively
from devcluster.node import health, supervisor
from devcluster.node.components import NAMES
from devcluster.node.toolchain import CLUSTER_TOOLS, EXTRA_TOOLS, ensure_tools
from devcluster.settings import Settings

_FOLLOW_SECONDS = 0.2


def show_status(settings: Settings) -> int:
    """Print components and node; return 0 only if all of them are well."""
    rows = up.read_status(settings)
    width = max(len(row.name) for row in rows)
    print(f"{'COMPONENT':<{width}}  {'PID':>7}  {'STATE':<9}  LISTENS ON")
    for row in rows:
        state = "ready" if row.is_ready else "not ready" if row.pid else "stopped"
        print(f"{row.name:<{width}}  {row.pid or '-':>7}  {state:<9}  {row.ports}")
    node = health.read_node(settings)
    is_node_ready = node["ready"] == "True"
    print(f"node: {'ready' if is_node_ready else 'NOT ready'} ({node['message'] or 'nothing said'})")
    if "kubelet" in node:
        print(f"versions: Kubernetes {node['kubelet']}, {node['runtime']}, {node['os']}, Linux {node['kernel']}")
    return 0 if is_node_ready and all(row.is_ready for row in rows) else 1


def check_name(name: str) -> str:
    """Return the name if it is a component's, raise listing the known ones if not."""
    if name in NAMES:
        return name
    raise DevclusterError(f"There is no component {name}; the known ones are {', '.join(NAMES)}")


def show_log(settings: Settings, name: str, *, follow: bool) -> None:
    """Print a component's log and, if asked, what is added to it until interrupted."""
    path = supervisor.log_path(settings, check_name(name))
    if not path.exists():
        raise DevclusterError(f"{name} has no log at {path}; it was never started, try `python -m devcluster up`")
    with path.open(errors="replace") as stream:
        while True:
            for line in stream:
                print(line, end="", flush=follow)
            if not follow:
                return
            time.sleep(_FOLLOW_SECONDS)


def load(settings: Settings, archives: Sequence[Path]) -> None:
    """Import image tars into the node."""
    for archive in archives:
        for name in load_archive(settings, archive):
            print(f"loaded {name}")


def start(settings: Settings, name: str) -> None:
    """Start one component and wait until it is ready; those it needs must run."""
    check_name(name)
    with exclusively(settings, "cluster"):
        table = {component.name: component for component in up.read_components(settings)}
        missing = [one for one in table[name].after if supervisor.read_running(settings, one) is None]
        if missing:
            raise DevclusterError(f"{name} needs {', '.join(missing)}, which does not run; start that first")
        needed = (*(table[one] for one in table[name].after), table[name])
        started = supervisor.ensure_running(settings, needed)
    print(f"{name} {'started' if name in started else 'was running'}")


def stop(settings: Settings, name: str, *, kill: bool) -> None:
    """Stop one component; it stays stopped until `start` or `up`."""
    check_name(name)
    with exclusively(settings, "cluster"):
        was_running = supervisor.stop(settings, name, kill=kill)
    print(f"{name} {'stopped' if was_running else 'was not running'}")


def show_tool(settings: Settings, name: str) -> None:
    """Compile a tool if the cache lacks it, and print its path as the last line."""
    tools = {tool.name: tool for tool in (*CLUSTER_TOOLS, *EXTRA_TOOLS)}
    if name not in tools:
        raise DevclusterError(f"There is no tool {name}; the known ones are {', '.join(tools)}")
    print(ensure_tools((tools[name],), settings, read_go_version())[name])


def run_python(settings: Settings, arguments: list[str]) -> int:
    """Run the Python of the base image, and return its exit code."""
    with exclusively(settings, "python"):
        return catalogue.run_python(settings, arguments)


def make_images(settings: Settings, parsed: argparse.Namespace) -> None:
    """Build the named images, or all, and bring them to the node and the registry."""
    names = tuple(parsed.names) or catalogue.IMAGES
    unknown = sorted(set(names) - set(catalogue.IMAGES))
    if unknown:
        raise DevclusterError(
            f"There is no image {', '.join(unknown)}; the known ones are {', '.join(catalogue.IMAGES)}"
        )
    source = catalogue.OperatorSource.from_paths(parsed.dockerfile, parsed.context)
    with exclusively(settings, "images"):
        for name in names:
            built = catalogue.build(settings, name, source)
            print(f"built {name}: {built.archive}")
            if not parsed.build_only:
                for reference in catalogue.deliver(settings, built):
                    print(f"available {reference}")
