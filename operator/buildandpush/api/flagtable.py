"""Every flag of the pipeline step's kaniko plugin, as data: its type, what becomes of it here, and what is better.

Source of names and types: the flags of the plugin, https://github.com/drone/drone-kaniko/blob/main/cmd/kaniko-acr/main.go,
and those of its sister for Docker that the step's page names as well. Executor flags:
https://github.com/osscontainertools/kaniko#additional-flags.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

FlagType = Literal["bool", "int", "text", "list"]


class Treatment(StrEnum):
    """What is done with a flag that is set."""

    ARGUMENT = "argument"
    """Passed on as one flag of the executor, `--executor=value`."""
    PATH = "path"
    """The same; its value is a path on the workspace's volume."""
    HANDLED = "handled"
    """Acted on in a way of its own."""
    TLS_OFF = "tls-off"
    """Takes security away from a registry: only from those that the installer allows."""
    FIELD = "field"
    """Refused: the field of the spec says the same."""
    CREDENTIAL = "credential"
    """Refused: logins stand in connectors, never in a spec."""
    NO_EFFECT = "no-effect"
    """Accepted, changes nothing, and the status says so."""


@dataclass(frozen=True)
class Flag:
    """One flag. Texts are for the documentation and for messages."""

    name: str
    kind: FlagType
    treatment: Treatment
    meaning: str
    executor: str = ""
    """The executor's flag that it becomes, without dashes."""
    shapes: bool = False
    """Whether it shapes the image, so that a change wants a new run."""
    default: str = ""
    """What holds where it is unset, in the executor's spelling; what equals it counts as unset for the hash."""
    choices: tuple[str, ...] = ()
    any_case: bool = False
    """Whether the executor reads the choices in upper case too."""
    synonyms: tuple[tuple[str, str], ...] = ()
    """Further words, each with the choice that it means."""
    unit: str = ""
    """What the executor wants behind the number."""
    alias_of: str = ""
    """The flag that says the same; both may be set only to the same value."""
    on_push: bool = False
    """Whether it has a meaning where nothing is built; of what is passed on, whether the push command takes it."""
    instead: str = ""
    """For a refused flag what to use; for one without effect why it has none."""
    better: str = ""
    """What the plugin did wrong or not at all, and is right here."""


_ARGUMENT, _PATH, _HANDLED = Treatment.ARGUMENT, Treatment.PATH, Treatment.HANDLED
_TLS_OFF, _FIELD, _CREDENTIAL, _NONE = Treatment.TLS_OFF, Treatment.FIELD, Treatment.CREDENTIAL, Treatment.NO_EFFECT
_BASE_LOGIN: Final = "baseImageConnectorRefs"
_CA: Final = "caBundle of the registry's AzureConnector"

_TAGS: Final = (
    Flag("PLUGIN_AUTO_TAG", "bool", _HANDLED, "Derive the tags from the git tag or branch", "destination", shapes=True,
         default="false", on_push=True,
         better="The derived tags are those in the status and in the list of artifacts."),
    Flag("PLUGIN_AUTO_TAG_SUFFIX", "text", _HANDLED, "Appended to derived tags; latest becomes the suffix alone",
         "destination", shapes=True, on_push=True),
    Flag("PLUGIN_EXPAND_TAG", "bool", _HANDLED, "Turn the tag 1.2.3 into 1, 1.2 and 1.2.3", "destination", shapes=True,
         default="false", on_push=True,
         better="The expanded tags are those in the status and in the list of artifacts."),
    Flag("DRONE_COMMIT_REF", "text", _HANDLED, "The git ref that tags are derived from. Default: source.git.revision",
         "destination", shapes=True, on_push=True),
    Flag("DRONE_REPO_BRANCH", "text", _HANDLED, "The default branch, which becomes latest when tags are derived",
         "destination", shapes=True, on_push=True),
)  # fmt: skip

