"""The registry's login and configuration, and pushing to it; components.py starts the process."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import bcrypt

from devcluster.machine.shell import run, write_file
from devcluster.settings import Settings, build_no_proxy


def ensure_registry_login(settings: Settings) -> None:
    """Make the registry user's random password once, with the two files that are derived from it."""
    folder = settings.registry_password.parent
    htpasswd = folder / "htpasswd"
    if settings.registry_password.exists() and htpasswd.exists() and settings.registry_dockerconfig.exists():
        return
    password = secrets.token_urlsafe(24)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=8)).decode()
    write_file(htpasswd, f"{settings.registry_user}:{hashed}\n", mode=0o600)
    login = json.dumps(build_dockerconfig(settings, password), indent=2)
    write_file(settings.registry_dockerconfig, login, mode=0o600)
    write_file(settings.registry_password, password, mode=0o600)


def build_dockerconfig(settings: Settings, password: str) -> dict[str, Any]:
    """Build the login in the form of ~/.docker/config.json, for the registry's name and for its address."""
    auth = base64.b64encode(f"{settings.registry_user}:{password}".encode()).decode()
    hosts = (settings.registry_host, settings.registry_address)
    entry = {"username": settings.registry_user, "password": password, "auth": auth}
    return {"auths": dict.fromkeys(hosts, entry)}


def build_registry_config(settings: Settings) -> dict[str, Any]:
    """Build docker-registry's configuration."""
    folder = settings.registry_password.parent
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "storage")},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {
            # Only the emulated Azure, which asks for logins, comes here.
            "addr": f"127.0.0.1:{settings.ports.registry_behind}",
            # Upload addresses without a host serve callers by name and callers by address alike.
            "relativeurls": True,
        },
    }


def push_image(settings: Settings, archive: Path, repository: str) -> str:
    """Push a docker-archive to `repository` (name:tag) of the registry; return the name pods use for it."""
    run(
        (
            "skopeo",
            "copy",
            "--quiet",
            "--retry-times=2",
            f"--authfile={settings.registry_dockerconfig}",
            f"--dest-cert-dir={_ensure_certificate_folder(settings)}",
            f"docker-archive:{archive}",
            f"docker://{settings.registry_address}/{repository}",
        ),
        env={"NO_PROXY": build_no_proxy(settings)},
    )
    return f"{settings.registry_host}/{repository}"


def _ensure_certificate_folder(settings: Settings) -> Path:
    # skopeo takes every *.crt in a folder for an authority and *.key for a client's: pki/ itself will not do.
    folder = settings.config / "registry-ca"
    write_file(folder / "ca.crt", settings.ca_certificate.read_text())
    return folder
