"""The emulated Azure's secrets and configuration; components.py starts the process."""

import secrets
from pathlib import Path
from typing import Any

from devcluster.machine.shell import write_file
from devcluster.settings import PACKAGE_DIR, Settings

DEMO_SECRET = "demo-secret"  # noqa: S105 - the name of a file


def list_secrets(settings: Settings) -> dict[str, Path]:
    """List the secrets that azure/world.yaml names, and where they are."""
    return {"registry-password": settings.registry_password, DEMO_SECRET: settings.azure / DEMO_SECRET}


def ensure_azure_secrets(settings: Settings) -> None:
    """Make the random secrets once."""
    path = settings.azure / DEMO_SECRET
    if not path.exists():
        write_file(path, secrets.token_urlsafe(30), mode=0o600)


def read_demo_secret(settings: Settings) -> str:
    """Read the secret of the application that the examples log in as."""
    return (settings.azure / DEMO_SECRET).read_text()


def build_azure_config(settings: Settings) -> dict[str, Any]:
    """Build the configuration that devcluster.azure is started with."""
    gateway, ports = settings.network.gateway, settings.ports
    return {
        "world": str(PACKAGE_DIR / "azure" / "world.yaml"),
        "secrets": {name: str(path) for name, path in list_secrets(settings).items()},
        "certificate": str(settings.pki / "registry.crt"),
        "key": str(settings.pki / "registry.key"),
        "service_account_key": str(settings.pki / "sa.pub"),
        "signing_key": str(settings.azure / "signing-key"),
        "upstream": f"127.0.0.1:{ports.registry_behind}",
        "repositories": str(settings.azure / "repositories"),
        "address_host": settings.registry_host,
        "public": {"host": gateway, "port": ports.registry},
        "control": {"host": "127.0.0.1", "port": ports.azure_control},
        "node": {"host": gateway, "port": ports.azure_node},
    }
