"""Plugin flags: read in all the notations of YAML, refused with a remedy, and passed on by kaniko's own names."""

from typing import Any

import pytest

from buildandpush.api.flagtable import FLAGS, REFUSED, Treatment
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import flag_arguments, parse_flags, shaping_flags


def arguments(**variables: Any) -> list[str]:
    """The executor's arguments for these flags alone, without those that are always there."""
    always = flag_arguments(parse_flags({}))
    return [item for item in flag_arguments(parse_flags(variables)) if item not in always]


# Flag, its value, and what the executor gets. One row at least for every flag that is passed on as it is.
PASSED_ON: list[tuple[str, Any, str]] = [
    ("PLUGIN_SINGLE_SNAPSHOT", True, "--single-snapshot=true"),
    ("PLUGIN_REPRODUCIBLE", "true", "--reproducible=true"),
    ("PLUGIN_USE_NEW_RUN", "1", "--use-new-run=true"),
    ("PLUGIN_IGNORE_VAR_RUN", False, "--ignore-var-run=false"),
    ("PLUGIN_IGNORE_VAR_RUN", "true", "--ignore-var-run=true"),
    ("PLUGIN_IGNORE_PATH", "/var/lib/a,b c", "--ignore-path=/var/lib/a,b c"),
    ("PLUGIN_IGNORE_PATHS", "/var/cache", "--ignore-path=/var/cache"),
    ("PLUGIN_CUSTOM_PLATFORM", "linux/arm64", "--custom-platform=linux/arm64"),
    ("PLUGIN_PLATFORM", "linux/arm64", "--custom-platform=linux/arm64"),
    ("PLUGIN_CLEANUP", True, "--cleanup=true"),
    ("PLUGIN_CACHE_TTL", 6, "--cache-ttl=6h"),
    ("PLUGIN_CACHE_TTL", "48", "--cache-ttl=48h"),
    ("PLUGIN_CACHE_COPY_LAYERS", "True", "--cache-copy-layers=true"),
    ("PLUGIN_CACHE_RUN_LAYERS", "false", "--cache-run-layers=false"),
    ("PLUGIN_COMPRESSED_CACHING", False, "--compressed-caching=false"),
    ("PLUGIN_COMPRESSED_CACHING", True, "--compressed-caching=true"),
    ("PLUGIN_VERBOSITY", "debug", "--verbosity=debug"),
    ("PLUGIN_VERBOSITY", "TRACE", "--verbosity=trace"),
    ("PLUGIN_LOG_FORMAT", "json", "--log-format=json"),
    ("PLUGIN_LOG_TIMESTAMP", "0", "--log-timestamp=false"),
    ("PLUGIN_PUSH_RETRY", 5, "--push-retry=5"),
    ("PLUGIN_PUSH_RETRY", "0", "--push-retry=0"),
    ("PLUGIN_IMAGE_DOWNLOAD_RETRY", "7", "--image-download-retry=7"),
    ("PLUGIN_IMAGE_FS_EXTRACT_RETRY", 1, "--image-fs-extract-retry=1"),
    ("PLUGIN_SKIP_PUSH_PERMISSION_CHECK", True, "--skip-push-permission-check=true"),
    ("PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK", True, "--skip-default-registry-fallback=true"),
]


@pytest.mark.parametrize(
    ("name", "value", "argument"),
    [pytest.param(*row, marks=pytest.mark.proves(row[0]), id=f"{row[0]}={row[1]}") for row in PASSED_ON],
)
def test_a_flag_becomes_the_executors(name: str, value: Any, argument: str) -> None:
    assert arguments(**{name: value}) == [argument]


def test_every_flag_that_is_passed_on_has_its_row() -> None:
    passed_on = {name for name, flag in FLAGS.items() if flag.treatment is Treatment.ARGUMENT}
    assert {name for name, _, _ in PASSED_ON} == passed_on


def test_retries_are_on_and_the_log_is_plain_with_times_where_nothing_is_said() -> None:
    assert flag_arguments(parse_flags(None)) == [
        "--log-format=text",
        "--log-timestamp=true",
        "--push-retry=3",
        "--image-download-retry=3",
        "--image-fs-extract-retry=3",
    ]


@pytest.mark.proves("PLUGIN_IGNORE_PATHS", "PLUGIN_IGNORE_PATH")
def test_each_path_that_is_ignored_is_an_argument_of_its_own() -> None:
    found = arguments(PLUGIN_IGNORE_PATH="/a", PLUGIN_IGNORE_PATHS="/b, /c")
    assert found == ["--ignore-path=/a", "--ignore-path=/b", "--ignore-path=/c"]


