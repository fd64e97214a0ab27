"""Names of the API: group, kinds, labels, annotations. Nothing here decides anything."""

from enum import StrEnum
from typing import Any, Final

Manifest = dict[str, Any]
"""An object of Kubernetes, as its JSON says it."""

GROUP: Final = "buildandpush.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

BUILD_KIND: Final = "BuildAndPushACR"
BUILD_PLURAL: Final = "buildandpushacrs"
CONNECTOR_KIND: Final = "AzureConnector"
CONNECTOR_PLURAL: Final = "azureconnectors"

COMPONENT: Final = "buildandpush-operator"
"""The operator's name as the source of its Events, as its objects' manager, and as the manager of fields it writes."""

MAX_NAME: Final = 63
"""Characters of a label's value, and so of every name that becomes one."""

LABEL_NAME: Final = f"{GROUP}/name"
LABEL_RUN: Final = f"{GROUP}/run"
LABEL_BUILD: Final = f"{GROUP}/build"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_SPEC_HASH: Final = f"{GROUP}/spec-hash"
LABEL_LOGIN: Final = f"{GROUP}/login"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
COMPONENT_BUILD: Final = "build"
COMPONENT_READ_BACK: Final = "read-back"
"""Of a pod that reads a push back from the registry. It builds nothing and pushes nothing."""

SOURCE_FILES_MOUNT: Final = "/etc/buildandpush-files"
"""Where the source's container sees the files that it copies."""
GIT_LOGIN_MOUNT: Final = "/etc/buildandpush-git"
"""Where it sees the login to the git server, a file for each key."""
STORAGE_LOGIN_MOUNT: Final = "/etc/buildandpush-storage"
"""Where the pod mounts the login to Azure Blob Storage: a file `sas`, or `bearerToken`."""
DOWNLOAD_HEADERS_MOUNT: Final = "/etc/buildandpush-headers"
"""Where it sees the headers of a download, a file for each."""
REGISTRY_LOGIN_MOUNT: Final = "/etc/buildandpush-login"
"""Where it sees the docker config of the build, and the read-back pod its own."""
REGISTRY_CA_MOUNT: Final = "/etc/buildandpush-ca"
"""Where both see the certificates of connectors, a file for each host."""

PIPELINE_ROOT: Final = "/harness"
"""The pipeline's workspace; in paths it stands for the root of the source or of the volume."""

ANNOTATION_REBUILD: Final = f"{GROUP}/rebuild"
"""On a resource: a value that was not handled yet asks for a new run."""
ANNOTATION_CANCEL: Final = f"{GROUP}/cancel"
"""On a resource: the number of the run to end."""

ANNOTATION_VERIFY: Final = f"{GROUP}/verify"
"""On a connector: another value than the last one asks for a login afresh."""

ANNOTATION_MAX_BUILDS: Final = f"{GROUP}/max-concurrent-builds"
"""On a Namespace: how many of its builds may have a pod at once, where that is fewer than the installer allows."""

ANNOTATION_CERTIFICATES: Final = f"{GROUP}/trusted-certificates"
ANNOTATION_SOURCE: Final = f"{GROUP}/source"
"""On a build pod: the JSON request that its init container reads through a downward-API file."""

IMAGE_LABEL_RUN: Final = f"{GROUP}/run"
"""In the image's config: `<resource uid>/<run number>@<spec>`, which proves whose push a digest is."""


class Phase(StrEnum):
    """Where the latest run stands, in one word; a summary for people, never read back by the operator."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    IGNORED = "Ignored"
    SKIPPED = "Skipped"
    SUPERSEDED = "Superseded"
    SUSPENDED = "Suspended"
    INVALID = "Invalid"


class ConditionType(StrEnum):
    """The conditions in a status. Ready, Reconciling and Stalled follow kstatus; all are True for the good case
    except Reconciling and Stalled, which are absent unless True, and CrdCurrent, which is absent unless False."""

    READY = "Ready"
    SUCCEEDED = "Succeeded"
    COMPLETED = "Completed"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SPEC_VALID = "SpecValid"
    SOURCE_POLLED = "SourcePolled"
    SOURCE_READY = "SourceReady"
    DOCKERFILE_CHECKED = "DockerfileChecked"
    BUILT = "Built"
    PUSHED = "Pushed"
    VERIFIED = "Verified"
    LINKS_RESOLVED = "LinksResolved"
    CRD_CURRENT = "CrdCurrent"


class Trigger(StrEnum):
    """Why a run was started."""

    SPEC = "Spec"
    REBUILD = "Rebuild"
    SOURCE_REVISION = "SourceRevision"
    RETRY_AFTER_CHANGE = "RetryAfterChange"
    RETRY_AFTER_OUTAGE = "RetryAfterOutage"
