"""The docker config Secret that build pods log in with: which hosts it is for, what it holds, when it is renewed."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.api.reasons import Reason
from buildandpush.core import naming
from buildandpush.core.azure.cloud import is_allowed_registry
from buildandpush.core.azure.credential import Connector, Resolved, inputs_of
from buildandpush.core.azure.service import SERVICES, Service
from buildandpush.core.azure.token import PULL_ALL
from buildandpush.core.facts import LoginNeed, LoginSecretRef, Waiting
from buildandpush.core.jsonvalue import parse_json

NULL_GUID: Final = "00000000-0000-0000-0000-000000000000"
"""The user name that tells an ACR that the password is a token of its own.
https://learn.microsoft.com/azure/container-registry/container-registry-authentication"""

DOCKER_CONFIG_KEY: Final = ".dockerconfigjson"
_RECORD_KEY: Final = "login.json"
_MARGIN: Final = timedelta(minutes=10)
_SPARE: Final = timedelta(minutes=1)
"""With less than that to its end a login might end on its way to the registry."""
_YEARS: Final = (2000, 9000)
"""Years outside of these overflow when a duration is added."""


@dataclass(frozen=True)
class Credentials:
    """The login to some hosts, and the certificates that the operator trusts for them."""

    hosts: tuple[str, ...]
    username: str
    password: str = field(repr=False)
    ca_bundle: str = ""

    @property
    def is_token(self) -> bool:
        """Whether the password is an ACR's refresh token, which the operator got for an identity of Entra ID."""
        return self.username == NULL_GUID


@dataclass(frozen=True)
class RegistryAccess:
    """One host of a login: its connector, and the repositories that a build pushes to there."""

    connector: Connector
    host: str
    push: tuple[str, ...] = ()
    """Repositories that the build must be allowed to push to, without the host."""
    cache: tuple[str, ...] = ()
    """Repositories that it caches layers in, without the host."""
    required: bool = True
    """Whether the build waits for this login: not where a base image may or may not come from there."""
    service: Service | None = None
    """None for a registry."""
    pull: tuple[str, ...] = ()
    """Repositories that its source is pulled from, without the host."""

    @property
    def repositories(self) -> tuple[str, ...]:
        """All repositories that a token is asked for, each once."""
        return tuple(dict.fromkeys((*self.push, *self.cache, *self.pull)))

    def reads_only(self, repository: str) -> bool:
        """Whether nothing is pushed to a repository."""
        return repository not in (*self.push, *self.cache)


@dataclass(frozen=True)
class RegistryToken:
    """The login to one host."""

    host: str
    username: str
    password: str = field(repr=False)
    version: str
    """What it was made from: a login of another version is made afresh."""
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    """None where it does not end."""
    is_access_token: bool = False
    """Whether it is an access token for some repositories rather than a user name and password."""

    @property
    def renew_at(self) -> datetime | None:
        """Half of its life, but at least ten minutes before its end if it lives that long."""
        if self.issued_at is None or self.expires_at is None:
            return None
        half = self.issued_at + (self.expires_at - self.issued_at) / 2
        early = self.expires_at - _MARGIN
        return min(half, early) if early > self.issued_at else half

    def lives(self, version: str, now: datetime) -> bool:
        """Whether it still works. It may be due for renewal."""
        return self.version == version and (self.expires_at is None or now + _SPARE < self.expires_at)

    def is_fresh(self, version: str, now: datetime) -> bool:
        """Whether it works and is not due for renewal."""
        renew_at = self.renew_at
        return self.version == version and (renew_at is None or now < renew_at)


# ---- which hosts


def check_registry(connector: Connector, host: str) -> Waiting | None:
    """Whether the connector may be used for this host: its login goes nowhere else."""
    spec, name = connector.spec, connector.name
    if host in SERVICES:
        return Waiting(
            Reason.CONNECTOR_INVALID,
            f"connector {name!r} names {host} as a registry, which is {SERVICES[host].name}; take it out of registries",
        )
    if spec.registries and host not in spec.registries:
        served = ", ".join(spec.registries)
        return Waiting(
            Reason.CONNECTOR_INVALID, f"connector {name!r} serves {served}, not {host}; add the host to its registries"
        )
    if spec.registry_credentials is None and not is_allowed_registry(spec, host):
        remedy = "add the host to its allowedRegistries if it is one of your registries"
        if "." not in host:
            remedy = f"write the registry's whole host name, such as {host}.azurecr.io"
        return Waiting(
            Reason.CONNECTOR_INVALID, f"connector {name!r} must not send its identity's token to {host}; {remedy}"
        )
    return None


