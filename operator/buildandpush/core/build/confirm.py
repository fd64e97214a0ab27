"""Whether the registry confirms the digest that kaniko's container reported. Nothing else does.

A process that a RUN line left behind can write kaniko's termination message, and kaniko's log as well. So the registry
has to name the digest: to the operator, or, where the operator cannot read it, to a pod that reads it instead.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, ReadBackStatus, RunStatus
from buildandpush.core import naming
from buildandpush.core.backoff import late_seconds
from buildandpush.core.build import progress
from buildandpush.core.build.planning import plan_run
from buildandpush.core.build.questions import AskLivePod, AskLogin, AskProof, AskPushed, AskReadBack
from buildandpush.core.build.status import announce, build_of, derive_needs, is_news, run_of
from buildandpush.core.build.waiting import WAIT, look_again
from buildandpush.core.build.world import CreatePod, Decision, DeletePod, World, answer
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.explain import describe
from buildandpush.core.facts import ReadBack, Waiting
from buildandpush.core.pod.manifest import Attempt
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.readback import Claim, Report, build_read_back_pod, read_report
from buildandpush.core.spec.plan import BuildPlan, parse_spec
from buildandpush.core.text import clip

OWN_PATIENCE: Final = timedelta(minutes=5)
"""How long the operator itself asks a registry that is there but does not answer."""
READER_PATIENCE: Final = timedelta(minutes=15)
"""How long a pod may take that asks instead: until it has a node and its image, and has asked."""
_SHORTEST, _LONGEST = timedelta(seconds=5), timedelta(seconds=60)


@dataclass(frozen=True)
class Confirmed:
    """The digest is believed."""

    read_back: ReadBack
    """What the registry says of it; with a problem where only kaniko's push command stands for it."""
    reader: str = ""
    """The pod that read the registry; empty where the operator did."""


@dataclass(frozen=True)
class Unconfirmed:
    """The digest is not believed."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class _Unread:
    """The registry did not answer."""

    problem: str
    passing: bool
    retry_after_seconds: int


def confirm(world: World, run: RunStatus, pod: PodObservation, digest: str) -> Confirmed | Unconfirmed | Decision:
    """What becomes of the digest; a Decision where the registry has to be asked on."""
    asked = build_of(run).read_back
    if asked is not None and asked.pod_name:
        return _hear_reader(world, run, pod, digest, asked, asked.pod_name)
    if asked is not None and asked.next_at is not None and _since(run, asked) <= world.now < asked.next_at:
        return Decision(world.resource.status, wake_at=asked.next_at)
    question = AskReadBack(run.effective.repository, tuple(build_of(run).tags), digest, run.effective.connector or "")
    read_back = answer(world, question)
    if isinstance(read_back, Waiting):
        return _wait(world, pod, read_back)
    finding = _judge(world, run, digest, read_back)
    if isinstance(finding, Confirmed):
        return finding
    if isinstance(finding, Unconfirmed):
        return _look_on(world, run, pod, digest, read_back) or finding
    contradiction = _find_contradiction(world, run, pod, digest)
    if contradiction:
        return Unconfirmed(Reason.DIGEST_NOT_CONFIRMED, f"{contradiction}; {finding.problem}")
    return _ask_on(world, pod, finding)


def run_label(world: World, run: RunStatus) -> str:
    """The label of the build's image."""
    owner = world.resource.owner
    return naming.run_label(owner.uid, run=run.number, build=int(build_of(run).key), spec_hash=run.spec_hash)


# ---- what the operator reads itself


def _judge(world: World, run: RunStatus, digest: str, read_back: ReadBack) -> Confirmed | Unconfirmed | _Unread:
    if read_back.problem:
        return _Unread(read_back.problem, read_back.passing, read_back.retry_after_seconds)
    if not read_back.digest_found:
        return Unconfirmed(Reason.DIGEST_NOT_IN_REGISTRY, f"{run.effective.repository}@{digest}")
    if all(named == digest for named in read_back.tags.values()):
        return Confirmed(read_back)
    # A tag names another image. So the digest may be an older image's, which a RUN line can find out.
    if _is_known_without_label(run, read_back, digest):
        return Confirmed(read_back)
    if run.effective.reproducible:
        return Unconfirmed(Reason.DIGEST_NOT_CONFIRMED, f"{digest}: no tag of this run names it")
    question = AskProof(run.effective.repository, (digest,), run_label(world, run), run.effective.connector or "")
    proof = answer(world, question)
    if proof.problem:
        return _Unread(proof.problem, proof.passing, proof.retry_after_seconds)
    if proof.digest == digest:
        return Confirmed(read_back)
    detail = f"{digest}: that image does not carry the label of this run, and a tag of this run names another"
    return Unconfirmed(Reason.DIGEST_NOT_CONFIRMED, detail)


