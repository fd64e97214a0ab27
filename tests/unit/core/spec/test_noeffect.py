"""What a spec asks for that changes nothing is told, in the condition that says that the spec is good."""

from typing import Any, ClassVar

import pytest

from buildandpush.api.flagtable import FLAGS, REFUSED, Treatment
from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.run.decide import decide
from buildandpush.core.spec.noeffect import explain_validity, find_notes
from buildandpush.core.spec.plan import parse_spec
from tests.unit.core.factories import resource, rule, spec, world

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


@pytest.mark.parametrize(("revision", "told"), [("a" * 40, 1), ("main", 0), ("a" * 39, 0)])
def test_polling_what_never_changes_is_told(revision: str, told: int) -> None:
    found = notes(source={"git": {"url": "https://git.example/shop.git", "revision": revision, "poll": {}}})
    assert [note.partition(":")[0] for note in found] == ["source.git.poll"] * told


def test_a_failure_that_only_a_pipeline_has_is_told() -> None:
    kinds = ("DelegateProvisioning", "Timeout", "InputTimeoutError", "DelegateProvisioning")
    assert notes(failureStrategies=[rule("Abort", *kinds)]) == (
        "failureStrategies: DelegateProvisioning, InputTimeoutError: no build fails by it",
    )
    assert notes(failureStrategies=[rule("Abort", "AllErrors", "Timeout")]) == ()


def test_an_action_that_only_a_pipeline_has_is_told() -> None:
    inner = {"action": {"type": "StageRollback"}}
    assert notes(failureStrategies=[rule("ManualIntervention", onTimeout=inner)]) == (
        "failureStrategies: ManualIntervention: nobody is asked; the action of onTimeout follows at once, or else the "
        "run fails",
        "failureStrategies: StageRollback: nothing is rolled back; the run fails, and the last good image stays in the "
        "status",
    )


@pytest.mark.parametrize(
    ("variables", "changes", "note"),
    [
        ({"PLUGIN_CACHE_TTL": 1}, {}, "envVariables.PLUGIN_CACHE_TTL: nothing is cached"),
        ({"PLUGIN_CACHE_COPY_LAYERS": True}, {}, "envVariables.PLUGIN_CACHE_COPY_LAYERS: nothing is cached"),
        ({"PLUGIN_CACHE_RUN_LAYERS": False}, {}, "envVariables.PLUGIN_CACHE_RUN_LAYERS: nothing is cached"),
        ({"PLUGIN_COMPRESSED_CACHING": False}, {}, "envVariables.PLUGIN_COMPRESSED_CACHING: nothing is cached"),
        ({"PLUGIN_CACHE_DIR": "base"}, {"workspace": VOLUME}, "envVariables.PLUGIN_CACHE_DIR: nothing is cached"),
        ({"PLUGIN_ENABLE_CACHE": False}, {"caching": True}, "caching: PLUGIN_ENABLE_CACHE is false"),
        ({"PLUGIN_ENABLE_CACHE": False}, {"remoteCacheImage": "c"}, "remoteCacheImage: PLUGIN_ENABLE_CACHE is false"),
        ({"PLUGIN_AUTO_TAG_SUFFIX": "x"}, {}, "envVariables.PLUGIN_AUTO_TAG_SUFFIX: PLUGIN_AUTO_TAG is not set"),
        ({"DRONE_COMMIT_REF": "x"}, {}, "envVariables.DRONE_COMMIT_REF: PLUGIN_AUTO_TAG is not set"),
        ({"PLUGIN_SOURCE_TAR_PATH": "x"}, {"workspace": VOLUME},
         "envVariables.PLUGIN_SOURCE_TAR_PATH: PLUGIN_PUSH_ONLY is not set"),
        ({"PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK": True}, {},
         "envVariables.PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK: no mirror is named"),
        ({}, {"workspace": VOLUME}, "workspace: no flag in envVariables names a path on it"),
        ({}, {"source": {"git": {"url": "https://h.example/x.git", "tags": True}}},
         "source.git.tags: source.git.keepGitDir is not set"),
    ],
)  # fmt: skip
def test_saying_how_something_is_done_that_is_not_done_is_told(
    variables: dict[str, Any], changes: dict[str, Any], note: str
) -> None:
    assert notes(variables, **changes) == (note,)


@pytest.mark.proves("PLUGIN_VERBOSITY")
@pytest.mark.parametrize("level", ["warn", "Warning", "error", "fatal", "panic"])
def test_a_log_that_would_hide_the_push_is_told_to_be_info(level: str) -> None:
    (note,) = notes({"PLUGIN_VERBOSITY": level})
    assert note.startswith("envVariables.PLUGIN_VERBOSITY: info is passed on, since kaniko's log is what proves a push")


