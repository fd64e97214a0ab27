"""What the API server makes of the CRDs, and what kubectl tells of their fields."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.documents import CHART, CRDS, Document, read_crd, read_schema
from tests.e2e.harness.api import Api
from tests.e2e.harness.shell import Shell

pytestmark = pytest.mark.e2e

PLURALS = ["buildandpushacrs", "azureconnectors"]
_PREFIX = "dev.buildandpush.v1alpha1."


@pytest.mark.parametrize("plural", PLURALS)
def test_the_api_server_accepts_the_crd(api: Api, plural: str) -> None:
    crd = read_crd(plural)
    accepted = api.apply(crd, manager="contract", dry_run=True)
    assert accepted["metadata"]["name"] == f"{plural}.buildandpush.dev"


@pytest.mark.parametrize("plural", PLURALS)
def test_the_installed_crd_is_served_without_complaint(api: Api, plural: str) -> None:
    installed = api.get("CustomResourceDefinition", f"{plural}.buildandpush.dev")
    conditions = {item["type"]: item["status"] for item in installed["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("plural", PLURALS)
def test_the_installed_schema_is_the_repositorys(api: Api, plural: str) -> None:
    """Otherwise these tests, and the e2e tests, would prove something about another version."""
    installed = api.get("CustomResourceDefinition", f"{plural}.buildandpush.dev")
    assert installed["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == read_schema(plural)


def test_the_charts_crds_are_the_repositorys() -> None:
    ours = {path.name: path.read_bytes() for path in CRDS.iterdir()}
    assert {path.name: path.read_bytes() for path in (CHART / "crds").iterdir()} == ours
    assert set(ours) == {f"{plural}.yaml" for plural in PLURALS}


@pytest.mark.parametrize("plural", PLURALS)
def test_a_crd_fits_into_client_side_apply(plural: str) -> None:
    """kubectl apply without --server-side keeps a copy in an annotation of at most 256 KiB."""
    assert (CRDS / f"{plural}.yaml").stat().st_size < 256 * 1024


@pytest.mark.parametrize("kind", ["BuildAndPushACR", "AzureConnector"])
def test_every_field_is_described_to_kubectl_explain(api: Api, kind: str) -> None:
    """kubectl explain reads the API server's OpenAPI; so does this."""
    served = api.request("GET", "/openapi/v3/apis/buildandpush.dev/v1alpha1")["components"]["schemas"]
    fields = dict(_walk(served[f"{_PREFIX}{kind}"]))
    assert len(fields) > 10
    assert [path for path, field in fields.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("bpacr.spec.timeout", ["1h 30m", "Default: 1h"]),
        ("bpacr.spec.source.git.revision", ["Branch, tag", "default branch"]),
        ("bpacr.spec.resources.limits.memory", ["Mi", "Default: 500Mi"]),
        ("bpacr.status.run.builds.failure.exitCode", ["exit code"]),
        ("azconn.spec.registries", ["Hosts this login is for"]),
    ],
)
def test_kubectl_explain_is_the_fields_documentation(shell: Shell, path: str, words: list[str]) -> None:
    done = shell.kubectl("explain", path)
    text = " ".join(done.out.split())
    assert done.code == 0, done.err
    assert [word for word in words if word not in text] == [], text


def test_every_string_list_and_map_of_a_spec_is_bounded() -> None:
    """CEL's cost estimate needs the bounds, and so does etcd."""
    unbounded = []
    for plural in PLURALS:
        for path, field in _walk(read_schema(plural)["properties"]["spec"], plural):
            kind = field.get("type")
            bound = {"string": "maxLength", "array": "maxItems"}.get(str(kind))
            bound = "maxProperties" if kind == "object" and "additionalProperties" in field else bound
            if bound and bound not in field and "enum" not in field:
                unbounded.append(f"{path}: {bound}")
    assert unbounded == []


def _walk(schema: Document, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Our fields below a schema; metadata is Kubernetes' own."""
    for name, field in schema.get("properties", {}).items():
        if not (path == "" and name == "metadata"):
            here = f"{path}.{name}".lstrip(".")
            yield here, field
            yield from _walk(field, here)
            yield from _walk(field.get("items", {}), f"{here}[]")