@pytest.mark.parametrize(
    ("word", "level"),
    [("DEBUG", "debug"), ("Info", "info"), ("warning", "warn"), ("WARNING", "warn"), ("Warn", "warn")],
)
def test_a_level_is_read_as_kaniko_reads_it(word: str, level: str) -> None:
    assert parse_flags({"PLUGIN_VERBOSITY": word}).text("PLUGIN_VERBOSITY") == level


@pytest.mark.proves("PLUGIN_VERBOSITY")
@pytest.mark.parametrize("word", ["warn", "WARNING", "error", "fatal", "panic"])
def test_kanikos_log_never_leaves_out_what_it_pushed(word: str) -> None:
    assert "--verbosity=info" in flag_arguments(parse_flags({"PLUGIN_VERBOSITY": word}))


def test_a_time_to_live_of_zero_is_unset_as_it_is_to_the_plugin() -> None:
    assert arguments(PLUGIN_CACHE_TTL=0) == []


def test_kanikos_push_command_gets_only_what_it_takes() -> None:
    flags = parse_flags({"PLUGIN_PUSH_RETRY": 5, "PLUGIN_REPRODUCIBLE": True, "PLUGIN_LOG_FORMAT": "json"})
    assert flag_arguments(flags, push_only=True) == ["--push-retry=5", "--image-download-retry=3"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.proves(name)) for name, flag in FLAGS.items() if flag.treatment in REFUSED],
)
def test_a_refused_flag_says_what_to_use_and_not_what_it_held(name: str) -> None:
    value = True if FLAGS[name].kind == "bool" else "hunter22"
    with pytest.raises(SpecInvalidError, match=f"^envVariables.{name}: .*use ") as caught:
        parse_flags({name: value})
    assert FLAGS[name].instead in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["", None, "  ", "\n", [], {}])
def test_an_empty_flag_is_unset(name: str, value: Any) -> None:
    assert parse_flags({name: value}).values == {}


def test_a_flag_that_picks_a_list_of_build_arguments_may_be_off() -> None:
    assert parse_flags({"PLUGIN_MULTIPLE_BUILD_ARGS": False}).values == {"PLUGIN_MULTIPLE_BUILD_ARGS": False}


@pytest.mark.parametrize("name", ["PLUGIN_CACHE_TLL", "plugin_no_push", "FOO", "KANIKO_NO_PUSH", "PLUGIN_"])
def test_an_unknown_flag_is_refused_with_where_variables_go(name: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.{name}: .*ENV lines .*buildArgs or buildArgsFrom"):
        parse_flags({name: "1"})


@pytest.mark.parametrize("text", ["yes", "on", "2", "TrUe", "tr ue", 2, 0.5, "null", ["true"], {"a": True}])
def test_what_is_neither_true_nor_false_is_refused(text: Any) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_REPRODUCIBLE: .*neither true nor false"):
        parse_flags({"PLUGIN_REPRODUCIBLE": text})


@pytest.mark.parametrize("text", ["-1", "1.5", 1.5, "3x", "3 4", True, "1" * 10, "٣", [3]])
def test_what_is_no_whole_number_is_refused(text: Any) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_PUSH_RETRY: .*no whole number"):
        parse_flags({"PLUGIN_PUSH_RETRY": text})


def test_of_a_number_with_a_unit_the_unit_is_told() -> None:
    with pytest.raises(SpecInvalidError, match="'2 days' .* write the number of hours, for example 168"):
        parse_flags({"PLUGIN_CACHE_TTL": "2 days"})


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("PLUGIN_REPRODUCIBLE", " true", True),
        ("PLUGIN_REPRODUCIBLE", "true\n", True),
        ("PLUGIN_CACHE_TTL", " 24", 24),
        ("PLUGIN_CACHE_TTL", "24\n", 24),
        ("PLUGIN_AUTO_TAG_SUFFIX", "alpine\n", "alpine"),
        ("PLUGIN_SNAPSHOT_MODE", " full\n", "full"),
        ("PLUGIN_TAR_PATH", " out/image.tar\n", "out/image.tar"),
    ],
)
def test_white_space_around_a_value_is_none_of_it(name: str, value: str, meant: Any) -> None:
    """A block of YAML ends with a line break."""
    assert parse_flags({name: value}).values == {name: meant}


@pytest.mark.parametrize("value", [["a"], {"a": "b"}, [["a"]]])
def test_a_list_or_an_object_is_refused_and_never_taken_for_text(value: Any) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_IGNORE_PATH: .*separated by commas"):
        parse_flags({"PLUGIN_IGNORE_PATH": value})


@pytest.mark.parametrize("name", ["PLUGIN_SKIP_TLS_VERIFY_REGISTRY", "PLUGIN_INSECURE_REGISTRY"])
@pytest.mark.parametrize(
    ("value", "items"),
    [(False, ()), ("false", ()), ("0", ()), (True, ("true",)), ("True", ("true",)), ("1", ("true",)),
     ("a.example, b.example:5000", ("a.example", "b.example:5000"))],
)  # fmt: skip
def test_where_a_pipeline_has_a_boolean_for_registries_it_is_one(name: str, value: Any, items: tuple[str, ...]) -> None:
    """The plugin declares the first of them as a boolean."""
    assert parse_flags({name: value}).items(name) == items


