"""The hash over the fields that shape the image holds still, or every image in the world is built anew."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.spec.spechash import hash_spec
from tests.unit.conftest import Golden
from tests.unit.core.factories import spec

SPECS = Path(__file__).parents[3] / "fixtures" / "spechash"

SHAPING: dict[str, list[Any]] = {
    "repository": ["contoso.azurecr.io/shop/api"],
    "tags": [["1"], ["latest", "1"], ["1", "latest"]],
    "source": [
        {"inline": {"files": {"Dockerfile": "FROM scratch\n# \n"}}},
        {"inline": {"files": {"Dockerfile": "FROM scratch\n", "a": ""}}},
        {"git": {"url": "https://github.com/contoso/shop.git"}},
        {"git": {"url": "https://github.com/contoso/shop.git", "revision": "v1"}},
    ],
    "dockerfile": ["docker/Dockerfile"],
    "context": ["web"],
    "labels": [{"a": "b"}, {"a": "c"}],
    "buildArgs": [{"A": "b"}, {"A": ""}],
    "target": ["runtime"],
    "optimize": [True],
    "buildSecrets": [[{"id": "a", "secretName": "b", "key": "c"}]],
    "buildArgsFrom": [
        [{"name": "A", "secretName": "b", "key": "c"}],
        [{"name": "A", "configMapName": "b", "key": "c"}],
    ],
    "envDockerSecrets": [{"a": "b/c"}],
    "fileDockerSecrets": [{"a": "b/c"}],
    "variables": [{"a": "b"}, {"a": "c"}],
    "strategy": [
        {"matrix": {"a": ["1"]}},
        {"matrix": {"a": ["1", "2"]}},
        {"matrix": {"unit": ["1"], "times": ["1"]}},
        {"matrix": {"unit": ["2"], "times": ["1"]}},
        {"matrix": {"a": ["1", "2"], "exclude": [{"a": "1"}]}},
        {"repeat": {"items": ["1"]}},
        {"repeat": {"times": 1}},
        {"parallelism": 1},
        {"parallelism": 2},
    ],
    "envVariables": [
        {"PLUGIN_REPRODUCIBLE": True},
        {"PLUGIN_NO_PUSH": True},
        {"PLUGIN_CUSTOM_LABELS": "a=1"},
        {"PLUGIN_CUSTOM_LABELS": "a=1,b=2"},
        {"PLUGIN_IGNORE_VAR_RUN": True},
        {"PLUGIN_TAR_PATH": "x.tar"},
    ],
}
DEFAULTS: list[dict[str, Any]] = [
    {"dockerfile": "Dockerfile"},
    {"context": "."},
    {"optimize": False},
    {"target": ""},
    {"labels": {}},
    {"buildArgs": {}},
    {"dockerfile": ""},
    {"context": ""},
    {"buildSecrets": []},
    {"strategy": {}},
    {"variables": {}},
    {"envVariables": {}},
    {"envVariables": {"PLUGIN_REPRODUCIBLE": False}},
    {"envVariables": {"PLUGIN_IGNORE_VAR_RUN": "false"}},
    {"envVariables": {"PLUGIN_NO_PUSH": ""}},
]
OTHERS: dict[str, list[Any]] = {
    "connectorRef": ["other"],
    "timeout": ["2h", "90s", ""],
    "runAsUser": [0, "1000"],
    "remoteCacheImage": ["cache"],
    "caching": [True],
    "registryMirrors": [["mirror.gcr.io"]],
    "userNamespace": ["Always"],
    "podTemplate": [{"labels": {"a": "b"}}],
    "workspace": [{"persistentVolumeClaim": {"claimName": "builds"}}],
    "retry": [3],
    "envVariables": [{"PLUGIN_CACHE_TTL": 1}, {"PLUGIN_PUSH_RETRY": 9}, {"PLUGIN_FORCE": True}],
    "resources": [{"limits": {"memory": "2Gi"}}, {"requests": {"cpu": 0.5}}, {"limits": {}}],
}


def hashed(raw: dict[str, Any]) -> str:
    """The hash of a spec as written."""
    return hash_spec(BuildAndPushACRSpec.model_validate(raw))


def test_hashes_are_those_of_the_release_before(golden: Golden) -> None:
    """Blessing this means that a new release builds every changed image anew: see the module's docstring."""
    found = {path.stem: hashed(json.loads(path.read_text())) for path in sorted(SPECS.glob("*.json"))}
    assert len(found) >= 5
    golden("spechashes.json", json.dumps(found, indent=2) + "\n")


