"""Renders shell exports for programs that use the cluster. All values come from settings.py."""

import os
import shlex
from collections.abc import Mapping

from devcluster.settings import Settings, build_no_proxy

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def build_environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Build the variables for users of the cluster; PATH is left to render_exports, which extends it."""
    proxied = any(environ.get(name) for name in _PROXY_VARIABLES)
    return {
        **({"NO_PROXY": build_no_proxy(settings, environ)} if proxied else {}),
        "KUBECONFIG": str(settings.kubeconfig),
        "CONTAINERD_ADDRESS": str(settings.containerd_socket),
        "CONTAINERD_NAMESPACE": "k8s.io",
        "DEVCLUSTER_STATE": str(settings.state),
        "DEVCLUSTER_GATEWAY": settings.network.gateway,
        "DEVCLUSTER_REGISTRY": settings.registry_host,
        "DEVCLUSTER_REGISTRY_ADDRESS": settings.registry_address,
        "DEVCLUSTER_REGISTRY_USER": settings.registry_user,
        "DEVCLUSTER_REGISTRY_PASSWORD_FILE": str(settings.registry_password),
        "DEVCLUSTER_REGISTRY_DOCKERCONFIG": str(settings.registry_dockerconfig),
        "DEVCLUSTER_CA_FILE": str(settings.ca_certificate),
    }


def render_exports(settings: Settings) -> str:
    """Render the lines for `eval "$(python -m devcluster env)"`."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in build_environment(settings).items()]
    lines.append(f'export PATH={shlex.quote(str(settings.bin))}:"$PATH"')
    return "\n".join(lines)