@pytest.mark.parametrize(
    ("name", "text"),
    [("PLUGIN_VERBOSITY", "loud"), ("PLUGIN_LOG_FORMAT", "xml"), ("PLUGIN_SNAPSHOT_MODE", "Redo")],
)
def test_a_word_that_kaniko_does_not_know_is_refused_with_those_it_does(name: str, text: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.{name}: '{text}' is unknown; write one of ") as caught:
        parse_flags({name: text})
    assert all(choice in str(caught.value) for choice in FLAGS[name].choices)


@pytest.mark.parametrize(("value", "why"), [("a\0b", "zero byte"), ("x" * 4097, "longer than 4096")])
def test_text_that_no_argument_can_hold_is_refused(value: str, why: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^envVariables.PLUGIN_IGNORE_PATH: .*{why}"):
        parse_flags({"PLUGIN_IGNORE_PATH": value})


@pytest.mark.parametrize(
    ("text", "items"),
    [("a", ("a",)), ("a,b", ("a", "b")), (" a , b ", ("a", "b")), ("a,,b,", ("a", "b")), (1, ("1",)), (" , ", ())],
)
def test_a_list_is_read_as_the_plugin_reads_it(text: Any, items: tuple[str, ...]) -> None:
    assert parse_flags({"PLUGIN_CUSTOM_DNS": text}).items("PLUGIN_CUSTOM_DNS") == items


@pytest.mark.parametrize(
    ("alias", "name", "one", "other"),
    [
        ("PLUGIN_DRY_RUN", "PLUGIN_NO_PUSH", True, False),
        ("PLUGIN_PLATFORM", "PLUGIN_CUSTOM_PLATFORM", "linux/arm64", "linux/amd64"),
        ("PLUGIN_DESTINATION_TAR_PATH", "PLUGIN_TAR_PATH", "a.tar", "b.tar"),
    ],
)
def test_two_names_of_one_flag_may_say_the_same_but_not_contradict(alias: str, name: str, one: Any, other: Any) -> None:
    assert parse_flags({alias: one}).values == {name: one}
    assert parse_flags({alias: one, name: one}).values == {name: one}
    with pytest.raises(SpecInvalidError, match=f"another thing than ({alias}|{name}); give one of them"):
        parse_flags({alias: one, name: other})


@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.alias_of])
def test_a_flag_goes_by_the_name_that_it_was_written_by(name: str) -> None:
    flag = FLAGS[name]
    value: Any = True if flag.kind == "bool" else "x"
    assert parse_flags({name: value}).field_of(flag.alias_of) == f"envVariables.{name}"
    assert parse_flags({name: value, flag.alias_of: value}).field_of(flag.alias_of) == f"envVariables.{flag.alias_of}"
    assert parse_flags({flag.alias_of: value}).name_of(flag.alias_of) == flag.alias_of
    assert parse_flags({name: value, flag.alias_of: ""}).name_of(flag.alias_of) == name


class TestWhatShapesTheImage:
    @pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.shapes and not flag.alias_of])
    def test_a_shaping_flag_counts_where_it_is_not_its_default(self, name: str) -> None:
        flag = FLAGS[name]
        others = [choice for choice in flag.choices if choice != flag.default]
        value: Any = flag.default != "true" if flag.kind == "bool" else next(iter(others), "x")
        assert list(shaping_flags(parse_flags({name: value}))) == [name]

    @pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.shapes and flag.default])
    def test_its_default_written_out_does_not(self, name: str) -> None:
        assert shaping_flags(parse_flags({name: FLAGS[name].default})) == {}

    def test_notations_of_one_value_are_the_same(self) -> None:
        written = [{"PLUGIN_REPRODUCIBLE": value} for value in (True, "true", "1", "T", 1)]
        assert [shaping_flags(parse_flags(one)) for one in written] == [{"PLUGIN_REPRODUCIBLE": True}] * 5

    def test_caches_mirrors_retries_and_logs_do_not_count(self) -> None:
        flags = {
            "PLUGIN_ENABLE_CACHE": True,
            "PLUGIN_CACHE_REPO": "x",
            "PLUGIN_CACHE_TTL": 1,
            "PLUGIN_REGISTRY_MIRRORS": "mirror.gcr.io",
            "PLUGIN_PUSH_RETRY": 9,
            "PLUGIN_VERBOSITY": "debug",
            "PLUGIN_CUSTOM_DNS": "10.0.0.10",
        }
        assert shaping_flags(parse_flags(flags)) == {}
