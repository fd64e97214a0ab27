"""etcd forgets its history, as it does every few minutes in a real cluster."""

import base64
import json
import urllib.request
from typing import Any

from devcluster.settings import Settings


def compact_etcd(settings: Settings) -> None:
    """Forget every version but the present one: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/."""
    anything = base64.b64encode(b"/").decode()
    header = _post(settings, "range", {"key": anything, "limit": 1})["header"]
    _post(settings, "compaction", {"revision": header["revision"], "physical": True})


def _post(settings: Settings, method: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{settings.ports.etcd_client}/v3/kv/{method}"
    request = urllib.request.Request(url, data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        result: dict[str, Any] = json.load(answer)
        return result
