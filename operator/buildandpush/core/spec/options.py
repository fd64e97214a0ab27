"""The options of a build from plugin flags and the fields that belong to them, resolved and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

from buildandpush.api.pod import PodTemplate
from buildandpush.api.spec import MAX_MAP_ENTRIES, BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.buildsecrets import ArgSource, SecretFile, plan_arg_sources, plan_secret_files
from buildandpush.core.spec.caching import plan_cache_repository
from buildandpush.core.spec.flags import NO_PUSH, PUSH_ONLY, VERBOSITY, PluginFlags, field_name, parse_flags
from buildandpush.core.spec.platform import plan_platform
from buildandpush.core.spec.podtemplate import check_pod_template, check_service_account, merge_pod_template
from buildandpush.core.spec.registries import RegistryPlan, plan_registries
from buildandpush.core.spec.workspace import WorkspacePlan, plan_workspace, source_image

LABELS: Final = "PLUGIN_CUSTOM_LABELS"
REPRODUCIBLE: Final = "PLUGIN_REPRODUCIBLE"
NAME_SERVERS: Final = "PLUGIN_CUSTOM_DNS"
SNAPSHOT_MODE: Final = "PLUGIN_SNAPSHOT_MODE"
NEW_RUN: Final = "PLUGIN_USE_NEW_RUN"

MAX_MAPPED_UID: Final = 65535
"""The last user of a user namespace: https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/"""

_TELLING: Final = ("debug", "trace")
"""Levels at which kaniko logs its cache keys, which hold the values of ARG lines."""

_MAX_NAME_SERVERS: Final = 3
"""As many as Kubernetes takes: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/."""


@dataclass(frozen=True)
class BuildOptions:
    """Everything of a build beyond its source, its files and its limits."""

    flags: PluginFlags = field(default_factory=PluginFlags)
    source_image: str = ""
    """The image file that is pushed as it is, as kaniko sees it; empty where an image is built."""
    cache_repository: str = ""
    """Where layers are cached, empty for no cache."""
    registries: RegistryPlan = field(default_factory=RegistryPlan)
    workspace: WorkspacePlan = field(default_factory=WorkspacePlan)
    secret_files: tuple[SecretFile, ...] = ()
    arg_sources: tuple[ArgSource, ...] = ()
    name_servers: tuple[str, ...] = ()
    service_account: str = ""
    pod_template: PodTemplate | None = None
    """The spec's, with the installer's below it."""
    platform: str = ""
    """The image's platform, such as linux/amd64; empty where the node that is found decides."""
    user_namespace: bool = False
    """Whether the pod's root is root only inside of it."""

    @property
    def no_push(self) -> bool:
        """Whether the image is built and pushed nowhere."""
        return self.flags.is_on(NO_PUSH)

    @property
    def reproducible(self) -> bool:
        """Whether every build makes the same image, which then holds nothing of the run."""
        return self.flags.is_on(REPRODUCIBLE)

    @property
    def push_only(self) -> bool:
        """Whether an image that was built before is pushed."""
        return self.flags.is_on(PUSH_ONLY)


def plan_options(spec: BuildAndPushACRSpec, settings: BuildSettings) -> BuildOptions:
    """Raises SpecInvalidError that names field, value and remedy."""
    flags = parse_flags(spec.env_variables)
    if flags.is_on(NO_PUSH) and flags.is_on(PUSH_ONLY):
        raise SpecInvalidError(field_name(PUSH_ONLY), f"it contradicts {flags.name_of(NO_PUSH)}; give one of them")
    check_pod_template(spec.pod_template, settings)
    template = merge_pod_template(spec.pod_template, settings.pod_defaults)
    workspace = plan_workspace(spec.workspace, flags)
    has_volume = bool(workspace.claim) or spec.source.persistent_volume_claim is not None
    options = BuildOptions(
        flags=flags,
        source_image=source_image(flags, workspace),
        cache_repository=plan_cache_repository(spec, flags),
        registries=plan_registries(spec, flags, settings.insecure_registries, settings.registry_mirrors),
        workspace=workspace,
        secret_files=plan_secret_files(spec),
        arg_sources=plan_arg_sources(spec),
        name_servers=_plan_name_servers(flags),
        service_account=check_service_account((spec.service_account_name or "").strip(), settings),
        pod_template=template,
        platform=plan_platform(flags, (template and template.node_selector) or {}, settings.platform),
        user_namespace=_plan_user_namespace(spec, settings, template, has_volume=has_volume),
    )
    if options.push_only:
        return _without_build(options)
    _check_secrecy(options)
    return options


