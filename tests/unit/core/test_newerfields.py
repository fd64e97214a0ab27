"""A CRD that is newer than the operator lets fields pass that the operator knows nothing of. None is passed over."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.meta import BUILD_KIND, CONNECTOR_KIND, ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.azure.connector import parse_connector
from buildandpush.core.build.world import CreatePod
from buildandpush.core.facts import Waiting
from buildandpush.core.newerfields import find_newer
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import resource, running_pod, spec, world
from tests.unit.core.scenes import reason_of, seen, succeeded


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"signing": {"keyRef": {"name": "cosign"}}}, "signing"),
        ({"when": {"condition": "true", "window": "night"}}, "when.window"),
        ({"buildSecrets": [{"id": "a", "secretName": "b", "key": "c", "mode": "0400"}]}, "buildSecrets.mode"),
    ],
)
def test_a_field_that_only_a_newer_crd_has_is_found(more: dict[str, Any], path: str) -> None:
    assert find_newer(BUILD_KIND, spec(**more)) == path


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"buildArgs": {"ANY": "name"}, "labels": {"any.name/of": "mine"}},
        {"podTemplate": {"affinity": {"nodeAffinity": {"anything": [{"more": 1}]}}, "labels": {"a": "b"}}},
        {"strategy": {"matrix": {"service": ["a", "b"], "exclude": [{"service": "a"}]}}},
        {"resources": {"limits": {"memory": "1Gi", "cpu": 1}}},
        {"source": {"inline": {"files": {"Dockerfile": "FROM scratch"}}}},
        {"novelty": None},
        {"envVariables": {"PLUGIN_NOVELTY": "its own check refuses it"}},
    ],
)
def test_what_a_user_may_name_is_no_field(more: dict[str, Any]) -> None:
    assert find_newer(BUILD_KIND, spec(**more)) is None


def test_nothing_is_built_from_a_spec_that_is_known_in_part() -> None:
    told = decide(world(resource(spec(signing={"keyRef": "cosign"}))))
    assert not [action for action in told.actions if isinstance(action, CreatePod)]
    assert told.status.run is None
    assert reason_of(told, ConditionType.READY) == Reason.SPEC_INVALID
    message = next(item.message for item in told.status.conditions if item.type == ConditionType.SPEC_VALID)
    assert message.startswith(
        "signing: the operator does not know the field, so it is older than the CRD; upgrade it, or "
    )


def test_it_is_built_once_the_operator_knows_the_field() -> None:
    before = resource(spec(signing={"keyRef": "cosign"}))
    refused = decide(world(before))
    upgraded = replace(before, spec=spec(), status=refused.status)
    assert decide(world(upgraded)).status.run is not None


def test_a_finished_run_stays_what_it_was() -> None:
    done = succeeded()
    stored = replace(done, spec={**done.spec, "signing": {"keyRef": "cosign"}})
    told = decide(world(stored))
    assert told.status == done.status
    assert told.actions == ()


def test_a_run_on_its_way_goes_on() -> None:
    """It was started by the operator that knows the field, before a rollback."""
    on_its_way = seen()
    stored = replace(on_its_way, spec={**on_its_way.spec, "signing": {"keyRef": "cosign"}})
    told = decide(world(stored, pods=(running_pod(),)))
    assert told.status.run is not None
    assert (told.status.run.number, told.status.run.finished_at) == (1, None)


def test_a_connector_that_is_known_in_part_serves_nobody() -> None:
    raw = {
        "metadata": {"namespace": "shop", "name": "acr", "uid": "uid-1", "generation": 1},
        "spec": {
            "registryCredentials": {"secretRef": {"name": "acr-push"}},
            "registries": ["contoso.azurecr.io"],
            "novelty": {"only": "pulls"},
        },
    }
    assert find_newer(CONNECTOR_KIND, raw["spec"]) == "novelty"
    refused = parse_connector(raw)
    assert isinstance(refused, Waiting)
    assert refused.reason == Reason.CONNECTOR_INVALID
    assert "novelty: the operator does not know the field" in refused.message
