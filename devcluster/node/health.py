"""Asks the components whether they are ready; each check is quick, and returns False instead of raising."""

import http.client
import json
import ssl
import urllib.error
import urllib.request

from devcluster.errors import DevclusterError
from devcluster.machine.shell import run
from devcluster.settings import NODE_NAME, Settings

_TIMEOUT_SECONDS = 2.0


def answers(
    url: str, *, containing: str = "", settings: Settings | None = None, statuses: tuple[int, ...] = (200,)
) -> bool:
    """Tell whether a URL answers as wanted; for https, `settings` give the authority and the admin's certificate."""
    try:
        status, body = _fetch(url, settings)
    except (OSError, http.client.HTTPException):
        return False
    return status in statuses and containing in body


def containerd_answers(settings: Settings) -> bool:
    """Tell whether containerd serves its API."""
    if not settings.containerd_socket.exists():
        return False
    try:
        run((settings.bin / "ctr", "--address", settings.containerd_socket, "version"), timeout_seconds=5)
    except DevclusterError:
        return False
    return True


def read_node(settings: Settings) -> dict[str, str]:
    """Read the node's Ready condition and version; `ready` is True, False, Unknown, or empty without a node."""
    try:
        status, body = _fetch(f"{settings.api_url}/api/v1/nodes/{NODE_NAME}", settings)
    except (OSError, http.client.HTTPException):
        return {"ready": "", "message": "the API server does not answer"}
    if status != 200:
        return {"ready": "", "message": f"the node is not registered (HTTP {status})"}
    node = json.loads(body)["status"]
    ready: dict[str, str] = next((one for one in node.get("conditions", []) if one["type"] == "Ready"), {})
    info = node.get("nodeInfo", {})
    return {
        "ready": ready.get("status", ""),
        "message": ready.get("message", ""),
        "kubelet": info.get("kubeletVersion", ""),
        "runtime": info.get("containerRuntimeVersion", ""),
        "os": info.get("osImage", ""),
        "kernel": info.get("kernelVersion", ""),
    }


def has_default_account(settings: Settings) -> bool:
    """Tell whether the default service account is there, without which no pod is admitted."""
    url = f"{settings.api_url}/api/v1/namespaces/default/serviceaccounts/default"
    return answers(url, settings=settings)


def _fetch(url: str, settings: Settings | None) -> tuple[int, str]:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if settings is not None:
        context = ssl.create_default_context(cafile=str(settings.ca_certificate))
        context.load_cert_chain(settings.pki / "admin.crt", settings.pki / "admin.key")
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read().decode(errors="replace")
