"""What each reason means and what its reader does next.

The docs' table of reasons is made from here, so a status and the docs say the same words. The cause says what is the
case and, where it is known, why. The remedy says what to do. Both are short sentences: subject, verb, object.
"""

from dataclasses import dataclass
from typing import Final

from buildandpush.api.reasons import Reason


@dataclass(frozen=True)
class Explanation:
    """What a reason means and what its reader does next, in a few short sentences each."""

    cause: str
    remedy: str


def _e(cause: str, remedy: str) -> Explanation:
    return Explanation(cause, remedy)


RUN_AGAIN: Final = "Set the annotation buildandpush.dev/rebuild to a new value to run it again."
RUN_NOW: Final = "Set the annotation buildandpush.dev/rebuild to a new value to start it now."
NO_REMEDY: Final = "Nothing to do."
STARTS_THEN: Final = "The pod starts by itself then."
GOES_ON: Final = "The run goes on by itself."

IDENTITY_REFUSED: Final = (
    "Give the connector's identity the role AcrPush on the registry. A registry with ABAC repository permissions needs "
    "Container Registry Repository Writer for this repository instead. If the identity has its role, its login ended "
    f"before the push: a login lives for about three hours. {RUN_AGAIN}"
)
"""Remedy of PushUnauthorized where an identity of Azure's pushes: it has no password that could be wrong."""
NO_SUCH_HOST: Final = (
    "No DNS server knows the host in the message. Correct the name if it is misspelt. If it is right, check the "
    f"cluster's DNS, and the private DNS zone where the registry has a private endpoint. {RUN_AGAIN}"
)
"""Remedy of RegistryUnreachable where the registry's name has no address."""

