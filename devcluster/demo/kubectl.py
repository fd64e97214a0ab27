"""Calls kubectl for the demo; callers decide the arguments."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.machine.shell import run
from devcluster.settings import Settings, build_no_proxy

Manifest = dict[str, Any]

_FIELD_MANAGER = "devcluster-demo"


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one namespace of the cluster that the settings name."""

    settings: Settings
    namespace: str

    def call(self, *arguments: str, stdin: str | None = None, timeout_seconds: float = 300) -> str:
        """Run kubectl and return what it printed; raise DevclusterError with its words if it fails."""
        own = self.settings.bin / "kubectl"
        program = own if own.exists() else "kubectl"
        common = ("--kubeconfig", str(self.settings.kubeconfig), "--namespace", self.namespace)
        environment = {"NO_PROXY": build_no_proxy(self.settings)}
        return run((program, *common, *arguments), stdin=stdin, env=environment, timeout_seconds=timeout_seconds)

    def read_all(self, kind: str) -> dict[str, Manifest]:
        """Read the namespace's objects of a kind by name; none if there is no such namespace."""
        items = json.loads(self.call("get", kind, "--output=json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def apply(self, manifests: Sequence[Manifest]) -> None:
        """Apply the objects; applied again unchanged, they stay as they are."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        flags = ("--server-side", "--force-conflicts", f"--field-manager={_FIELD_MANAGER}")
        self.call("apply", *flags, "--filename=-", stdin=document)
