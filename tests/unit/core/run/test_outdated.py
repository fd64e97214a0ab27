"""An older CRD cannot remember a rebuild: none starts, the resource says why, and its image is left alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.build.world import Announce, CreatePod
from buildandpush.core.run.decide import decide
from buildandpush.core.run.outdated import LOOK_AGAIN
from buildandpush.core.run.rebuild import COMPLETED_FIELD, HANDLED_FIELD
from tests.unit.core.factories import NOW, resource, spec, world
from tests.unit.core.kstatus import judge
from tests.unit.core.scenes import after, conditions, reason_of, succeeded

OLD = frozenset({HANDLED_FIELD, COMPLETED_FIELD, "status.run.rebuild"})
ASKED = replace(succeeded(), rebuild="v1")


def test_no_rebuild_starts_where_the_api_server_forgets_it() -> None:
    told = decide(world(ASKED, pruned=OLD))
    assert told.status.run == ASKED.status.run
    assert conditions(told)["CrdCurrent"] == "False"
    assert reason_of(told, ConditionType.CRD_CURRENT) == Reason.CRD_OUTDATED
    message = next(item.message for item in told.status.conditions if item.type == "CrdCurrent")
    assert "buildandpushacrs.buildandpush.dev lacks status.handledRebuilds" in message
    assert "kubectl apply --server-side --force-conflicts -f charts/buildandpush-operator/crds" in message
    assert [action.reason for action in told.actions if isinstance(action, Announce)] == [Reason.CRD_OUTDATED]
    assert told.wake_at == NOW + LOOK_AGAIN


def test_the_image_is_as_ready_as_it_was() -> None:
    told = decide(world(ASKED, pruned=OLD)).status
    assert judge({"metadata": {"generation": 1}, "status": told.to_dict()}) == "Current"
    kept = [item for item in told.conditions if item.type != "CrdCurrent"]
    assert kept == ASKED.status.conditions


def test_it_is_told_once() -> None:
    told = decide(world(ASKED, pruned=OLD))
    again = decide(world(after(told, ASKED), pruned=OLD, now=NOW + timedelta(minutes=10)))
    assert (again.status, again.actions) == (told.status, ())


def test_the_rebuild_starts_once_the_crd_is_there() -> None:
    told = after(decide(world(ASKED, pruned=OLD)), ASKED)
    started = decide(world(told))
    assert started.status.run is not None
    assert (started.status.run.number, started.status.run.trigger) == (2, "Rebuild")
    assert "CrdCurrent" not in conditions(started)
    assert [action for action in started.actions if isinstance(action, CreatePod)]


def test_a_rebuild_that_nobody_can_wait_for_starts_and_says_so() -> None:
    started = decide(world(ASKED, pruned=frozenset({COMPLETED_FIELD})))
    assert started.status.run is not None
    assert started.status.run.number == 2
    message = next(item.message for item in started.status.conditions if item.type == "CrdCurrent")
    assert "no wait for a rebuild ends" in message


@pytest.mark.parametrize("pruned", [OLD, frozenset({"status.links"})])
def test_who_asks_for_no_rebuild_is_not_affected(pruned: frozenset[str]) -> None:
    done = succeeded()
    assert decide(world(done, pruned=pruned)).status == done.status


def test_a_strategy_is_refused_where_the_api_server_forgets_what_tells_its_builds_apart() -> None:
    several = resource(spec(strategy={"matrix": {"os": ["alpine", "debian"]}}, tags=["<+matrix.os>"]))
    told = decide(world(several, pruned=frozenset({"status.run.builds.repository", "status.run.builds.source"})))
    message = next(item.message for item in told.status.conditions if item.type == ConditionType.SPEC_VALID)
    assert message.startswith(
        "strategy: the CRD buildandpushacrs.buildandpush.dev is older and lacks "
        "status.run.builds.repository and status.run.builds.source, so the builds of a run cannot be told apart; "
        "apply the CRDs of the operator's version"
    )
    assert not [action for action in told.actions if isinstance(action, CreatePod)]
