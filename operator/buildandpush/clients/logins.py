"""Logins: reads a connector and its Secret and keeps the docker config Secret of the build pods up to date."""

from buildandpush.api.meta import CONNECTOR_PLURAL
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, NotFoundError
from buildandpush.clients.kubernetes import KubernetesClient, Object
from buildandpush.core.connector import parse_connector
from buildandpush.core.login import (
    Connector,
    Credentials,
    build_login_secret,
    check_registry,
    describe_login,
    is_ours,
    read_credentials,
)
from buildandpush.core.manifest import Login
from buildandpush.core.world import Waiting


async def read_connector(client: KubernetesClient, namespace: str, name: str) -> Connector | Waiting:
    """The connector of this name, or that it is missing."""
    try:
        raw = await client.read_custom(CONNECTOR_PLURAL, namespace, name)
    except NotFoundError:
        return Waiting(Reason.CONNECTOR_MISSING, f"AzureConnector {name!r} in namespace {namespace!r}")
    return parse_connector(raw)


async def fetch_credentials(client: KubernetesClient, connector: Connector) -> Credentials | Waiting:
    """What the connector logs in with, read afresh from its Secret."""
    try:
        name = connector.spec.registry_credentials.secret_ref.name
        secret: Object | None = await client.read_secret(connector.namespace, name)
    except NotFoundError:
        secret = None
    return read_credentials(connector, secret)


async def ensure_login(client: KubernetesClient, namespace: str, connector_ref: str, registry: str) -> Login | Waiting:
    """A login Secret that build pods can mount, made or renewed where needed; or what it waits for."""
    connector = await read_connector(client, namespace, connector_ref)
    if isinstance(connector, Waiting):
        return connector
    refused = check_registry(connector, registry)
    if refused is not None:
        return refused
    credentials = await fetch_credentials(client, connector)
    if isinstance(credentials, Waiting):
        return credentials
    wanted = build_login_secret(connector, credentials)
    existing = await _ensure_secret(client, wanted)
    if not is_ours(existing, wanted):
        name = wanted["metadata"]["name"]
        return Waiting(Reason.NAME_COLLISION, f"Secret {name!r} was not made by the operator")
    return describe_login(wanted, credentials)


async def _ensure_secret(client: KubernetesClient, wanted: Object) -> Object:
    """Create the Secret or bring the one that is ours up to date; a foreign one comes back as it is."""
    namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
    try:
        existing = await client.read_secret(namespace, name)
    except NotFoundError:
        try:
            return await client.create_secret(wanted)
        except ConflictError:
            existing = await client.read_secret(namespace, name)
    if is_ours(existing, wanted) and existing.get("data") != wanted["data"]:
        version = existing["metadata"]["resourceVersion"]
        # null removes keys that are no longer wanted, as a merge patch would keep them.
        gone = dict.fromkeys(set(existing.get("data") or {}) - set(wanted["data"]))
        body = {"metadata": {"resourceVersion": version}, "data": {**gone, **wanted["data"]}}
        return await client.patch_secret(namespace, name, body)
    return existing
