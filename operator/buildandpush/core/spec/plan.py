"""From a spec to a BuildPlan: every value resolved, checked and with its default, ready to become a pod."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from buildandpush.api.connector import CONNECTOR_NAME_PATTERN
from buildandpush.api.meta import BUILD_KIND
from buildandpush.api.sources.archive import ArchiveSource
from buildandpush.api.sources.git import GitSource
from buildandpush.api.sources.source import Source
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import Effective
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import explain_value, name_field
from buildandpush.core.facts import FluxArtifact
from buildandpush.core.memo import LAST_SUBJECTS, remembered
from buildandpush.core.naming import connector_name
from buildandpush.core.newerfields import explain_newer, find_newer
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.buildsecrets import input_keys
from buildandpush.core.spec.codebase import COMMIT_ID
from buildandpush.core.spec.expansion import codebase_names, expand_spec, needs_details
from buildandpush.core.spec.options import MAX_MAPPED_UID, BuildOptions, merge_labels, plan_options, plan_snapshot_mode
from buildandpush.core.spec.paths import plan_context, resolve_file
from buildandpush.core.spec.poll import PollPlan, plan_poll
from buildandpush.core.spec.quantity import parse_duration_seconds
from buildandpush.core.spec.repository import check_repository
from buildandpush.core.spec.requirements import Requirements, plan_requirements
from buildandpush.core.spec.scope import Occasion
from buildandpush.core.spec.size import check_size
from buildandpush.core.spec.sources.check import check_source
from buildandpush.core.spec.sources.git import check_git_paths
from buildandpush.core.spec.sources.oci import read_artifact_name
from buildandpush.core.spec.sources.upload import plan_upload
from buildandpush.core.spec.strategy import check_strategies, condition_names, is_met
from buildandpush.core.spec.tags import plan_tags
from buildandpush.core.spec.texts import check_build_arguments, check_subscription, check_target
from buildandpush.core.text import clip

_MAX_ESCAPED_BYTES = 240 * 1024
_MAX_UID = 2**31 - 1
_DEFAULT_TAG = "latest"
_SHOWN = 40


@dataclass(frozen=True)
class BuildPlan:
    """One image to build, with nothing left open."""

    registry: str
    repository: str
    """Registry and path, without a tag."""
    tags: tuple[str, ...]
    """Tags that are pushed; none where nothing is."""
    dockerfile: str
    """Relative to the source's root, normalised."""
    context: str
    """Relative to the source's root, normalised; `.` is the root."""
    labels: Mapping[str, str]
    build_args: Mapping[str, str]
    target: str
    snapshot_mode: str
    dockerfile_checks: str
    """Refuse, Warn or Off; empty for each check's own level."""
    run_as_user: int
    requirements: Requirements
    timeout_seconds: int
    retries: int
    source: Source
    connector_ref: str
    """Name of the AzureConnector, a pipeline's identifier already resolved; empty where none is needed."""
    base_connector_refs: tuple[str, ...] = ()
    """Names of the AzureConnectors that base images are pulled with, and caches in other registries are kept with."""
    git_connector_ref: str = ""
    """Name of the AzureConnector that the git repository is read with; empty for none."""
    storage_connector_ref: str = ""
    """Name of the AzureConnector that the archive in Azure Blob Storage is read with; empty for none."""
    upload_seconds: int = 0
    """How long the pod waits for somebody to send the source; 0 for other sources."""
    source_repository: str = ""
    """Repository of the source's artifact, with its host; empty for a source of another kind."""
    subscription: str | None = None
    """Name or id of the subscription that links are looked up in."""
    numbered_tags: tuple[str, ...] = ()
    """Those of the tags that hold the run's number."""
    name_tags: tuple[str, ...] = ()
    """Tags that an image which is not pushed has in the files it is written to."""
    poll: PollPlan | None = None
    """How the operator looks for new commits; None if it does not."""
    resolves: bool = False
    """Whether the operator finds out the run's commit before there is a pod."""
    wants_details: bool = False
    """Whether it needs the author and message of that commit as well."""
    commit: str = ""
    """The commit to build, where the operator has found it out."""
    flux: tuple[str, str] | None = None
    """Kind and name of the Flux object whose artifact is the source; None for a source of another kind."""
    artifact: FluxArtifact | None = None
    """What that object has fetched, where the operator has found it out."""
    options: BuildOptions = field(default_factory=BuildOptions)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Repository and tag, one per tag."""
        return tuple(f"{self.repository}:{tag}" for tag in self.tags or self.name_tags)

    @property
    def cache_repository(self) -> str:
        """Where layers are cached, with the registry; empty for no cache."""
        return self.options.cache_repository

    @property
    def input_keys(self) -> tuple[tuple[str, str], ...]:
        """Object ("Kind/name") and key of all that the pod reads. A push of an existing image reads no source."""
        source = None if self.options.source_image else self.source
        return input_keys(self.options.secret_files, self.options.arg_sources, source)

    def effective(self, settings: BuildSettings) -> Effective:
        """The values in force, for the status."""
        return Effective(
            repository=self.repository,
            connector=self.connector_ref or None,
            base_connectors=list(self.base_connector_refs) or None,
            cache_repository=self.cache_repository or None,
            git_connector=self.git_connector_ref or None,
            storage_connector=self.storage_connector_ref or None,
            upload=self.upload_seconds > 0 or None,
            source_repository=self.source_repository or None,
            subscription=self.subscription,
            retries=self.retries,
            timeout_seconds=self.timeout_seconds,
            run_as_user=self.run_as_user,
            memory_limit=self.requirements.memory_limit,
            cpu_limit=self.requirements.cpu_limit,
            executor_image=settings.executor_image,
            no_push=self.options.no_push or None,
            push_only=self.options.push_only or None,
            reproducible=self.options.reproducible or None,
            user_namespace=self.options.user_namespace or None,
            platform=self.options.platform or None,
        )


@remembered(LAST_SUBJECTS)
def parse_spec(raw: Mapping[str, Any]) -> BuildAndPushACRSpec:
    """The spec as a model. Raises SpecInvalidError for a spec that the CRD does not allow, or that is far too large."""
    check_size(raw)
    newer = find_newer(BUILD_KIND, raw)
    if newer is not None:
        raise SpecInvalidError(newer, explain_newer())
    try:
        return BuildAndPushACRSpec.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = name_field(first, raw) or "spec"
        # Only a wrong word is shown: another value could be what belongs into a Secret.
        shown = f"{clip(str(first['input']), _SHOWN)!r} does not fit: " if first["type"] == "literal_error" else ""
        raise SpecInvalidError(name, f"{shown}{explain_value(first)}; correct the field") from error


@remembered(LAST_SUBJECTS)
def plan_build(spec: BuildAndPushACRSpec, settings: BuildSettings, occasion: Occasion) -> BuildPlan:
    """Resolve and check every value. Raises SpecInvalidError with field, value and remedy.

    As long as the occasion has no commit, the plan leaves out the tags that depend on it.
    The CRD's rules refuse most of this at apply time already; the checks stand here too because a resource may have
    been stored under older rules.
    """
    written, spec = spec, expand_spec(spec, occasion)
    check_repository(spec.repository)
    refuse_unsupported(spec.to_dict())
    options = plan_options(spec, settings)
    needed = codebase_names(written)
    tags = plan_tags(spec, options.flags, occasion.number)
    if not (tags.tags or options.no_push or written.tags):
        raise SpecInvalidError("tags", "there is none; give at least one tag")
    check_source(spec.source, _MAX_ESCAPED_BYTES - len(settings.trusted_certificates), settings.git_hosts)
    check_strategies(spec.failure_strategies)
    check_build_arguments(spec.build_args or {})
    check_target(spec.target or "")
    check_subscription(spec.subscription_id or "")
    is_met(spec, occasion)
    dockerfile = resolve_file("dockerfile", spec.dockerfile or "Dockerfile")
    context = plan_context(spec.context or ".", options.flags)
    if spec.source.git is not None:
        check_git_paths(spec.source.git, dockerfile, context)
    given = (spec.timeout or "").strip()
    timeout = parse_duration_seconds("timeout", given) if given else settings.timeout_seconds
    upload = 0 if options.push_only else plan_upload(spec.source.upload, timeout)
    return BuildPlan(
        registry=spec.repository.split("/", 1)[0],
        repository=spec.repository,
        tags=() if options.no_push else tags.tags,
        dockerfile=dockerfile,
        context=context,
        labels=_check_keys("labels", merge_labels(spec.labels or {}, options.flags)),
        build_args=_check_keys("buildArgs", spec.build_args or {}),
        target=(spec.target or "").strip(),
        snapshot_mode=plan_snapshot_mode(spec.optimize, options.flags),
        dockerfile_checks=spec.dockerfile_checks or "",
        run_as_user=_parse_user(spec.run_as_user, options),
        requirements=plan_requirements(spec.resources, settings),
        timeout_seconds=timeout,
        retries=_plan_retries(spec, upload, settings),
        upload_seconds=upload,
        source=spec.source,
        connector_ref=_plan_connector(spec.connector_ref, options),
        base_connector_refs=_plan_base_connectors(spec.base_image_connector_refs or [], options),
        git_connector_ref=_plan_source_connector("git", spec.source.git, options),
        storage_connector_ref=_plan_source_connector("archive", spec.source.archive, options),
        source_repository=_plan_source_repository(spec.source, options),
        subscription=(spec.subscription_id or "").strip() or None,
        numbered_tags=() if options.no_push else tags.numbered,
        name_tags=(tags.tags or (_DEFAULT_TAG,)) if options.no_push and options.workspace.wants_names else (),
        poll=None if options.push_only else plan_poll(spec.source.git),
        resolves=bool(needed) or (not options.push_only and _must_resolve(spec.source.git, occasion)),
        wants_details=needs_details(needed | condition_names(spec.when)),
        commit=occasion.codebase.commit if occasion.codebase is not None else "",
        flux=_plan_flux(spec.source, options),
        artifact=occasion.artifact,
        options=options,
    )


def _must_resolve(git: GitSource | None, occasion: Occasion) -> bool:
    """Whether the commit has to be known before there is a pod although no text needs it: where it is polled, and where
    several builds are to have the same one."""
    if git is None:
        return False
    several = occasion.combination is not None and occasion.combination.total > 1
    return git.poll is not None or (several and COMMIT_ID.fullmatch(git.revision) is None)


def _plan_flux(source: Source, options: BuildOptions) -> tuple[str, str] | None:
    """None where nothing is fetched."""
    found = source.flux_source
    return None if found is None or options.push_only else (found.kind, found.name)


def _plan_retries(spec: BuildAndPushACRSpec, upload_seconds: int, settings: BuildSettings) -> int:
    """None for an upload: nobody would send it again to another pod."""
    if upload_seconds:
        return 0
    return settings.retries if spec.retries is None else spec.retries


def _plan_connector(reference: str | None, options: BuildOptions) -> str:
    """The connector's name. It may be empty only if neither the image nor a cached layer is pushed."""
    if reference:
        return _connector("connectorRef", reference)
    if not options.no_push:
        raise SpecInvalidError("connectorRef", "it is missing; name the AzureConnector that logs in to the registry")
    if options.cache_repository:
        raise SpecInvalidError(
            "connectorRef",
            f"layers are cached in {options.cache_repository}; name the AzureConnector that logs in there",
        )
    return ""


