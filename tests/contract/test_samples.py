"""Every resource that a reader may copy is one that the API server takes."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster.settings import REPOSITORY_ROOT
from tests.contract.documents import Document, load_examples, load_sample_values, load_samples, read_schema
from tests.e2e.harness.api import BUILD, CONNECTOR, Api
from tests.e2e.harness.build import FROM, build_manifest
from tests.e2e.harness.shell import Shell

pytestmark = pytest.mark.e2e

EXAMPLES = load_examples()
SAMPLES = load_samples()
_OURS = (BUILD, CONNECTOR)


@pytest.fixture(scope="module")
def empty(api: Api) -> Iterator[str]:
    """A namespace in which nothing has the names of the samples."""
    name = f"contract-{secrets.token_hex(4)}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete("Namespace", name)


def _create_dry(api: Api, namespace: str, document: Document) -> Document:
    metadata = {**document["metadata"], "namespace": namespace}
    return api.create({**document, "metadata": metadata}, dry_run=True)


@pytest.mark.parametrize("place", EXAMPLES)
def test_every_example_is_accepted(api: Api, empty: str, place: str) -> None:
    assert _create_dry(api, empty, EXAMPLES[place])["kind"] == EXAMPLES[place]["kind"]


@pytest.mark.parametrize(("kib", "option", "code"), [(40, [], 0), (100, [], 1), (100, ["--server-side"], 0)])
def test_more_than_40_kib_of_files_need_a_server_side_apply(
    shell: Shell, empty: str, kib: int, option: list[str], code: int
) -> None:
    """HTML is the worst case: kubectl's own copy of the resource has six characters for each < and >."""
    page = "<p>" * (kib * 1024 // 3)
    manifest = build_manifest(empty, "page", {"source": {"inline": {"files": {"Dockerfile": FROM, "p.html": page}}}})
    done = shell.kubectl("apply", *option, "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    assert (done.code, "Too long" in done.err) == (code, code == 1), done.err
    files = read_schema("buildandpushacrs")["properties"]["spec"]["properties"]["source"]["properties"]["inline"]
    advice = "more than 40 KiB", "kubectl apply --server-side"
    assert [words for words in advice if words not in files["properties"]["files"]["description"]] == []
    assert [words for words in advice if words not in (REPOSITORY_ROOT / "README.md").read_text()] == []


def test_the_examples_hold_both_kinds() -> None:
    assert {document["kind"] for document in EXAMPLES.values()} >= set(_OURS)


@pytest.mark.parametrize("place", [place for place, document in SAMPLES.items() if document.get("kind") in _OURS])
def test_every_sample_in_the_docs_is_accepted(api: Api, empty: str, place: str) -> None:
    _create_dry(api, empty, SAMPLES[place])


@pytest.mark.parametrize("place", SAMPLES)
def test_every_sample_is_a_whole_resource_a_status_or_values_of_the_chart(place: str) -> None:
    """A part of a resource would be a sample that no test looks at."""
    assert SAMPLES[place].get("kind") in _OURS or set(SAMPLES[place]) == {"status"} or place in load_sample_values()


def test_the_readme_shows_both_kinds() -> None:
    shown = {document.get("kind") for place, document in SAMPLES.items() if place.startswith("README.md")}
    assert shown >= set(_OURS)


@pytest.mark.parametrize("place", [place for place, document in SAMPLES.items() if set(document) == {"status"}])
def test_every_status_in_the_docs_has_only_fields_of_the_schema(place: str) -> None:
    schema = read_schema("buildandpushacrs")["properties"]["status"]
    assert _unknown(SAMPLES[place]["status"], schema, "status") == []


def _unknown(value: Any, schema: Document, path: str) -> list[str]:
    if isinstance(value, list):
        return [entry for item in value for entry in _unknown(item, schema["items"], f"{path}[]")]
    if not isinstance(value, dict):
        return []
    fields = schema.get("properties", {})
    missing = [f"{path}.{name}" for name in value if name not in fields]
    known = [_unknown(item, fields[name], f"{path}.{name}") for name, item in value.items() if name in fields]
    return missing + [entry for entries in known for entry in entries]
