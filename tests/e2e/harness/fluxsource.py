"""Flux as a test plays it: its own CRDs, and objects whose status names artifacts that a real web server has."""

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from tests.artifacts import digest_of
from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.waiting import eventually
from tests.fileserver import Answer, FileServer

_MODULE: Final = "github.com/fluxcd/source-controller"
_GROUP: Final = "source.toolkit.fluxcd.io"
_PLURALS: Final = {"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets"}
_SPECS: Final[dict[str, Object]] = {
    "GitRepository": {"interval": "1m", "url": "https://git.invalid/shop.git"},
    "OCIRepository": {"interval": "1m", "url": "oci://registry.invalid/shop"},
    "Bucket": {"interval": "1m", "endpoint": "bucket.invalid", "bucketName": "shop"},
}


def install_crds(api: Api) -> None:
    """Apply the CRDs of the pinned Flux: from its Go module, whose checksum go compares."""
    folder = _find_module() / "config/crd/bases"
    for plural in _PLURALS.values():
        manifest = yaml.safe_load((folder / f"{_GROUP}_{plural}.yaml").read_text())
        name = manifest["metadata"]["name"]
        api.apply(manifest)
        eventually(lambda name=name: _is_established(api, name), f"CRD {name} is served", within=30)


def _find_module() -> Path:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    command = ["go", "mod", "download", "-json", _MODULE]
    folder = Path(__file__).parent / "flux"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])


def _is_established(api: Api, name: str) -> bool:
    conditions = (api.get("CustomResourceDefinition", name).get("status") or {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


@dataclass(frozen=True)
class FluxObject:
    """One object, and the server of its artifacts."""

    api: Api
    server: FileServer
    namespace: str
    kind: str
    name: str

    @property
    def source(self) -> Object:
        """The source of a build that names it."""
        return {"fluxSource": {"kind": self.kind, "name": self.name}}

    def create(self) -> None:
        """Create it, with nothing fetched yet."""
        metadata = {"name": self.name, "namespace": self.namespace}
        manifest = {"apiVersion": f"{_GROUP}/v1", "kind": self.kind, "metadata": metadata, "spec": _SPECS[self.kind]}
        self.api.create(manifest)

    def serve(self, content: bytes, revision: str, digest: str = "") -> str:
        """Serve an artifact and name it in the status, as source-controller does. Gives back its digest there."""
        named = digest or digest_of(content)
        path = f"/{_PLURALS[self.kind]}/{self.namespace}/{self.name}/{named.partition(':')[2]}.tar.gz"
        self.server.answers[path] = [Answer(content)]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        artifact: dict[str, Any] = {
            "path": path.removeprefix("/"),
            "url": self.server.url(path),
            "revision": revision,
            "digest": named,
            "size": len(content),
            "lastUpdateTime": now,
        }
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": f"stored artifact for revision '{revision}'",
            "lastTransitionTime": now,
        }
        status = {"observedGeneration": 1, "artifact": artifact, "conditions": [ready]}
        self.api.patch_status(self.kind, self.name, self.namespace, status)
        return named