_BUILD: Final = (
    Flag("PLUGIN_CONTEXT_SUB_PATH", "text", _HANDLED, "Folder within the context", "context", shapes=True,
         better="A missing folder is told with what is there, before kaniko starts."),
    Flag("PLUGIN_CUSTOM_LABELS", "list", _HANDLED, "Labels of the image as name=value", "label", shapes=True,
         better="A value with a comma is refused rather than cut: labels takes it as it is."),
    Flag("PLUGIN_SNAPSHOT_MODE", "text", _HANDLED, "How files are compared", "snapshot-mode", shapes=True,
         default="full", choices=("full", "redo", "time"),
         better="The default sees every write; redo and time are faster and can lose one."),
    Flag("PLUGIN_SINGLE_SNAPSHOT", "bool", _ARGUMENT, "One layer for the whole build", "single-snapshot", shapes=True,
         default="false"),
    Flag("PLUGIN_REPRODUCIBLE", "bool", _ARGUMENT, "Leave times out of the image", "reproducible", shapes=True,
         default="false"),
    Flag("PLUGIN_USE_NEW_RUN", "bool", _ARGUMENT, "Find changes of RUN lines by marker files: faster, less exact",
         "use-new-run", shapes=True, default="false"),
    Flag("PLUGIN_IGNORE_VAR_RUN", "bool", _ARGUMENT, "Leave /var/run out of snapshots", "ignore-var-run", shapes=True,
         default="false", better="Where it is unset, the image has what lies there, as with Docker."),
    Flag("PLUGIN_IGNORE_PATH", "text", _ARGUMENT, "A path left out of snapshots", "ignore-path", shapes=True),
    Flag("PLUGIN_IGNORE_PATHS", "list", _ARGUMENT, "Paths left out of snapshots", "ignore-path", shapes=True,
         better="It works; only the plugin for Docker knew it."),
    Flag("PLUGIN_CUSTOM_PLATFORM", "text", _ARGUMENT, "Platform of the image, such as linux/arm64", "custom-platform",
         shapes=True, better="The pod goes to a node of that architecture."),
    Flag("PLUGIN_PLATFORM", "text", _ARGUMENT, "Platform of the image, such as linux/arm64", "custom-platform",
         shapes=True, alias_of="PLUGIN_CUSTOM_PLATFORM"),
    Flag("PLUGIN_CLEANUP", "bool", _ARGUMENT, "Remove the file system after the build", "cleanup", default="false"),
    Flag("PLUGIN_CUSTOM_DNS", "list", _HANDLED, "Name servers of the build pod, at most three", on_push=True,
         better="Fetching the source asks them too."),
)  # fmt: skip

_CACHE: Final = (
    Flag("PLUGIN_ENABLE_CACHE", "bool", _HANDLED, "Keep layers in a cache repository, as caching does", "cache",
         default="false", better="Without a repository it is <repository>/cache; the plugin's cache was dead then."),
    Flag("PLUGIN_CACHE_REPO", "text", _HANDLED, "The cache repository, as remoteCacheImage", "cache-repo",
         better="The registry is put before it only where it is missing, never twice."),
    Flag("PLUGIN_CACHE_TTL", "int", _ARGUMENT, "Hours a cached layer is used; 0 is unset", "cache-ttl", unit="h",
         default="336"),
    Flag("PLUGIN_CACHE_DIR", "text", _PATH, "Folder with base images that kaniko's warmer fetched", "cache-dir",
         better="It reaches kaniko; the plugin dropped it."),
    Flag("PLUGIN_CACHE_COPY_LAYERS", "bool", _ARGUMENT, "Cache layers of COPY lines too", "cache-copy-layers",
         default="false"),
    Flag("PLUGIN_CACHE_RUN_LAYERS", "bool", _ARGUMENT, "Cache layers of RUN lines", "cache-run-layers",
         default="true", better="false switches it off; the plugin passed only true on."),
    Flag("PLUGIN_COMPRESSED_CACHING", "bool", _ARGUMENT, "Compress cached layers: false takes less memory, more time",
         "compressed-caching", default="true"),
)  # fmt: skip

