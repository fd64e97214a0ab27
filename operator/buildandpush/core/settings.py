"""What the operator's installer decides for all builds. config.py reads it from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from buildandpush.api.compatibility import BUILDKIT, Compatibility
from buildandpush.api.pod import PodTemplate
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.core.backoff import FIRST_BACKOFF_SECONDS

ANY: Final = "*"
"""In a list of names: all of them are allowed."""


@dataclass(frozen=True)
class ProxySettings:
    """The proxy that build pods reach the outside through."""

    http: str = ""
    """Address for http, empty for none."""
    https: str = ""
    """Address for https, empty for none."""
    exceptions: str = ""
    """Hosts, domains and networks that are reached without it, separated by commas, as NO_PROXY has them."""
    run_lines: bool = False
    """Whether RUN lines get these too, as predefined build arguments."""


@dataclass(frozen=True)
class SlotLimits:
    """How many builds may have a pod at once."""

    operator: int = 0
    """In all namespaces together; 0 for any number."""
    namespace: int = 0
    """In each namespace; 0 for any number."""
    lowered: Mapping[str, int] = field(default_factory=dict)
    """By namespace, where the namespace itself allows fewer."""
    asks_namespaces: bool = False
    """Whether a namespace may do so."""

    @property
    def is_set(self) -> bool:
        """Whether there may be any limit."""
        return bool(self.operator or self.namespace or self.asks_namespaces)

    def of(self, namespace: str) -> int | None:
        """How many builds a namespace may have; None for any number."""
        found = [self.namespace] if self.namespace else []
        found += [self.lowered[namespace]] if namespace in self.lowered else []
        return min(found, default=None)


@dataclass(frozen=True)
class BuildSettings:
    """Defaults and images of build pods."""

    executor_image: str
    """Image of the kaniko executor; v1.28.3 or later, since older ones send Azure tokens to look-alike hosts."""
    source_image: str
    """Image of the init container that fetches sources: the operator's own."""
    image_pull_policy: str = "IfNotPresent"
    compatibility: Compatibility = BUILDKIT
    """Whether images come out as BuildKit makes them, or as the executor makes them by itself."""
    timeout_seconds: int = 3600
    memory_limit: str = "500Mi"
    cpu_limit: str = "400m"
    cpu_request: str = "100m"
    retries: int = 5
    """Further attempts after infrastructure failures."""
    first_backoff_seconds: int = FIRST_BACKOFF_SECONDS
    """How long the first of them waits; every other wait follows from it."""
    pending_timeout_seconds: int = 3600
    """How long a pod may wait for a node."""
    start_timeout_seconds: int = 300
    """How long a pod with a node may fail to pull its images or to make its containers."""
    node_lost_timeout_seconds: int = 300
    """How long a pod may be going away before its node counts as lost."""
    insecure_registries: tuple[str, ...] = ()
    """Hosts that a spec may switch TLS, or the check of its certificates, off for."""
    git_hosts: tuple[str, ...] = ()
    """Hosts that source.git may name, as *.example.com too; empty for all."""
    user_namespaces: bool = False
    """Whether userNamespace: Auto uses them: because the nodes can, or the installer says so."""
    service_accounts: tuple[str, ...] = ()
    """Service accounts that a spec may name."""
    priority_classes: tuple[str, ...] = (ANY,)
    """Priority classes that a spec may name; never those of the cluster itself."""
    runtime_classes: tuple[str, ...] = (ANY,)
    """Runtime classes that a spec may name."""
    pod_marks: tuple[str, ...] = ()
    """Beginnings of labels and annotations of identity, mesh and security systems that a spec may set all the same."""
    pod_defaults: PodTemplate | None = None
    """Placement and marks of every build pod; a spec's podTemplate stands above them."""
    outside_mesh: bool = True
    """Whether build pods carry the marks that keep service meshes from adding their proxy."""
    keep_from_eviction: bool = True
    """Whether build pods carry the marks that keep autoscalers from draining their node."""
    platform: str = ""
    """Platform of images whose spec names none, such as linux/amd64; empty: the one of the node that is found."""
    storage_limit: str = ""
    """Limit of ephemeral storage where the spec names none; empty: no limit."""
    proxy: ProxySettings = ProxySettings()
    trusted_certificates: str = ""
    """Certificates in PEM form that the containers of build pods trust beside the usual ones."""
    source_limits: SourceLimits = USUAL_LIMITS
    registry_mirrors: tuple[str, ...] = ()
    """Mirrors where the spec names none, in the form of its registryMirrors."""
    slots: SlotLimits = SlotLimits()


@dataclass(frozen=True)
class LoginSettings:
    """Which logins the installer allows."""

    authority_hosts: tuple[str, ...] = ()
    """Hosts of clouds of one's own that an assertion or secret may be sent to, beside the built-in clouds'."""
    managed_identity_namespaces: tuple[str, ...] = ()
    """Namespaces whose connectors may use the node's identity."""
    identity_service_accounts: tuple[str, ...] = ("buildandpush-identity",)
    """Names of service accounts that the operator may ask tokens for."""


@dataclass(frozen=True)
class PortalSettings:
    """How links to the portal are made."""

    tag_url: str = (
        "{portal}/#view/Microsoft_Azure_ContainerRegistries/TagMetadataBlade"
        "/registryId/{registryId}/repositoryName/{repository}/tag/{tag}"
    )
    """Address of a tag. The portal's own form is not documented and may change."""
    cloud_tag_urls: Mapping[str, str] = field(default_factory=dict)
    """Other forms by cloud."""
