"""Every reason a condition or Event can carry, with its cause and its remedy in one sentence each.

The docs' table of reasons is made from here, so the words a user reads in a status and in the docs are the same.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """CamelCase, stable across releases: scripts and alerts match on it."""

    # on the way
    ACCEPTED = "Accepted"
    POD_CREATED = "PodCreated"
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULING_GATED = "SchedulingGated"
    BUILDING = "Building"
    SUPERSEDING = "Superseding"
    CANCELLING = "Cancelling"
    RETRYING = "Retrying"
    SUSPENDED = "Suspended"
    CONNECTOR_MISSING = "ConnectorMissing"
    CONNECTOR_INVALID = "ConnectorInvalid"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a reason, not a password
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    QUOTA_EXCEEDED = "QuotaExceeded"
    CREDENTIAL_NOT_ALLOWED = "CredentialNotAllowed"
    LOGIN_FAILED = "LoginFailed"
    LOGIN_UNAVAILABLE = "LoginUnavailable"
    EXCHANGE_REFUSED = "ExchangeRefused"
    REGISTRY_NETWORK_DENIED = "RegistryNetworkDenied"
    PUSH_NOT_ALLOWED = "PushNotAllowed"
    TOO_MANY_LOGINS = "TooManyLogins"
    NAME_COLLISION = "NameCollision"
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    POD_REFUSED = "PodRefused"

    # good ends
    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITHOUT_PUSH = "SucceededWithoutPush"
    SPEC_VALID = "SpecValid"
    NO_EFFECT = "NoEffect"
    SOURCE_FETCHED = "SourceFetched"
    BUILT = "Built"
    CACHE_NOT_WRITTEN = "CacheNotWritten"
    PUSHED = "Pushed"
    VERIFIED = "Verified"
    NOT_VERIFIABLE = "NotVerifiable"
    TAG_MOVED = "TagMoved"
    IGNORED_FAILURE = "IgnoredFailure"
    SKIPPED = "Skipped"
    CREDENTIALS_FOUND = "CredentialsFound"
    LOGGED_IN = "LoggedIn"
    LINKS_RESOLVED = "LinksResolved"
    LINKS_UNAVAILABLE = "LinksUnavailable"
    REGISTRY_NOT_LISTED = "RegistryNotListed"
    SUBSCRIPTION_NOT_FOUND = "SubscriptionNotFound"

    # bad ends
    SPEC_INVALID = "SpecInvalid"
    SUPERSEDED = "Superseded"
    CANCELLED = "Cancelled"
    TAG_EXISTS = "TagExists"
    SOURCE_INVALID = "SourceInvalid"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_DENIED = "SourceDenied"
    REVISION_NOT_FOUND = "RevisionNotFound"
    DOCKERFILE_NOT_FOUND = "DockerfileNotFound"
    CONTEXT_NOT_FOUND = "ContextNotFound"
    DOCKERFILE_INVALID = "DockerfileInvalid"
    COPIED_FILE_NOT_FOUND = "CopiedFileNotFound"
    BASE_IMAGE_NOT_FOUND = "BaseImageNotFound"
    BASE_IMAGE_DENIED = "BaseImageDenied"
    PUSH_DENIED = "PushDenied"
    PUSH_UNAUTHORIZED = "PushUnauthorized"
    PUSH_FAILED = "PushFailed"
    CERTIFICATE_NOT_TRUSTED = "CertificateNotTrusted"
    RUN_FAILED = "RunFailed"
    BUILD_FAILED = "BuildFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    TIMED_OUT = "TimedOut"
    KILLED = "Killed"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"
    POD_LOST = "PodLost"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    IMAGE_NAME_INVALID = "ImageNameInvalid"
    CONTAINER_CONFIG_INVALID = "ContainerConfigInvalid"
    ROOT_REQUIRED = "RootRequired"
    IMAGE_FILE_NOT_FOUND = "ImageFileNotFound"
    DIGEST_MISSING = "DigestMissing"
    DIGEST_NOT_IN_REGISTRY = "DigestNotInRegistry"
    DIGEST_NOT_CONFIRMED = "DigestNotConfirmed"


@dataclass(frozen=True)
class Explanation:
    """What a reason means and what its reader does next, one sentence each."""

    cause: str
    remedy: str


def _e(cause: str, remedy: str) -> Explanation:
    return Explanation(cause, remedy)


RUN_AGAIN: Final = "Set the annotation buildandpush.dev/rebuild to a new value to run it again."
NO_REMEDY: Final = "Nothing to do."

EXPLANATIONS: Final[dict[Reason, Explanation]] = {
    Reason.ACCEPTED: _e("The spec was accepted as a run.", NO_REMEDY),
    Reason.POD_CREATED: _e("The build pod exists and waits for a node.", NO_REMEDY),
    Reason.SCHEDULING_GATED: _e(
        "A scheduling gate that somebody put on the pod keeps it from being given a node.",
        "The build goes on once the gate is lifted; spec.schedulingGates of the pod names it.",
    ),
    Reason.UNSCHEDULABLE: _e(
        "No node can take the build pod now.",
        "Lower resources.limits, or add a node that fits; the pod starts by itself once one does.",
    ),
    Reason.BUILDING: _e("kaniko builds and pushes.", "Follow it with kubectl logs on the pod named in the status."),
    Reason.SUPERSEDING: _e("The spec changed; the running build is being stopped for the new one.", NO_REMEDY),
    Reason.CANCELLING: _e("The run is being ended, as the annotation buildandpush.dev/cancel asks.", NO_REMEDY),
    Reason.RETRYING: _e("The attempt failed through no fault of the spec; the next one follows.", NO_REMEDY),
    Reason.SUSPENDED: _e("suspend is set, so no new run is started.", "Set suspend to false to go on."),
    Reason.CONNECTOR_MISSING: _e(
        "The AzureConnector that connectorRef names does not exist in this namespace.",
        "Create it, or correct connectorRef; the run goes on by itself.",
    ),
    Reason.CONNECTOR_INVALID: _e(
        "The AzureConnector cannot serve this build.", "Correct the connector as the message says; the run goes on."
    ),
    Reason.SECRET_MISSING: _e(
        "A Secret, or a key in it, that the connector or the spec names does not exist.",
        "Create the Secret in the same namespace; the run goes on by itself.",
    ),
    Reason.CREDENTIAL_NOT_ALLOWED: _e(
        "The installer has not allowed this kind of login here.",
        "Ask whoever installed the operator to allow it in the chart's values, or use another credential.",
    ),
    Reason.LOGIN_FAILED: _e(
        "Entra ID refused the connector's credential.",
        "Correct the connector or its Secret; the run goes on by itself.",
    ),
    Reason.LOGIN_UNAVAILABLE: _e(
        "Entra ID gave no token just now.", "Wait: it is asked again; check the way to it if this lasts."
    ),
    Reason.EXCHANGE_REFUSED: _e(
        "The registry does not take the identity's token.",
        "Check that the identity has a role on this registry and lives in the registry's tenant.",
    ),
    Reason.REGISTRY_NETWORK_DENIED: _e(
        "The registry's network rules keep the operator out.",
        "Let the operator's address through the registry's firewall, or give it a private endpoint.",
    ),
    Reason.PUSH_NOT_ALLOWED: _e(
        "The identity may log in but not push to this repository.",
        "Give it AcrPush, or Container Registry Repository Writer on an ABAC registry; the run goes on by itself.",
    ),
    Reason.CONFIG_MAP_MISSING: _e(
        "A ConfigMap, or a key in it, that the spec names does not exist.",
        "Create the ConfigMap in the same namespace; the run goes on by itself.",
    ),
    Reason.QUOTA_EXCEEDED: _e(
        "The namespace's ResourceQuota has no room for the build pod.",
        "Wait for other pods to end or raise the quota; the run goes on by itself.",
    ),
    Reason.TOO_MANY_LOGINS: _e(
        "The connector has as many login Secrets as it may have; each is removed once it has ended.",
        "Wait, use loginScope Registry, or spread the repositories over several connectors; the run goes on by itself.",
    ),
    Reason.NAME_COLLISION: _e(
        "An object of the name the operator needs exists and is somebody else's.",
        "Delete or rename that object; the run goes on by itself.",
    ),
    Reason.REGISTRY_UNREACHABLE: _e(
        "The registry did not answer.",
        f"Check the registry's name, its network rules and DNS from inside the cluster. {RUN_AGAIN}",
    ),
    Reason.POD_REFUSED: _e(
        "The API server refused the build pod.",
        "Read the server's words in the message; Pod Security 'restricted' needs 'baseline' for build namespaces.",
    ),
    Reason.SUCCEEDED: _e("The image was built, pushed and read back.", NO_REMEDY),
    Reason.SUCCEEDED_WITHOUT_PUSH: _e("The image was built; nothing was to be pushed.", NO_REMEDY),
    Reason.SPEC_VALID: _e("Every field was understood.", NO_REMEDY),
    Reason.NO_EFFECT: _e(
        "Every field was understood; some change nothing.", "Remove what the message names, or leave it as it is."
    ),
    Reason.SOURCE_FETCHED: _e("The source was fetched.", NO_REMEDY),
    Reason.CACHE_NOT_WRITTEN: _e(
        "The image was built, but layers could not be put into the cache repository.",
        "Check that the connector may push to the cache repository; the next run builds these layers again.",
    ),
    Reason.BUILT: _e("The image was built.", NO_REMEDY),
    Reason.PUSHED: _e("The image was pushed under every tag.", NO_REMEDY),
    Reason.VERIFIED: _e("Every tag in the registry names the digest that was pushed.", NO_REMEDY),
    Reason.NOT_VERIFIABLE: _e(
        "The registry cannot be read from where the operator runs, so the digest is kaniko's word alone.",
        "Give the operator network access to the registry if the read-back matters to you.",
    ),
    Reason.TAG_MOVED: _e(
        "A tag names another image by now; the pushed digest is in the registry.",
        "Nothing to do if another build owns the tag as well; else give each build tags of its own.",
    ),
    Reason.IGNORED_FAILURE: _e(
        "The run failed, and failureStrategies says to go on as if it had not.",
        "Read the cause in status.run.builds; digest and artifacts are those of the last good run.",
    ),
    Reason.SKIPPED: _e(
        "The condition in when is not met, so nothing was built.",
        "Nothing to do; a change of the spec or a rebuild request looks at the condition again.",
    ),
    Reason.CREDENTIALS_FOUND: _e("The connector's Secret holds what a login needs.", NO_REMEDY),
    Reason.LOGGED_IN: _e("The connector can log in.", NO_REMEDY),
    Reason.LINKS_RESOLVED: _e("The links to the portal are in the artifacts.", NO_REMEDY),
    Reason.LINKS_UNAVAILABLE: _e(
        "The resource manager could not be asked for the registry, so there are no links to the portal.",
        "Check subscriptionId and the way to the resource manager; the next run tries again.",
    ),
    Reason.REGISTRY_NOT_LISTED: _e(
        "The subscription shows no registry of this login server, so there are no links to the portal.",
        "Correct subscriptionId, or give the identity the role Reader on the registry.",
    ),
    Reason.SUBSCRIPTION_NOT_FOUND: _e(
        "The identity sees no subscription of this name or id, so there are no links to the portal.",
        "Correct subscriptionId, or give the identity the role Reader on the registry or the subscription.",
    ),
    Reason.SPEC_INVALID: _e("A field of the spec cannot be used.", "Correct the field that the message names."),
    Reason.SUPERSEDED: _e("The spec changed while this run was on its way.", "Nothing to do: a newer run replaced it."),
    Reason.CANCELLED: _e(
        "The run was ended by the annotation buildandpush.dev/cancel.",
        "Change the spec or set the annotation buildandpush.dev/rebuild to a new value to run it again.",
    ),
    Reason.TAG_EXISTS: _e(
        "The first run's tag is in the registry already, so the numbers would overwrite earlier images.",
        "Set firstRunNumber to a number above the last one used.",
    ),
    Reason.SOURCE_INVALID: _e("The source cannot be used as it is given.", "Correct source as the message says."),
    Reason.SOURCE_UNREACHABLE: _e(
        "The git server did not answer.", "Check source.git.url and that build pods may reach its host."
    ),
    Reason.SOURCE_DENIED: _e(
        "The git server wants a login or refuses this one.", "Use a URL that build pods may read without a login."
    ),
    Reason.REVISION_NOT_FOUND: _e(
        "The repository has no such branch, tag or commit.", "Correct source.git.revision, or push the revision first."
    ),
    Reason.DOCKERFILE_NOT_FOUND: _e(
        "The source has no file at the path that dockerfile names.",
        "Correct dockerfile: it is relative to the source's root, not to context.",
    ),
    Reason.CONTEXT_NOT_FOUND: _e(
        "The source has no folder at the path that context names.",
        "Correct context: it is a folder relative to the source's root.",
    ),
    Reason.DOCKERFILE_INVALID: _e("The Dockerfile cannot be parsed.", "Correct the line that the log tail names."),
    Reason.COPIED_FILE_NOT_FOUND: _e(
        "A file or folder that a COPY or ADD line names is not in the context.",
        "Correct the path: it is relative to context, and .dockerignore may leave files out.",
    ),
    Reason.BASE_IMAGE_NOT_FOUND: _e(
        "An image in a FROM or COPY --from line does not exist.", "Correct its name or tag in the Dockerfile."
    ),
    Reason.BASE_IMAGE_DENIED: _e(
        "The registry of a base image wants a login or refuses this one.",
        "Name the base image's registry in the connector's registries, or use an image it may pull.",
    ),
    Reason.PUSH_DENIED: _e(
        "The login is valid but may not push to this repository.",
        "Give the identity AcrPush (or Container Registry Repository Writer) on the registry.",
    ),
    Reason.PUSH_UNAUTHORIZED: _e(
        "The registry refused the user name or password.",
        "Correct the Secret that the connector names; a new run follows by itself.",
    ),
    Reason.CERTIFICATE_NOT_TRUSTED: _e(
        "The certificate of a registry, or of a proxy before it, is not trusted.",
        "Put the certificate of the authority that signed it into the caBundle of the connector for that registry, or "
        f"have the operator's installer allow the flag PLUGIN_SKIP_TLS_VERIFY for it. {RUN_AGAIN}",
    ),
    Reason.PUSH_FAILED: _e(
        "The registry refused the push or broke it off.", "Read the registry's words in the log tail."
    ),
    Reason.RUN_FAILED: _e(
        "A RUN command of the Dockerfile ended with an error.", "Read the log tail; the exit code is the command's own."
    ),
    Reason.BUILD_FAILED: _e("kaniko ended with an error.", "Read the log tail."),
    Reason.OUT_OF_MEMORY: _e(
        "The build needed more memory than its limit.", "Raise resources.limits.memory; the change starts a new run."
    ),
    Reason.TIMED_OUT: _e("The build took longer than timeout.", "Raise timeout; the change starts a new run."),
    Reason.KILLED: _e("The build's process was ended from outside.", RUN_AGAIN),
    Reason.EVICTED: _e(
        "The kubelet evicted the build pod because its node ran short.",
        f"Give the node more room or the build lower needs. {RUN_AGAIN}",
    ),
    Reason.PREEMPTED: _e("A pod of higher priority took the build pod's place.", RUN_AGAIN),
    Reason.NODE_LOST: _e("The node of the build pod went away.", RUN_AGAIN),
    Reason.POD_LOST: _e("The build pod was deleted before it ended.", RUN_AGAIN),
    Reason.IMAGE_PULL_FAILED: _e(
        "An image that the build pod itself runs cannot be pulled.",
        "Correct the image in the chart's values; the message names it.",
    ),
    Reason.IMAGE_NAME_INVALID: _e(
        "An image that the build pod itself runs has an impossible name.",
        "Correct the image in the chart's values; the message names it.",
    ),
    Reason.CONTAINER_CONFIG_INVALID: _e(
        "The kubelet cannot make the build's container.", "Read the kubelet's words in the message."
    ),
    Reason.ROOT_REQUIRED: _e(
        "kaniko cannot unpack or change files of this image without being root.",
        "Leave runAsUser unset or 0, with userNamespace: Always where root on the node is the worry; another user can "
        "only change metadata (ENV, LABEL, CMD), unless the executor's image lets it write to its root directory.",
    ),
    Reason.IMAGE_FILE_NOT_FOUND: _e(
        "The image file that PLUGIN_SOURCE_TAR_PATH names is not on the workspace's volume, or is no image.",
        "Correct the path, or write the image there first with PLUGIN_TAR_PATH.",
    ),
    Reason.DIGEST_MISSING: _e(
        "kaniko ended well but reported no well-formed digest.",
        "Set the annotation buildandpush.dev/rebuild to a new value to run it again, and report this.",
    ),
    Reason.DIGEST_NOT_CONFIRMED: _e(
        "Nothing confirms the digest that kaniko's container reported: its image is not known as this run's, or the "
        "registry cannot be read from here and kaniko's log does not speak of it.",
        "Look into the registry: if this run's image is there under another digest, a RUN line forged the report.",
    ),
    Reason.DIGEST_NOT_IN_REGISTRY: _e(
        "kaniko ended well but the registry has no such image.",
        "Treat the build as failed: something removed the image or the digest was forged in the Dockerfile.",
    ),
}


def explain(reason: Reason) -> Explanation:
    """The cause and remedy of a reason; every reason has one, which a test holds."""
    return EXPLANATIONS[reason]