_OUTPUT: Final = (
    Flag("PLUGIN_NO_PUSH", "bool", _HANDLED, "Build only; connectorRef and tags may then be left out", "no-push",
         shapes=True, default="false", on_push=True, better="Nothing is listed as an artifact that was never pushed."),
    Flag("PLUGIN_DRY_RUN", "bool", _HANDLED, "Build only", "no-push", shapes=True, default="false",
         alias_of="PLUGIN_NO_PUSH", on_push=True),
    Flag("PLUGIN_PUSH_ONLY", "bool", _HANDLED, "Push the image that PLUGIN_SOURCE_TAR_PATH names; nothing is built",
         "push (command)", shapes=True, default="false", on_push=True,
         better="It goes to repository itself, is read back, and is listed as an artifact."),
    Flag("PLUGIN_SOURCE_TAR_PATH", "text", _PATH, "Image file, or folder with an OCI layout, that push-only pushes",
         "push (command)", shapes=True, on_push=True),
    Flag("PLUGIN_TAR_PATH", "text", _PATH, "Write the image to this file", "tar-path", shapes=True),
    Flag("PLUGIN_DESTINATION_TAR_PATH", "text", _PATH, "Write the image to this file", "tar-path", shapes=True,
         alias_of="PLUGIN_TAR_PATH"),
    Flag("PLUGIN_OCI_LAYOUT_PATH", "text", _PATH, "Write the image to this folder as an OCI layout", "oci-layout-path",
         shapes=True),
    Flag("PLUGIN_IMAGE_NAME_WITH_DIGEST_FILE", "text", _PATH,
         "File that gets a line repository@digest for each tag; with the tag in it, where the other file of names, or "
         "an image file in another folder, is written too", "image-name-with-digest-file"),
    Flag("PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE", "text", _PATH,
         "File that gets a line repository:tag@digest for each tag", "image-name-tag-with-digest-file"),
    Flag("PLUGIN_ARTIFACT_FILE", "text", _HANDLED,
         "Put the list of artifacts into status.artifactFile, as outputs.artifactFile does; no file is written",
         on_push=True, better="Expanded and derived tags are in it, and no tag that was not pushed."),
    Flag("PLUGIN_VERBOSITY", "text", _ARGUMENT,
         "Least important lines of kaniko's log; what would leave out more than info does counts as info", "verbosity",
         default="info", choices=("trace", "debug", "info", "warn", "error", "fatal", "panic"), any_case=True,
         synonyms=(("warning", "warn"),)),
    Flag("PLUGIN_LOG_FORMAT", "text", _ARGUMENT, "Form of kaniko's log", "log-format", default="text",
         choices=("text", "color", "json")),
    Flag("PLUGIN_LOG_TIMESTAMP", "bool", _ARGUMENT, "Times in the log", "log-timestamp", default="true"),
)  # fmt: skip

_REGISTRIES: Final = (
    Flag("PLUGIN_PUSH_RETRY", "int", _ARGUMENT, "Repeats of a failed push", "push-retry", default="3", on_push=True,
         better="On without asking: a dropped connection does not cost the build."),
    Flag("PLUGIN_IMAGE_DOWNLOAD_RETRY", "int", _ARGUMENT, "Repeats of a failed pull", "image-download-retry",
         default="3", on_push=True, better="On without asking."),
    Flag("PLUGIN_IMAGE_FS_EXTRACT_RETRY", "int", _ARGUMENT, "Repeats of a failed unpacking", "image-fs-extract-retry",
         default="3", better="On without asking."),
    Flag("PLUGIN_SKIP_PUSH_PERMISSION_CHECK", "bool", _ARGUMENT, "Do not try the login before the build",
         "skip-push-permission-check", default="false", on_push=True),
    Flag("PLUGIN_REGISTRY_MIRRORS", "list", _HANDLED, "Mirrors of docker.io, as registryMirrors", "registry-mirror",
         better="registry=mirror names a mirror of any other registry."),
    Flag("PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK", "bool", _ARGUMENT, "Fail where no mirror has the image",
         "skip-default-registry-fallback", default="false"),
    Flag("PLUGIN_SKIP_TLS_VERIFY", "bool", _TLS_OFF, "Do not check the certificate of repository's registry",
         "skip-tls-verify-registry", default="false", on_push=True,
         better="It works; the plugin for ACR did not know it."),
    Flag("PLUGIN_SKIP_TLS_VERIFY_PULL", "bool", _TLS_OFF, "Do not check certificates of the allowed registries",
         "skip-tls-verify-registry", default="false", on_push=True,
         better="It holds for the allowed registries, not for any."),
    Flag("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", "list", _TLS_OFF,
         "Registries whose certificates are not checked; true means repository's own", "skip-tls-verify-registry",
         on_push=True, better="It takes registries; the plugin passed the flag on without a value."),
    Flag("PLUGIN_INSECURE", "bool", _TLS_OFF, "Push over plain http", "insecure-registry",
         default="false", on_push=True),
    Flag("PLUGIN_INSECURE_PULL", "bool", _TLS_OFF, "Pull from the allowed registries over plain http",
         "insecure-registry", default="false", on_push=True,
         better="It holds for the allowed registries, not for any."),
    Flag("PLUGIN_INSECURE_REGISTRY", "list", _TLS_OFF,
         "Registries spoken to over plain http; true means repository's own", "insecure-registry",
         on_push=True, better="It takes several."),
)  # fmt: skip

