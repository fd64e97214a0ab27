"""What a decision is made from and what it consists of: plain values, without any way to get or do anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus
from buildandpush.core.manifest import Login, Manifest, Owner
from buildandpush.core.observation import PodObservation
from buildandpush.core.settings import BuildSettings


@dataclass(frozen=True)
class Resource:
    """One BuildAndPushACR as the API server holds it."""

    owner: Owner
    generation: int
    resource_version: str
    deleting: bool
    spec: Mapping[str, Any]
    status: BuildAndPushACRStatus
    rebuild: str = ""
    """Value of the rebuild annotation, empty without one."""
    cancel: str = ""
    """Value of the cancel annotation, empty without one."""


@dataclass(frozen=True)
class Waiting:
    """Something a build needs is not there yet; it heals by itself."""

    reason: Reason
    message: str
    remedy: str = ""
    """What helps, where that is known better than by the reason."""


@dataclass(frozen=True)
class LoginNeed:
    """What a build wants of one connector."""

    connector: str
    hosts: tuple[str, ...] = ()
    """Hosts to log in to; empty for all that the connector's registries name."""
    push: tuple[str, ...] = ()
    """Repositories that are pushed to, host included."""


@dataclass(frozen=True)
class ReadBack:
    """What the registry said of the pushed image."""

    tags: Mapping[str, str | None]
    """Digest per tag; None where the registry has no such tag."""
    digest_found: bool
    problem: str = ""
    """Why the registry could not be read, else empty."""
    passing: bool = False
    """Whether that may be over a moment later."""
    size_bytes: int | None = None
    """Of the layers and the config, compressed."""
    media_type: str | None = None
    platform: str | None = None
    """Such as linux/amd64; None for an index."""


@dataclass(frozen=True)
class Links:
    """What the resource manager and the portal say of the registry that was pushed to."""

    reason: Reason
    message: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    """Tag and its address in the portal; empty unless the registry was found."""


@dataclass(frozen=True)
class Refusal:
    """The API server would not create the pod."""

    reason: Reason
    message: str
    final: bool


# Questions: facts that cost a request and are therefore looked up only when a decision hangs on them.


@dataclass(frozen=True)
class AskLogin:
    """Is the login of this build's connectors there? Answered by Login or Waiting."""

    needs: tuple[LoginNeed, ...]
    renewal: bool = False
    """Whether a build uses it already, so that nothing is to be done before it is due to be renewed."""


@dataclass(frozen=True)
class AskLivePod:
    """What is the pod really, past any cache? Answered by a PodObservation or None."""

    name: str


@dataclass(frozen=True)
class AskLog:
    """How does the container's log end? Answered by redacted text."""

    pod: str
    container: str
    whole: bool = False
    """All of it, as far as one can hold it, for what may stand anywhere in it; its very end may then be missing."""


@dataclass(frozen=True)
class AskPushed:
    """Which digest does kaniko's log say was pushed to the repository? Answered by it or None.

    Not told by the log itself: what is masked in that may stand in the image's name.
    """

    pod: str
    repository: str


@dataclass(frozen=True)
class AskReadBack:
    """Does the registry have the digest under these tags? Answered by ReadBack."""

    repository: str
    tags: tuple[str, ...]
    digest: str
    connector_ref: str


@dataclass(frozen=True)
class AskProof:
    """Has the registry an image of this run under all tags? Answered by its digest or None."""

    repository: str
    tags: tuple[str, ...]
    run_label: str
    connector_ref: str


@dataclass(frozen=True)
class AskTags:
    """Which of these tags are in the registry? Answered by ReadBack."""

    repository: str
    tags: tuple[str, ...]
    connector_ref: str


@dataclass(frozen=True)
class AskLinks:
    """Where does the portal show these tags? Answered by Links."""

    repository: str
    tags: tuple[str, ...]
    connector_ref: str
    subscription: str


@dataclass(frozen=True)
class AskInputs:
    """Which versions have the Secrets of these connectors, and these objects ("Kind/name"), now? Answered by Inputs."""

    connector_refs: tuple[str, ...]
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class AskObjects:
    """Are these keys there, each of an object ("Kind/name")? Answered by Inputs or Waiting."""

    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Inputs:
    """Secrets by name, each with its uid and version; empty where they cannot be read."""

    versions: tuple[tuple[str, str], ...] = ()


Question = (
    AskLogin | AskLivePod | AskLog | AskPushed | AskReadBack | AskProof | AskTags | AskLinks | AskInputs | AskObjects
)
Answer = Login | Waiting | PodObservation | str | ReadBack | Links | Inputs | None


# Actions: performed after the status that announces them has been written.


@dataclass(frozen=True)
class CreatePod:
    """Create the pod, or adopt the one of this name that is ours."""

    name: str
    manifest: Manifest = field(compare=False)


@dataclass(frozen=True)
class CancelPod:
    """Let the kubelet end the pod and keep its log: lower its deadline to a second."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeletePod:
    """Delete exactly this pod."""

    name: str
    uid: str


@dataclass(frozen=True)
class Announce:
    """Tell a transition as a Kubernetes Event, once."""

    warning: bool
    reason: str
    message: str
    key: str
    """What the Event is about, so that a repeated announcement has the same name."""


Action = CreatePod | CancelPod | DeletePod | Announce


@dataclass(frozen=True)
class World:
    """All that one decision may know."""

    resource: Resource
    now: datetime
    settings: BuildSettings
    pods: Mapping[str, PodObservation] = field(default_factory=dict)
    """Pods of this resource by name, from a cache: hints, never proof of absence."""
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    refusal: Refusal | None = None
    """How the API server refused the pod in this round, if it did."""


@dataclass(frozen=True)
class Decision:
    """Either questions to be answered first, or a status to be written and actions to be performed after it."""

    status: BuildAndPushACRStatus
    actions: tuple[Action, ...] = ()
    questions: frozenset[Question] = frozenset()
    wake_at: datetime | None = None
    """When to decide again even if nothing happens."""
