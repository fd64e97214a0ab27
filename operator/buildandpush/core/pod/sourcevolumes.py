"""What the source's container mounts for its source: the files that it copies, and the login to a server."""

from typing import Final

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.core import naming
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.spec.sources.keys import SAS

_FILES, _GIT_LOGIN, _HEADERS, _STORAGE_LOGIN = "files", "git-login", "headers", "storage-login"
_PLACES: Final = {
    _FILES: meta.SOURCE_FILES_MOUNT,
    _GIT_LOGIN: meta.GIT_LOGIN_MOUNT,
    _HEADERS: meta.DOWNLOAD_HEADERS_MOUNT,
    _STORAGE_LOGIN: meta.STORAGE_LOGIN_MOUNT,
}
_TOKEN_FILE: Final = "bearerToken"  # noqa: S105 - a name
_FOR_ANY_USER: Final = 0o444
"""The source's container runs as the build's user."""


def source_mounts(plan: BuildPlan, login: LoginSecretRef) -> list[Manifest]:
    """The mounts of the source's container."""
    own = {volume["name"]: _PLACES[volume["name"]] for volume in source_volumes(plan, login)}
    mounts = {**own, **_shared(plan, login)}
    return [{"name": name, "mountPath": place, "readOnly": True} for name, place in mounts.items()]


def _shared(plan: BuildPlan, login: LoginSecretRef) -> dict[str, str]:
    """Names and places of the volumes that kaniko's container has too: the login to the registry that the source comes
    from, and the certificates of that registry."""
    host = plan.source_repository.split("/", 1)[0]
    places = {"login": (login.hosts, meta.REGISTRY_LOGIN_MOUNT), "ca": (login.ca_hosts, meta.REGISTRY_CA_MOUNT)}
    return {name: place for name, (hosts, place) in places.items() if host in hosts}


def source_volumes(plan: BuildPlan, login: LoginSecretRef) -> list[Manifest]:
    """The volumes that no other container mounts."""
    found = {
        _FILES: _files(plan),
        _GIT_LOGIN: _git_login(plan, login),
        _HEADERS: _headers(plan),
        _STORAGE_LOGIN: _storage_login(plan, login),
    }
    return [{"name": name, **volume} for name, volume in found.items() if volume]


def _files(plan: BuildPlan) -> Manifest:
    """What the files are copied from; empty for a source that is fetched in another way."""
    config_map, claim = plan.source.config_map, plan.source.persistent_volume_claim
    if config_map is not None:
        items = [item.to_dict() for item in config_map.items or ()]
        return {
            "configMap": {"name": config_map.name, "defaultMode": _FOR_ANY_USER, **({"items": items} if items else {})}
        }
    if claim is not None:
        return {"persistentVolumeClaim": {"claimName": claim.claim_name, "readOnly": True}}
    return {}


def _git_login(plan: BuildPlan, login: LoginSecretRef) -> Manifest:
    """The Secret of the user or of the connector; empty for no login."""
    git = plan.source.git
    if git is not None and git.credentials_ref:
        return _secret(git.credentials_ref.name)
    if plan.git_connector_ref:
        return _secret(login.secret_name, naming.GIT_TOKEN_KEY, _TOKEN_FILE)
    return {}


def _headers(plan: BuildPlan) -> Manifest:
    """The Secret with the headers of an archive's download; empty for none."""
    archive = plan.source.archive
    if archive is None or archive.headers_ref is None:
        return {}
    return _secret(archive.headers_ref.name)


def _storage_login(plan: BuildPlan, login: LoginSecretRef) -> Manifest:
    """The signature of the user, or the token of the connector; empty for neither."""
    archive = plan.source.archive
    if archive is not None and archive.sas_secret_ref:
        return _secret(archive.sas_secret_ref.name, SAS, SAS)
    if plan.storage_connector_ref:
        return _secret(login.secret_name, naming.STORAGE_TOKEN_KEY, _TOKEN_FILE)
    return {}


def _secret(name: str | None, key: str = "", path: str = "") -> Manifest:
    """A volume with one key of a Secret as the file `path`, or with all keys."""
    items = {"items": [{"key": key, "path": path}]} if key else {}
    return {"secret": {"secretName": name, **items, "defaultMode": _FOR_ANY_USER}}
