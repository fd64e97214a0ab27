"""What becomes of a run whose pod has ended or is gone. kaniko's words count as far as others confirm them."""

from dataclasses import replace
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildStatus, RunStatus
from buildandpush.core import naming
from buildandpush.core.build import failed, succeeded
from buildandpush.core.build.confirm import Unconfirmed, confirm, run_label
from buildandpush.core.build.findings import explain_start, tell_tags
from buildandpush.core.build.questions import (
    AskCacheTrouble,
    AskLivePod,
    AskLog,
    AskLogin,
    AskProof,
    AskPushed,
    AskPusher,
)
from buildandpush.core.build.status import build_of, derive_needs, run_of
from buildandpush.core.build.world import Decision, World, answer
from buildandpush.core.explain import describe
from buildandpush.core.facts import Waiting
from buildandpush.core.pod.failure import FailureVerdict, classify_failure, failed_container
from buildandpush.core.pod.observation import PodObservation

_UNTOLD: Final = frozenset({Reason.EVICTED, Reason.KILLED, Reason.NODE_LOST, Reason.POD_LOST, Reason.PREEMPTED})
"""Reasons that say how a pod ended, and not whether kaniko had pushed by then."""


def find_live_pod(world: World, build: BuildStatus) -> PodObservation | None:
    """The build's pod, read from the API server."""
    pod = answer(world, AskLivePod(build.pod_name))
    if pod is None or pod.uid != (build.pod_uid or pod.uid) or pod.owner_uid != world.resource.owner.uid:
        return None
    return pod if is_made_for(run_of(world), build, pod) else None


def is_made_for(run: RunStatus, build: BuildStatus, pod: PodObservation) -> bool:
    """Whether a pod with the name of the build's pod is the build's.

    A status that was restored gives numbers of runs out again, and then the pod may be of another spec. Whoever creates
    the build's pod finds that one, and removes it.
    """
    return pod.uid == build.pod_uid or pod.spec_hash_label in ("", naming.spec_hash_label(run.spec_hash))


def end(world: World, run: RunStatus, pod: PodObservation) -> Decision:
    """The pod has ended."""
    if run.effective.no_push and pod.kaniko.exit_code == 0:
        return succeeded.succeed_unpushed(world, pod)
    digest = _find_digest(world, run, pod)
    if digest is not None:
        return _end_pushed(world, run, pod, digest)
    if world.wish.is_replaced and not world.wish.is_cancelled:
        return failed.end_superseded(world)
    verdict = _classify(world, run, pod)
    if world.wish.is_cancelled:
        return failed.end_cancelled(world, verdict.failure, pod)
    pushed = find_pushed_image(world, run) if verdict.reason in _UNTOLD and pod.kaniko.terminated else None
    if pushed is not None:
        return succeeded.succeed_without_pod(world, pushed)
    verdict = explain_start(world, _await_base_image(world, verdict), pod)
    return failed.fail_attempt(world, tell_tags(world, run, verdict), pod)


def _await_base_image(world: World, verdict: FailureVerdict) -> FailureVerdict:
    """A base image is not missing if another build is about to push it. Two resources of one apply start at the same
    time."""
    if not verdict.missing_image:
        return verdict
    pusher = answer(world, AskPusher(verdict.missing_image))
    if not pusher:
        return verdict
    message = describe(Reason.BASE_IMAGE_AWAITED, f"{verdict.missing_image}, by BuildAndPushACR {pusher!r}")
    return replace(verdict, reason=Reason.BASE_IMAGE_AWAITED, message=message, infrastructure=True)


def _classify(world: World, run: RunStatus, pod: PodObservation) -> FailureVerdict:
    """Why the pod failed. Who pushes is asked only where the remedy hangs on it."""
    log = answer(world, AskLog(pod.name, failed_container(pod)))
    verdict = classify_failure(pod, log)
    if verdict.reason is not Reason.PUSH_UNAUTHORIZED:
        return verdict
    login = answer(world, AskLogin(derive_needs(run.effective), renewal=True))
    host = run.effective.repository.split("/", 1)[0]
    return classify_failure(pod, log, identity=not isinstance(login, Waiting) and host in login.identity_hosts)


def lose(world: World, run: RunStatus) -> Decision:
    """The pod is gone, and nobody knows how it ended. It may have pushed; the image itself says so."""
    if world.wish.is_cancelled or world.wish.is_replaced:
        return end_stopped(world)
    digest = find_pushed_image(world, run)
    if digest is not None:
        return succeeded.succeed_without_pod(world, digest)
    return failed.lose_attempt(world, f"pod {build_of(run).pod_name}")


def end_stopped(world: World) -> Decision:
    """The pod of a build that was being stopped is gone."""
    return failed.end_cancelled(world) if world.wish.is_cancelled else failed.end_superseded(world)


def find_pushed_image(world: World, run: RunStatus) -> str | None:
    """The digest that all tags name, if the label of that image names this run."""
    effective = run.effective
    # An image that is the same whoever builds it says nothing of a run, and one that was only passed on neither.
    if effective.no_push or effective.push_only or effective.reproducible:
        return None
    tags, label = tuple(build_of(run).tags), run_label(world, run)
    return answer(world, AskProof(effective.repository, tags, label, effective.connector or "")).digest


def _end_pushed(world: World, run: RunStatus, pod: PodObservation, digest: str) -> Decision:
    """kaniko ended well with a digest. Where it pushed to stands in the run's record: the spec may have changed."""
    finding = confirm(world, run, pod, digest)
    if isinstance(finding, Decision):
        # Nobody waits for the registry's word on an image that is not wanted any more.
        if world.wish.is_cancelled:
            return failed.end_cancelled(world, None, pod)
        return failed.end_superseded(world) if world.wish.is_replaced else finding
    if isinstance(finding, Unconfirmed):
        return failed.disbelieve(world, pod, finding.reason, finding.detail)
    trouble = _find_cache_trouble(world, run, pod)
    return succeeded.succeed(world, pod, digest, finding, cache_trouble=trouble)


def _find_cache_trouble(world: World, run: RunStatus, pod: PodObservation) -> str | None:
    """Why layers could not be cached, if kaniko's log says so: somewhere in it, since the build went on."""
    if not run.effective.cache_repository:
        return None
    return answer(world, AskCacheTrouble(pod.name))


def _find_digest(world: World, run: RunStatus, pod: PodObservation) -> str | None:
    """The digest that kaniko reported. For a push alone, the digest in its log."""
    if pod.digest is not None or not run.effective.push_only or pod.kaniko.exit_code != 0:
        return pod.digest
    digests = answer(world, AskPushed(pod.name, run.effective.repository)).digests
    return digests[0] if len(digests) == 1 else None
