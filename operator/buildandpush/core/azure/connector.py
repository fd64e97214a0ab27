"""Decides the status of an AzureConnector from its spec and from how its login went."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from buildandpush.api import meta
from buildandpush.api.connector import MAX_LOGINS, AzureConnectorSpec, AzureConnectorStatus, Identity, LoginStatus
from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.certificates import holds_certificates
from buildandpush.core.azure.credential import Connector, describe_identity
from buildandpush.core.azure.errors import LoginProblem
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.explain import describe, explain_value, name_field
from buildandpush.core.facts import Waiting
from buildandpush.core.newerfields import explain_newer, find_newer

_MAX_VERIFY = 128
_HEALS = frozenset({Reason.SECRET_MISSING, Reason.API_REFUSED, Reason.QUOTA_EXCEEDED})
"""What is looked at again without a change of the connector. Secret and connector may come in any order."""


@dataclass(frozen=True)
class LoggedIn:
    """A connector's login went well."""

    identity: Identity
    registries: tuple[str, ...] = ()
    """Registries that it is logged in to now."""
    checked: bool = True
    """Whether somebody was asked; a user name and password is only tried by a build."""
    expires_at: datetime | None = None
    """When the first of the logins ends unless renewed."""


Check = LoggedIn | LoginProblem | Waiting


def parse_connector(raw: Mapping[str, Any]) -> Connector | Waiting:
    """An AzureConnector object as a value, or the reason why the operator cannot use it."""
    metadata = raw["metadata"]
    name = metadata["name"]
    written = raw.get("spec") or {}
    newer = find_newer(meta.CONNECTOR_KIND, written)
    if newer is not None:
        return Waiting(Reason.CONNECTOR_INVALID, f"connector {name!r}: {newer}: {explain_newer()}")
    try:
        spec = AzureConnectorSpec.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problem = f"{name_field(first, written)}: {explain_value(first)}"
        return Waiting(Reason.CONNECTOR_INVALID, f"connector {name!r}: {problem}")
    wrong = _find_contradiction(spec)
    if wrong is not None:
        return Waiting(Reason.CONNECTOR_INVALID, f"connector {name!r}: {wrong}")
    verify = (metadata.get("annotations") or {}).get(meta.ANNOTATION_VERIFY) or ""
    return Connector(
        metadata["namespace"],
        name,
        metadata["uid"],
        spec,
        metadata.get("generation") or 0,
        verify[:_MAX_VERIFY],
        frozenset(login.secret_name for login in read_connector_status(raw).logins),
    )


def read_connector_status(raw: Mapping[str, Any]) -> AzureConnectorStatus:
    """The status of an AzureConnector object. Where it cannot be read, the logins that can: all else is found out
    again, and a login that is forgotten would never be removed."""
    status = raw.get("status") or {}
    try:
        return AzureConnectorStatus.model_validate(status)
    except ValidationError:
        logins = status.get("logins") if isinstance(status, Mapping) else None
        return AzureConnectorStatus(logins=list(_read_logins(logins)))


def _read_logins(raw: Any) -> Iterator[LoginStatus]:
    for item in raw if isinstance(raw, list) else ():
        try:
            yield LoginStatus.model_validate(item)
        except ValidationError:
            continue


def _find_contradiction(spec: AzureConnectorSpec) -> str | None:
    """The CRD's rules refuse the same, but for certificates that cannot be read. A connector may have been stored under
    older rules."""
    given = (spec.service_principal, spec.workload_identity, spec.managed_identity, spec.registry_credentials)
    if sum(item is not None for item in given) != 1:
        return "give exactly one of servicePrincipal, workloadIdentity, managedIdentity and registryCredentials"
    principal = spec.service_principal
    if principal is not None and (principal.secret_ref is None) == (principal.certificate_ref is None):
        return "servicePrincipal: give exactly one of secretRef and certificateRef"
    if spec.registry_credentials is not None and not spec.registries:
        return "registries: it is missing; name the hosts that the user name and password are for"
    if (spec.cloud == "Custom") != (spec.custom_cloud is not None):
        return "customCloud: it goes with cloud: Custom, and only with it"
    if spec.ca_bundle and not holds_certificates(spec.ca_bundle):
        return "caBundle: it holds what is no certificate in PEM form; compare it with the original"
    return None


def decide_connector(
    status: AzureConnectorStatus,
    generation: int,
    check: Check,
    now: datetime,
    *,
    spec: AzureConnectorSpec | None = None,
    logins: tuple[LoginStatus, ...] = (),
    verify: str = "",
) -> AzureConnectorStatus:
    """The connector's status: logged in, or why not, in Azure's own words and with the remedy. `spec` names the
    identity of a failed login."""
    conditions = ConditionSet(status.conditions, generation=generation, now=now)
    if isinstance(check, LoggedIn):
        reason = Reason.LOGGED_IN if check.checked else Reason.CREDENTIALS_FOUND
        conditions.set(ConditionType.READY, "True", reason, _describe_login(reason, check))
        conditions.drop(ConditionType.STALLED, ConditionType.RECONCILING)
    else:
        temporary = check.temporary if isinstance(check, LoginProblem) else check.reason in _HEALS
        message = (
            check.message if isinstance(check, LoginProblem) else describe(check.reason, check.message, check.remedy)
        )
        trouble, other = ConditionType.STALLED, ConditionType.RECONCILING
        if temporary:
            trouble, other = other, trouble
        unknown = check.reason is Reason.LOGGING_IN
        conditions.set(ConditionType.READY, "Unknown" if unknown else "False", check.reason, message)
        conditions.set(trouble, "True", check.reason, message)
        conditions.drop(other)
    login = check if isinstance(check, LoggedIn) else None
    failing = describe_identity(spec) if spec is not None else None
    return AzureConnectorStatus(
        observed_generation=generation,
        conditions=conditions.as_list(),
        identity=login.identity if login else failing,
        registries=list(login.registries) if login and login.checked else [],
        expires_at=login.expires_at if login else None,
        logins=list(logins[:MAX_LOGINS]),
        handled_verify=verify or None,
    )


def _describe_login(reason: Reason, check: LoggedIn) -> str:
    identity = check.identity
    who = f"user {identity.username!r}" if identity.username else f"client {identity.client_id or 'of the node'}"
    where = f" in tenant {identity.tenant_id}" if identity.tenant_id else ""
    hosts = f" for {', '.join(check.registries)}" if check.registries else ""
    return f"{describe(reason)} As {who}{where}{hosts}."