def _plan_base_connectors(references: list[str], options: BuildOptions) -> tuple[str, ...]:
    """Each connector once. Empty for a push alone, which pulls nothing."""
    names = tuple(dict.fromkeys(_connector("baseImageConnectorRefs", reference) for reference in references))
    return () if options.push_only else names


def _plan_source_connector(kind: str, source: GitSource | ArchiveSource | None, options: BuildOptions) -> str:
    """Empty where nothing is fetched."""
    reference = source.connector_ref if source and not options.push_only else None
    return _connector(f"source.{kind}.connectorRef", reference) if reference else ""


def _plan_source_repository(source: Source, options: BuildOptions) -> str:
    """Empty where nothing is fetched."""
    if source.oci is None or options.push_only:
        return ""
    name = read_artifact_name(source.oci)
    return f"{name.host}/{name.path}"


def _connector(field: str, reference: str) -> str:
    name = connector_name(reference)
    if not re.fullmatch(CONNECTOR_NAME_PATTERN, name):
        raise SpecInvalidError(field, f"{reference!r} is no name; write for example acr")
    return name


def _check_keys(field: str, values: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in values.items():
        if not key or "=" in key or key != key.strip() or not key.isprintable():
            raise SpecInvalidError(
                field, f"{key!r} cannot be a name; use printable characters without = or outer blanks"
            )
        if "\0" in value:
            raise SpecInvalidError(field, f"the value of {key!r} holds a zero byte; remove it")
    return values


def _parse_user(value: int | str | None, options: BuildOptions) -> int:
    text = "" if value is None else str(value).strip()
    if not text:
        return 0
    highest = MAX_MAPPED_UID if options.user_namespace else _MAX_UID
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > highest:
        where = " in a user namespace" if options.user_namespace else ""
        raise SpecInvalidError("runAsUser", f"{text[:64]!r} is no user id{where}; write a number from 0 to {highest}")
    return int(text)


def refuse_unsupported(values: Mapping[str, Any]) -> None:
    """Raise SpecInvalidError for the first field that is set but not supported. An empty value counts as unset."""
    if (values.get("outputs") or {}).get("configMap"):
        raise SpecInvalidError("outputs.configMap", "it is not supported yet; remove it")
