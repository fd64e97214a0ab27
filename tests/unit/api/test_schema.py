"""The schemas are what a CustomResourceDefinition takes: structural, bounded and described throughout."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from buildandpush.api.base import QUANTITY_PATTERN, ApiModel
from buildandpush.api.connector import AzureConnectorSpec, AzureConnectorStatus
from buildandpush.api.imagename import HOLDS_LOGIN
from buildandpush.api.repository import REPOSITORY_PATTERN
from buildandpush.api.schema import SchemaError, describe_missing, render_schema
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildAndPushACRStatus

MODELS = (BuildAndPushACRSpec, BuildAndPushACRStatus, AzureConnectorSpec, AzureConnectorStatus)
SPECS = (BuildAndPushACRSpec, AzureConnectorSpec)


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema node with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(keyword), dict):
            yield from walk(node[keyword], path + mark)


def is_unbounded(node: dict[str, Any]) -> bool:
    """Whether CEL's cost estimate would have to assume the worst of this node."""
    if node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields"):
        # The API server knows no type here, so the pattern's length is what bounds it; free-form objects have none.
        return "pattern" in node and "maxLength" not in node
    kind = node.get("type")
    if kind == "string":
        return not {"maxLength", "enum", "format"} & node.keys()
    if kind == "array":
        return "maxItems" not in node
    return kind == "object" and "additionalProperties" in node and "maxProperties" not in node


@pytest.mark.parametrize("model", MODELS)
def test_schema_is_structural(model: type[BaseModel]) -> None:
    for path, node in walk(render_schema(model)):
        assert not {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "default"} & node.keys(), path
        typed = isinstance(node.get("type"), str)
        untyped = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
        assert typed or untyped, f"{path} has no type"
        assert not (node.get("type") == "object" and {"properties", "additionalProperties"} <= node.keys()), path


@pytest.mark.parametrize("model", MODELS)
def test_no_private_keyword_reaches_the_schema(model: type[BaseModel]) -> None:
    for path, node in walk(render_schema(model)):
        assert "x-kubernetes-leaf" not in node, path


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_described(model: type[BaseModel]) -> None:
    assert describe_missing(render_schema(model)) == []


@pytest.mark.parametrize("model", SPECS)
def test_everything_a_user_writes_is_bounded(model: type[BaseModel]) -> None:
    unbounded = [path for path, node in walk(render_schema(model)) if is_unbounded(node)]
    assert unbounded == []


@pytest.mark.parametrize("model", MODELS)
def test_every_rule_has_a_message_for_its_reader(model: type[BaseModel]) -> None:
    for path, node in walk(render_schema(model)):
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["message"].strip(), path
            assert "\n" not in rule["message"], path
            assert len(rule.get("messageExpression", "")) <= 5000, path


@pytest.mark.parametrize("model", MODELS)
def test_a_rule_that_does_not_name_its_value_keeps_the_api_server_from_it(model: type[BaseModel]) -> None:
    """The value may be a login, or a file of a hundred lines."""
    for path, node in walk(render_schema(model)):
        if node.get("type") not in ("object", "array"):
            for rule in node.get("x-kubernetes-validations", []):
                is_named = "self" in rule.get("messageExpression", "")
                assert is_named != (rule.get("reason") == "FieldValueForbidden"), (path, rule)


MAY_HOLD_LOGIN = (
    "repository", "dockerfile", "context", "source.oci.image", "source.git.url", "source.git.paths[]",
    "registries[]", "allowedRegistries[]", "customCloud.authorityHost", "customCloud.resourceManagerEndpoint",
    "customCloud.portalUrl",
)  # fmt: skip
MAY_BE_SECRET = (
    "servicePrincipal.secretRef.name", "servicePrincipal.secretRef.key", "servicePrincipal.certificateRef.name",
    "servicePrincipal.certificateRef.key", "registryCredentials.secretRef.name",
)  # fmt: skip


