"""kaniko pushes tag after tag. Where the registry refuses one of several, it is told which are out."""

from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE
from buildandpush.core.build.questions import AskLog, AskProof, AskTags
from buildandpush.core.build.world import Decision
from buildandpush.core.facts import ReadBack
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import REPOSITORY, ended_pod, pod_name, run_label, spec, world
from tests.unit.core.scenes import reason_of, seen

TAGS = ("v1", "v2", "latest")
LOCKED = "error pushing image: failed to push to destination x: PUT https://x/v2/manifests/v2: UNSUPPORTED: locked"
NEW, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
QUESTION = AskTags(REPOSITORY, TAGS, "acr")


def proof(digest: str, of: dict[str, Any]) -> AskProof:
    return AskProof(REPOSITORY, (digest,), run_label(of), "acr")


def fail(found: ReadBack, *, log: str = LOCKED, raw: dict[str, Any] | None = None, **own: str | None) -> Decision:
    """The decision on a push that failed; `own` says of NEW and OLD what the image's label proves."""
    of = raw or spec(tags=list(TAGS))
    answers = {
        AskLog(pod_name(), "kaniko"): log,
        QUESTION: found,
        proof(NEW, of): own.get("new", NEW),
        proof(OLD, of): own.get("old"),
    }
    return decide(world(seen(of), pods=(ended_pod(1),), answers=answers))


def told(decision: Decision) -> str:
    assert decision.status.run is not None
    return decision.status.run.builds[0].message or ""


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"v1": NEW, "v2": None, "latest": None}, ["Not in the registry: v2, latest.", "Pushed by this run: v1."]),
        ({"v1": NEW, "v2": OLD, "latest": NEW}, ["Pushed by this run: v1, latest.", f"v2 names {OLD}"]),
        ({"v1": None, "v2": None, "latest": None}, ["Not in the registry: v1, v2, latest."]),
        ({"v1": OLD, "v2": OLD, "latest": None}, [f"Not known as this run's: v1 names {OLD}; v2 names {OLD}."]),
    ],
)
def test_each_tag_is_told_by_what_it_names(named: dict[str, str | None], words: list[str]) -> None:
    decision = fail(ReadBack(named, digest_found=False))
    assert reason_of(decision) == Reason.PUSH_FAILED
    assert [word for word in words if word not in told(decision)] == [], told(decision)
    pushed = next(item for item in decision.status.conditions if item.type == "Pushed")
    assert pushed.message == told(decision)


def test_a_registry_that_cannot_be_read_is_said_to_be_so() -> None:
    decision = fail(ReadBack({}, digest_found=False, problem="contoso.azurecr.io answered 503"))
    assert "Some of the tags may be out: contoso.azurecr.io answered 503" in told(decision)


def test_an_image_without_a_label_of_its_run_is_told_by_its_digest() -> None:
    raw = spec(tags=list(TAGS), envVariables={"PLUGIN_REPRODUCIBLE": True})
    decision = fail(ReadBack({"v1": NEW, "v2": None, "latest": None}, digest_found=False), raw=raw)
    assert f"v1 names {NEW}" in told(decision)


@pytest.mark.parametrize(
    "log", ["error building image: it broke", "error building image: COPY failed: no source files"]
)
def test_a_build_that_never_pushed_asks_nothing(log: str) -> None:
    answers = {AskLog(pod_name(), "kaniko"): log}
    assert decide(world(seen(spec(tags=list(TAGS))), pods=(ended_pod(1),), answers=answers)).questions == frozenset()


def test_a_push_that_is_tried_again_asks_nothing() -> None:
    busy = "error pushing image: PUT https://x/v2/manifests/v2: unexpected status code 503"
    answers = {AskLog(pod_name(), "kaniko"): busy}
    again = decide(world(seen(spec(tags=list(TAGS))), pods=(ended_pod(1),), answers=answers))
    assert reason_of(again) == Reason.RETRYING


def test_one_tag_needs_no_telling_apart() -> None:
    answers = {AskLog(pod_name(), "kaniko"): LOCKED}
    assert decide(world(seen(), pods=(ended_pod(1),), answers=answers)).questions == frozenset()


def test_fifty_tags_leave_room_for_the_failure_itself() -> None:
    tags = [f"{number:02}" + "t" * 126 for number in range(50)]
    answers = {
        AskLog(pod_name(), "kaniko"): LOCKED,
        AskTags(REPOSITORY, tuple(tags), "acr"): ReadBack(dict.fromkeys(tags, None), digest_found=False),
    }
    decision = decide(world(seen(spec(tags=tags)), pods=(ended_pod(1),), answers=answers))
    assert "UNSUPPORTED" in told(decision)
    assert "Not in the registry: 00ttt" in told(decision)
    assert len(told(decision).encode()) <= MAX_MESSAGE
