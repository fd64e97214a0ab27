"""The number of a run of several builds with firstRunNumber Auto: each build has a say in it before the first pod."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import Answer, AskAllTags, AskLogin, AskTags, Question
from buildandpush.core.build.world import CreatePod
from buildandpush.core.facts import ReadBack, Waiting
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import LOGIN, resource, world
from tests.unit.core.run.several import Scene, all_names, created, matrix, name_of, pod_of, pushed

NUMBERED = ["<+matrix.os>-<+matrix.python>-<+pipeline.sequenceId>"]
AXES = {"os": ["alpine", "debian"], "python": ["3.12", "3.13"]}
FOUR = {"matrix": AXES}
TWO_AT_ONCE = {"matrix": {**AXES, "maxConcurrency": 2}}


class Registry(Scene):
    """A resource whose registry has tags already. None of them is this resource's."""

    def __init__(self, strategy: dict[str, Any], tags: Iterable[str]) -> None:
        super().__init__(matrix(strategy, tags=NUMBERED, firstRunNumber="Auto"))
        self.tags = tuple(tags)

    def _answer(self, question: Question) -> Answer:
        if isinstance(question, AskAllTags):
            return self.tags
        if isinstance(question, AskTags):
            taken = {tag: f"sha256:{1:064x}" if tag in self.tags else None for tag in question.tags}
            return ReadBack(taken, digest_found=False)
        if isinstance(question, AskLogin):
            return LOGIN
        return super()._answer(question)


@pytest.mark.parametrize("strategy", [FOUR, TWO_AT_ONCE], ids=["all at once", "two at once"])
@pytest.mark.parametrize("tag", ["alpine-3.12-7", "debian-3.13-7"], ids=["of the first build", "of the last build"])
def test_the_run_counts_on_after_the_tags_of_all_of_its_builds(strategy: dict[str, Any], tag: str) -> None:
    scene = Registry(strategy, ["latest", tag])
    first = scene.step()
    assert not [action for action in first.actions if isinstance(action, CreatePod)]
    assert scene.run.number == 8
    assert [build.tags for build in scene.run.builds] == [
        ["alpine-3.12-8"], ["alpine-3.13-8"], ["debian-3.12-8"], ["debian-3.13-8"],
    ]  # fmt: skip
    names = all_names(range(4 if strategy is FOUR else 2), run=8)
    assert created(scene.step()) == names


def test_a_run_with_a_pod_keeps_its_number() -> None:
    """Another number would be another run, with other pods."""
    scene = Registry(TWO_AT_ONCE, [])
    assert created(scene.step()) == all_names([0, 1])
    scene.see(pod_of(0), pod_of(1)).settle()
    scene.tags = ("debian-3.12-9",)
    scene.answers.clear()
    scene.see(pod_of(0, phase="Failed", reason="Evicted")).settle()
    assert scene.run.number == 1
    assert all(build.pod_name == name_of(int(build.key), attempt=build.attempt) for build in scene.run.builds)


def test_a_build_that_begins_late_does_not_change_the_number() -> None:
    scene = Registry(TWO_AT_ONCE, [])
    scene.step()
    scene.see(pod_of(0), pod_of(1)).settle()
    scene.tags = ("debian-3.12-9",)
    scene.answers.clear()
    made = created(scene.see(pushed(0)).step()) + created(scene.step())
    assert (scene.run.number, made) == (1, [name_of(2)])


@pytest.mark.parametrize("strategy", [FOUR, TWO_AT_ONCE], ids=["all at once", "two at once"])
def test_no_pod_comes_before_the_registry_has_answered_for_each_build(strategy: dict[str, Any]) -> None:
    scene = Registry(strategy, [])
    scene.step()
    open_question = next(question for question in scene.answers if "debian-3.13-1" in getattr(question, "tags", ()))
    answers = {question: answer for question, answer in scene.answers.items() if question != open_question}
    fresh = resource(scene.of.spec)
    waiting = decide(world(fresh, answers=answers))
    assert (created(waiting), waiting.questions) == ([], {open_question})
    assert created(decide(world(fresh, answers=scene.answers))) == all_names(range(4 if strategy is FOUR else 2))


@pytest.mark.parametrize("strategy", [FOUR, TWO_AT_ONCE], ids=["all at once", "two at once"])
def test_no_pod_comes_while_a_registry_is_too_busy_to_list_the_tags_of_one_build(strategy: dict[str, Any]) -> None:
    scene = Registry(strategy, [])
    scene.of = replace(scene.of, spec={**scene.of.spec, "repository": "contoso.azurecr.io/shop/<+matrix.os>"})
    fresh = scene.of
    scene.step()
    busy = AskAllTags("contoso.azurecr.io/shop/debian", "acr")
    assert created(decide(world(fresh, answers=scene.answers))) == all_names(range(4 if strategy is FOUR else 2))
    waiting = decide(world(fresh, answers={**scene.answers, busy: Waiting(Reason.REGISTRY_UNREACHABLE, "busy")}))
    assert (created(waiting), waiting.questions) == ([], frozenset())
    assert waiting.wake_at is not None
    run = waiting.status.run
    assert run is not None
    assert [build.reason for build in run.builds][2:] == [Reason.REGISTRY_UNREACHABLE] * 2


def test_a_run_that_takes_its_number_as_it_is_waits_for_no_sibling() -> None:
    scene = Registry(FOUR, [])
    scene.of = replace(scene.of, spec={**scene.of.spec, "firstRunNumber": 1})
    fresh = scene.of
    scene.step()
    open_question = next(question for question in scene.answers if "debian-3.13-1" in getattr(question, "tags", ()))
    answers = {question: answer for question, answer in scene.answers.items() if question != open_question}
    assert created(decide(world(fresh, answers=answers))) == all_names(range(3))