def rules_of(paths: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Every rule of these fields, with the field."""
    found = [
        (path.removeprefix("."), rule)
        for model in SPECS
        for path, node in walk(render_schema(model))
        for rule in node.get("x-kubernetes-validations", [])
        if path.removeprefix(".") in paths
    ]
    assert {path for path, _ in found} == set(paths)
    return found


def test_a_rule_that_names_an_address_is_silent_where_a_login_may_be_in_it() -> None:
    """A user may paste a URL with a password into any of these fields."""
    silent = ("self.contains('@') || ", f"{HOLDS_LOGIN} || ", "self.contains('://') || ", "!self.startsWith('/') || ")
    silent += (f"!self.matches('{REPOSITORY_PATTERN}') || ",)
    named = [(path, rule["rule"]) for path, rule in rules_of(MAY_HOLD_LOGIN) if "messageExpression" in rule]
    assert [(path, rule) for path, rule in named if not rule.startswith(silent)] == []


def test_a_rule_of_where_a_secret_is_does_not_name_what_may_be_the_secret_itself() -> None:
    assert [path for path, rule in rules_of(MAY_BE_SECRET) if "messageExpression" in rule] == []


@pytest.mark.parametrize("model", MODELS)
def test_every_property_is_spelled_in_camel_case(model: type[BaseModel]) -> None:
    for path, node in walk(render_schema(model)):
        if path.endswith(".envVariables"):
            continue  # the pipeline's own names
        for name in node.get("properties", {}):
            assert "_" not in name, path
            assert name[0].islower(), path


@pytest.mark.parametrize("model", MODELS)
def test_every_list_says_how_it_merges(model: type[BaseModel]) -> None:
    for path, node in walk(render_schema(model)):
        kind = node.get("x-kubernetes-list-type")
        if kind == "map":
            for key in node["x-kubernetes-list-map-keys"]:
                assert key in node["items"]["properties"], path
                assert key in node["items"]["required"], path
        elif node.get("type") == "array":
            assert kind in ("atomic", "set"), path


@pytest.mark.parametrize("model", [BuildAndPushACRStatus, AzureConnectorStatus])
def test_conditions_are_a_map_by_type(model: type[BaseModel]) -> None:
    conditions = render_schema(model)["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_tags_are_atomic_since_a_set_would_merge_two_managers_lists() -> None:
    tags = render_schema(BuildAndPushACRSpec)["properties"]["tags"]
    assert tags["x-kubernetes-list-type"] == "atomic"


def test_numbers_pasted_unquoted_are_taken() -> None:
    spec = render_schema(BuildAndPushACRSpec)["properties"]
    memory = spec["resources"]["properties"]["limits"]["properties"]["memory"]
    assert "type" not in memory
    assert memory["x-kubernetes-preserve-unknown-fields"] is True
    assert (memory["maxProperties"], memory["maxItems"]) == (0, 0), "objects and lists stay out"
    assert spec["runAsUser"]["x-kubernetes-int-or-string"] is True
    assert "anyOf" not in spec["runAsUser"]


@pytest.mark.parametrize("text", ["2Gi", "0.5", ".5", ".5Gi", "400m"])
def test_amounts_are_taken_as_kubernetes_takes_them(text: str) -> None:
    assert re.search(QUANTITY_PATTERN, text)


@pytest.mark.parametrize("text", ["", "Gi", ".", "1.Gi", "-1", "1 Gi"])
def test_what_is_no_amount_is_refused_by_the_schema(text: str) -> None:
    assert not re.search(QUANTITY_PATTERN, text)


def test_an_empty_user_id_is_none() -> None:
    pattern = render_schema(BuildAndPushACRSpec)["properties"]["runAsUser"]["pattern"]
    assert [text for text in ("", "0", "1000", "root", "-1", " ") if re.search(pattern, text)] == ["", "0", "1000"]


def test_optional_is_said_by_not_requiring() -> None:
    class Model(ApiModel):
        wanted: str
        spare: int | None = None

    schema = render_schema(Model)
    assert schema["required"] == ["wanted"]
    assert schema["properties"]["spare"]["type"] == "integer"
    assert "default" not in schema["properties"]["spare"]


def test_what_a_field_says_wins_over_what_its_type_says() -> None:
    class Inner(ApiModel):
        """Of the type."""

        value: str = ""

    class Outer(ApiModel):
        inner: Inner = Field(description="Of the field.")

    assert render_schema(Outer)["properties"]["inner"]["description"] == "Of the field."


def test_a_nested_type_is_written_out_in_place() -> None:
    class Leaf(ApiModel):
        value: str = ""

    class Root(ApiModel):
        one: Leaf
        many: list[Leaf]
        named: dict[str, Leaf]

    properties = render_schema(Root)["properties"]
    for node in (properties["one"], properties["many"]["items"], properties["named"]["additionalProperties"]):
        assert node["properties"]["value"]["type"] == "string"


def test_names_that_a_model_leaves_open_stay_open_beside_its_own() -> None:
    class Root(ApiModel):
        model_config = ConfigDict(extra="allow")
        own: str = ""

    schema = render_schema(Root)
    assert schema["x-kubernetes-preserve-unknown-fields"] is True
    assert "additionalProperties" not in schema
    assert set(schema["properties"]) == {"own"}


@pytest.mark.parametrize(
    ("annotation", "named"),
    [(int | str, "bad"), (list[int | str], "bad[]"), (dict[str, int | str], "bad{}"), (tuple[int, str], "bad")],
)
def test_what_a_structural_schema_cannot_say_is_refused_by_name(annotation: Any, named: str) -> None:
    class Model(ApiModel):
        bad: annotation

    with pytest.raises(SchemaError, match=r"Model\.") as caught:
        render_schema(Model)
    assert named in str(caught.value)
    assert "keyword" in str(caught.value)


def test_a_field_without_description_is_found_at_any_depth() -> None:
    class Leaf(ApiModel):
        told: str = Field("", description="Told.")
        untold: str = ""

    class Root(ApiModel):
        leaf: Leaf = Field(description="Told.")
        leaves: list[Leaf] = Field([], description="Told.")

    assert describe_missing(render_schema(Root)) == ["leaf.untold", "leaves[].untold"]
