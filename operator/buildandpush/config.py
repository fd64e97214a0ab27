"""The operator's settings, read once from the environment. Units are in the names."""

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from buildandpush.api.addresses import AddressRules, parse_networks
from buildandpush.api.compatibility import BUILDKIT, Compatibility
from buildandpush.api.pod import PodTemplate
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.api.status import MAX_IMAGE
from buildandpush.core.backoff import FIRST_BACKOFF_SECONDS
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.settings import BuildSettings, LoginSettings, PortalSettings, ProxySettings, SlotLimits
from buildandpush.core.spec.platform import parse_platform
from buildandpush.core.spec.quantity import parse_cpu, parse_memory, quantity_value
from buildandpush.core.spec.registries import parse_mirrors

PREFIX = "BUILDANDPUSH_"
MAX_CERTIFICATES_BYTES: Final = 64 * 1024


class ConfigError(Exception):
    """A variable of the environment cannot be used; the message names it, its value and the remedy."""


class OperatorConfig(BaseModel):
    """One field for each variable: `executor_image` is read from BUILDANDPUSH_EXECUTOR_IMAGE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    executor_image: str = Field(min_length=1, max_length=MAX_IMAGE)
    """Image of the kaniko executor. Required."""
    source_image: str = Field(min_length=1)
    """Image of the init container that fetches sources: the operator's own. Required."""
    image_pull_policy: str = Field("IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    """Pull policy of both."""
    executor_compatibility: Compatibility = BUILDKIT
    """Whether the executor's switches make images as BuildKit does, or are left alone."""
    namespaces: str = ""
    """Namespaces to watch, separated by commas. Default: all."""
    timeout_seconds: int = Field(3600, ge=1)
    """Limit of a build's duration where the spec names none."""
    memory_limit: str = "500Mi"
    """Memory limit where the spec names none."""
    cpu_limit: str = "400m"
    """CPU limit where the spec names none."""
    cpu_request: str = "100m"
    """CPU request where the spec names none."""
    insecure_registries: str = ""
    """Hosts that a spec may switch TLS off for, separated by commas."""
    git_hosts: str = ""
    """Hosts that a spec may fetch from with git, separated by commas; *.example.com for all below. Empty: all."""
    user_namespaces: str = Field("Never", pattern="^(Auto|Always|Never)$")
    """Whether builds that leave it open run in user namespaces. Auto: where all nodes say that they can."""
    allowed_service_accounts: str = ""
    """Service accounts that a spec may name, separated by commas; * for all."""
    allowed_priority_classes: str = "*"
    """Priority classes that a spec may name, separated by commas; * for all but the cluster's own."""
    allowed_runtime_classes: str = "*"
    """Runtime classes that a spec may name, separated by commas; * for all."""
    allowed_pod_marks: str = ""
    """Beginnings of labels and annotations that are refused otherwise, separated by commas."""
    pod_defaults: PodTemplate = PodTemplate()
    """Placement and marks of every build pod, as JSON in the form of podTemplate."""
    outside_mesh: bool = True
    """Whether build pods carry the marks that keep service meshes from adding their proxy."""
    keep_from_eviction: bool = True
    """Whether build pods carry the marks that keep autoscalers from draining their node."""
    trust_in_builds: bool = True
    """Whether build pods trust the certificates of ca_file too."""
    http_proxy: str = ""
    """Proxy for http of build pods."""
    https_proxy: str = ""
    """Proxy for https of build pods."""
    no_proxy: str = ""
    """Hosts, domains and networks that build pods reach without it, separated by commas."""
    proxy_run_lines: bool = False
    """Whether RUN lines get the proxy too, as predefined build arguments."""
    platform: str = "linux/amd64"
    """Platform of images whose spec names none. Empty: the one of the node that is found."""
    storage_limit: str = ""
    """Limit of ephemeral storage where the spec names none. Empty: no limit."""
    source_max_bytes: str = "8Gi"
    """What the files of a source may take, unpacked."""
    source_max_files: int = Field(USUAL_LIMITS.max_files, ge=1, le=10_000_000)
    """How many files, folders and links a source may have."""
    source_max_ratio: int = Field(USUAL_LIMITS.max_ratio, ge=1, le=100_000)
    """To how many bytes a byte of an archive may unpack, above the first 64 MiB."""
    source_max_download_bytes: str = "4Gi"
    """What an archive itself may take, downloaded or uploaded."""
    registry_mirrors: str = ""
    """Mirrors where the spec names none, separated by commas, in the form of registryMirrors."""
    pending_timeout_seconds: int = Field(3600, ge=60)
    """How long a pod may wait for a node."""
    start_timeout_seconds: int = Field(300, ge=30)
    """How long a pod with a node may fail to pull its images or to make its containers."""
    node_lost_timeout_seconds: int = Field(300, ge=30)
    """How long a pod may be going away before its node counts as lost."""
    first_backoff_seconds: int = Field(FIRST_BACKOFF_SECONDS, ge=1, le=600)
    """How long the next attempt waits, and the next login after a refusal. Every longer wait follows from it."""
    ca_file: str = ""
    """File of certificates in PEM form that every host outside is trusted by, beside the usual ones."""
    egress_denied: str = ""
    """Networks that the operator connects to for nobody, separated by commas, beside those that are always refused."""
    egress_allowed: str = ""
    """Networks that it connects to whatever else says no, separated by commas. Users learn how hosts there answer."""
    authority_hosts: str = ""
    """Hosts of clouds of one's own that connectors may name, separated by commas."""
    managed_identity_namespaces: str = ""
    """Namespaces whose connectors may use the node's identity, separated by commas."""
    identity_service_accounts: str = "buildandpush-identity"
    """Service accounts that connectors may log in as, separated by commas."""
    portal_tag_url: str = PortalSettings.tag_url
    """Address of a tag in the portal, with {portal}, {registryId}, {repository} and {tag}."""
    portal_tag_urls: dict[str, str] = {}
    """Other forms by cloud, as JSON."""
    pod_name: str = ""
    """Name of the operator's pod: who it is among its replicas."""
    pod_namespace: str = ""
    """Namespace of that pod, where the lease is. Default: none, for an operator that is the only one."""
    lease_name: str = "buildandpush-operator"
    """Name of the Lease that the replicas lead by."""
    lease_seconds: int = Field(15, ge=5, le=3600)
    """How long the others wait before they take the place of a leader that is not heard of."""
    state_dir: str = ""
    """Folder that outlives the operator's container, for what a process leaves to the one after it. Default: none."""
    max_concurrent_builds: int = Field(0, ge=0)
    """How many builds may have a pod at once, in all namespaces together. 0: any number."""
    max_concurrent_builds_per_namespace: int = Field(0, ge=0)
    """The same in each namespace."""
    read_namespaces: bool = False
    """Whether the operator may read Namespaces, whose annotation may allow fewer builds at once."""
    read_priority_classes: bool = False
    """Whether the operator may read PriorityClasses, by whose values builds wait."""
    workers: int = Field(200, ge=1, le=500)
    """Resources worked on at the same time, at most a quarter of them of one namespace."""
    port: int = Field(8080, ge=1, le=65535)
    """Port of /healthz."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least important level that is logged."""

    @field_validator("egress_denied", "egress_allowed")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        parse_networks(_split(text))
        return text

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read all variables with our prefix; raises ConfigError for a missing, unknown or unusable one."""
        values = {
            name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)
        }
        try:
            read = {**_read_json(values, "portal_tag_urls"), **_read_json(values, "pod_defaults")}
            config = cls.model_validate({**values, **read})
            parse_memory("memory_limit", config.memory_limit)
            parse_cpu("cpu_limit", config.cpu_limit)
            parse_cpu("cpu_request", config.cpu_request)
            _check_proxy("http_proxy", config.http_proxy)
            _check_proxy("https_proxy", config.https_proxy)
            parse_platform("platform", config.platform)
            parse_mirrors("registry_mirrors", _split(config.registry_mirrors))
            parse_memory("source_max_bytes", config.source_max_bytes)
            parse_memory("source_max_download_bytes", config.source_max_download_bytes)
            if config.storage_limit:
                parse_memory("storage_limit", config.storage_limit)
            if config.pod_namespace and not config.pod_name:
                raise ConfigError(f"{PREFIX}POD_NAME is not set, but {PREFIX}POD_NAMESPACE is; set both or none")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise ConfigError(f"{name}={values.get(str(first['loc'][0]), '')!r}: {first['msg']}") from error
        except SpecInvalidError as error:
            raise ConfigError(f"{PREFIX}{error.field.upper()}: {error}") from error
        return config

    @property
    def namespace_list(self) -> tuple[str, ...]:
        """The namespaces to watch; empty for all."""
        return _split(self.namespaces)

    def address_rules(self, api_server: str) -> AddressRules:
        """Where the operator's own requests may go."""
        return AddressRules(
            api_server,
            denied=parse_networks(_split(self.egress_denied)),
            allowed=parse_networks(_split(self.egress_allowed)),
        )

    @property
    def login_settings(self) -> LoginSettings:
        """What of logins the installer allows."""
        return LoginSettings(
            authority_hosts=_split(self.authority_hosts.lower()),
            managed_identity_namespaces=_split(self.managed_identity_namespaces),
            identity_service_accounts=_split(self.identity_service_accounts),
        )

    @property
    def portal_settings(self) -> PortalSettings:
        """How links to the portal are made."""
        return PortalSettings(self.portal_tag_url, self.portal_tag_urls)

    def read_certificates(self) -> str:
        """Read the certificates that build pods trust; raises ConfigError for a file that is no certificates, which
        would break each login, and for what a pod's annotation cannot hold."""
        if not self.ca_file:
            return ""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.ca_file)
        except (OSError, ValueError) as error:  # OpenSSL's errors are OSErrors
            raise ConfigError(
                f"{PREFIX}CA_FILE={self.ca_file!r} holds what is no certificate in PEM form, or nothing ({error}); "
                "correct trustedCertificates in the chart's values"
            ) from error
        if not self.trust_in_builds:
            return ""
        try:
            text = Path(self.ca_file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{PREFIX}CA_FILE={self.ca_file!r} has comments that are no UTF-8, as a build pod's annotation has to "
                f"be: remove them, or set {PREFIX}TRUST_IN_BUILDS=false"
            ) from error
        if len(text.encode()) > MAX_CERTIFICATES_BYTES:
            raise ConfigError(
                f"{PREFIX}CA_FILE={self.ca_file!r} has {len(text.encode())} bytes; build pods take at most "
                f"{MAX_CERTIFICATES_BYTES}: name your own authorities alone, or set {PREFIX}TRUST_IN_BUILDS=false"
            )
        return text

    @property
    def build_settings(self) -> BuildSettings:
        """What the core needs of it."""
        return BuildSettings(
            executor_image=self.executor_image,
            source_image=self.source_image,
            image_pull_policy=self.image_pull_policy,
            compatibility=self.executor_compatibility,
            timeout_seconds=self.timeout_seconds,
            memory_limit=self.memory_limit,
            cpu_limit=self.cpu_limit,
            cpu_request=self.cpu_request,
            insecure_registries=_split(self.insecure_registries),
            git_hosts=_split(self.git_hosts.lower()),
            user_namespaces=self.user_namespaces == "Always",
            service_accounts=_split(self.allowed_service_accounts),
            priority_classes=_split(self.allowed_priority_classes),
            runtime_classes=_split(self.allowed_runtime_classes),
            pod_marks=_split(self.allowed_pod_marks),
            pod_defaults=self.pod_defaults,
            outside_mesh=self.outside_mesh,
            keep_from_eviction=self.keep_from_eviction,
            proxy=ProxySettings(self.http_proxy, self.https_proxy, self.no_proxy, self.proxy_run_lines),
            platform=self.platform,
            storage_limit=self.storage_limit,
            source_limits=SourceLimits(
                max_bytes=int(quantity_value(self.source_max_bytes.strip())),
                max_files=self.source_max_files,
                max_ratio=self.source_max_ratio,
                max_download_bytes=int(quantity_value(self.source_max_download_bytes.strip())),
            ),
            registry_mirrors=_split(self.registry_mirrors),
            pending_timeout_seconds=self.pending_timeout_seconds,
            start_timeout_seconds=self.start_timeout_seconds,
            node_lost_timeout_seconds=self.node_lost_timeout_seconds,
            first_backoff_seconds=self.first_backoff_seconds,
            slots=SlotLimits(
                self.max_concurrent_builds,
                self.max_concurrent_builds_per_namespace,
                asks_namespaces=self.read_namespaces,
            ),
        )


def _check_proxy(name: str, address: str) -> None:
    """Raise ConfigError for what is no proxy's address, or holds a password: it stands in every build pod."""
    parts = urlsplit(address)
    if address and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ConfigError(
            f"{PREFIX}{name.upper()}={address!r} is no proxy; write for example http://proxy.example:3128"
        )
    if "@" in parts.netloc:
        raise ConfigError(
            f"{PREFIX}{name.upper()} holds a login, which every build could read; use a proxy that asks for none"
        )


def _split(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _read_json(values: Mapping[str, str], name: str) -> dict[str, Any]:
    """One value that is written as JSON; raises ConfigError."""
    text = values.get(name, "").strip()
    if not text:
        return {name: {}}
    try:
        return {name: json.loads(text)}
    except ValueError as error:
        raise ConfigError(f"{PREFIX}{name.upper()}={text!r}: {error}; write a JSON object") from error
