"""What others know about a failed attempt: the kubelet about a pod that never started, the registry about tags."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.api.status import RunStatus
from buildandpush.core.build.confirm import run_label
from buildandpush.core.build.failed import PUSH_REASONS, attempts_left
from buildandpush.core.build.questions import AskPodEvents, AskProof, AskTags
from buildandpush.core.build.status import build_of
from buildandpush.core.build.world import World, answer
from buildandpush.core.explain import describe
from buildandpush.core.pod.failure import FailureVerdict
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.pod.standstill import find_standstill
from buildandpush.core.text import clip

_MAX_TAGS: Final = 400
"""Bytes of the words about tags."""
_MAX_CAUSE: Final = 440
"""Bytes of the words about the failure, where words about tags follow. A time may follow both."""
_MAX_IMAGES: Final = 8
"""So many images are asked whose they are. Tags rarely name more."""


def explain_start(world: World, verdict: FailureVerdict, pod: PodObservation) -> FailureVerdict:
    """The time of a pod ran out before any of its containers ran. This is not the spec's fault."""
    if verdict.reason is not Reason.TIMED_OUT or not pod.never_started:
        return verdict
    standstill = find_standstill(pod, answer(world, AskPodEvents(pod.name, pod.uid)))
    detail = standstill.detail if standstill is not None else "it did not say why"
    message = describe(Reason.POD_NOT_STARTED, detail)
    return replace(verdict, reason=Reason.POD_NOT_STARTED, message=message, infrastructure=True)


def tell_tags(world: World, run: RunStatus, verdict: FailureVerdict) -> FailureVerdict:
    """kaniko pushes one tag after the other, so a push that failed may have changed some of several tags."""
    tags = tuple(build_of(run).tags)
    follows = verdict.infrastructure and attempts_left(world)
    if verdict.reason not in PUSH_REASONS or len(tags) < 2 or follows:
        return verdict
    connector = run.effective.connector or ""
    found = answer(world, AskTags(run.effective.repository, tags, connector))
    if found.problem:
        told = f"Some of the tags may be out: {found.problem}"
    else:
        told = _describe_tags(tags, found.tags, _find_own(world, run, found.tags))
    message = f"{clip(verdict.message, _MAX_CAUSE)} {clip(told, _MAX_TAGS)}"
    return replace(verdict, message=message)


def _find_own(world: World, run: RunStatus, named: Mapping[str, str | None]) -> set[str]:
    """Which of the images that the tags name carry the run's label. Some runs make images without a label of their
    own."""
    if run.effective.push_only or run.effective.reproducible:
        return set()
    label, connector = run_label(world, run), run.effective.connector or ""
    digests = list(dict.fromkeys(digest for digest in named.values() if digest is not None))[:_MAX_IMAGES]
    return {
        digest
        for digest in digests
        if answer(world, AskProof(run.effective.repository, (digest,), label, connector)).digest == digest
    }


def _describe_tags(tags: tuple[str, ...], named: Mapping[str, str | None], own: set[str]) -> str:
    """Which tags are out and which are not; those that are not come first, as there may be many."""
    pushed = [tag for tag in tags if named.get(tag) in own]
    absent = [tag for tag in tags if named.get(tag) is None]
    others = [f"{tag} names {named[tag]}" for tag in tags if tag not in pushed and tag not in absent]
    parts = [
        f"Not in the registry: {', '.join(absent)}." if absent else "",
        f"Pushed by this run: {', '.join(pushed)}." if pushed else "",
        f"Not known as this run's: {'; '.join(others)}." if others else "",
    ]
    return " ".join(filter(None, parts))
