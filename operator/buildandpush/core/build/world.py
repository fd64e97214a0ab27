"""What a decision is made from and what it consists of: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from buildandpush.api.meta import Manifest
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus
from buildandpush.core.build.questions import (
    Answer,
    AskFluxArtifact,
    AskLogin,
    AskObjects,
    AskReadBack,
    Asks,
    Question,
    T,
)
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import Owner, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.settings import BuildSettings
from buildandpush.core.spec.matrix import Expansions


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
    unreadable: str = ""
    """Why the status cannot be read; empty where it can."""


@dataclass(frozen=True)
class Refusal:
    """The API server refused to create the pod."""

    reason: Reason
    message: str
    final: bool
    is_taken: bool = False
    """Whether a pod of another owner has the name."""
    drops_user_namespace: bool = False
    """Whether it would make the pod without the user namespace that the manifest asks for. No pod was made."""


# Actions: performed after the status that announces them has been written.


@dataclass(frozen=True)
class CreatePod:
    """Create the pod, or adopt our pod of this name."""

    name: str
    manifest: Manifest = field(compare=False)


@dataclass(frozen=True)
class CancelPod:
    """Lower the pod's deadline to one second: the kubelet ends the pod and keeps its log."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeletePod:
    """Delete exactly this pod."""

    name: str
    uid: str


@dataclass(frozen=True)
class Announce:
    """Announce a transition by a Kubernetes Event, once."""

    warning: bool
    reason: str
    message: str
    key: str
    """What the Event is about, so that a repeated announcement has the same name."""


PodAction = CreatePod | CancelPod | DeletePod
Action = PodAction | Announce


@dataclass(frozen=True)
class Wish:
    """What spec and annotations have come to say about the run that is on its way."""

    is_cancelled: bool = False
    """The run was asked to end."""
    is_replaced: bool = False
    """The run gives way to a newer spec now."""
    is_outdated: bool = False
    """The spec asks for another image. It may have to wait for this run, if that has anything to end."""


GO_ON: Final = Wish()


@dataclass(frozen=True)
class World:
    """Everything that one decision may use."""

    resource: Resource
    now: datetime
    settings: BuildSettings
    pods: Mapping[str, PodObservation] = field(default_factory=dict)
    """Pods of this resource by name, from a cache: hints, never proof of absence."""
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    """How the API server refused pods in this pass, by the pod's name."""
    pruned: frozenset[str] = frozenset()
    """Fields, such as `status.handledRebuilds`, that the API server drops: the installed CRD does not know them."""
    obstacle: Waiting | None = None
    """How the API server refused to end a pod, the last time that the operator tried."""
    is_numbered: bool = True
    """Whether the number of the run stands. A run whose builds have no pods yet may get another."""
    wish: Wish = GO_ON
    """What has become of the user's wish for the run that is on its way."""
    unchanged_since: datetime | None = None
    """Since when the resource is as it is, spec and status, as far as this process knows; None for just now."""
    made: frozenset[str] = frozenset()
    """Names of pods that were made for sure, though the status does not say so yet."""
    expansions: Expansions = field(default_factory=Expansions, compare=False, repr=False)
    """What the strategy of the spec was expanded to: once for all builds, and for all worlds made from this one."""


@dataclass(frozen=True)
class Decision:
    """A status to be written, and actions to be performed after it.

    With questions it is only the part that holds whatever the answers are. The caller may write that part before it
    looks for answers that take long, and decides again with the answers.
    """

    status: BuildAndPushACRStatus
    actions: tuple[Action, ...] = ()
    questions: frozenset[Question] = frozenset()
    wake_at: datetime | None = None
    """When to decide again even if nothing happens."""


class AskedError(Exception):
    """The decision hangs on a fact that is not among the answers yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class HeldError(Exception):
    """The decision hangs on a fact that the API server, or a registry, does not tell now."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__(waiting)
        self.waiting = waiting


class RejectedError(Exception):
    """No pod can be made from the spec. `status` is what the build has come to before."""

    def __init__(self, status: BuildAndPushACRStatus, error: SpecInvalidError) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


class RenumberedError(Exception):
    """The run needs a higher number, since the registry has tags with its own. No pod was made for it yet."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def answer(world: World, question: Asks[T]) -> T:
    """The answer to a question. Raises AskedError where there is none yet; `decide` then hands the question out.

    Raises HeldError where the fact is not told now, unless Waiting is among the answers that the question has.
    """
    asked = cast("Question", question)
    if asked not in world.answers:
        raise AskedError(asked)
    found = world.answers[asked]
    told = isinstance(question, AskFluxArtifact | AskLogin | AskObjects | AskReadBack)
    if isinstance(found, Waiting) and not told:
        raise HeldError(found)
    return cast("T", found)
