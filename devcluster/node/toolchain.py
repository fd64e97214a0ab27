"""Compiles the pinned tools from Go modules into a cache keyed by everything that decides their content."""

import hashlib
import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.lock import exclusively
from devcluster.settings import KUBERNETES_VERSION, PACKAGE_DIR, Settings

TOOLS_DIR = PACKAGE_DIR / "tools"
HEARTBEAT_SECONDS = 15.0
_STRIP = "-s -w"
_MAJOR, _MINOR = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
# Without these the servers call themselves v0.0.0 and clients misjudge them.
_KUBERNETES_LDFLAGS = " ".join(
    (
        _STRIP,
        f"-X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}",
        f"-X k8s.io/component-base/version.gitMajor={_MAJOR}",
        f"-X k8s.io/component-base/version.gitMinor={_MINOR}",
    )
)
# helm checks a chart's kubeVersion against the version it was compiled with, 1.20 where nobody says.
_HELM_LDFLAGS = " ".join(
    (
        _STRIP,
        f"-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor={_MAJOR}",
        f"-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={_MINOR}",
    )
)


@dataclass(frozen=True)
class Tool:
    """A program built from one package of one of the modules, or from one C file if `package` ends in .c."""

    name: str
    module: Path
    package: str
    ldflags: str = _STRIP
    tags: str = ""
    cgo: bool = False
    is_optimized: bool = True
    """False compiles in half the time what hardly works: it then runs slower."""

    @property
    def command(self) -> tuple[str, ...]:
        """Return the compiler's command line without its output path."""
        if self.package.endswith(".c"):
            return ("gcc", "-Os", "-static", "-s", "-Wall", "-Werror", self.package)
        tags = ("-tags", self.tags) if self.tags else ()
        plain = () if self.is_optimized else ("-gcflags", "all=-N -l -dwarf=false")
        return ("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", self.ldflags, *plain, *tags, self.package)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that the compiler needs beside those of this process."""
        plain = {} if self.is_optimized else {"CGO_CFLAGS": "-O0 -w"}
        return {"CGO_ENABLED": "1" if self.cgo else "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", **plain}

    @property
    def sources(self) -> tuple[Path, ...]:
        """Return the files that, with the flags and the Go version, decide what comes out."""
        if self.package.endswith(".c"):
            return (self.module / self.package,)
        own = sorted(path for path in self.module.rglob("*.go") if not path.name.endswith("_test.go"))
        return (self.module / "go.mod", self.module / "go.sum", *own)


def _kubernetes(name: str) -> Tool:
    return Tool(name, TOOLS_DIR / "kubernetes", f"k8s.io/kubernetes/cmd/{name}", ldflags=_KUBERNETES_LDFLAGS)


def _containerd(name: str) -> Tool:
    package = f"github.com/containerd/containerd/v2/cmd/{name}"
    return Tool(name, TOOLS_DIR / "containerd", package, tags="no_btrfs no_devmapper no_zfs")


CLUSTER_TOOLS = (
    Tool("etcd", TOOLS_DIR / "etcd", "go.etcd.io/etcd/server/v3"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    _kubernetes("kubectl"),
    _containerd("containerd"),
    _containerd("containerd-shim-runc-v2"),
    _containerd("ctr"),
    Tool("runc", TOOLS_DIR / "runc", "github.com/opencontainers/runc", tags="seccomp", cgo=True),
    Tool("coredns", TOOLS_DIR / "coredns", "github.com/coredns/coredns"),
    Tool("helm", TOOLS_DIR / "helm", "helm.sh/helm/v3/cmd/helm", ldflags=_HELM_LDFLAGS),
    Tool("pause", TOOLS_DIR / "pause", "pause.c"),
)
EXTRA_TOOLS = (
    Tool("kind", TOOLS_DIR / "kind", "sigs.k8s.io/kind"),
    Tool("kwok", TOOLS_DIR / "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
)


def compute_key(tool: Tool, go_version: str) -> str:
    """Compute the cache key: tool, flags, Go version and the content of the sources."""
    digest = hashlib.sha256()
    for part in (tool.name, *tool.command, f"cgo={tool.cgo}", go_version):
        digest.update(part.encode() + b"\0")
    for source in tool.sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cached_path(tool: Tool, settings: Settings, go_version: str) -> Path:
    """Return where the cache keeps this tool, whether it is there or not."""
    return settings.cache / "tools" / f"{tool.name}-{compute_key(tool, go_version)}" / tool.name


def find_uncompiled(tools: Iterable[Tool], settings: Settings, go_version: str) -> tuple[Tool, ...]:
    """Name the tools the cache does not have."""
    return tuple(tool for tool in tools if not cached_path(tool, settings, go_version).exists())


def ensure_tools(tools: Iterable[Tool], settings: Settings, go_version: str) -> dict[str, Path]:
    """Compile what the cache lacks, with visible progress, and return every tool's path."""
    wanted = tuple(tools)
    if find_uncompiled(wanted, settings, go_version):
        with exclusively(settings, "tools"):
            # Asked again: another command may have compiled them while this one waited.
            missing = find_uncompiled(wanted, settings, go_version)
            for position, tool in enumerate(missing, start=1):
                _compile(tool, cached_path(tool, settings, go_version), progress=f"{position} of {len(missing)}")
    return {tool.name: cached_path(tool, settings, go_version) for tool in wanted}


def link_tools(paths: dict[str, Path], folder: Path) -> None:
    """Point the folder's links at the given programs; links that are right stay untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        link = folder / name
        if link.is_symlink() and link.readlink() == path:
            continue
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.symlink_to(path)
        temporary.replace(link)


def _compile(tool: Tool, target: Path, *, progress: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{tool.name}.{os.getpid()}")
    log = target.with_name("build.log")
    started = time.monotonic()
    print(f"compile {tool.name} ({progress}) …", flush=True)
    command = (*tool.command[:-1], "-o", str(temporary), tool.command[-1])
    env = {**os.environ, **tool.environment}
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=tool.module, env=env, stdout=stream, stderr=stream)
    try:
        while True:
            try:
                code = process.wait(timeout=HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                print(f"compile {tool.name} ({progress}) … {time.monotonic() - started:.0f} s", flush=True)
    except BaseException:
        process.kill()
        temporary.unlink(missing_ok=True)
        raise
    if code != 0:
        tail = "\n".join(log.read_text().splitlines()[-15:])
        raise DevclusterError(f"Compiling {tool.name} failed (whole log: {log}):\n{tail}")
    temporary.replace(target)
    print(f"compile {tool.name} ({progress}) done in {time.monotonic() - started:.0f} s", flush=True)