@pytest.mark.proves("PLUGIN_ARTIFACT_FILE")
@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        (None, "the list of artifacts stands in status.artifactFile; the path changes nothing"),
        ({"artifactFile": True}, "the list of artifacts stands in status.artifactFile; the path changes nothing"),
        ({"artifactFile": False}, "outputs.artifactFile is false"),
    ],
)
def test_where_the_list_of_artifacts_stands_is_told(outputs: Any, why: str) -> None:
    assert notes({"PLUGIN_ARTIFACT_FILE": "/addon/artifact"}, outputs=outputs) == (
        f"envVariables.PLUGIN_ARTIFACT_FILE: {why}",
    )


def test_a_note_names_the_flag_that_was_written() -> None:
    only = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar", "PLUGIN_PLATFORM": "linux/arm64"}
    (note,) = notes(only, workspace=VOLUME)
    assert note.startswith("envVariables.PLUGIN_PLATFORM: ")


def test_several_with_one_reason_are_told_together() -> None:
    (note,) = notes({"PLUGIN_CACHE_TTL": 1, "PLUGIN_CACHE_COPY_LAYERS": True})
    assert note == "envVariables.PLUGIN_CACHE_TTL, envVariables.PLUGIN_CACHE_COPY_LAYERS: nothing is cached"


class TestWhereAnImageIsOnlyPushed:
    ONLY: ClassVar[dict[str, Any]] = {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"}

    @pytest.mark.proves("PLUGIN_PUSH_ONLY")
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("labels", {"a": "b"}),
            ("buildArgs", {"A": "b"}),
            ("buildArgsFrom", [{"name": "A", "secretName": "s", "key": "k"}]),
            ("buildSecrets", [{"id": "a", "secretName": "s", "key": "k"}]),
            ("envDockerSecrets", {"a": "s/k"}),
            ("fileDockerSecrets", {"a": "s/k"}),
            ("target", "x"),
            ("dockerfile", "x"),
            ("context", "x"),
            ("remoteCacheImage", "shop/cache"),
            ("caching", True),
            ("optimize", False),
            ("registryMirrors", ["a.example"]),
            ("baseImageConnectorRefs", ["base"]),
        ],
    )
    def test_a_field_about_building_is_told(self, field: str, value: Any) -> None:
        assert notes(self.ONLY, workspace=VOLUME, **{field: value}) == (
            f"{field}: no part of a push, which is all that PLUGIN_PUSH_ONLY does",
        )

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name, flag in FLAGS.items()
            if not flag.on_push and flag.treatment not in (*REFUSED, Treatment.NO_EFFECT)
        ],
    )
    def test_a_flag_that_kanikos_push_command_does_not_take_is_told_by_its_name(self, name: str) -> None:
        flag = FLAGS[name]
        value: Any = {"bool": flag.default != "true", "int": 1}.get(flag.kind, (*flag.choices, "x")[0])
        assert notes({**self.ONLY, name: value}, workspace=VOLUME) == (
            f"envVariables.{name}: no part of a push, which is all that PLUGIN_PUSH_ONLY does",
        )

    @pytest.mark.parametrize(
        "variables",
        [
            {"PLUGIN_PUSH_RETRY": 5},
            {"PLUGIN_SKIP_PUSH_PERMISSION_CHECK": True},
            {"PLUGIN_SKIP_TLS_VERIFY": True},
            {"PLUGIN_INSECURE_REGISTRY": "a.example"},
            {"PLUGIN_EXPAND_TAG": True},
            {"PLUGIN_AUTO_TAG": True, "PLUGIN_AUTO_TAG_SUFFIX": "x", "DRONE_COMMIT_REF": "v1.0.0"},
            {"PLUGIN_CUSTOM_DNS": "10.0.0.10"},
        ],
    )
    def test_what_the_push_does_use_is_not_told(self, variables: dict[str, Any]) -> None:
        assert notes({**self.ONLY, **variables}, workspace=VOLUME) == ()

    @pytest.mark.parametrize(
        "changes",
        [{"target": " "}, {"labels": {}}, {"caching": False}, {"remoteCacheImage": ""}, {"registryMirrors": []}],
    )
    def test_what_is_empty_or_off_is_not_told(self, changes: dict[str, Any]) -> None:
        assert notes(self.ONLY, workspace=VOLUME, **changes) == ()


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({}, {}),
        ({"PLUGIN_CACHE_TTL": 1, "PLUGIN_CACHE_REPO": "c"}, {}),
        ({"PLUGIN_CACHE_RUN_LAYERS": False}, {"caching": True}),
        ({"PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK": True}, {"registryMirrors": ["a.example"]}),
        ({"PLUGIN_TAR_PATH": "x"}, {"workspace": VOLUME}),
        ({"PLUGIN_NO_PUSH": True}, {}),
        ({}, {"source": {"git": {"url": "https://h.example/x.git", "tags": True, "keepGitDir": True}}}),
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