def _without_build(options: BuildOptions) -> BuildOptions:
    """The options of a push alone: it needs no Secret and no login that only a build uses."""
    registries = replace(options.registries, mirrors=(), maps=())
    return replace(options, cache_repository="", registries=registries, secret_files=(), arg_sources=())


def _check_secrecy(options: BuildOptions) -> None:
    level = options.flags.text(VERBOSITY)
    if level in _TELLING and options.arg_sources:
        raise SpecInvalidError(
            field_name(VERBOSITY),
            f"at {level} kaniko may log the values that buildArgsFrom takes from Secrets; use info, or leave "
            "buildArgsFrom out",
        )


def merge_labels(labels: Mapping[str, str], flags: PluginFlags) -> Mapping[str, str]:
    """The labels of the spec and those of the flag; raises SpecInvalidError for one that is in both."""
    merged = dict(labels)
    for item in flags.items(LABELS):
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise SpecInvalidError(
                field_name(LABELS), f"{item[:200]!r} is no name=value; a value that holds a comma goes into labels"
            )
        if merged.setdefault(name, value) != value:
            raise SpecInvalidError(field_name(LABELS), f"the label {name[:200]!r} is given twice; give it once")
    if len(merged) > MAX_MAP_ENTRIES:
        raise SpecInvalidError(field_name(LABELS), f"more than {MAX_MAP_ENTRIES} labels come out of it; give fewer")
    return merged


def plan_snapshot_mode(optimize: bool | None, flags: PluginFlags) -> str:
    """full, redo or time. Raises SpecInvalidError if flag and field contradict each other.

    Only full snapshots see every write: the others miss one that leaves a file's size and time as they were.
    """
    mode = "redo" if optimize else "full"
    given = flags.text(SNAPSHOT_MODE) or mode
    if optimize is not None and given != mode:
        raise SpecInvalidError(field_name(SNAPSHOT_MODE), f"it contradicts optimize: {optimize}; give one of them")
    return given


def _plan_name_servers(flags: PluginFlags) -> tuple[str, ...]:
    servers = flags.items(NAME_SERVERS)
    for server in servers:
        try:
            ip_address(server)
        except ValueError as error:
            raise SpecInvalidError(
                field_name(NAME_SERVERS), f"{server[:64]!r} is no IP address; write for example 10.0.0.10"
            ) from error
    if len(servers) > _MAX_NAME_SERVERS:
        raise SpecInvalidError(
            field_name(NAME_SERVERS), f"{len(servers)} are more than a pod can have; give at most {_MAX_NAME_SERVERS}"
        )
    return servers


def _plan_user_namespace(
    spec: BuildAndPushACRSpec, settings: BuildSettings, template: PodTemplate | None, *, has_volume: bool
) -> bool:
    if spec.user_namespace in ("Always", "Never"):
        return spec.user_namespace == "Always"
    # Many kinds of volumes cannot be mapped to other user ids, and a pod with one of those would never start; neither
    # would one with a runtime that knows no user namespaces, and what the nodes say is said of the usual runtime.
    # A user beyond the map has no place in one either.
    try:
        outside = int(spec.run_as_user or 0) > MAX_MAPPED_UID
    except ValueError:
        outside = False  # what it is instead is told elsewhere
    other_runtime = template is not None and bool(template.runtime_class_name)
    return settings.user_namespaces and not (has_volume or other_runtime or outside)