_WITHOUT_EFFECT: Final = (
    Flag("PLUGIN_FORCE", "bool", _NONE, "Run although kaniko sees no container", default="false",
         instead="kaniko always runs in a container here"),
    Flag("PLUGIN_SKIP_UNUSED_STAGES", "bool", _NONE, "Build only the stages that are needed",
         instead="kaniko always builds only the stages that are needed"),
    Flag("PLUGIN_CREATE_REPOSITORY", "bool", _NONE, "Create the repository", default="false",
         instead="an Azure Container Registry makes a repository with its first push"),
    Flag("PLUGIN_LIFECYCLE_POLICY", "text", _NONE, "Policy of a new repository",
         instead="it is another cloud's; use a retention policy or an acr purge task"),
    Flag("PLUGIN_REPOSITORY_POLICY", "text", _NONE, "Rights of a new repository",
         instead="it is another cloud's; assign roles on the registry"),
    Flag("PLUGIN_SQUASH", "bool", _NONE, "One layer for the whole build", default="false",
         instead="PLUGIN_SINGLE_SNAPSHOT makes one layer"),
    Flag("PLUGIN_CACHE_FROM", "text", _NONE, "Caches of BuildKit", instead="kaniko caches in remoteCacheImage"),
    Flag("PLUGIN_CACHE_TO", "text", _NONE, "Cache of BuildKit", instead="kaniko caches in remoteCacheImage"),
    Flag("DRONE_OUTPUT", "text", _NONE, "File for variables of later steps",
         instead="the digest stands in status.digest"),
    Flag("PLUGIN_DAEMON_OFF", "bool", _NONE, "Start no Docker daemon", default="true",
         instead="kaniko needs no Docker daemon"),
    Flag("container", "text", _NONE, "Tells kaniko that it runs in a container",
         instead="kaniko always runs in a container here"),
)  # fmt: skip


_DAEMON: Final = "it is for a Docker daemon, which kaniko does without"
_DOCKER_ONLY: Final = (
    Flag("PLUGIN_STORAGE_DRIVER", "text", _NONE, "Storage driver of the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_STORAGE_PATH", "text", _NONE, "Folder of the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_BIP", "text", _NONE, "Network of the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_MTU", "text", _NONE, "Largest packet of the Docker daemon's network", instead=_DAEMON),
    Flag("PLUGIN_IPV6", "bool", _NONE, "IPv6 in the Docker daemon's network", instead=_DAEMON),
    Flag("PLUGIN_EXPERIMENTAL", "bool", _NONE, "Experimental features of the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_DEBUG", "bool", _NONE, "Log of the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_PURGE", "bool", _NONE, "Remove the image from the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_PULL_IMAGE", "bool", _NONE, "Pull newer base images, as kaniko always does", instead=_DAEMON),
    Flag("PLUGIN_COMPRESS", "bool", _NONE, "Compress the context on its way to the Docker daemon", instead=_DAEMON),
    Flag("PLUGIN_QUIET", "bool", _NONE, "Print no progress of the Docker client", instead=_DAEMON),
    Flag("PLUGIN_BUILDKIT_INLINE_CACHE", "bool", _NONE, "Cache of BuildKit", instead=_DAEMON),
)  # fmt: skip
"""Flags of the plugin for Docker, by which nothing of the image changes."""


