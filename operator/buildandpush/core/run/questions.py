"""Questions: facts that cost a request and are therefore looked up only when a decision hangs on them."""

from dataclasses import dataclass

from buildandpush.core.facts import Inputs, Links, LoginNeed, LoginSecretRef, ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation


@dataclass(frozen=True)
class AskLogin:
    """Is the login of this build's connectors there? Answered by LoginSecretRef or Waiting."""

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
class AskPusher:
    """Which other resource of the namespace is about to push to this repository? Answered by its name or None."""

    repository: str


RemoteQuestion = (
    AskLogin | AskLivePod | AskLog | AskPushed | AskReadBack | AskProof | AskTags | AskLinks | AskInputs | AskObjects
)
"""Questions whose answers cost a request."""

Question = RemoteQuestion | AskPusher


Answer = LoginSecretRef | Waiting | PodObservation | str | ReadBack | Links | Inputs | None