def _is_known_without_label(run: RunStatus, read_back: ReadBack, digest: str) -> bool:
    """Whether an image that says nothing of its run is this run's: a tag of the run names it, or only kaniko's push
    command spoke of it."""
    if run.effective.push_only:
        return True
    return bool(run.effective.reproducible) and digest in read_back.tags.values()


def _find_contradiction(world: World, run: RunStatus, pod: PodObservation, digest: str) -> str:
    """Where kaniko's log names another digest than its message, so that one of them is forged; else empty.

    That the two agree proves nothing, since a RUN line can write both.
    """
    if run.effective.cache_repository == run.effective.repository:
        return ""  # kaniko tells of cached layers in the same words
    pushed = answer(world, AskPushed(pod.name, run.effective.repository))
    others = [other for other in pushed.digests if other != digest]
    return f"it reported {digest}, and its log says that {others[0]} was pushed" if others else ""


def _since(run: RunStatus, asked: ReadBackStatus) -> datetime:
    """Since when the registry is asked. A status from an older CRD may lack it."""
    return asked.since or run.started_at


def _look_on(world: World, run: RunStatus, pod: PodObservation, digest: str, read_back: ReadBack) -> Decision | None:
    """Ask again for what may not have arrived yet where the registry answers from; None where it would have."""
    late = [f"tag {tag}" for tag, named in read_back.tags.items() if named is None]
    missing = ", ".join(late) if read_back.digest_found else digest
    left = _begin_of(world) + timedelta(seconds=late_seconds(world.settings.first_backoff_seconds)) - world.now
    if not missing or left <= timedelta() or _find_contradiction(world, run, pod, digest):
        return None
    return _ask_again(world, pod, f"{run.effective.repository} has no {missing} yet", at_most=left)