def plan_access(
    needs: Sequence[LoginNeed], connectors: Mapping[str, Connector]
) -> tuple[RegistryAccess, ...] | Waiting:
    """The hosts of one login, each with the connector that serves it, or the reason why there is no such login.

    The connector of the push logs in to all its registries, because base images may come from there.
    """
    accesses: dict[str, RegistryAccess] = {}
    for need in needs:
        connector = connectors[need.connector]
        refused = _check_base(connector, need)
        if refused is not None:
            return refused
        if need.service:
            accesses[need.service] = RegistryAccess(connector, need.service, service=SERVICES[need.service])
            continue
        for host in _hosts_of(connector, need):
            refused = check_registry(connector, host)
            known = accesses.get(host)
            if refused is None and known is not None and known.connector.uid != connector.uid:
                names = f"{known.connector.name!r} and {connector.name!r}"
                message = f"connectors {names} both serve {host}, and a build has one login for a host"
                refused = Waiting(Reason.CONNECTOR_INVALID, f"{message}; take it out of the registries of one")
            if refused is not None:
                return refused
            push = tuple(dict.fromkeys((*(known.push if known else ()), *_paths(need.push, host))))
            cache = tuple(dict.fromkeys((*(known.cache if known else ()), *_paths(need.cache, host))))
            pull = tuple(dict.fromkeys((*(known.pull if known else ()), *_paths(need.pull, host))))
            required = not need.hosts or host in need.hosts or bool(known and known.required)
            accesses[host] = RegistryAccess(connector, host, push, cache, required, pull=pull)
    return _check_pushes(needs, accesses) or tuple(accesses[host] for host in sorted(accesses))


def _paths(names: Iterable[str], host: str) -> list[str]:
    """The repositories of one host, without it."""
    return [name.split("/", 1)[1] for name in names if name.split("/", 1)[0] == host]


def _hosts_of(connector: Connector, need: LoginNeed) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*need.hosts, *(connector.spec.registries or ())]))


def _check_base(connector: Connector, need: LoginNeed) -> Waiting | None:
    """A connector for base images has to name their hosts."""
    if need.service and connector.spec.registry_credentials is not None:
        name = SERVICES[need.service].name
        message = f"connector {connector.name!r} has registryCredentials, which {name} does not take"
        return Waiting(Reason.CONNECTOR_INVALID, f"{message}; name a connector with an identity of Entra ID")
    if need.service or need.hosts:
        return None
    if not connector.spec.registries:
        message = f"connector {connector.name!r} names no registries, so it serves no base images"
        return Waiting(Reason.CONNECTOR_INVALID, f"{message}; name their hosts in its registries")
    return None


def _check_pushes(needs: Sequence[LoginNeed], accesses: Mapping[str, RegistryAccess]) -> Waiting | None:
    """Every host that the build pushes to has a login, also the host of the cache."""
    for name in (name for need in needs for name in (*need.push, *need.cache)):
        host = name.split("/", 1)[0]
        if host not in accesses:
            message = f"no connector of this build serves {host}, where {name} is pushed to"
            return Waiting(Reason.CONNECTOR_INVALID, f"{message}; name one that does in baseImageConnectorRefs")
    return None


def login_version(resolved: Resolved, push: Sequence[str] = ()) -> str:
    """A hash of everything that a login is made from. The operator makes a new login when it changes."""
    connector = resolved.connector
    scope = [*sorted(push), PULL_ALL] if connector.spec.login_scope == "Repository" else []
    parts = [connector.uid, str(connector.generation), connector.verify, resolved.inputs, scope]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


# ---- the Secret


