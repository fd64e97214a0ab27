"""A spec is read as users write it, and the patterns of its fields refuse what no registry takes."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from buildandpush.api.repository import REPOSITORY_PATTERN, TAG_PATTERN
from buildandpush.api.spec import BuildAndPushACRSpec
from tests.unit.core.factories import SPEC, spec


def parse(raw: dict[str, Any]) -> BuildAndPushACRSpec:
    """The spec as a model."""
    return BuildAndPushACRSpec.model_validate(raw)


def test_smallest_spec_is_read_and_given_back_as_it_was() -> None:
    assert parse(SPEC).to_dict() == SPEC


def test_fields_are_frozen() -> None:
    with pytest.raises(ValidationError):
        parse(SPEC).repository = "elsewhere.azurecr.io/x"


def test_fields_of_a_newer_version_are_passed_over() -> None:
    assert parse(spec(fieldOfTomorrow={"a": 1})) == parse(SPEC)


@pytest.mark.parametrize("field", ["repository", "source"])
def test_missing_field_is_named(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        parse(spec(**{field: None}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tags", "latest"),
        ("tags", [1]),
        ("labels", {"a": 1}),
        ("buildArgs", ["A=1"]),
        ("repository", ""),
        ("repository", "r.azurecr.io/" + "a" * 512),
        ("tags", ["t"] * 51),
        ("tags", ["t" * 513]),
        ("labels", {str(number): "" for number in range(65)}),
        ("buildArgs", {"A": "x" * (8 * 4096 + 1)}),
        ("dockerfile", "d" * 1025),
        ("optimize", "perhaps"),
        ("source", "git"),
        ("source", {"git": {}}),
    ],
)
def test_value_of_the_wrong_kind_or_size_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        parse(spec(**{field: value}))


@pytest.mark.parametrize("value", [0, "0", 1000, "1000"])
def test_user_id_is_read_quoted_or_not(value: int | str) -> None:
    assert parse(spec(runAsUser=value)).run_as_user == value


@pytest.mark.parametrize("value", ["2Gi", "0.5", 0.5, 1, "400m"])
def test_amounts_are_read_quoted_or_not(value: Any) -> None:
    read = parse(spec(resources={"limits": {"cpu": value}}))
    assert read.resources is not None
    assert read.resources.limits is not None
    assert read.resources.limits.cpu == value


@pytest.mark.parametrize(
    "name",
    [
        "contoso.azurecr.io/web",
        "contoso.azurecr.io/shop/web",
        "contoso.azurecr.io/a/b/c-d_e.f",
        "contoso.azurecr.io/a__b",
        "contoso.azurecr.io/a--b",
        "contoso-abc123.azurecr.io/x",
        "registry:5000/x",
        "10.0.0.1:5000/x",
        f"{'a' * 63}.azurecr.io/x",
        "a.b.c.d/x",
        "a--b.azurecr.io:65535/x",
    ],
)
def test_image_name_that_registries_take_is_taken(name: str) -> None:
    assert re.search(REPOSITORY_PATTERN, name)


@pytest.mark.parametrize(
    "name",
    [
        "contoso.azurecr.io",
        "contoso.azurecr.io/",
        "/web",
        "contoso.azurecr.io//web",
        "contoso.azurecr.io/web/",
        "contoso.azurecr.io/Web",
        "Contoso.azurecr.io/web",
        "contoso.azurecr.io/web:1",
        "contoso.azurecr.io/web@sha256:0",
        "contoso.azurecr.io/_web",
        "contoso.azurecr.io/web-",
        "contoso.azurecr.io/a..b",
        "contoso.azurecr.io/a___b",
        "contoso.azurecr.io/../x",
        "https://contoso.azurecr.io/web",
        "user:pw@contoso.azurecr.io/web",
        "contoso.azurecr.io/we b",
        "contoso.azurecr.io/web\nx",
        "contoso.azurecr.io/wéb",
        "-contoso.azurecr.io/web",
        "contoso.azurecr.io:/web",
        "contoso..azurecr.io/web",
        "contoso-.azurecr.io/web",
        "contoso.-azurecr.io/web",
        f"{'a' * 64}.azurecr.io/web",
        "contoso.azurecr.io:123456/web",
    ],
)
def test_image_name_that_no_registry_takes_is_refused(name: str) -> None:
    assert not re.search(REPOSITORY_PATTERN, name)


@pytest.mark.parametrize(
    ("tag", "good"),
    [
        ("latest", True),
        ("1.2.3-rc_1", True),
        ("_x", True),
        ("A" * 128, True),
        ("A" * 129, False),
        ("", False),
        (".x", False),
        ("-x", False),
        ("a b", False),
        ("a:b", False),
        ("a/b", False),
        ("ä", False),
        ("a+b", False),
    ],
)
def test_tag_grammar(tag: str, good: bool) -> None:
    assert bool(re.search(TAG_PATTERN, tag)) is good
