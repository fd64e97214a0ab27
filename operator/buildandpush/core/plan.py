"""From a spec to a BuildPlan: every value resolved, checked and with its default, ready to become a pod."""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from buildandpush.api.connector import CONNECTOR_NAME_PATTERN
from buildandpush.api.pod import ResourceList
from buildandpush.api.sources import MAX_INLINE_BYTES, Source
from buildandpush.api.spec import REPOSITORY_PATTERN, SEQUENCE_ID, TAG_PATTERN, BuildAndPushACRSpec
from buildandpush.api.status import Effective
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.naming import connector_name
from buildandpush.core.quantity import parse_cpu, parse_duration_seconds, parse_memory, quantity_value
from buildandpush.core.settings import BuildSettings
from buildandpush.core.strategy import check_strategies, is_met
from buildandpush.core.unsupported import refuse_unsupported

_PIPELINE_ROOT = "/harness"
_MAX_ESCAPED_BYTES = 240 * 1024
_MAX_UID = 2**31 - 1


@dataclass(frozen=True)
class Requirements:
    """Resource limits and requests of the kaniko container, as Kubernetes quantities."""

    memory_limit: str
    cpu_limit: str
    memory_request: str
    cpu_request: str
    storage_limit: str | None = None
    storage_request: str | None = None


@dataclass(frozen=True)
class BuildPlan:
    """One image to build, with nothing left open."""

    registry: str
    repository: str
    """Registry and path, without a tag."""
    tags: tuple[str, ...]
    dockerfile: str
    """Relative to the source's root, normalised."""
    context: str
    """Relative to the source's root, normalised; `.` is the root."""
    labels: Mapping[str, str]
    build_args: Mapping[str, str]
    target: str
    snapshot_mode: str
    run_as_user: int
    requirements: Requirements
    timeout_seconds: int
    retries: int
    source: Source
    connector_ref: str
    """Name of the AzureConnector, a pipeline's identifier already resolved."""
    base_connector_refs: tuple[str, ...] = ()
    """Names of the AzureConnectors that base images are pulled with."""
    subscription: str | None = None
    """Name or id of the subscription that links are looked up in."""

    @property
    def destinations(self) -> tuple[str, ...]:
        """Repository and tag, one per tag."""
        return tuple(f"{self.repository}:{tag}" for tag in self.tags)

    def effective(self, settings: BuildSettings) -> Effective:
        """The values in force, for the status."""
        return Effective(
            repository=self.repository,
            connector=self.connector_ref,
            base_connectors=list(self.base_connector_refs) or None,
            subscription=self.subscription,
            retries=self.retries,
            timeout_seconds=self.timeout_seconds,
            run_as_user=self.run_as_user,
            memory_limit=self.requirements.memory_limit,
            cpu_limit=self.requirements.cpu_limit,
            executor_image=settings.executor_image,
        )


def parse_spec(raw: Mapping[str, Any]) -> BuildAndPushACRSpec:
    """The spec as a model; raises SpecInvalidError where it is none (an API server with our CRD lets none through)."""
    try:
        return BuildAndPushACRSpec.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "spec"
        raise SpecInvalidError(field, f"{first['msg']}; correct the field") from error


def plan_build(spec: BuildAndPushACRSpec, settings: BuildSettings, *, run_number: int) -> BuildPlan:
    """Resolve and check every value; raises SpecInvalidError that names field, value and remedy.

    The CRD's rules refuse most of this at apply time already; the checks stand here too because a resource may have
    been stored under older rules.
    """
    if not re.match(REPOSITORY_PATTERN, spec.repository) or "." not in spec.repository.split("/")[0].replace(":", "."):
        raise SpecInvalidError(
            "repository", f"{spec.repository!r} is no image name; write <registry>.azurecr.io/<image>"
        )
    refuse_unsupported(spec.to_dict())
    if not spec.connector_ref:
        raise SpecInvalidError("connectorRef", "it is missing; name the AzureConnector that logs in to the registry")
    connector = _connector("connectorRef", spec.connector_ref)
    _check_source(spec.source)
    check_strategies(spec.failure_strategies)
    is_met(spec.when, run_number)
    return BuildPlan(
        registry=spec.repository.split("/", 1)[0],
        repository=spec.repository,
        tags=_resolve_tags(spec.tags or [], run_number),
        dockerfile=_file("dockerfile", spec.dockerfile or "Dockerfile"),
        context=_relative("context", spec.context or "."),
        labels=_check_keys("labels", spec.labels or {}),
        build_args=_check_keys("buildArgs", spec.build_args or {}),
        target=(spec.target or "").strip(),
        snapshot_mode="full" if spec.optimize is False else "redo",
        run_as_user=_parse_user(spec.run_as_user),
        requirements=_require(spec, settings),
        timeout_seconds=parse_duration_seconds("timeout", spec.timeout)
        if spec.timeout and spec.timeout.strip()
        else settings.timeout_seconds,
        retries=settings.retries if spec.retries is None else spec.retries,
        source=spec.source,
        connector_ref=connector,
        base_connector_refs=tuple(
            dict.fromkeys(_connector("baseImageConnectorRefs", name) for name in spec.base_image_connector_refs or ())
        ),
        subscription=(spec.subscription_id or "").strip() or None,
    )