def build_login_secret(namespace: str, accesses: Sequence[RegistryAccess], logins: Sequence[RegistryToken]) -> Manifest:
    """The Secret that build pods mount, owned by the connectors whose logins it holds."""
    connectors = {access.connector.uid: access.connector for access in accesses}
    scoped = {
        f"{access.host}/{path}{':pull' if access.reads_only(path) else ''}"
        for access in accesses
        for path in access.repositories
        if _is_scoped(access)
    }
    services = {access.host: access.service for access in accesses if access.service}
    by_host = sorted(logins, key=lambda item: item.host)
    auths = {login.host: _entry(login) for login in by_host if login.host not in services}
    data = {
        DOCKER_CONFIG_KEY: _encode(json.dumps({"auths": auths}, sort_keys=True)),
        _RECORD_KEY: _encode(json.dumps([_record(login) for login in logins], sort_keys=True)),
    }
    # kaniko's container mounts the docker config alone, and the source's container one of these keys alone.
    for login in by_host:
        if login.host in services:
            data[services[login.host].key] = _encode(login.password)
    for access in accesses:
        if access.connector.spec.ca_bundle and not access.service:
            data[naming.ca_file(access.host)] = _encode(access.connector.spec.ca_bundle)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": naming.login_secret_name(connectors, (access.host for access in accesses), scoped),
            "namespace": namespace,
            "labels": {meta.LABEL_MANAGED_BY: meta.COMPONENT, meta.LABEL_LOGIN: "true"},
            "ownerReferences": [
                {
                    "apiVersion": meta.API_VERSION,
                    "kind": meta.CONNECTOR_KIND,
                    "name": connectors[uid].name,
                    "uid": uid,
                }
                for uid in sorted(connectors)
            ],
        },
        "data": data,
    }


def read_login_secret(secret: Mapping[str, Any]) -> dict[str, RegistryToken]:
    """The logins in a login Secret, by host. Empty if the Secret cannot be read; the operator then makes new logins."""
    data = secret.get("data") or {}
    try:
        auths = parse_json(base64.b64decode(data[DOCKER_CONFIG_KEY]))["auths"]
        records = parse_json(base64.b64decode(data[_RECORD_KEY]))
        for service in SERVICES.values():
            if service.key in data:
                auths = {**auths, service.host: {"registrytoken": base64.b64decode(data[service.key]).decode()}}
        found = (_read_record(record, auths[record["host"]]) for record in records)
        return {login.host: login for login in found}
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        return {}


def _is_scoped(access: RegistryAccess) -> bool:
    return access.connector.spec.login_scope == "Repository"


def _entry(login: RegistryToken) -> dict[str, str]:
    # https://github.com/docker/cli/blob/master/cli/config/types/authconfig.go; `auth` is what every tool understands.
    if login.is_access_token:
        return {"registrytoken": login.password}
    return {"auth": _encode(f"{login.username}:{login.password}")}


def _record(login: RegistryToken) -> dict[str, Any]:
    return {
        "host": login.host,
        "version": login.version,
        "issuedAt": login.issued_at.isoformat() if login.issued_at else None,
        "expiresAt": login.expires_at.isoformat() if login.expires_at else None,
    }


def _read_record(record: Mapping[str, Any], entry: Mapping[str, str]) -> RegistryToken:
    token = entry.get("registrytoken")
    if token is not None and not isinstance(token, str):
        raise TypeError("registrytoken is no text")
    username, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    login = RegistryToken(record["host"], username, token or password, record["version"])
    return replace(
        login,
        issued_at=_read_time(record.get("issuedAt")),
        expires_at=_read_time(record.get("expiresAt")),
        is_access_token=token is not None,
    )


def _read_time(text: str | None) -> datetime | None:
    """A time of a record. Raises ValueError or TypeError for a time that cannot be used in a calculation."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or not _YEARS[0] <= found.year <= _YEARS[1]:
        raise ValueError(f"{text} is no time of ours")
    return found


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def describe_login(
    secret: Manifest, accesses: Sequence[RegistryAccess], resolved: Iterable[Resolved]
) -> LoginSecretRef:
    """The parts of the Secret that a build needs."""
    registries = [access for access in accesses if not access.service]
    ca_hosts = tuple(item.host for item in registries if item.connector.spec.ca_bundle)
    identities = tuple(item.host for item in registries if item.connector.spec.registry_credentials is None)
    hosts = tuple(item.host for item in registries)
    return LoginSecretRef(
        secret["metadata"]["name"], ca_hosts, inputs_of(resolved), identity_hosts=identities, hosts=hosts
    )


def is_ours(secret: Mapping[str, Any], connector_uids: Set[str]) -> bool:
    """Whether a Secret is a login Secret of these connectors. The operator updates and deletes only Secrets with its
    label and these owners."""
    labels = (secret.get("metadata") or {}).get("labels") or {}
    return labels.get(meta.LABEL_LOGIN) == "true" and connector_uids <= owners_of(secret)


def owners_of(secret: Mapping[str, Any]) -> Set[str]:
    """The uids of a Secret's owners."""
    references = (secret.get("metadata") or {}).get("ownerReferences") or ()
    return {reference["uid"] for reference in references if reference.get("uid")}
