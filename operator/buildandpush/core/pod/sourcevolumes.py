"""What only the source's container mounts: the files that it copies, and the login to the git server."""

from typing import Final

from buildandpush.api import meta
from buildandpush.api.meta import Manifest
from buildandpush.core import naming
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.spec.plan import BuildPlan

_FILES, _GIT_LOGIN, _HEADERS = "files", "git-login", "headers"
_FOR_ANY_USER: Final = 0o444
"""The source's container runs as the build's user."""


def source_mounts(plan: BuildPlan, login: LoginSecretRef) -> list[Manifest]:
    """The mounts of the source's container."""
    places = {_FILES: meta.SOURCE_FILES_MOUNT, _GIT_LOGIN: meta.GIT_LOGIN_MOUNT, _HEADERS: meta.DOWNLOAD_HEADERS_MOUNT}
    names = [volume["name"] for volume in source_volumes(plan, login)]
    return [{"name": name, "mountPath": places[name], "readOnly": True} for name in names]


def source_volumes(plan: BuildPlan, login: LoginSecretRef) -> list[Manifest]:
    """Their volumes."""
    found = {_FILES: _files(plan), _GIT_LOGIN: _git_login(plan, login), _HEADERS: _headers(plan)}
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
        return {"secret": {"secretName": git.credentials_ref.name, "defaultMode": _FOR_ANY_USER}}
    if plan.git_connector_ref:
        items = [{"key": naming.GIT_TOKEN_KEY, "path": "bearerToken"}]
        return {"secret": {"secretName": login.secret_name, "items": items, "defaultMode": _FOR_ANY_USER}}
    return {}


def _headers(plan: BuildPlan) -> Manifest:
    """The Secret with the headers of an archive's download; empty for none."""
    archive = plan.source.archive
    if archive is None or archive.headers_ref is None:
        return {}
    return {"secret": {"secretName": archive.headers_ref.name, "defaultMode": _FOR_ANY_USER}}
