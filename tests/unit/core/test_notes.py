"""What a spec asks for that changes nothing is told, in the condition that says that the spec is good."""

from typing import Any

import pytest

from buildandpush.api.flagtable import FLAGS, Treatment
from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.decide import decide
from buildandpush.core.notes import explain_validity, find_notes
from buildandpush.core.plan import parse_spec
from tests.unit.core.factories import resource, spec, world

VOLUME = {"persistentVolumeClaim": {"claimName": "builds"}}


def notes(variables: dict[str, Any] | None = None, **changes: Any) -> tuple[str, ...]:
    """The notes on a spec with these flags and fields."""
    return find_notes(parse_spec(spec(envVariables=variables, **changes)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.proves(name))
        for name, flag in FLAGS.items()
        if flag.treatment is Treatment.NO_EFFECT
    ],
)
def test_a_flag_without_effect_is_accepted_and_told_with_the_reason(name: str) -> None:
    flag = FLAGS[name]
    assert notes({name: True if flag.kind == "bool" else "x"}) == (f"envVariables.{name}: {flag.instead}",)


@pytest.mark.proves("retry", "cacheFrom", "cacheTo")
@pytest.mark.parametrize(
    ("field", "value"), [("retry", 1), ("retry", 0), ("cacheFrom", ["a/b"]), ("cacheTo", "type=local")]
)
def test_a_field_without_effect_is_accepted_and_told(field: str, value: Any) -> None:
    (note,) = notes(**{field: value})
    assert note.startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("variables", "changes", "note"),
    [
        ({"PLUGIN_CACHE_TTL": 1}, {}, "envVariables.PLUGIN_CACHE_TTL: nothing is cached"),
        ({"PLUGIN_CACHE_COPY_LAYERS": True}, {}, "envVariables.PLUGIN_CACHE_COPY_LAYERS: nothing is cached"),
        ({"PLUGIN_CACHE_RUN_LAYERS": False}, {}, "envVariables.PLUGIN_CACHE_RUN_LAYERS: nothing is cached"),
        ({"PLUGIN_COMPRESSED_CACHING": False}, {}, "envVariables.PLUGIN_COMPRESSED_CACHING: nothing is cached"),
        ({"PLUGIN_ENABLE_CACHE": False}, {"caching": True}, "caching: PLUGIN_ENABLE_CACHE is false"),
        ({"PLUGIN_ENABLE_CACHE": False}, {"remoteCacheImage": "c"}, "remoteCacheImage: PLUGIN_ENABLE_CACHE is false"),
        ({"PLUGIN_AUTO_TAG_SUFFIX": "x"}, {}, "envVariables.PLUGIN_AUTO_TAG_SUFFIX: PLUGIN_AUTO_TAG is not set"),
        ({"DRONE_COMMIT_REF": "x"}, {}, "envVariables.DRONE_COMMIT_REF: PLUGIN_AUTO_TAG is not set"),
        ({"PLUGIN_SOURCE_TAR_PATH": "x"}, {"workspace": VOLUME},
         "envVariables.PLUGIN_SOURCE_TAR_PATH: PLUGIN_PUSH_ONLY is not set"),
        ({"PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK": True}, {},
         "envVariables.PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK: no mirror is named"),
        ({}, {"workspace": VOLUME}, "workspace: no flag in envVariables names a path on it"),
    ],
)  # fmt: skip
def test_saying_how_something_is_done_that_is_not_done_is_told(
    variables: dict[str, Any], changes: dict[str, Any], note: str
) -> None:
    assert notes(variables, **changes) == (note,)


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({}, {}),
        ({"PLUGIN_CACHE_TTL": 1, "PLUGIN_CACHE_REPO": "c"}, {}),
        ({"PLUGIN_CACHE_RUN_LAYERS": False}, {"caching": True}),
        ({"PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK": True}, {"registryMirrors": ["a.example"]}),
        ({"PLUGIN_TAR_PATH": "x"}, {"workspace": VOLUME}),
        ({"PLUGIN_NO_PUSH": True}, {}),
    ],
)
def test_what_has_an_effect_is_not_told(variables: dict[str, Any], changes: dict[str, Any]) -> None:
    assert notes(variables, **changes) == ()
    assert explain_validity(parse_spec(spec(envVariables=variables, **changes)))[0] is Reason.SPEC_VALID


def test_the_note_stands_in_the_status_beside_a_run_that_goes_on() -> None:
    decision = decide(world(resource(spec(retry=2, envVariables={"PLUGIN_FORCE": True}))))
    condition = next(item for item in decision.status.conditions if item.type == ConditionType.SPEC_VALID)
    assert (condition.status, condition.reason) == ("True", Reason.NO_EFFECT)
    assert "retry: retries says" in condition.message
    assert "envVariables.PLUGIN_FORCE: kaniko always runs in a container here" in condition.message
    assert decision.status.run is not None


def test_a_change_without_a_run_brings_the_note_too() -> None:
    started = decide(world(resource())).status
    changed = resource(spec(retry=2), status=started, generation=2)
    decision = decide(world(changed))
    reasons = {item.type: item.reason for item in decision.status.conditions}
    assert reasons[ConditionType.SPEC_VALID] == Reason.NO_EFFECT


def test_a_spec_that_cannot_be_used_has_no_notes() -> None:
    assert notes({"PLUGIN_FORCE": True, "PLUGIN_PUSH_RETRY": "x"}) == ()
