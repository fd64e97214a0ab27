"""Questions about facts that cost a request. They are asked only when a decision depends on them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from buildandpush.api.meta import Manifest
from buildandpush.core.facts import (
    Commit,
    FluxArtifact,
    GitRevision,
    Inputs,
    Links,
    LoginNeed,
    LoginSecretRef,
    Proof,
    Pushed,
    ReadBack,
    Trouble,
    Waiting,
)
from buildandpush.core.foreign import Admitted
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import PodEvent

T = TypeVar("T")


class Asks(Generic[T]):
    """A question that is answered by a T. mypy holds the core to it; nothing is checked when the operator runs."""


@dataclass(frozen=True)
class AskLogin(Asks[LoginSecretRef | Waiting]):
    """Is the login of this build's connectors there?"""

    needs: tuple[LoginNeed, ...]
    renewal: bool = False
    """Whether a build uses it already, so that nothing is to be done before it is due to be renewed."""


@dataclass(frozen=True)
class AskLivePod(Asks[PodObservation | None]):
    """What is the pod really, past any cache?"""

    name: str


@dataclass(frozen=True)
class AskLog(Asks[Admitted]):
    """How does the container's log end? It comes through the door for strangers' text."""

    pod: str
    container: str


@dataclass(frozen=True)
class AskCacheTrouble(Asks[Admitted | None]):
    """Why could kaniko not put a layer into the cache, by its log? None if it could."""

    pod: str


@dataclass(frozen=True)
class AskPushed(Asks[Pushed]):
    """Which digests does kaniko's log say were pushed to the repository?

    Not told by the log itself: what is masked in that may stand in the image's name.
    """

    pod: str
    repository: str


@dataclass(frozen=True)
class AskReadBack(Asks[ReadBack | Waiting]):
    """Does the registry have the digest under these tags? Waiting where there is no login."""

    repository: str
    tags: tuple[str, ...]
    digest: str
    connector_ref: str


@dataclass(frozen=True)
class AskProof(Asks[Proof]):
    """Does the registry have an image of this run under all tags?"""

    repository: str
    tags: tuple[str, ...]
    run_label: str
    connector_ref: str


@dataclass(frozen=True)
class AskTags(Asks[ReadBack]):
    """Which of these tags are in the registry?"""

    repository: str
    tags: tuple[str, ...]
    connector_ref: str


@dataclass(frozen=True)
class AskAllTags(Asks[tuple[str, ...] | None]):
    """Which tags does the repository have? The answer is None where the registry does not tell. The run waits for one
    that it tells later."""

    repository: str
    connector_ref: str


@dataclass(frozen=True)
class AskLinks(Asks[Links]):
    """Where does the portal show these tags?"""

    repository: str
    tags: tuple[str, ...]
    connector_ref: str
    subscription: str


@dataclass(frozen=True)
class AskInputs(Asks[Inputs]):
    """What do the Secrets of these connectors, and these keys, each of an object ("Kind/name"), hold now?"""

    connector_refs: tuple[str, ...]
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AskAdmission(Asks[bool]):
    """Would the API server take this pod now?"""

    name: str
    manifest: Manifest = field(compare=False)


@dataclass(frozen=True)
class AskObjects(Asks[Inputs | Waiting]):
    """Are these keys there, each of an object ("Kind/name")?"""

    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AskPodEvents(Asks[tuple[PodEvent, ...]]):
    """What do Events say about this pod? The newest come first."""

    pod: str
    uid: str


@dataclass(frozen=True)
class AskCommit(Asks[Commit | Trouble | None]):
    """Which commit is a revision at, at this time or later? The answer None says that its server is being asked: the
    resource is looked at again once there is an answer."""

    at: GitRevision
    since: datetime
    details: bool = False
    """Whether its author and message are wanted too."""
    begins: bool = True
    """Whether the server may be asked although this process has never asked it."""


@dataclass(frozen=True)
class AskTouched(Asks[bool | Trouble | None]):
    """Do these paths differ between two commits? None: it is being asked, as in AskCommit."""

    at: GitRevision
    old: str
    new: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class AskFluxArtifact(Asks[FluxArtifact | Waiting]):
    """What has this source object of Flux fetched last? Waiting where it has nothing yet, or cannot be read."""

    kind: str
    name: str


@dataclass(frozen=True)
class AskPusher(Asks[str | None]):
    """Which other resource of the namespace is about to push to this repository? The answer is its name."""

    repository: str


@dataclass(frozen=True)
class AskSlot(Asks[str]):
    """What does the build have to wait for before it may create its pod? The answer is empty if it may."""

    pod: str
    """The name that its pod will have."""
    since: datetime
    """When its run was accepted."""
    priority_class: str = ""


RemoteQuestion = (
    AskLogin
    | AskLivePod
    | AskLog
    | AskCacheTrouble
    | AskPushed
    | AskReadBack
    | AskProof
    | AskTags
    | AskAllTags
    | AskLinks
    | AskInputs
    | AskObjects
    | AskPodEvents
    | AskAdmission
    | AskCommit
    | AskTouched
    | AskFluxArtifact
)
"""Questions whose answers cost a request."""

Question = RemoteQuestion | AskPusher | AskSlot
Answer = (
    LoginSecretRef
    | Waiting
    | PodObservation
    | str
    | ReadBack
    | tuple[str, ...]
    | Proof
    | Pushed
    | Links
    | Inputs
    | tuple[PodEvent, ...]
    | Commit
    | Trouble
    | FluxArtifact
    | bool
    | None
)
