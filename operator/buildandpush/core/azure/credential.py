"""What a connector logs in with, read from its spec and its Secret."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from buildandpush.api.connector import (
    DEFAULT_SECRET_KEY,
    DEFAULT_SERVICE_ACCOUNT,
    AzureConnectorSpec,
    Identity,
    ServicePrincipal,
)
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.cloud import find_cloud
from buildandpush.core.facts import Waiting
from buildandpush.core.fingerprint import digest_values
from buildandpush.core.settings import LoginSettings

_USERNAME, _PASSWORD = "username", "password"
_CERTIFICATE, _PRIVATE_KEY = "tls.crt", "tls.key"
_BEGIN_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_END_OF_KEY: Final = b"PRIVATE KEY-----"
_BEGIN, _END = b"-----BEGIN ", b"-----END "
_MAX_KEY: Final = 3600
"""Bytes of a private key in PEM form: one of 4096 bits has some 3,300. The check of a longer one takes up to hours, and
nothing else runs in the process meanwhile."""


@dataclass(frozen=True)
class Connector:
    """One AzureConnector as the API server holds it."""

    namespace: str
    name: str
    uid: str
    spec: AzureConnectorSpec
    generation: int = 0
    verify: str = ""
    """Value of the verify annotation; another one asks for a login afresh."""
    listed: frozenset[str] = frozenset()
    """Names of the login Secrets that its status lists."""


@dataclass(frozen=True)
class ClientSecret:
    """An application's client secret."""

    tenant_id: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ClientCertificate:
    """An application's certificate and private key, both in PEM form."""

    tenant_id: str
    client_id: str
    pem: bytes = field(repr=False)


@dataclass(frozen=True)
class FederatedIdentity:
    """An identity that trusts tokens of a service account."""

    tenant_id: str
    client_id: str
    service_account: str


@dataclass(frozen=True)
class NodeIdentity:
    """The managed identity of the operator's node."""

    client_id: str | None


@dataclass(frozen=True)
class UserPassword:
    """A user name and password of a registry."""

    username: str
    password: str = field(repr=False)


AzureCredential = ClientSecret | ClientCertificate | FederatedIdentity | NodeIdentity
Credential = AzureCredential | UserPassword


@dataclass(frozen=True)
class Resolved:
    """A connector with its credential, and the Secret it was read from with its uid and version."""

    connector: Connector
    credential: Credential
    inputs: tuple[tuple[str, str], ...] = ()


def check_allowed(connector: Connector, settings: LoginSettings) -> Waiting | None:
    """Whether the installer allows this credential here."""
    spec = connector.spec
    if spec.managed_identity is not None and connector.namespace not in settings.managed_identity_namespaces:
        detail = f"managedIdentity in namespace {connector.namespace!r}"
        return Waiting(Reason.CREDENTIAL_NOT_ALLOWED, detail, _allow("managedIdentityNamespaces"))
    identity = spec.workload_identity
    account = identity and (identity.service_account_name or DEFAULT_SERVICE_ACCOUNT)
    if account and account not in settings.identity_service_accounts:
        detail = f"workloadIdentity with service account {account!r}"
        return Waiting(Reason.CREDENTIAL_NOT_ALLOWED, detail, _allow("identityServiceAccounts"))
    if spec.custom_cloud is not None:
        cloud = find_cloud(spec)
        for host in (cloud.authority_host, cloud.resource_manager_host):
            if host is not None and host not in settings.authority_hosts:
                detail = f"cloud Custom with host {host}"
                return Waiting(Reason.CREDENTIAL_NOT_ALLOWED, detail, _allow("allowedAuthorityHosts"))
        if not spec.allowed_registries and spec.registry_credentials is None:
            detail = (
                f"connector {connector.name!r}: cloud Custom needs allowedRegistries, such as *.azurecr.example.com"
            )
            return Waiting(Reason.CONNECTOR_INVALID, detail)
    return None


def _allow(value: str) -> str:
    return f"Ask whoever installed the operator to name it in the chart's value azure.{value}, or log in otherwise."


def find_secret(spec: AzureConnectorSpec) -> str | None:
    """Name of the Secret that holds the credential; None for a credential without a Secret."""
    if spec.registry_credentials is not None:
        return spec.registry_credentials.secret_ref.name
    principal = spec.service_principal
    if principal is None:
        return None
    reference = principal.secret_ref or principal.certificate_ref
    return reference.name if reference else None


def read_credential(connector: Connector, secret: Mapping[str, Any] | None) -> Resolved | Waiting:
    """The credential, or what it lacks. `secret` is the Secret of `find_secret`, None if it does not exist."""
    spec = connector.spec
    if spec.workload_identity is not None:
        identity = spec.workload_identity
        account = identity.service_account_name or DEFAULT_SERVICE_ACCOUNT
        return Resolved(connector, FederatedIdentity(identity.tenant_id, identity.client_id, account))
    if spec.managed_identity is not None:
        return Resolved(connector, NodeIdentity(spec.managed_identity.client_id))
    name = find_secret(spec)
    if secret is None or name is None:
        return Waiting(Reason.SECRET_MISSING, f"Secret {name!r}, which connector {connector.name!r} names")
    data = secret.get("data") or {}
    found: Credential | Waiting
    if spec.service_principal is not None:
        found = _read_principal(spec, spec.service_principal, name, data)
    else:
        found = _read_user(name, data)
    if isinstance(found, Waiting):
        return found
    digest = digest_values({key: data.get(key) or "" for key in _used_keys(spec)})
    return Resolved(connector, found, ((f"Secret/{name}", digest),))


