"""A user namespace that the nodes promise and do not give: the next attempt goes without."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import AskLivePod, AskLog
from buildandpush.core.build.world import CreatePod, Decision, Refusal, Resource
from buildandpush.core.foreign import NOTHING
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import NOW, SETTINGS, container, pod, pod_name, resource, spec, terminated, world
from tests.unit.core.scenes import after

ABLE = replace(SETTINGS, user_namespaces=True)


def decided(of: Resource, **surroundings: Any) -> Decision:
    """A decision of an operator whose nodes say that they can."""
    return decide(replace(world(of, **surroundings), settings=ABLE))


def created(decision: Decision) -> list[dict[str, Any]]:
    """The specs of the pods that it makes."""
    return [action.manifest["spec"] for action in decision.actions if isinstance(action, CreatePod)]


def refused_pod() -> PodObservation:
    """A pod whose first container the runtime could not start."""
    ended = terminated(128, reason="StartError", message="failed to create containerd task: hook: permission denied")
    return pod(phase="Failed", initContainerStatuses=[container("source", terminated=ended)])


def failed_start(changes: dict[str, Any]) -> tuple[Resource, Decision]:
    """The first attempt's pod, and the decision after it could not start."""
    of = resource(spec(**changes))
    first = decided(of)
    (made,) = created(first)
    assert made["hostUsers"] is False
    dead = refused_pod()
    then = after(first, of)
    answers: dict[Any, Any] = {AskLivePod(pod_name()): dead, AskLog(pod_name(), "source"): NOTHING}
    return then, decided(then, pods=(dead,), answers=answers)


def test_the_next_attempt_goes_without_and_says_so() -> None:
    of, decision = failed_start({})
    run = decision.status.run
    assert run is not None
    assert (run.builds[0].attempt, run.without_user_namespace) == (2, True)
    assert "uses no user namespace" in str(run.builds[0].message)
    second = after(decision, of)
    gone = {AskLivePod(pod_name()): None}
    (made,) = created(decided(second, now=NOW + timedelta(minutes=10), answers=gone))
    assert "hostUsers" not in made


def test_one_that_the_spec_asks_for_stays() -> None:
    _, decision = failed_start({"userNamespace": "Always"})
    run = decision.status.run
    assert run is not None
    assert run.builds[0].attempt == 2
    assert run.without_user_namespace is None
    assert run.builds[0].reason == Reason.RETRYING


@pytest.mark.parametrize("able", [True, False])
def test_a_pod_that_is_taken_from_its_node_blames_no_user_namespace(able: bool) -> None:
    of = resource()
    of = after(decide(replace(world(of), settings=replace(SETTINGS, user_namespaces=able))), of)
    evicted = pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    answers: dict[Any, Any] = {AskLivePod(pod_name()): evicted, AskLog(pod_name(), "source"): NOTHING}
    run = decided(of, pods=(evicted,), answers=answers).status.run
    assert run is not None
    assert run.builds[0].attempt == 2
    assert run.without_user_namespace is None


LEFT_OUT = Refusal(Reason.POD_REFUSED, "it would leave it out", final=True, drops_user_namespace=True)


def test_an_api_server_that_leaves_it_out_gets_a_pod_without_where_the_operator_chose_it() -> None:
    of = resource()
    first = decided(of)
    (made,) = created(first)
    assert made["hostUsers"] is False
    told = decided(after(first, of), refusal=LEFT_OUT)
    run = told.status.run
    assert run is not None
    assert (run.finished_at, run.without_user_namespace, told.wake_at) == (None, True, NOW)
    second = decided(after(told, of), refusal=LEFT_OUT)
    (made,) = created(second)
    assert "hostUsers" not in made
    assert second.status.run is not None
    assert second.status.run.effective.user_namespace is None


def test_an_api_server_that_leaves_it_out_fails_a_run_whose_spec_asks_for_it() -> None:
    of = resource(spec(userNamespace="Always"))
    told = decided(after(decided(of), of), refusal=LEFT_OUT)
    run = told.status.run
    assert run is not None
    assert run.finished_at == NOW
    assert run.builds[0].reason == Reason.POD_REFUSED
    assert "it would leave it out" in str(run.builds[0].message)
