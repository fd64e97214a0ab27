"""What the init container is asked to do, as the JSON that the pod carries."""

from typing import Final

from buildandpush.api.compatibility import BUILDKIT
from buildandpush.api.meta import Manifest
from buildandpush.core import naming
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.pod.kaniko import SOURCE_ROOT
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.flags import IGNORE_VAR_RUN
from buildandpush.core.spec.plan import BuildPlan

_MAX_ARGUMENTS_BYTES: Final = 4 * 1024
"""The request is an annotation, and inline files need the room. Values that do not fit are unknown to the checks."""


def build_source_request(plan: BuildPlan, login: LoginSecretRef, settings: BuildSettings) -> Manifest:
    """Which source to fetch, which paths have to be there, and what decides how kaniko reads the Dockerfile."""
    switched = settings.compatibility == BUILDKIT
    flags = plan.options.flags
    checks = {
        "mode": plan.dockerfile_checks,
        "switched": switched,
        "keepsVarRun": flags.values[IGNORE_VAR_RUN] is False if IGNORE_VAR_RUN in flags.values else switched,
        "snapshotMode": plan.snapshot_mode,
        "userNamespace": plan.options.user_namespace,
        "platform": plan.options.platform,
        "target": plan.target,
        "buildArguments": _known_arguments(plan),
    }
    limits = settings.source_limits.to_request()
    return {
        **_build_source(plan, login, settings),
        **({"limits": limits} if limits else {}),
        "root": SOURCE_ROOT,
        "dockerfile": plan.dockerfile,
        "context": plan.context,
        "checks": {name: value for name, value in checks.items() if value not in ("", {}, False)},
    }


def _build_source(plan: BuildPlan, login: LoginSecretRef, settings: BuildSettings) -> Manifest:
    """The source, with what the operator has found out of it. An upload is checked where it arrives."""
    if plan.upload_seconds:
        paths = {"dockerfile": plan.dockerfile, "context": plan.context}
        return {"upload": {"timeoutSeconds": plan.upload_seconds, **paths}}
    source = plan.source.to_dict()
    if plan.source_repository:
        return {"oci": {**source["oci"], **_way_to_registry(plan, login)}}
    if plan.flux is not None and plan.artifact is not None:
        return {"fluxSource": {**source["fluxSource"], "url": plan.artifact.url, "digest": plan.artifact.digest}}
    if plan.source.git is None:
        return source
    git = {name: value for name, value in source["git"].items() if name != "poll"}
    if settings.git_hosts and (plan.source.git.submodules or plan.source.git.lfs):
        # Only the fetched repository tells where these are.
        git["allowedHosts"] = list(settings.git_hosts)
    return {**source, "git": {**git, "commit": plan.commit} if plan.resolves and plan.commit else git}


def _way_to_registry(plan: BuildPlan, login: LoginSecretRef) -> Manifest:
    """How the registry of an artifact is reached, where that is not the usual way."""
    host, registries = plan.source_repository.split("/", 1)[0], plan.options.registries
    tls = "plain" if host in registries.plain else "unverified" if host in registries.unverified else ""
    ca = naming.ca_file(host) if host in login.ca_hosts else ""
    return {**({"tls": tls} if tls else {}), **({"caFile": ca} if ca else {})}


def _known_arguments(plan: BuildPlan) -> dict[str, str | None]:
    """The build arguments by name. None stands for a value that is secret, or too long."""
    known: dict[str, str | None] = {source.name: None for source in plan.options.arg_sources}
    room = _MAX_ARGUMENTS_BYTES
    for name, value in sorted(plan.build_args.items()):
        room -= len(name.encode()) + len(value.encode())
        known[name] = value if room >= 0 else None
    return known