def test_hash_says_its_version() -> None:
    version, _, digits = hashed(spec()).partition(":")
    assert version.startswith("v")
    assert len(digits) == 64
    assert set(digits) <= set("0123456789abcdef")


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in SHAPING.items() for value in values])
def test_field_that_shapes_the_image_changes_the_hash(field: str, value: Any) -> None:
    assert hashed(spec(**{field: value})) != hashed(spec())


def test_all_these_specs_have_hashes_of_their_own() -> None:
    every = [hashed(spec(**{field: value})) for field, values in SHAPING.items() for value in values]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("given_default", DEFAULTS, ids=str)
def test_default_written_out_is_the_same_as_unset(given_default: dict[str, Any]) -> None:
    assert hashed(spec(**given_default)) == hashed(spec())


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OTHERS.items()}))
def test_field_that_shapes_no_image_does_not_change_the_hash(changes: dict[str, Any]) -> None:
    assert hashed(spec(**changes)) == hashed(spec())


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text(max_size=3), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_order_of_keys_does_not_matter(values: dict[str, str], random: Any) -> None:
    shuffled = list(values.items())
    random.shuffle(shuffled)
    one = spec(labels=values, buildArgs=values)
    other = dict(reversed(spec(labels=dict(shuffled), buildArgs=dict(shuffled)).items()))
    assert hashed(one) == hashed(other)


def test_what_looks_alike_when_joined_is_told_apart() -> None:
    assert hashed(spec(labels={"a": "b,c=d"})) != hashed(spec(labels={"a": "b", "c": "d"}))
    assert hashed(spec(buildArgs={"A": "1"})) != hashed(spec(labels={"A": "1"}))
    assert hashed(spec(labels={"a": "\u00e9"})) != hashed(spec(labels={"a": "e\u0301"})), "byte for byte, not letters"


def test_notations_of_one_flag_are_one_image() -> None:
    one, other = (
        {"PLUGIN_DRY_RUN": "1", "PLUGIN_PLATFORM": "linux/s390x"},
        {"PLUGIN_NO_PUSH": True, "PLUGIN_CUSTOM_PLATFORM": "linux/s390x"},
    )
    assert hashed(spec(envVariables=one)) == hashed(spec(envVariables=other))


def test_the_volume_counts_once_the_image_is_written_to_it() -> None:
    def on(claim: str, **variables: str) -> str:
        return hashed(spec(envVariables=variables, workspace={"persistentVolumeClaim": {"claimName": claim}}))

    assert on("a") == on("b") == hashed(spec())
    assert on("a", PLUGIN_TAR_PATH="x") != on("b", PLUGIN_TAR_PATH="x")
    assert on("a", PLUGIN_CACHE_DIR="x") == on("b", PLUGIN_CACHE_DIR="x")


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("keepGitDir", False, True),
        ("depth", 1, 0),
        ("tags", False, True),
        ("submodules", False, True),
        ("lfs", False, True),
        ("insecureIgnoreHostKey", False, True),
    ],
)
def test_a_setting_of_git_makes_another_source_and_its_default_none(name: str, default: Any, other: Any) -> None:
    def of(**more: Any) -> str:
        return hashed(spec(source={"git": {"url": "https://github.com/contoso/shop.git", **more}}))

    assert of(**{name: default}) == of()
    assert of(**{name: other}) != of()
    assert of(paths=["web"]) not in (of(), of(paths=["libs"]))


def test_how_long_an_upload_is_waited_for_shapes_no_image() -> None:
    assert hashed(spec(source={"upload": {}})) == hashed(spec(source={"upload": {"timeout": "5m"}}))
    assert hashed(spec(source={"upload": {}})) != hashed(spec())


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ({"matrix": {"a": ["1"], "maxConcurrency": 2, "nodeName": "x", "exclude": []}}, {"matrix": {"a": ["1"]}}),
        ({"matrix": {"a": ["1"]}, "maxConcurrency": 2}, {"matrix": {"a": ["1"]}}),
        ({"repeat": {"items": ["1"], "maxConcurrency": "2", "nodeName": "x"}}, {"repeat": {"items": ["1"]}}),
        ({"repeat": {"items": ["1"], "unit": "Count"}}, {"repeat": {"items": ["1"]}}),
        ({"repeat": {"times": "2"}}, {"repeat": {"times": 2}}),
        ({"parallelism": "2", "maxConcurrency": 1}, {"parallelism": 2}),
    ],
)  # fmt: skip
def test_how_many_builds_run_at_a_time_shapes_no_image(written: dict[str, Any], same: dict[str, Any]) -> None:
    assert hashed(spec(strategy=written)) == hashed(spec(strategy=same))
