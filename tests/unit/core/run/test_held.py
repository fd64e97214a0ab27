"""What the API server refuses holds a run where it stands: it says so, changes nothing else, and goes on by itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import AskLivePod, AskLog, AskProof, AskReadBack, Question
from buildandpush.core.build.waiting import LONGEST_WAIT, WAIT
from buildandpush.core.build.world import Announce, CancelPod, Decision, Resource
from buildandpush.core.facts import Waiting
from buildandpush.core.run.advance import hold_run
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import DIGEST, NOW, ended_pod, pod_name, resource, run_label, running_pod, spec, world
from tests.unit.core.run.several import Scene, pod_of, pushed
from tests.unit.core.scenes import after, conditions, reason_of, seen, succeeded

REFUSED = Waiting(Reason.API_REFUSED, 'pods "web" is forbidden: no such right')
READ_BACK = AskReadBack("contoso.azurecr.io/shop/web", ("latest",), DIGEST, "acr")
PROOF = AskProof("contoso.azurecr.io/shop/web", ("latest",), run_label(), "acr")
GONE = {AskLivePod(pod_name()): None}

LONG = timedelta(days=1)

HELD = {
    "whether the pod lives": (seen(), (), {AskLivePod(pod_name()): REFUSED}, Phase.RUNNING),
    "whether it had pushed": (seen(), (), {**GONE, PROOF: REFUSED}, Phase.RUNNING),
    "what the log says": (seen(), (ended_pod(1),), {AskLog(pod_name(), "kaniko"): REFUSED}, Phase.RUNNING),
    "what the registry has": (seen(), (ended_pod(0, DIGEST),), {READ_BACK: REFUSED}, Phase.RUNNING),
}


def held(of: Resource, pods: tuple[object, ...], answers: dict[Question, object]) -> Decision:
    return decide(world(of, pods=pods, answers=answers))  # type: ignore[arg-type]


@pytest.mark.parametrize("what", HELD)
def test_a_run_says_what_it_is_not_told_and_stays_where_it_is(what: str) -> None:
    of, pods, answers, phase = HELD[what]
    decision = held(of, pods, answers)  # type: ignore[arg-type]
    assert (decision.status.phase, reason_of(decision)) == (phase, Reason.API_REFUSED)
    assert REFUSED.message in decision.status.conditions[0].message
    assert conditions(decision)["Completed"] == "False"
    assert decision.wake_at == NOW + WAIT
    (told,) = decision.actions
    assert isinstance(told, Announce)
    assert told.warning
    again = held(after(decision, of), pods, answers)  # type: ignore[arg-type]
    assert (again.status, again.actions) == (decision.status, ())


@pytest.mark.parametrize("what", HELD)
@pytest.mark.parametrize(("minutes", "again"), [(1, WAIT), (5, timedelta(seconds=30)), (6000, LONGEST_WAIT)])
def test_what_is_refused_for_long_is_asked_for_less_often(what: str, minutes: int, again: timedelta) -> None:
    """No event tells that somebody has given the right."""
    of, pods, answers, _ = HELD[what]
    since = NOW - timedelta(minutes=minutes)
    asked = decide(world(of, pods=pods, answers=answers, unchanged_since=since))  # type: ignore[arg-type]
    assert asked.wake_at == NOW + again


def test_a_run_that_was_held_goes_on_from_there() -> None:
    of, pods, answers, _ = HELD["whether the pod lives"]
    stands = after(held(of, pods, answers), of)  # type: ignore[arg-type]
    goes_on = decide(world(stands, pods=(running_pod(),)))
    assert reason_of(goes_on) == Reason.BUILDING
    assert goes_on.status == of.status


def test_a_run_that_has_ended_is_not_touched() -> None:
    """A pod that may have outlived it is looked for again later."""
    done = succeeded()
    leftover = replace(running_pod(), name="web-of-before")
    decision = decide(world(done, pods=(leftover,), answers={AskLivePod(leftover.name): REFUSED}))
    assert decision == Decision(done.status, wake_at=NOW + WAIT)
    long = world(done, pods=(leftover,), answers={AskLivePod(leftover.name): REFUSED}, unchanged_since=NOW - LONG)
    assert decide(long).wake_at == NOW + LONGEST_WAIT


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (replace(seen(), cancel="1"), Reason.CANCELLING),
        (replace(seen(), generation=2, spec=spec(target="x")), Reason.SUPERSEDING),
    ],
)
def test_a_pod_that_may_not_be_ended_is_told_and_tried_again(of: Resource, reason: Reason) -> None:
    refused = decide(world(of, pods=(running_pod(),), obstacle=REFUSED))
    assert reason_of(refused) == Reason.API_REFUSED
    assert REFUSED.message in refused.status.conditions[0].message
    assert CancelPod(pod_name(), "pod-1") in refused.actions
    assert refused.wake_at == NOW + WAIT
    listening = replace(running_pod(), active_deadline_seconds=1)
    assert reason_of(decide(world(after(refused, of), pods=(listening,), obstacle=REFUSED))) == reason


def test_what_holds_a_whole_run_is_said_by_each_of_its_builds_that_is_on_its_way() -> None:
    scene = Scene()
    scene.settle()
    scene.see(pushed(0), *map(pod_of, range(1, 4))).settle()
    before = scene.run.builds
    decision = hold_run(world(scene.of, pods=tuple(scene.pods.values())), REFUSED)
    run = decision.status.run
    assert run is not None
    assert run.builds[0] == before[0]
    assert [(build.phase, build.reason) for build in run.builds[1:]] == [(Phase.RUNNING, Reason.API_REFUSED)] * 3
    assert all(REFUSED.message in (build.message or "") for build in run.builds[1:])
    assert reason_of(decision) == Reason.API_REFUSED
    assert decision.wake_at == NOW + WAIT


@pytest.mark.parametrize("of", [resource(spec()), succeeded()])
def test_without_a_run_on_its_way_nothing_changes_but_somebody_looks_again(of: Resource) -> None:
    assert hold_run(world(of), REFUSED) == Decision(of.status, wake_at=NOW + WAIT)


def test_a_run_of_one_build_is_held_as_the_build_is() -> None:
    of = seen()
    assert hold_run(world(of), REFUSED) == held(of, (), {AskLivePod(pod_name()): REFUSED})
