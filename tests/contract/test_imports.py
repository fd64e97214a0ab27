"""Every resource that the import makes is one that the API server takes."""

import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings

from buildandpush.pipelines.convert import Imported
from buildandpush.pipelines.notes import Level
from buildandpush.pipelines.resource import Resource
from tests.e2e.harness.api import Api, ApiError
from tests.e2e.harness.shell import Shell
from tests.unit.pipelines.fuzz import pipelines, run
from tests.unit.pipelines.shapefiles import GOLDEN, NAMES, import_shape

pytestmark = pytest.mark.e2e

# The operator refuses these, and the API server does not know why.
TAKEN_ALL_THE_SAME: Final = {"hostile", "open-expressions", "refused", "variables"}


@pytest.fixture(scope="module")
def empty(api: Api) -> Iterator[str]:
    name = f"imports-{secrets.token_hex(4)}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete("Namespace", name)


def is_refused(resource: Resource) -> bool:
    """Whether the comments say that the resource is refused."""
    return any(note.level is Level.INVALID for note in resource.notes)


@pytest.mark.parametrize("name", NAMES)
def test_every_resource_is_accepted_unless_it_says_so(api: Api, empty: str, name: str) -> None:
    for each in list_resources(import_shape(name)):
        taken = is_taken(api, empty, each)
        assert taken is not is_refused(each) or (taken and name in TAKEN_ALL_THE_SAME), each.manifest


@settings(max_examples=40, deadline=None)
@given(pipelines)
def test_so_is_every_resource_of_any_pipeline(api: Api, empty: str, pipeline: Any) -> None:
    result = run(yaml.safe_dump(pipeline))
    for each in list_resources(result) if result else ():
        assert is_taken(api, empty, each) or is_refused(each), each.manifest


def is_taken(api: Api, namespace: str, resource: Resource) -> bool:
    """Whether the API server takes a resource, and takes it as it is."""
    manifest = {**resource.manifest, "metadata": {**resource.manifest["metadata"], "namespace": namespace}}
    try:
        stored = api.create(manifest, dry_run=True)
    except ApiError:
        return False
    assert stored["spec"] == resource.manifest["spec"]
    return True


def list_resources(result: Imported) -> list[Resource]:
    """All that was made."""
    return [*result.connectors, *(one for made in result.resources.values() for one in made)]


def test_kubectl_applies_a_golden_file_as_it_is(shell: Shell, empty: str) -> None:
    text = (GOLDEN / "placement.yaml").read_text()
    done = shell.kubectl("apply", "--dry-run=server", "--validate=strict", "-n", empty, "-f", "-", stdin=text)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == len(list(yaml.safe_load_all(text)))