def _ask_on(world: World, pod: PodObservation, unread: _Unread) -> Decision:
    """Ask again later, or, where that would bring nothing, have a pod ask."""
    if unread.passing and world.now < _begin_of(world) + OWN_PATIENCE:
        return _ask_again(world, pod, unread.problem, at_least=timedelta(seconds=unread.retry_after_seconds))
    problem = clip(unread.problem, MAX_MESSAGE // 2)
    name = naming.read_back_pod_name(build_of(run_of(world)).pod_name)
    state = ReadBackStatus(since=world.now, pod_name=name, problem=problem)
    told = describe(Reason.VERIFYING, f"pod {name} asks instead; {problem}")
    return replace(_tell(world, pod, state, Reason.VERIFYING, told), wake_at=world.now)


def _begin_of(world: World) -> datetime:
    """Since when the registry is asked: since now where it was not asked before."""
    asked = build_of(run_of(world)).read_back
    return min(_since(run_of(world), asked), world.now) if asked is not None else world.now


def _ask_again(
    world: World,
    pod: PodObservation,
    problem: str,
    *,
    at_least: timedelta = timedelta(),
    at_most: timedelta = timedelta.max,
) -> Decision:
    """Ask after as long as it was waited for already: 5, 5, 10, 20, 40, 60, 60 ... seconds, within bounds."""
    since, problem = _begin_of(world), clip(problem, MAX_MESSAGE // 2)
    wait = min(max(min(max(world.now - since, _SHORTEST), _LONGEST), at_least), at_most)
    state = ReadBackStatus(since=since, next_at=world.now + wait, problem=problem)
    told = describe(Reason.VERIFYING, problem)
    return replace(_tell(world, pod, state, Reason.VERIFYING, told), wake_at=state.next_at)


def _wait(world: World, pod: PodObservation, waiting: Waiting) -> Decision:
    """The connector or its Secret is missing or refused. As before a pod, a user has all the time to correct it."""
    told = describe(waiting.reason, waiting.message, waiting.remedy)
    return replace(_tell(world, pod, None, waiting.reason, told), wake_at=look_again(world))


def _tell(world: World, pod: PodObservation, state: ReadBackStatus | None, reason: Reason, told: str) -> Decision:
    noted = progress.note_read_back(world, state)
    decision = progress.progress(noted, Phase.RUNNING, reason, told, pod=pod)
    return replace(decision, actions=(announce(world, reason, told),) if is_news(world, reason) else ())


# ---- what a pod reads in the operator's place


def _hear_reader(
    world: World, run: RunStatus, pod: PodObservation, digest: str, asked: ReadBackStatus, name: str
) -> Confirmed | Unconfirmed | Decision:
    claim = _claim(world, run, digest)
    reader = _find_reader(world, name)
    report = read_report(reader, claim) if reader is not None and reader.ended else None
    if report is not None:
        return _judge_report(run, claim, report, name)
    if world.now >= _since(run, asked) + READER_PATIENCE:
        return _give_up(run, digest, f"{_describe_reader(name, reader)}; {asked.problem}")
    if reader is None:
        return _create_reader(world, run, pod, claim, asked, name)
    if reader.ended and not reader.deleting:  # it was evicted or killed; another follows
        return Decision(world.resource.status, (DeletePod(name, reader.uid),), wake_at=world.now + WAIT)
    return Decision(world.resource.status, wake_at=_since(run, asked) + READER_PATIENCE)


def _claim(world: World, run: RunStatus, digest: str) -> Claim:
    labelled = not (run.effective.reproducible or run.effective.push_only)
    label = run_label(world, run) if labelled else ""
    return Claim(run.effective.repository, tuple(build_of(run).tags), digest, label)


def _find_reader(world: World, name: str) -> PodObservation | None:
    found = world.pods.get(name) or answer(world, AskLivePod(name))
    return found if found is not None and found.owner_uid == world.resource.owner.uid else None


def _judge_report(run: RunStatus, claim: Claim, report: Report, name: str) -> Confirmed | Unconfirmed:
    found = report.read_back
    if found.problem:
        return _give_up(run, claim.digest, f"pod {name} cannot read the registry either: {found.problem}")
    if not found.digest_found:
        detail = f"{claim.digest}: pod {name} asked the registry, which has no such image"
        return Unconfirmed(Reason.DIGEST_NOT_CONFIRMED, detail)
    if all(named == claim.digest for named in found.tags.values()):
        return Confirmed(found, name)
    if report.own or _is_known_without_label(run, found, claim.digest):
        return Confirmed(found, name)
    detail = f"{claim.digest}: pod {name} asked the registry, where no tag names it and it is not known as this run's"
    return Unconfirmed(Reason.DIGEST_NOT_CONFIRMED, detail)


def _give_up(run: RunStatus, digest: str, problem: str) -> Confirmed | Unconfirmed:
    """Nobody can read the registry. Where no RUN line ran, kaniko's word is enough; `Verified` then says so."""
    if run.effective.push_only:
        return Confirmed(ReadBack({}, digest_found=False, problem=problem))
    return Unconfirmed(Reason.DIGEST_NOT_CONFIRMED, f"{digest}: {problem}")


def _describe_reader(name: str, reader: PodObservation | None) -> str:
    if reader is None:
        return f"pod {name}, which was to ask it, could not be made"
    waits = reader.read_back.message or reader.read_back.reason or reader.unschedulable
    return f"pod {name} was to ask it and did not report{f': {waits}' if waits else ''}"


def _create_reader(
    world: World, run: RunStatus, pod: PodObservation, claim: Claim, asked: ReadBackStatus, name: str
) -> Confirmed | Unconfirmed | Decision:
    """Its name is in the status already."""
    login = answer(world, AskLogin(derive_needs(run.effective)))
    if isinstance(login, Waiting):
        return _wait(world, pod, login)
    refusal, build = world.refusals.get(name), build_of(run)
    if refusal is not None and refusal.is_taken:
        another = asked.model_copy(update={"pod_name": naming.read_back_pod_name(build.pod_name, taken=name)})
        return Decision(progress.note_read_back(world, another).resource.status, wake_at=world.now)
    if refusal is not None:
        if refusal.final:
            return _give_up(run, claim.digest, f"pod {name} was refused: {refusal.message}; {asked.problem}")
        return Decision(world.resource.status, wake_at=world.now + WAIT)
    manifest = build_read_back_pod(
        claim,
        _plan(world, run),
        owner=world.resource.owner,
        attempt=Attempt(name, run.number, int(build.key), build.attempt, run.spec_hash),
        login=login,
        settings=world.settings,
    )
    return Decision(world.resource.status, (CreatePod(name, manifest),), wake_at=world.now + WAIT)


def _plan(world: World, run: RunStatus) -> BuildPlan | None:
    """The plan of the spec as it is now; None where it cannot be used."""
    try:
        return plan_run(world, parse_spec(world.resource.spec), run)
    except SpecInvalidError:
        return None
