"""The emulated Azure for the bench, with one image in memory that stands under every name.

    python -m bench.registry CONFIG.json

A registry behind it would take as much of the machine as the operator that is measured.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from devcluster.azure.server import Azure, read_config
from devcluster.azure.upstream import Upstream

TAG: Final = "latest"
_CONFIG: Final = json.dumps({"os": "linux", "architecture": "amd64", "config": {}}).encode()
_CONFIG_DIGEST: Final = f"sha256:{hashlib.sha256(_CONFIG).hexdigest()}"
_CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
_MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
_LAYER: Final = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1, "digest": _CONFIG_DIGEST}
_MANIFEST: Final = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "size": len(_CONFIG), "digest": _CONFIG_DIGEST},
        "layers": [_LAYER],
    }
).encode()
DIGEST: Final = f"sha256:{hashlib.sha256(_MANIFEST).hexdigest()}"
"""Of the image."""


class OneImage(Upstream):
    """A registry that has the same image, with the one tag, in every repository."""

    async def forward(
        self,
        request: web.BaseRequest,
        host: str,
        changes: Mapping[str, str],
        *,
        on_status: Callable[[int], None],
        truncate_bytes: int = 0,
    ) -> web.StreamResponse:
        """The answer to a request for a manifest or a blob."""
        del host, changes, truncate_bytes
        status, headers, body = _find(request.path)
        on_status(status)
        return web.Response(status=status, headers=headers, body=body)

    async def read_json(
        self, host: str, path: str, accept: str = "application/json"
    ) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        """What the metadata API asks the registry."""
        del host, accept
        status, headers, body = _find(path)
        return status, headers, json.loads(body) if status == 200 else {}


def _find(path: str) -> tuple[int, dict[str, str], bytes]:
    last = path.rsplit("/", 1)[-1]
    if path.endswith("/tags/list"):
        return 200, {"Content-Type": "application/json"}, json.dumps({"tags": [TAG]}).encode()
    if "/manifests/" in path and last in (TAG, DIGEST):
        return 200, {"Content-Type": _MANIFEST_TYPE, "Docker-Content-Digest": DIGEST}, _MANIFEST
    if path.endswith(f"/blobs/{_CONFIG_DIGEST}"):
        return 200, {"Content-Type": "application/octet-stream"}, _CONFIG
    return 404, {"Content-Type": "application/json"}, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "none"}]}'


if __name__ == "__main__":
    asyncio.run(Azure(read_config(Path(sys.argv[1])), OneImage("")).run())
