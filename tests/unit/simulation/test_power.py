"""Whether the simulated world would notice: each test breaks the operator in one way, and the world has to say so."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from buildandpush.api.status import RunStatus
from buildandpush.core.azure.login import RegistryToken
from buildandpush.core.build import confirm, create, failed, planning, podended, step
from buildandpush.core.build.confirm import Confirmed
from buildandpush.core.build.questions import AskReadBack
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.facts import ReadBack
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run import advance, again, decide, fold, polling, start
from buildandpush.core.run.polling import Polled
from buildandpush.handlers import answers, reconcile, slots, statuswriter
from buildandpush.handlers.reconcile import Reconciler
from buildandpush.handlers.workqueue.queue import WorkQueue
from tests.unit.simulation.cluster import Client
from tests.unit.simulation.machine import World


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


async def _act_first(self: Any, key: Any, world: Any) -> Any:
    decision, answers, told_in = await _DECIDE(self, key, world)
    await self._performer.perform_all(world, decision)
    return decision, answers, told_in


async def _believe(sources: Any, resource: Any, question: Any, now: Any) -> Any:
    if isinstance(question, AskReadBack):
        return ReadBack(dict.fromkeys(question.tags, question.digest), digest_found=True)
    return await _ANSWER(sources, resource, question, now)


async def _forget(self: Any, key: Any) -> None:
    try:
        delay = await self._work(key)
    except Exception:
        return
    if delay is not None:
        self.add(key, delay)


def _without_source(run: RunStatus, conditions: ConditionSet, pod: PodObservation) -> RunStatus:
    return run.model_copy(update={"source": None})


def _take_over_all(last: RunStatus | None, spec_hash: str, trigger: Any, request: Any) -> Any:
    builds = last.builds if last is not None and last.spec_hash == spec_hash else []
    return {build.key: build.model_copy(update={"from_run": 1}) for build in builds}


UNREAD = Confirmed(ReadBack({}, digest_found=False, problem="it does not answer"))
_DECIDE = Reconciler._decide_to_tell
_ANSWER = answers.answer_question

_step_each = advance._step_each


def _step_first(world: Any, run: Any, builds: list[Any], *, is_numbered: bool) -> Any:
    """Nobody waits for what the others ask, so the first has its pod before they are heard."""
    steps, rejections, held = _step_each(world, run, builds, is_numbered=is_numbered)
    first = builds[0].key
    heard = {key: step if key == first else replace(step, questions=frozenset()) for key, step in steps.items()}
    return heard, rejections, held


SABOTAGES: dict[str, tuple[str, list[tuple[Any, str, Any]]]] = {
    "writes without the Lease": ("was created", [(Client, "_guard", lambda self, *, writes: None)]),
    # Two places do not: the one that looks for the pod, and the one that makes room for the next.
    "takes the cache's word for a loss": (
        "lived",
        [
            (step, "find_live_pod", lambda world, build: None),
            (create, "_name_before", lambda build: None),
        ],
    ),
    "does not wait for the former pod's end": ("lived", [(create, "_find_former", lambda world, run, build: None)]),
    "gives a number twice": (
        "was opened again|flipped",
        [(start, "next_run_number", lambda spec, last: last.number if last else 1)],
    ),
    "acts before its intent is written": ("without being announced", [(Reconciler, "_decide_to_tell", _act_first)]),
    "believes every digest": ("was never pushed", [(reconcile, "answer_question", _believe)]),
    "believes a digest where the registry is away": ("was never pushed", [(confirm, "_ask_on", lambda *_: UNREAD)]),
    "believes a digest that nobody can read": (
        "was never pushed",
        [(confirm, "_give_up", lambda run, digest, problem: UNREAD)],
    ),
    "leaves a pod alone that read a push back": (
        "outlived its run",
        [(decide, "find_spent_readers", lambda pods, run: ())],
    ),
    "uses a login that has ended": (
        "with a login that had ended",
        [(RegistryToken, "is_fresh", lambda self, version, now: True)],
    ),
    "writes what stands there already": (
        "changed nothing",
        [(statuswriter, "_find_change", lambda before, after: after.to_dict())],
    ),
    "takes a pod that runs for one that has ended": ("lived", [(PodObservation, "ended", property(lambda self: True))]),
    "leaves a pod alone that outlived its run": (
        "outlived its run",
        [(decide, "find_orphans", lambda pods, run, busy: ())],
    ),
    "gives out more slots than there are": (
        "beyond the limit",
        [
            (slots, "has_slot", lambda *known: True),
            (slots, "find_able", lambda namespaces, *known: list(namespaces)),
            (slots, "choose", lambda waiters, *known: list(waiters)),
        ],
    ),
    "drops a key whose work failed": ("never comes to rest", [(WorkQueue, "_run_once", _forget)]),
    "starts a run anew before its time": (
        "before its time",
        [
            (
                start,
                "is_due_again",
                lambda world: bool(world.resource.status.run and world.resource.status.run.next_run_at),
            )
        ],
    ),
    "never offers a refused pod again": ("never comes to rest", [(again, "_is_pod_taken", lambda world, last: False)]),
    "never looks at a failed pod": ("never comes to rest", [(PodObservation, "ended", property(lambda self: False))]),
    "looks for no new commit": (
        "never comes to rest",
        [(polling, "look", lambda world: Polled(world.resource.status))],
    ),
    "takes the branch as it is for each attempt": (
        "without saying so",
        [(planning, "find_codebase", lambda spec, run: None)],
    ),
    "asks for the commit anew for each attempt": ("went from commit", [(failed, "with_source", _without_source)]),
    "builds a commit that needs no run": ("builds nothing new", [(polling, "_is_touched", lambda *asked: True)]),
    "builds a commit twice": ("builds nothing new", [(polling, "_built_commit", lambda run: None)]),
    "lets more builds begin than there are places": ("places", [(advance, "_count_places", lambda world: 64)]),
    "takes a number that somebody else has pushed": (
        "below the number|dropped before",
        [(create, "_count_on", lambda world, run, plan: None)],
    ),
    "hears one build alone about the number of a run": (
        "below the number|took another number",
        [(advance, "_step_each", _step_first)],
    ),
    "builds again what succeeded": (
        "builds again",
        [(start, "find_good_builds", lambda last, spec_hash, trigger, request: {})],
    ),
    "takes over what did not succeed": ("takes over|was never pushed", [(start, "find_good_builds", _take_over_all)]),
    "pushes again what a former attempt has pushed": (
        "to push what is pushed",
        [(podended, "find_pushed_image", lambda world, run: None)],
    ),
    "takes another spec's pod for its own": ("of another spec", [(step, "is_made_for", lambda run, build, pod: True)]),
    "ends a run before its builds": ("before its builds|opened again", [(fold, "has_ended", lambda build: True)]),
}
"""What the world says, as a regular expression, when a place is broken so."""

SEARCHES = 30
"""A broken operator may break another rule first, so one search that ends with another violation says little."""


@pytest.mark.chaos
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_simulated_world_notices_an_operator_that(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words, places = SABOTAGES[name]
    for place, attribute, broken in places:
        monkeypatch.setattr(place, attribute, broken)
    found: list[str] = []
    for number in range(SEARCHES):
        violation = _search(number)
        if violation is not None and re.search(words, violation):
            return
        found.append(violation or "nothing")
    pytest.fail("the world names other violations alone: " + "; ".join(sorted(set(found))))


def _search(number: int) -> str | None:
    """The first violation among some hundred random examples, which are the same for the same number and code."""
    hard = settings(
        max_examples=200,
        stateful_step_count=60,
        deadline=None,
        database=None,
        derandomize=False,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(get_state_machine_test(World, settings=hard))()
    except AssertionError as violation:
        return str(violation)
    return None