def _refuse(treatment: Treatment, instead: str, meaning: str, *names: str) -> tuple[Flag, ...]:
    return tuple(Flag(name, "text", treatment, meaning, instead=instead) for name in names)


_REFUSED: Final = (
    *_refuse(_FIELD, "dockerfile", "Path of the Dockerfile", "PLUGIN_DOCKERFILE"),
    *_refuse(_FIELD, "context", "Folder of the build", "PLUGIN_CONTEXT"),
    *_refuse(_FIELD, "repository", "Where the image goes", "PLUGIN_REPO", "PLUGIN_REGISTRY"),
    *_refuse(_FIELD, "tags", "Tags of the image", "PLUGIN_TAGS"),
    *_refuse(_FIELD, "buildArgs", "Build arguments", "PLUGIN_BUILD_ARGS", "PLUGIN_BUILD_ARGS_NEW"),
    Flag("PLUGIN_MULTIPLE_BUILD_ARGS", "bool", _FIELD, "Which of the two lists of build arguments holds",
         default="false", instead="buildArgs", better="buildArgs takes commas and semicolons as they are."),
    *_refuse(_FIELD, "target", "Stage to build", "PLUGIN_TARGET"),
    *_refuse(_FIELD, "subscriptionId", "Azure subscription", "PLUGIN_SUBSCRIPTION_ID", "SUBSCRIPTION_ID"),
    *_refuse(_FIELD, _CA, "Certificate that a registry is trusted by", "PLUGIN_REGISTRY_CERTIFICATE"),
    *_refuse(_FIELD, f"{_CA}; client certificates are not supported", "Client certificate for a registry",
             "PLUGIN_REGISTRY_CLIENT_CERT"),
    *_refuse(_FIELD, "registryMirrors", "Mirror of docker.io", "PLUGIN_MIRROR"),
    *_refuse(_FIELD, "caching", "Use no cache", "PLUGIN_NO_CACHE"),
    *_refuse(_CREDENTIAL, "buildSecrets", "Key for RUN --mount=type=ssh", "PLUGIN_SSH_AGENT_KEY"),
    *_refuse(_FIELD, _BASE_LOGIN, "Registry of base images", "PLUGIN_DOCKER_REGISTRY", "PLUGIN_BASE_IMAGE_REGISTRY",
             "DOCKER_REGISTRY"),
    *_refuse(_CREDENTIAL, _BASE_LOGIN, "Login for base images",
             "PLUGIN_DOCKER_USERNAME", "PLUGIN_DOCKER_PASSWORD", "PLUGIN_BASE_IMAGE_USERNAME",
             "PLUGIN_BASE_IMAGE_PASSWORD", "DOCKER_USERNAME", "DOCKER_PASSWORD"),
    *_refuse(_CREDENTIAL, "connectorRef", "Login to the registry",
             "PLUGIN_USERNAME", "PLUGIN_PASSWORD", "CLIENT_SECRET", "PLUGIN_CLIENT_SECRET", "CLIENT_CERTIFICATE",
             "PLUGIN_CLIENT_CERTIFICATE", "CLIENT_ID", "AZURE_CLIENT_ID", "PLUGIN_CLIENT_ID", "AZURE_APP_ID",
             "TENANT_ID", "AZURE_TENANT_ID", "PLUGIN_TENANT_ID", "PLUGIN_OIDC_TOKEN_ID", "AZURE_AUTHORITY_HOST"),
)  # fmt: skip

GROUPS: Final[dict[str, tuple[Flag, ...]]] = {
    "Tags": _TAGS,
    "The build": _BUILD,
    "Cache": _CACHE,
    "What comes out": _OUTPUT,
    "Registries": _REGISTRIES,
    "Without effect": (*_WITHOUT_EFFECT, *_DOCKER_ONLY),
    "Refused": _REFUSED,
}
"""All flags, by what they are about."""

FLAGS: Final[dict[str, Flag]] = {flag.name: flag for flags in GROUPS.values() for flag in flags}
"""All flags by name."""

REFUSED: Final = frozenset({Treatment.FIELD, Treatment.CREDENTIAL})
