"""The operator writes status and nothing else: no spec, no annotation, no finalizer."""

import pytest

from tests.e2e.harness.api import BUILD, CONNECTOR, Api, Object
from tests.e2e.harness.build import Build, build_manifest
from tests.e2e.harness.fixtures import BuildFactory

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

_OPERATOR = "buildandpush-operator"


def _owned(item: Object) -> dict[str, tuple[set[str], str]]:
    """Top-level fields and subresource by manager."""
    return {
        entry["manager"]: (
            {name for name in entry["fieldsV1"] if name != "f:metadata" or entry["fieldsV1"][name]},
            entry.get("subresource", ""),
        )
        for entry in item["metadata"]["managedFields"]
    }


def test_the_operator_owns_nothing_but_the_status(api: Api, namespace: str) -> None:
    build = Build(api, namespace, "owned")
    api.apply(build_manifest(namespace, build.name, {}), manager="gitops")
    ended = build.wait_succeeded()
    assert _owned(ended.raw) == {"gitops": ({"f:spec"}, ""), _OPERATOR: ({"f:status"}, "status")}


def test_the_operator_leaves_no_finalizer_annotation_or_label(make_build: BuildFactory, api: Api) -> None:
    build = make_build()
    metadata = build.wait_succeeded().raw["metadata"]
    assert not {"finalizers", "annotations", "labels"} & set(metadata)
    connector = api.get(CONNECTOR, "acr", build.namespace)
    assert not {"finalizers", "annotations", "labels"} & set(connector["metadata"])
    assert _owned(connector)[_OPERATOR] == ({"f:status"}, "status")


def test_applying_again_after_the_build_changes_nothing(api: Api, namespace: str) -> None:
    """What a GitOps tool does every few minutes must be no drift."""
    build = Build(api, namespace, "drift")
    manifest = build_manifest(namespace, build.name, {})
    api.apply(manifest, manager="gitops")
    before = build.wait_succeeded()
    after = api.apply(manifest, manager="gitops")
    assert after["metadata"]["resourceVersion"] == before.raw["metadata"]["resourceVersion"]
    assert after["spec"] == manifest["spec"]


def test_a_resource_not_yet_seen_has_a_generation_of_minus_one(api: Api, namespace: str) -> None:
    """Flux takes an object without any status for ready."""
    created = api.create(build_manifest(namespace, "unseen", {}), dry_run=True)
    assert created["status"] == {"observedGeneration": -1}
    assert created["kind"] == BUILD


def test_the_api_server_keeps_no_owner_of_each_field_of_a_status(make_build: BuildFactory) -> None:
    """It has one writer. Owners of its fields would be a third of the resource, in every write and every watch."""
    ended = make_build().wait_succeeded()
    [status] = [entry for entry in ended.raw["metadata"]["managedFields"] if entry["manager"] == _OPERATOR]
    assert status["fieldsV1"] == {"f:status": {}}
