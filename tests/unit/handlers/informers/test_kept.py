"""What memory holds of a resource: all that is read of it, packed, and the facts that it is found by."""

import json
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.core.facts import Owner
from buildandpush.core.jsonvalue import parse_json
from buildandpush.handlers.informers.kept import Fact, keep
from buildandpush.handlers.informers.store import Store, read_resource
from buildandpush.handlers.objects import Key
from tests.unit.core.factories import spec
from tests.unit.handlers.cluster import Cluster

KIND = meta.BUILD_KIND


def build(
    name: str = "web", version: int = 1, *, status: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """A build with this status and the smallest spec, changed."""
    metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": str(version), "generation": 2}
    return {"metadata": metadata, "spec": spec(**changes), "status": status or {}}


def ended(*, ready: str = "True", generation: int = 2) -> dict[str, Any]:
    """The status of a build that has come to its end."""
    conditions = [{"type": "Completed", "status": "True"}, {"type": "Ready", "status": ready}]
    return {"observedGeneration": generation, "conditions": conditions}


def key(name: str = "web") -> Key:
    return Key(KIND, "shop", name)


async def test_all_that_is_read_of_a_finished_build_is_kept() -> None:
    cluster = Cluster()
    await cluster.settle()
    cluster.start_kaniko()
    await cluster.settle()
    cluster.end_kaniko()
    await cluster.settle()
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    body["metadata"]["annotations"] = {meta.ANNOTATION_REBUILD: "now"}
    kept = keep(KIND, body)
    assert kept.unpack() == body
    assert read_resource(kept.unpack()) == read_resource(body)
    assert len(kept.packed) < len(json.dumps(body)) / 3


def test_what_nobody_reads_is_left_out() -> None:
    body = build()
    annotations = {meta.ANNOTATION_CANCEL: "1", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    body["metadata"] |= {"managedFields": [{"manager": "kubectl"}], "annotations": annotations}
    metadata = keep(KIND, body).unpack()["metadata"]
    assert metadata == {**build()["metadata"], "annotations": {meta.ANNOTATION_CANCEL: "1"}}


def test_any_text_comes_back_as_it_was() -> None:
    text = "ä 日 \ud800 \x00 \u2028"
    assert keep(KIND, build(labels={"a": text})).unpack()["spec"]["labels"]["a"] == text


@pytest.mark.parametrize("text", ["", "plain", "ä 日 \x00 \u2028", "\ud800", "a\udfff\ud83d"])
def test_any_value_comes_back_as_it_was(text: str) -> None:
    value = {"a": [text, {text: 1.5}, None, True, 2**60]}
    assert keep(KIND, build(labels=value)).unpack()["spec"]["labels"] == value


def test_as_many_levels_as_a_parser_takes_come_back() -> None:
    value = parse_json("[" * 1023 + "]" * 1023)
    packed = keep(KIND, build(labels={"a": value}))
    back = packed.unpack()["spec"]["labels"]["a"]
    levels = 0
    while back:
        (back,) = back
        levels += 1
    assert levels == 1022


@pytest.mark.parametrize(
    ("changes", "status", "names"),
    [
        ({}, {}, {"acr"}),
        ({}, ended(), set()),
        ({}, ended(ready="False"), {"acr"}),
        ({}, ended(generation=1), {"acr"}),
        ({"connectorRef": "account.My_ACR"}, {}, {"my-acr"}),
        ({"connectorRef": None}, {}, set()),
        ({"baseImageConnectorRefs": ["org.base", "acr"]}, {}, {"acr", "base"}),
        ({"source": {"git": {"url": "https://x/y", "connectorRef": "repos"}}}, {}, {"acr", "repos"}),
        ({"source": {"archive": {"url": "https://x/y", "connectorRef": "blobs"}}}, {}, {"acr", "blobs"}),
        ({"source": None}, {"run": None}, {"acr"}),
        (
            {},
            {"run": {"effective": {"connector": "b", "baseConnectors": ["c"], "gitConnector": "d"}}},
            {"acr", "b", "c", "d"},
        ),
        ({}, {"run": {"effective": {"storageConnector": "e"}}}, {"acr", "e"}),
    ],
)
def test_a_build_may_wait_for_the_connectors_that_it_or_its_run_names(
    changes: dict[str, Any], status: dict[str, Any], names: set[str]
) -> None:
    """One that has succeeded waits for none."""
    store = Store()
    store.put(KIND, build(status=status, **changes))
    assert {name for name in ("acr", "my-acr", *"bcde", "base", "repos", "blobs") if _found(store, name)} == names


def _found(store: Store, connector: str) -> bool:
    found = store.find("shop", Fact.CONNECTOR, connector)
    assert store.find("other", Fact.CONNECTOR, connector) == ()
    return found == (key(),)


def test_a_build_is_found_by_what_its_newest_version_says() -> None:
    store = Store()
    store.put(KIND, build(connectorRef="acr"))
    store.put(KIND, build(version=2, connectorRef="other"))
    assert store.find("shop", Fact.CONNECTOR, "acr") == ()
    assert store.find("shop", Fact.CONNECTOR, "other") == (key(),)
    store.put(KIND, build(version=3, status=ended()))
    assert store.find("shop", Fact.CONNECTOR, "acr") == ()


def test_a_build_that_is_gone_is_found_by_nothing() -> None:
    store = Store()
    flux = {"fluxSource": {"kind": "Bucket", "name": "files"}}
    store.put(KIND, build(source=flux))
    store.put(KIND, build("api", source=flux))
    assert store.find("shop", Fact.FLUX, "Bucket", "files") == (key(), key("api"))
    store.drop(KIND, build(version=2))
    assert store.find("shop", Fact.FLUX, "Bucket", "files") == (key("api"),)
    store.drop_unlisted(KIND, (), 9, None)
    assert not store.has_flux("Bucket", None)
    assert store.keys(KIND, None) == store.keys(KIND, "shop") == ()
    assert store.find_pusher(Owner("shop", "other", "u"), build()["spec"]["repository"]) is None


def test_flux_objects_are_told_apart_by_kind_and_namespace() -> None:
    store = Store()
    store.put(KIND, build(source={"fluxSource": {"kind": "Bucket", "name": "files"}}, status=ended()))
    assert (store.has_flux("Bucket", None), store.has_flux("Bucket", "shop")) == (True, True)
    assert (store.has_flux("Bucket", "other"), store.has_flux("GitRepository", None)) == (False, False)
    assert store.find("shop", Fact.FLUX, "GitRepository", "files") == ()


def test_a_connector_is_no_build() -> None:
    store = Store()
    store.put(meta.CONNECTOR_KIND, {**build(), "spec": {"registries": ["contoso.azurecr.io"], "repository": "x"}})
    assert store.find("shop", Fact.PUSHES, "x") == ()