EXPLANATIONS: Final[dict[Reason, Explanation]] = {
    # on the way
    Reason.ACCEPTED: _e("The operator accepted the spec and starts a run.", NO_REMEDY),
    Reason.UPLOAD_AWAITED: _e(
        "The build pod waits until somebody sends its source.",
        "Send it with the command that the message names, within source.upload.timeout.",
    ),
    Reason.POD_CREATED: _e("The build pod exists. Its containers have not started yet.", NO_REMEDY),
    Reason.POD_NOT_STARTED: _e(
        "A node has the build pod, but its kubelet cannot start it.",
        "Read the kubelet's words in the message. They name what stands in the way: a volume, the network of pods, or "
        "the container runtime. The operator tries again by itself.",
    ),
    Reason.UNSCHEDULABLE: _e(
        "No node can take the build pod now.",
        f"Lower resources.limits, which starts a new run. Or add a node that fits. {STARTS_THEN}",
    ),
    Reason.SCHEDULING_GATED: _e(
        "The build pod has a scheduling gate, which somebody put on it. Until it is removed, no node takes the pod.",
        "Find the gate in spec.schedulingGates of the pod. The build starts by itself once the gate is gone.",
    ),
    Reason.BUILDING: _e(
        "kaniko builds the image and pushes it.", "To follow it, read the log of the pod that the status names."
    ),
    Reason.VERIFYING: _e(
        "kaniko has pushed the image, and the registry has not confirmed its digest yet.",
        "Nothing to do: the run goes on once the registry has answered.",
    ),
    Reason.SUPERSEDING: _e(
        "The spec changed. The operator stops the running build and then starts the new one.", NO_REMEDY
    ),
    Reason.CANCELLING: _e(
        "The annotation buildandpush.dev/cancel names this run, so the operator stops it.", NO_REMEDY
    ),
    Reason.RETRYING: _e("The attempt failed. The next one starts by itself.", NO_REMEDY),
    Reason.QUEUED: _e("The build waits until another build has ended.", NO_REMEDY),
    Reason.SUSPENDED: _e("suspend is true, so no new run starts.", "Set suspend to false to go on."),
    Reason.CONNECTOR_MISSING: _e(
        "The AzureConnector does not exist in this namespace.",
        f"Create it, or correct connectorRef or baseImageConnectorRefs. {GOES_ON}",
    ),
    Reason.CONNECTOR_INVALID: _e(
        "The AzureConnector cannot serve this build.", f"Correct the connector as the message says. {GOES_ON}"
    ),
    Reason.SECRET_MISSING: _e(
        "The connector or the spec names a Secret, or a key in one, that does not exist.",
        f"Create the Secret or the key in the same namespace. {GOES_ON}",
    ),
    Reason.CONFIG_MAP_MISSING: _e(
        "The spec names a ConfigMap, or a key in one, that does not exist.",
        f"Create the ConfigMap or the key in the same namespace. {GOES_ON}",
    ),
    Reason.RESOLVING_REVISION: _e(
        "The operator asks the git server which commit source.git.revision is at. The server has not answered yet.",
        f"If this lasts, check the url in source, and that the operator can reach its host. {GOES_ON}",
    ),
    Reason.SOURCE_NOT_READY: _e(
        "The Flux object that source.fluxSource names has fetched nothing that can be built yet.",
        f"Create it, or mend what its condition Ready says: kubectl describe shows it. {GOES_ON}",
    ),
    Reason.QUOTA_EXCEEDED: _e(
        "The namespace's ResourceQuota has no room for the build pod, or for the Secret with its login.",
        f"Wait until other builds end, or raise the quota. {GOES_ON}",
    ),
    Reason.CREDENTIAL_NOT_ALLOWED: _e(
        "The operator's installer does not allow this kind of login here.",
        "Ask the installer to allow it in the chart's values, or use another credential.",
    ),
    Reason.LOGGING_IN: _e("The operator logs in. Entra ID or the registry has not answered yet.", NO_REMEDY),
    Reason.LOGIN_FAILED: _e(
        "Entra ID refused the connector's credential.", f"Correct the connector or its Secret. {GOES_ON}"
    ),
    Reason.LOGIN_UNAVAILABLE: _e(
        "Entra ID gave no token just now.",
        "Wait: the operator asks again. If this lasts, check the way from the operator to Entra ID.",
    ),
    Reason.EXCHANGE_REFUSED: _e(
        "The registry does not accept the identity's token.",
        f"Check that the identity has a role on this registry, and that both belong to the same tenant. {GOES_ON}",
    ),
    Reason.REGISTRY_NETWORK_DENIED: _e(
        "The network rules of the registry do not let this address in.",
        "Add the address to the registry's firewall rules, or reach the registry by a private endpoint. A pod has the "
        "address of its node, or of the cluster's NAT gateway.",
    ),
    Reason.PUSH_NOT_ALLOWED: _e(
        "The identity may log in, but it may not push to this repository.",
        "Give it the role AcrPush. A registry with ABAC repository permissions needs Container Registry Repository "
        f"Writer instead. {GOES_ON}",
    ),
    Reason.TOO_MANY_LOGINS: _e(
        "The connector has as many login Secrets as it may have. The operator removes each of them once it has ended.",
        f"Wait, use loginScope Registry, or spread the repositories over several connectors. {GOES_ON}",
    ),
    Reason.NAME_COLLISION: _e(
        "The operator needs a name that an object of somebody else's has.",
        f"Delete or rename that object. {GOES_ON}",
    ),
    Reason.REGISTRY_UNREACHABLE: _e(
        "The registry did not answer, or it failed in the middle of an answer.",
        "Check the registry's name, its network rules and DNS from inside the cluster.",
    ),
    Reason.POD_REFUSED: _e(
        "The API server refused the build pod.",
        "Read the server's words in the message. Mend what they name: a LimitRange, a policy, or Pod Security, which "
        "has to be 'baseline' or 'privileged' in build namespaces. The operator looks again by itself.",
    ),
    Reason.API_REFUSED: _e(
        "The API server refused a request of the operator.",
        "Read the server's words in the message. They name what stands in the way: an admission webhook, a policy, "
        f"or a right that the operator has lost. {GOES_ON}",
    ),
    # good ends
    Reason.SUCCEEDED: _e("The image was built and pushed, and the registry has it.", NO_REMEDY),
    Reason.SUCCEEDED_WITHOUT_PUSH: _e("The image was built. The spec asks for no push.", NO_REMEDY),
    Reason.SPEC_VALID: _e("The operator understands every field.", NO_REMEDY),
    Reason.NO_EFFECT: _e(
        "The operator understands every field, but some change nothing.",
        "Remove what the message names, or leave it as it is.",
    ),
    Reason.CHANGES_MAY_BE_LOST: _e(
        "The operator understands every field, but with some of them kaniko overlooks changes.",
        "Remove what the message names, unless no RUN line keeps a file's size and time.",
    ),
    Reason.SOURCE_POLLED: _e("The operator looks for new commits of source.git.revision.", NO_REMEDY),
    Reason.SOURCE_FETCHED: _e("The source was fetched.", NO_REMEDY),
    Reason.BUILT: _e("The image was built.", NO_REMEDY),
    Reason.CACHE_NOT_WRITTEN: _e(
        "The image was built, but its layers could not be put into the cache repository.",
        "Check that the connector may push to the cache repository. Until then the next run builds these layers again.",
    ),
    Reason.DOCKERFILE_CHECKED: _e(
        "kaniko makes of the Dockerfile what Docker makes of it, as far as it tells.", NO_REMEDY
    ),
    Reason.DOCKERFILE_DIFFERS: _e(
        "kaniko makes something else of the Dockerfile than Docker does.",
        "Write what the message says instead, if it matters to the image. docs/dockerfiles.md has more.",
    ),
    Reason.PUSHED: _e("The image was pushed under every tag.", NO_REMEDY),
    Reason.VERIFIED: _e("Every tag in the registry names the digest that was pushed.", NO_REMEDY),
    Reason.NOT_VERIFIABLE: _e(
        "Neither the operator nor a pod of this namespace can read the registry. kaniko only pushed a finished image "
        "and ran no line of a Dockerfile, so the operator believes its digest.",
        "Let the operator or the pods of this namespace read the registry if you need the confirmation.",
    ),
    Reason.TAG_MOVED: _e(
        "The registry has the digest that was pushed, but a tag names another image by now.",
        "Nothing to do if another build uses the same tag. Otherwise give each build tags of its own.",
    ),
    Reason.IGNORED_FAILURE: _e(
        "The run failed, and failureStrategies says to ignore that.",
        "Read the cause in status.run.builds. Digest and artifacts are those of the last good run.",
    ),
    Reason.SKIPPED: _e(
        "The condition in when is not met, so nothing was built.",
        "Nothing to do. A change of the spec or a rebuild request looks at the condition again.",
    ),
    Reason.NOTHING_FAILED: _e(
        "Only the builds that failed were asked for, and no build of the last run failed.",
        "Nothing to do. Another value of the rebuild annotation builds everything again.",
    ),
    Reason.CREDENTIALS_FOUND: _e("The connector's Secret holds what a login needs.", NO_REMEDY),
    Reason.LOGGED_IN: _e("The connector can log in.", NO_REMEDY),
    Reason.LINKS_RESOLVED: _e("The artifacts have links to the portal.", NO_REMEDY),
    Reason.LINKS_UNAVAILABLE: _e(
        "The resource manager gave no answer about the registry, so there are no links to the portal.",
        "Check subscriptionId, and the way from the operator to the resource manager. The next run tries again.",
    ),
    Reason.REGISTRY_NOT_LISTED: _e(
        "The subscription shows no registry of this name, so there are no links to the portal.",
        "Correct subscriptionId, or give the identity the role Reader on the registry.",
    ),
    Reason.SUBSCRIPTION_NOT_FOUND: _e(
        "The identity sees no subscription of this name or id, so there are no links to the portal.",
        "Correct subscriptionId, or give the identity the role Reader on the registry or the subscription.",
    ),
    # bad ends
    Reason.STATUS_UNREADABLE: _e(
        "The operator cannot read the status that it left here. An older CustomResourceDefinition dropped a field, or "
        "somebody changed the status. The operator does nothing for this resource, so that no second run starts.",
        "Apply the CustomResourceDefinitions of this version, and correct the field that the message names.",
    ),
    Reason.CRD_OUTDATED: _e(
        "The installed CustomResourceDefinition is older than the operator.",
        "Apply those of the operator's version: kubectl apply --server-side --force-conflicts -f "
        "charts/buildandpush-operator/crds. The operator looks again every ten minutes.",
    ),
    Reason.SPEC_INVALID: _e("A field of the spec cannot be used.", "Correct the field that the message names."),
    Reason.SUPERSEDED: _e("The spec changed before this run ended.", "Nothing to do: a newer run takes its place."),
    Reason.CANCELLED: _e(
        "The annotation buildandpush.dev/cancel ended the run.",
        f"Change the spec for a new run. {RUN_AGAIN}",
    ),
    Reason.BUILDS_FAILED: _e(
        "Builds of the run failed.",
        "Read each one's cause in status.run.builds. To build only these again, set the rebuild annotation to failed- "
        "and a number that was not used yet, such as failed-1.",
    ),
    Reason.TAG_EXISTS: _e(
        "The registry has the first run's tag already, so this resource's numbers would overwrite earlier images.",
        "Set firstRunNumber to a number above the last one used, or to Auto.",
    ),
    Reason.SOURCE_INVALID: _e("The source cannot be used as it is given.", "Correct source as the message says."),
    Reason.SOURCE_UNREACHABLE: _e(
        "The source's server did not answer, or the connection to it broke.",
        f"Check the url in source, and that build pods can reach its host. {RUN_AGAIN}",
    ),
    Reason.SOURCE_THROTTLED: _e(
        "The source's server answers that it gets too many requests.",
        f"Wait, or let fewer builds fetch from this server at a time. {RUN_AGAIN}",
    ),
    Reason.SOURCE_MOVED: _e(
        "The git server sends the fetch to another address. The operator does not follow it there.",
        "Write the new address into source.git.url. Often only .git at its end is missing.",
    ),
    Reason.SOURCE_CHECKSUM: _e(
        "The archive or artifact has another digest than it should have. Nothing of it was unpacked.",
        f"Find out why it changed. If the new content is right, correct source.archive.sha256. {RUN_AGAIN}",
    ),
    Reason.SOURCE_TOO_LARGE: _e(
        "The source, or what it unpacks to, is larger than the operator's installer allows.",
        "Leave out what the build does not need, or have the installer raise the limit that the message names, in the "
        f"values of the operator's chart. {RUN_AGAIN}",
    ),
    Reason.SOURCE_DENIED: _e(
        "The source's server wants a login, or refuses this one.",
        "Do what the message says. Otherwise name a Secret with a login or an ssh key in source.git.credentialsRef, or "
        "in source.archive.headersRef or sasSecretRef, or correct that Secret: its change starts a new run.",
    ),
    Reason.SOURCE_HOST_KEY: _e(
        "The key that the git server shows over ssh is not one that the Secret of source.git.credentialsRef trusts.",
        "Compare its fingerprint with the one that the server's owner publishes. If it is right, run ssh-keyscan [-p "
        "port] host > known_hosts, check it with ssh-keygen -lf known_hosts, and put the file into the Secret as "
        "known_hosts. If not, somebody may stand between. A new run starts once the Secret has changed.",
    ),
    Reason.UPLOAD_NOT_RECEIVED: _e(
        "Nobody sent a complete source in time.",
        "Set the annotation buildandpush.dev/rebuild to a new value, and send the source with the command that the "
        "status then names. source.upload.timeout allows more time.",
    ),
    Reason.REVISION_NOT_FOUND: _e(
        "The repository has no such branch, tag or commit, or the registry or Flux no such artifact.",
        "Correct source.git.revision or source.oci.image, or push the revision first. A newer artifact of Flux starts "
        f"a run by itself. {RUN_AGAIN}",
    ),
    Reason.COMMIT_ID_SHORT: _e(
        "source.git.revision looks like the beginning of a commit's id, and no commit begins so, or several do. Only "
        "the commits of branches and tags are looked through.",
        "Write all 40 characters of the id, or the name of a branch or tag.",
    ),
    Reason.DOCKERFILE_NOT_FOUND: _e(
        "The source has no file at the path in dockerfile.",
        "Correct dockerfile: it is relative to the source's root, not to context.",
    ),
    Reason.CONTEXT_NOT_FOUND: _e(
        "The source has no folder at the path in context.",
        "Correct context: it is a folder relative to the source's root.",
    ),
    Reason.DOCKERFILE_INVALID: _e(
        "The Dockerfile cannot be parsed.", "Correct the line that the message or the log tail names."
    ),
    Reason.DOCKERFILE_UNSUPPORTED: _e(
        "kaniko would make another image of the Dockerfile than Docker does, or none.",
        "Write what the message says instead. dockerfileChecks: Warn builds it all the same; see docs/dockerfiles.md.",
    ),
    Reason.TARGET_NOT_FOUND: _e(
        "The Dockerfile has no stage with the name in target.",
        "Correct target, or give the stage this name: FROM <image> AS <name>.",
    ),
    Reason.SOURCE_INCOMPLETE: _e(
        "The Dockerfile copies a part of the repository that is not fetched.",
        "Do what the message says. dockerfileChecks: Warn builds all the same.",
    ),
    Reason.COPIED_FILE_NOT_FOUND: _e(
        "A COPY or ADD line names a file or folder that is not in the context.",
        "Correct the path: it is relative to context. .dockerignore may leave the file out.",
    ),
    Reason.BASE_IMAGE_NOT_FOUND: _e(
        "A FROM or COPY --from line names an image that does not exist.", "Correct its name or tag in the Dockerfile."
    ),
    Reason.BASE_IMAGE_AWAITED: _e(
        "The base image is not there yet, and another build of this namespace pushes it.",
        "Nothing to do: the build is tried again. Look at the other build if it does not end.",
    ),
    Reason.BASE_IMAGE_DENIED: _e(
        "The registry of a base image wants a login or refuses this one.",
        "Name the base image's registry in the connector's registries, or use an image that the connector may pull.",
    ),
    Reason.REGISTRY_THROTTLED: _e(
        "The registry of a base image answers that it gets too many requests.",
        "Name a mirror in registryMirrors, or copy the base image into your own registry. Docker Hub counts the pulls "
        f"of several hours, and more are free with a login. {RUN_AGAIN}",
    ),
    Reason.PUSH_DENIED: _e(
        "The registry accepts the login, but that may not push to this repository.",
        "Give the identity the role AcrPush. A registry with ABAC repository permissions needs Container Registry "
        f"Repository Writer instead. {RUN_AGAIN}",
    ),
    Reason.PUSH_UNAUTHORIZED: _e(
        "The registry does not accept the login.",
        "Correct the Secret that the connector names. A new run follows by itself.",
    ),
    Reason.PUSH_FAILED: _e(
        "The registry refused the push or broke it off.", f"Read the registry's words in the log tail. {RUN_AGAIN}"
    ),
    Reason.CERTIFICATE_NOT_TRUSTED: _e(
        "The certificate of a server, or of a proxy before it, is not trusted.",
        "For a registry, put the certificate of the authority that signed it into the connector's caBundle, or have "
        "the operator's installer allow PLUGIN_SKIP_TLS_VERIFY for it. For a source, put it into "
        "source.git.caBundle or source.archive.caBundle, or have the installer add it to trustedCertificates in the "
        f"chart's values. {RUN_AGAIN}",
    ),
    Reason.RUN_FAILED: _e(
        "A RUN command of the Dockerfile ended with an error.", "Read the log tail. The exit code is the command's own."
    ),
    Reason.BUILD_FAILED: _e("The build ended with an error.", "Read the message and the log tail."),
    Reason.OUT_OF_MEMORY: _e(
        "The build needed more memory than its limit allows.",
        "Raise resources.limits.memory. The change starts a new run.",
    ),
    Reason.STORAGE_LIMIT_EXCEEDED: _e(
        "The build needed more disk than its limit allows.",
        "Raise resources.limits.ephemeral-storage. The change starts a new run.",
    ),
    Reason.TIMED_OUT: _e("The build took longer than timeout.", "Raise timeout. The change starts a new run."),
    Reason.KILLED: _e("Something outside of the build ended its process.", RUN_AGAIN),
    Reason.EVICTED: _e(
        "The build pod had to leave its node, which ran short of something or was drained.",
        f"Give the node more room, or let the build ask for less. {RUN_AGAIN}",
    ),
    Reason.NODE_DISK_FULL: _e(
        "The disk of the build pod's node is full.",
        "Give the node a larger disk, or raise resources.requests.ephemeral-storage so that the pod gets another node. "
        f"{RUN_AGAIN}",
    ),
    Reason.PREEMPTED: _e("A pod of higher priority took the build pod's place.", RUN_AGAIN),
    Reason.NODE_LOST: _e("The build pod's node went away or was started anew.", RUN_AGAIN),
    Reason.POD_LOST: _e("The build pod was deleted before it ended.", RUN_AGAIN),
    Reason.POD_REJECTED: _e(
        "The node did not take the build pod that the scheduler gave it.",
        f"Read the kubelet's words in the message. {RUN_AGAIN}",
    ),
    Reason.CONTAINER_NOT_STARTED: _e(
        "The node's container runtime could not start a container of the build.",
        f"Read the runtime's words in the message. If they stay the same, the node needs care. {RUN_AGAIN}",
    ),
    Reason.INJECTED_CONTAINER_FAILED: _e(
        "Something put a container of its own into the build pod, and that container failed before the build began.",
        "Ask who runs the mesh or the policy that puts it there to leave build pods out, or to mend the container. "
        f"{RUN_AGAIN}",
    ),
    Reason.IMAGE_PULL_FAILED: _e(
        "The node cannot pull an image that the build pod itself runs.",
        f"Correct the image in the chart's values: the message names it. {RUN_AGAIN}",
    ),
    Reason.IMAGE_NAME_INVALID: _e(
        "An image that the build pod itself runs has an impossible name.",
        f"Correct the image in the chart's values: the message names it. {RUN_AGAIN}",
    ),
    Reason.CONTAINER_CONFIG_INVALID: _e(
        "The kubelet cannot make the build's container.", f"Read the kubelet's words in the message. {RUN_AGAIN}"
    ),
    Reason.ROOT_REQUIRED: _e(
        "kaniko has to be root to unpack this image or to change its files.",
        "Leave runAsUser unset or 0, and use userNamespace: Always if root on the node is the worry. Another user can "
        "only change metadata (ENV, LABEL, CMD), unless the executor's image lets it write to its root directory.",
    ),
    Reason.POD_CHANGED: _e(
        "The build failed in a pod that a policy of the cluster had changed.",
        "Ask the cluster's administrator to exempt build pods from the policy: they have the label "
        "app.kubernetes.io/name: buildandpush.",
    ),
    Reason.PLATFORM_MISMATCH: _e(
        "A program of the image is for another platform than the node.",
        "Name the image's platform in envVariables.PLUGIN_CUSTOM_PLATFORM, which selects such a node, and use a base "
        "image of that platform.",
    ),
    Reason.IMAGE_FILE_NOT_FOUND: _e(
        "The image file in PLUGIN_SOURCE_TAR_PATH is not on the workspace's volume, or is no image.",
        "Correct the path, or write the image there first with PLUGIN_TAR_PATH.",
    ),
    Reason.DIGEST_MISSING: _e(
        "kaniko ended well, but it reported no well-formed digest.",
        f"Report this as a fault of the operator. {RUN_AGAIN}",
    ),
    Reason.DIGEST_NOT_CONFIRMED: _e(
        "Nothing confirms the digest that kaniko's container reported.",
        "A RUN line can forge such a report: compare it with the tags in the registry. If nobody could read the "
        f"registry, let the operator or the pods of this namespace read it. {RUN_AGAIN}",
    ),
    Reason.DIGEST_NOT_IN_REGISTRY: _e(
        "kaniko ended well, but the registry has no such image.",
        "Treat the build as failed: something removed the image, or the Dockerfile forged the digest.",
    ),
}


def explain(reason: Reason) -> Explanation:
    """The cause and remedy of a reason; every reason has one, which a test holds."""
    return EXPLANATIONS[reason]
