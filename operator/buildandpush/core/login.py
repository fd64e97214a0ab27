"""The docker config Secret that build pods log in with: what it holds, and whether one that exists is ours."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from buildandpush.api import meta
from buildandpush.api.connector import AzureConnectorSpec
from buildandpush.api.reasons import Reason
from buildandpush.core import naming
from buildandpush.core.kaniko import CA_FILE
from buildandpush.core.manifest import Login, Manifest
from buildandpush.core.world import Waiting

_USERNAME, _PASSWORD = "username", "password"


@dataclass(frozen=True)
class Credentials:
    """A user name and password for some hosts, and the certificates those hosts are trusted by."""

    hosts: tuple[str, ...]
    username: str
    password: str = field(repr=False)
    ca_bundle: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    """The Secret these were read from, with its uid and version."""


@dataclass(frozen=True)
class Connector:
    """One AzureConnector as the API server holds it."""

    namespace: str
    name: str
    uid: str
    spec: AzureConnectorSpec


def check_registry(connector: Connector, registry: str) -> Waiting | None:
    """Whether the connector may be used for this registry: its login goes nowhere else."""
    if registry in connector.spec.registries:
        return None
    served = ", ".join(connector.spec.registries)
    return Waiting(
        Reason.CONNECTOR_INVALID,
        f"connector {connector.name!r} serves {served}, not {registry}; add the host to its registries",
    )


def read_credentials(connector: Connector, secret: Mapping[str, Any] | None) -> Credentials | Waiting:
    """The credentials in a Secret, or what is missing in it."""
    name = connector.spec.registry_credentials.secret_ref.name
    if secret is None:
        return Waiting(Reason.SECRET_MISSING, f"Secret {name!r}, which connector {connector.name!r} names")
    data = secret.get("data") or {}
    missing = [key for key in (_USERNAME, _PASSWORD) if not data.get(key)]
    if missing:
        return Waiting(Reason.SECRET_MISSING, f"key {' and '.join(missing)} in Secret {name!r}")
    try:
        username, password = (base64.b64decode(data[key]).decode() for key in (_USERNAME, _PASSWORD))
    except (binascii.Error, UnicodeDecodeError):
        return Waiting(Reason.SECRET_MISSING, f"text in Secret {name!r}: username and password must be UTF-8")
    if ":" in username:
        return Waiting(Reason.SECRET_MISSING, f"user name in Secret {name!r} that works: it must not hold a colon")
    metadata = secret.get("metadata") or {}
    version = f"{metadata.get('uid', '')}/{metadata.get('resourceVersion', '')}"
    return Credentials(
        hosts=tuple(connector.spec.registries),
        username=username,
        password=password,
        ca_bundle=connector.spec.ca_bundle or "",
        inputs=((f"Secret/{name}", version),),
    )


def build_login_secret(connector: Connector, credentials: Credentials) -> Manifest:
    """The Secret that build pods mount."""
    auth = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    config = json.dumps({"auths": {host: {"auth": auth} for host in sorted(credentials.hosts)}}, sort_keys=True)
    data = {".dockerconfigjson": base64.b64encode(config.encode()).decode()}
    if credentials.ca_bundle:
        data[CA_FILE] = base64.b64encode(credentials.ca_bundle.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": naming.login_secret_name((connector.uid,), credentials.hosts),
            "namespace": connector.namespace,
            "labels": {meta.LABEL_MANAGED_BY: meta.COMPONENT, meta.LABEL_LOGIN: "true"},
            "ownerReferences": [
                {
                    "apiVersion": meta.API_VERSION,
                    "kind": meta.CONNECTOR_KIND,
                    "name": connector.name,
                    "uid": connector.uid,
                }
            ],
        },
        "data": data,
    }


def describe_login(secret: Manifest, credentials: Credentials) -> Login:
    """What a build needs to know of the Secret."""
    ca_hosts = tuple(sorted(credentials.hosts)) if credentials.ca_bundle else ()
    return Login(secret["metadata"]["name"], ca_hosts, credentials.inputs)


def is_ours(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an existing Secret is this login: only with our label and its owner is it ever updated."""
    metadata = existing.get("metadata") or {}
    owners = {ref.get("uid") for ref in metadata.get("ownerReferences") or ()}
    labels = metadata.get("labels") or {}
    return labels.get(meta.LABEL_LOGIN) == "true" and wanted["metadata"]["ownerReferences"][0]["uid"] in owners
