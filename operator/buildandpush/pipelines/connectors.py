"""AzureConnectors for the connectors that the steps name: from an exported connector, or one to fill in."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from buildandpush.api import meta
from buildandpush.api.connector import GUID_PATTERN, HOST_PATTERN, TENANT_PATTERN
from buildandpush.pipelines.fields import STAND_IN_REPOSITORY
from buildandpush.pipelines.names import name_connector
from buildandpush.pipelines.notes import Notes, join_names, shown
from buildandpush.pipelines.resource import Resource
from buildandpush.pipelines.values import Map, Value, as_map, as_text, look_up

_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_NOWHERE: Final = STAND_IN_REPOSITORY.split("/", maxsplit=1)[0]
_CLOUDS: Final = {"AZURE_US_GOVERNMENT": "AzureUSGovernment", "AZURE_CHINA": "AzureChina"}
_HOST: Final = re.compile(f"(?=.{{1,253}}$){HOST_PATTERN}")
_GUID: Final = re.compile(GUID_PATTERN)
_TENANT: Final = re.compile(f"(?=.{{1,253}}$){TENANT_PATTERN}")
_MOST_HOSTS: Final = 32
_DOCKER_HUB: Final = "index.docker.io"
_INSTALLER: Final = "managedIdentity works only in namespaces that the operator's installer allows"


def list_connectors(steps: Iterable[tuple[Resource, Map]], exported: Mapping[str, Map]) -> list[Resource]:
    """One AzureConnector for each name, in the order of the names. `steps` are resources with their step's settings."""
    hosts: dict[str, set[str]] = {}
    references: dict[str, set[str]] = {}
    pulls: set[str] = set()
    for resource, settings in steps:
        spec = resource.manifest["spec"]
        host = str(spec["repository"]).split("/")[0]
        if "connectorRef" not in spec:
            continue
        hosts.setdefault(spec["connectorRef"], set()).add(host)
        references.setdefault(spec["connectorRef"], set()).add(as_text(settings.get("connectorRef")))
        for name in spec.get("baseImageConnectorRefs", []):
            hosts.setdefault(name, set())
            pulls.add(name)
    return [
        _make(name, sorted(hosts[name] - {_NOWHERE}), references.get(name, set()), exported.get(name, {}), pulls)
        for name in sorted(hosts)
    ]


def _make(name: str, hosts: list[str], references: set[str], exported: Map, pulls: set[str]) -> Resource:
    notes = Notes()
    named = sorted(reference for reference in references if reference and "<+" not in reference)
    if len(named) > 1:
        notes.todo(f"{join_names(named)} have the same name here; if they are different connectors, rename one of them")
    kind, spec = as_text(exported.get("type")), as_map(exported.get("spec"))
    plain = [host for host in hosts if _HOST.fullmatch(host)]
    if kind == "Azure":
        made = _from_azure(name, spec, notes)
    elif kind == "DockerRegistry":
        made = _from_docker(name, spec, notes)
    elif not hosts and name in pulls:
        notes.todo("registries: write the host that the base images come from")
        made = _user(name, [_NOWHERE], notes)
    else:
        notes.todo("tenantId and clientId: write those of the service principal; docs/connectors.md has other ways")
        made = _principal(name, _NOBODY, _NOBODY, notes)
    registries = list(dict.fromkeys([*made.pop("registries", []), *plain]))
    if len(registries) > _MOST_HOSTS:
        notes.todo(f"registries: only {_MOST_HOSTS} of {len(registries)} hosts are here; make a second connector")
        registries = registries[:_MOST_HOSTS]
    manifest = {
        "apiVersion": meta.API_VERSION,
        "kind": "AzureConnector",
        "metadata": {"name": name},
        "spec": {**made, **({"registries": registries} if registries else {})},
    }
    return Resource(manifest, (), notes.sorted())


def _principal(name: str, tenant: str, client: str, notes: Notes) -> dict[str, Any]:
    notes.todo(f"make its Secret: kubectl create secret generic {name} --from-literal=clientSecret=PASSWORD")
    return {"servicePrincipal": {"tenantId": tenant, "clientId": client, "secretRef": {"name": name}}}


def _user(name: str, registries: list[str], notes: Notes, user: str = "NAME") -> dict[str, Any]:
    notes.todo(
        f"make its Secret: kubectl create secret generic {name} --type=kubernetes.io/basic-auth "
        f"--from-literal=username={user} --from-literal=password=PASSWORD"
    )
    return {"registryCredentials": {"secretRef": {"name": name}}, "registries": registries}


def _from_azure(name: str, spec: Map, notes: Notes) -> dict[str, Any]:
    credential = as_map(look_up(spec, "credential", "spec"))
    auth = as_map(credential.get("auth"))
    kind = as_text(look_up(spec, "credential", "type"))
    client = _matching(_GUID, credential.get("applicationId")) or _NOBODY
    tenant = _matching(_TENANT, credential.get("tenantId")) or _NOBODY
    cloud = _CLOUDS.get(as_text(spec.get("azureEnvironmentType")), "")
    if kind == "InheritFromDelegate":
        notes.todo(_INSTALLER)
        inherited = _matching(_GUID, look_up(auth, "spec", "clientId"))
        made: dict[str, Any] = {"managedIdentity": {"clientId": inherited} if inherited else {}}
    elif "Oidc" in kind:
        notes.todo("the identity has to trust a service account of this namespace; see docs/connectors.md")
        made = {"workloadIdentity": {"tenantId": tenant, "clientId": client}}
    elif as_text(auth.get("type")) == "Certificate":
        notes.todo(f"make its Secret: kubectl create secret tls {name} --cert=FILE --key=FILE")
        principal = {"tenantId": tenant, "clientId": client, "certificateRef": {"name": name}}
        made = {"servicePrincipal": principal}
    else:
        made = _principal(name, tenant, client, notes)
    if _NOBODY in str(made):
        notes.todo("tenantId and clientId: the exported connector does not have both; write them")
    return {**made, **({"cloud": cloud} if cloud else {})}


def _matching(pattern: re.Pattern[str], value: Value | None) -> str:
    text = as_text(value)
    return text if pattern.fullmatch(text) else ""


def _from_docker(name: str, spec: Map, notes: Notes) -> dict[str, Any]:
    host = docker_host(spec)
    if not host:
        notes.todo("registries: the exported connector has no address of a registry; write its host")
    user = as_text(look_up(spec, "auth", "spec", "username"))
    return _user(name, [host or _NOWHERE], notes, shown(user) if user.isascii() and user.isalnum() else "NAME")


def docker_host(spec: Map) -> str:
    """The host of an exported connector for a Docker registry."""
    host = as_text(spec.get("dockerRegistryUrl")).lower().partition("://")[2].split("/")[0]
    if host.endswith(".docker.io"):
        return _DOCKER_HUB
    return host if _HOST.fullmatch(host) else ""


def read_connectors(values: Iterable[Value]) -> dict[str, Map]:
    """Exported connectors by the name that their identifier becomes. The first of a name holds."""
    found: dict[str, Map] = {}
    for value in values:
        connector = as_map(as_map(value).get("connector"))
        name = name_connector(as_text(connector.get("identifier")))
        if name:
            found.setdefault(name, connector)
    return found