def inputs_of(resolved: Iterable[Resolved]) -> tuple[tuple[str, str], ...]:
    """The Secrets of several credentials, each once, whatever order the credentials are in."""
    pairs = sorted({pair for item in resolved for pair in item.inputs})
    return tuple(sorted(dict(pairs).items()))


def _used_keys(spec: AzureConnectorSpec) -> tuple[str, ...]:
    """The keys of the Secret that the credential is read from."""
    principal = spec.service_principal
    if principal is None:
        return _USERNAME, _PASSWORD
    if principal.secret_ref is not None:
        return (principal.secret_ref.key or DEFAULT_SECRET_KEY,)
    chosen = principal.certificate_ref.key if principal.certificate_ref else None
    return (chosen,) if chosen else (_CERTIFICATE, _PRIVATE_KEY)


def _read_principal(
    spec: AzureConnectorSpec, principal: ServicePrincipal, name: str, data: Mapping[str, str]
) -> ClientSecret | ClientCertificate | Waiting:
    tenant, client = principal.tenant_id, principal.client_id
    if principal.secret_ref is not None:
        key = principal.secret_ref.key or DEFAULT_SECRET_KEY
        text = _read_text(name, data, key)
        return text if isinstance(text, Waiting) else ClientSecret(tenant, client, text.strip())
    parts = [_read_bytes(name, data, key) for key in _used_keys(spec)]
    for part in parts:
        if isinstance(part, Waiting):
            return part
    pem = b"\n".join(part for part in parts if isinstance(part, bytes))
    if _BEGIN_CERTIFICATE not in pem:
        return Waiting(Reason.SECRET_MISSING, f"certificate in PEM form in Secret {name!r}")
    if _END_OF_KEY not in pem:
        return Waiting(
            Reason.SECRET_MISSING, f"private key in Secret {name!r}: there is a certificate in PEM form, but no key"
        )
    if any(len(part) > _MAX_KEY for part in _private_keys(pem)):
        told = f"private key of at most 4096 bits in Secret {name!r}: the one there is longer"
        return Waiting(Reason.SECRET_MISSING, told)
    return ClientCertificate(tenant, client, pem)


def _private_keys(pem: bytes) -> list[bytes]:
    parts = (part.partition(_END)[0] for part in pem.split(_BEGIN)[1:])
    return [part for part in parts if b"PRIVATE KEY-----" in part[:100]]


def _read_user(name: str, data: Mapping[str, str]) -> UserPassword | Waiting:
    missing = [key for key in (_USERNAME, _PASSWORD) if not data.get(key)]
    if missing:
        return Waiting(Reason.SECRET_MISSING, f"key {' and '.join(missing)} in Secret {name!r}")
    username, password = _read_text(name, data, _USERNAME), _read_text(name, data, _PASSWORD)
    for value in (username, password):
        if isinstance(value, Waiting):
            return Waiting(Reason.SECRET_MISSING, f"text in Secret {name!r}: username and password must be UTF-8")
    if ":" in str(username):
        return Waiting(Reason.SECRET_MISSING, f"user name in Secret {name!r} that works: it must not hold a colon")
    return UserPassword(str(username), str(password))


def _read_text(name: str, data: Mapping[str, str], key: str) -> str | Waiting:
    raw = _read_bytes(name, data, key)
    if isinstance(raw, Waiting):
        return raw
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Waiting(Reason.SECRET_MISSING, f"text under key {key} in Secret {name!r}: it must be UTF-8")


def _read_bytes(name: str, data: Mapping[str, str], key: str) -> bytes | Waiting:
    try:
        raw = base64.b64decode(data.get(key) or "", validate=False)
    except binascii.Error:
        raw = b""
    return raw or Waiting(Reason.SECRET_MISSING, f"key {key} in Secret {name!r}")


def describe_identity(spec: AzureConnectorSpec, credential: Credential | None = None) -> Identity:
    """Who a connector logs in as, for its status. Only a user name comes from the credential."""
    if spec.managed_identity is not None:
        return Identity(kind="managedIdentity", client_id=spec.managed_identity.client_id)
    for kind, given in (("servicePrincipal", spec.service_principal), ("workloadIdentity", spec.workload_identity)):
        if given is not None:
            return Identity(kind=kind, tenant_id=given.tenant_id, client_id=given.client_id)
    user = credential.username[:256] if isinstance(credential, UserPassword) else None
    return Identity(kind="registryCredentials", username=user)


def secrets_of(credential: Credential) -> tuple[str, ...]:
    """The parts of a credential that no status, Event or log may hold."""
    if isinstance(credential, ClientSecret):
        return (credential.secret,)
    return (credential.password,) if isinstance(credential, UserPassword) else ()
