"""Secrets and ConfigMaps that a build reads: files for RUN --mount=type=secret, and values of build arguments."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from buildandpush.api.connector import CONNECTOR_NAME_PATTERN
from buildandpush.api.meta import PIPELINE_ROOT
from buildandpush.api.sources.source import Source
from buildandpush.api.spec import MAX_BUILD_SECRETS, BuildAndPushACRSpec, BuildArgSource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.naming import connector_name
from buildandpush.core.spec.sources.keys import source_keys

MOUNT: Final = "/kaniko/build-secrets"
"""Where the build secrets are mounted in kaniko's container, each as a file named by its id. Not /kaniko/secrets, where
kaniko keeps copies of its own."""

EXPRESSION_KEY: Final = "value"
"""The key that a pipeline's <+secrets.getValue("…")> means in the Secret of that name."""

_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_EXPRESSION: Final = re.compile(r"<\+secrets\.getValue\(\s*[\"']([A-Za-z0-9_.$-]+)[\"']\s*\)>")

_ARG_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

# A build argument from a Secret reaches kaniko through its environment, where these names would steer kaniko itself,
# the libraries in it, or whom it logs in as.
_STEERING_PREFIXES: Final = (
    "KANIKO_", "FF_KANIKO_", "DOCKER_", "REGISTRY_AUTH_", "AZURE_", "AWS_", "GOOGLE_", "GIT_", "SSL_CERT_", "OTEL_",
    "LD_", "XDG_",
)  # fmt: skip
_STEERING_NAMES: Final = frozenset(
    {
        "HOME", "PATH", "USER", "TMPDIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GOCOVERDIR",
        "BUILDER_OUTPUT", "BENCHMARK_FILE", "STACKLOG", "UPSTREAM_CLIENT_TYPE", "SNAPSHOT_TIMEOUT_DURATION",
        "LOCALDOMAIN", "RES_OPTIONS",
    }
)  # fmt: skip
_STEERING_IN_ANY_CASE: Final = frozenset({"CONTAINER", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"})


@dataclass(frozen=True)
class SecretFile:
    """One build secret: a key of a Secret, or, where no Secret is named, a file of the source."""

    id: str
    secret: str
    key: str
    """Key in the Secret, or path in the source."""


@dataclass(frozen=True)
class ArgSource:
    """A build argument's value: a key of a Secret or ConfigMap."""

    name: str
    kind: str
    """Secret or ConfigMap."""
    object_name: str
    key: str


def plan_secret_files(spec: BuildAndPushACRSpec) -> tuple[SecretFile, ...]:
    """All build secrets, each id once; raises SpecInvalidError. Messages never repeat a value of the two maps."""
    found = [SecretFile(item.id, item.secret_name, item.key) for item in spec.build_secrets or ()]
    found += _from_map("envDockerSecrets", spec.env_docker_secrets)
    found += _from_map("fileDockerSecrets", spec.file_docker_secrets)
    for one in found:
        if not _ID.fullmatch(one.id):
            raise SpecInvalidError("buildSecrets", f"{one.id[:64]!r} is no id; use up to 63 letters, digits, _ . or -")
        if [other.id for other in found].count(one.id) > 1:
            raise SpecInvalidError("buildSecrets", f"{one.id!r} is given twice; give each id once")
        if one.secret:
            _check_object("buildSecrets", one.id, one.secret, one.key)
    if len(found) > MAX_BUILD_SECRETS:
        raise SpecInvalidError("buildSecrets", f"{len(found)} are more than {MAX_BUILD_SECRETS}; give fewer")
    return tuple(found)


def _from_map(field: str, values: Mapping[str, str] | None) -> list[SecretFile]:
    return [_read_entry(field, name, value.strip()) for name, value in sorted((values or {}).items())]


def _read_entry(field: str, name: str, value: str) -> SecretFile:
    expression = _EXPRESSION.fullmatch(value)
    if expression:
        return SecretFile(name, connector_name(expression[1]), EXPRESSION_KEY)
    path = value.removeprefix(f"{PIPELINE_ROOT}/")
    if path != value and path and ".." not in path.split("/") and path.isprintable() and "," not in path:
        return SecretFile(name, "", path.lstrip("/"))
    secret, slash, key = value.partition("/")
    if not slash or not re.fullmatch(CONNECTOR_NAME_PATTERN, secret) or not _KEY.fullmatch(key):
        raise SpecInvalidError(
            f"{field}.{name[:64]}",
            'its value names no Secret; write <Secret>/<key>, <+secrets.getValue("<Secret>")> for its key value, or '
            "/harness/<file of the source>; never the secret itself",
        )
    return SecretFile(name, secret, key)


def plan_arg_sources(spec: BuildAndPushACRSpec) -> tuple[ArgSource, ...]:
    """Build arguments whose values stand elsewhere; raises SpecInvalidError for a name that would steer kaniko."""
    found = tuple(_read_arg(item) for item in spec.build_args_from or ())
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise SpecInvalidError("buildArgsFrom", f"{name!r} is given twice; give each name once")
        if name in (spec.build_args or {}):
            raise SpecInvalidError("buildArgsFrom", f"{name!r} is given in buildArgs too; give it once")
    return found


def _read_arg(item: BuildArgSource) -> ArgSource:
    name = item.name
    if not _ARG_NAME.fullmatch(name):
        raise SpecInvalidError("buildArgsFrom", f"{name[:64]!r} is no name of an ARG; use letters, digits and _")
    steers = name in _STEERING_NAMES or name.upper() in _STEERING_IN_ANY_CASE
    if steers or name.startswith(_STEERING_PREFIXES):
        raise SpecInvalidError(
            "buildArgsFrom", f"{name!r} would steer kaniko itself; give the ARG another name, or use buildSecrets"
        )
    if bool(item.secret_name) == bool(item.config_map_name):
        raise SpecInvalidError("buildArgsFrom", f"{name!r} needs one of secretName and configMapName; give exactly one")
    kind = "Secret" if item.secret_name else "ConfigMap"
    object_name = item.secret_name or item.config_map_name or ""
    _check_object("buildArgsFrom", name, object_name, item.key)
    return ArgSource(name, kind, object_name, item.key)


def _check_object(field: str, entry: str, name: str, key: str) -> None:
    """Refuse what is no place of a value. It may be the value itself, so the entry is named, not what is there."""
    if not re.fullmatch(CONNECTOR_NAME_PATTERN, name):
        raise SpecInvalidError(
            field, f"what {entry!r} names is no name of an object of Kubernetes; write one, never the value itself"
        )
    if not _KEY.fullmatch(key) or key in (".", "..") or key.startswith("..."):
        raise SpecInvalidError(field, f"the key of {entry!r} is no key of a Secret or ConfigMap; correct it")


def secret_arguments(files: tuple[SecretFile, ...], sources: tuple[ArgSource, ...], source_root: str) -> list[str]:
    """The executor's arguments: the place of each secret, and the build arguments that come from the environment."""
    paths = {one.id: f"{MOUNT}/{one.id}" if one.secret else f"{source_root}/{one.key}" for one in files}
    return [
        *(f"--secret=id={name},src={path}" for name, path in sorted(paths.items())),
        *(f"--build-arg={one.name}" for one in sources),
    ]


def secret_volume(files: tuple[SecretFile, ...]) -> dict[str, Any] | None:
    """The volume with a file for each id, or None where no Secret is named."""
    sources = [
        {"secret": {"name": one.secret, "items": [{"key": one.key, "path": one.id}]}} for one in files if one.secret
    ]
    # Readable by any user: kaniko may run as another than root, and a RUN line's mount gets a copy with its own mode.
    return {"name": "build-secrets", "projected": {"sources": sources, "defaultMode": 0o444}} if sources else None


def arg_environment(sources: tuple[ArgSource, ...]) -> list[dict[str, Any]]:
    """The variables of kaniko's container that carry the values of build arguments."""
    fields = {"Secret": "secretKeyRef", "ConfigMap": "configMapKeyRef"}
    return [
        {"name": one.name, "valueFrom": {fields[one.kind]: {"name": one.object_name, "key": one.key}}}
        for one in sources
    ]


def input_keys(
    files: tuple[SecretFile, ...], sources: tuple[ArgSource, ...], source: Source | None
) -> tuple[tuple[str, str], ...]:
    """Object ("Kind/name") and key of everything that the pod reads, each once; see `WHOLE` for objects without key."""
    found = [(f"Secret/{one.secret}", one.key) for one in files if one.secret]
    found += [(f"{one.kind}/{one.object_name}", one.key) for one in sources]
    return tuple(dict.fromkeys([*found, *(source_keys(source) if source else ())]))