def _connector(field: str, reference: str) -> str:
    name = connector_name(reference)
    if not re.fullmatch(CONNECTOR_NAME_PATTERN, name):
        raise SpecInvalidError(field, f"{reference!r} is no name; write for example acr")
    return name


def _resolve_tags(tags: list[str], run_number: int) -> tuple[str, ...]:
    resolved = tuple(tag.replace(SEQUENCE_ID, str(run_number)) for tag in tags)
    for tag in resolved:
        if not re.match(TAG_PATTERN, tag):
            raise SpecInvalidError("tags", f"{tag[:200]!r} is no tag; use up to 128 letters, digits, _ . or -")
    for tag in resolved:
        if resolved.count(tag) > 1:
            raise SpecInvalidError("tags", f"{tag!r} is given twice; give each tag once")
    if not resolved:
        raise SpecInvalidError("tags", "there is none; give at least one tag")
    return resolved


def _relative(field: str, path: str) -> str:
    """A path below the source's root. The pipeline's workspace /harness stands for that root."""
    if "://" in path:
        raise SpecInvalidError(field, f"{path!r} is a URL; give a path relative to the root of source")
    if path == _PIPELINE_ROOT or path.startswith(f"{_PIPELINE_ROOT}/"):
        path = path.removeprefix(_PIPELINE_ROOT).lstrip("/") or "."
    if path.startswith("/"):
        raise SpecInvalidError(field, f"{path!r} is absolute; give a path relative to the root of source")
    if ".." in path.split("/") or "\0" in path or "\n" in path:
        raise SpecInvalidError(field, f"{path!r} leaves the source; give a path inside it")
    return posixpath.normpath(path) if path else "."


def _file(field: str, path: str) -> str:
    normal = _relative(field, path)
    if normal == ".":
        raise SpecInvalidError(field, f"{path!r} is a folder; give the path of a file, such as docker/Dockerfile")
    return normal


def _check_keys(field: str, values: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in values.items():
        if not key or "=" in key or key != key.strip() or not key.isprintable():
            raise SpecInvalidError(
                field, f"{key!r} cannot be a name; use printable characters without = or outer blanks"
            )
        if "\0" in value:
            raise SpecInvalidError(field, f"the value of {key!r} holds a zero byte; remove it")
    return values


def _parse_user(value: int | str | None) -> int:
    if value is None:
        return 0
    text = str(value)
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > _MAX_UID:
        raise SpecInvalidError("runAsUser", f"{text[:64]!r} is no user id; write a number from 0 to {_MAX_UID}")
    return int(text)


def _require(spec: BuildAndPushACRSpec, settings: BuildSettings) -> Requirements:
    resources = spec.resources
    limits = (resources and resources.limits) or ResourceList()
    requests = (resources and resources.requests) or ResourceList()
    memory = parse_memory("resources.limits.memory", _or(limits.memory, settings.memory_limit))
    cpu = parse_cpu("resources.limits.cpu", _or(limits.cpu, settings.cpu_limit))
    memory_request = parse_memory("resources.requests.memory", _or(requests.memory, memory))
    # The default request must not stand above a limit that the user set lower.
    default_cpu = min(settings.cpu_request, cpu, key=quantity_value)
    cpu_request = parse_cpu("resources.requests.cpu", _or(requests.cpu, default_cpu))
    for field, request, limit in (("memory", memory_request, memory), ("cpu", cpu_request, cpu)):
        if quantity_value(request) > quantity_value(limit):
            raise SpecInvalidError(
                f"resources.requests.{field}", f"{request} is more than the limit {limit}; lower it or raise the limit"
            )
    storage = _optional_storage("resources.limits.ephemeral-storage", limits.ephemeral_storage)
    storage_request = _optional_storage("resources.requests.ephemeral-storage", requests.ephemeral_storage)
    return Requirements(memory, cpu, memory_request, cpu_request, storage, storage_request)


def _optional_storage(field: str, value: str | int | float | None) -> str | None:
    return None if value is None else parse_memory(field, value)


def _or(value: str | int | float | None, default: str) -> str | int | float:
    return default if value is None else value


def _check_source(source: Source) -> None:
    if len(source.kinds()) != 1:
        given = " and ".join(source.kinds()) or "nothing"
        raise SpecInvalidError("source", f"{given} is given; give exactly one kind, such as git or inline")
    if source.inline is None:
        return
    for path in source.inline.files:
        if _relative("source.inline.files", path) != path or path == ".":
            raise SpecInvalidError(
                "source.inline.files", f"{path!r} is no plain relative path; write for example web/app.py"
            )
    # The files travel in an annotation of the pod, as JSON: 256 KiB is the API server's limit for all annotations.
    escaped = len(json.dumps(source.inline.files, ensure_ascii=False).encode())
    if escaped > _MAX_ESCAPED_BYTES:
        raise SpecInvalidError(
            "source.inline.files", f"{escaped} bytes once written as JSON are too many; use source.git"
        )
    size = sum(len(path.encode()) + len(text.encode()) for path, text in source.inline.files.items())
    if size > MAX_INLINE_BYTES:
        raise SpecInvalidError(
            "source.inline.files", f"{size} bytes are more than {MAX_INLINE_BYTES}; use source.git for larger sources"
        )
