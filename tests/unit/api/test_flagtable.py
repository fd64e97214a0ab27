"""The table of plugin flags holds together, and the CRD and the page say what it says."""

import re
from typing import Any

import pytest

from buildandpush.api.docs import render_files
from buildandpush.api.flags import BOOLEANS, describe_flag, render_flags
from buildandpush.api.flagtable import FLAGS, GROUPS, REFUSED, Flag, Treatment
from buildandpush.api.spec import BuildAndPushACRSpec
from tests.unit.conftest import FIXTURES

ALL = list(FLAGS.values())
ACCEPTED = [flag for flag in ALL if flag.treatment not in REFUSED]
SCHEMA: dict[str, Any] = render_flags()["properties"]

PLUGIN = {line for line in (FIXTURES / "plugin-flags.txt").read_text().split("\n") if line and line[0] != "#"}


def test_every_flag_of_the_plugin_is_there_and_no_other() -> None:
    assert FLAGS.keys() == PLUGIN


def test_no_flag_is_in_two_groups() -> None:
    assert sum(len(flags) for flags in GROUPS.values()) == len(FLAGS)


@pytest.mark.parametrize("flag", ALL, ids=lambda flag: flag.name)
class TestEveryFlag:
    def test_it_says_what_becomes_of_it(self, flag: Flag) -> None:
        if flag.treatment in REFUSED or flag.treatment is Treatment.NO_EFFECT:
            assert flag.instead
            assert not flag.executor
        else:
            assert flag.executor or flag.name in ("PLUGIN_CUSTOM_DNS", "PLUGIN_ARTIFACT_FILE")
            assert not flag.instead

    def test_its_property_is_described(self, flag: Flag) -> None:
        assert SCHEMA[flag.name]["description"] == describe_flag(flag)
        assert SCHEMA[flag.name]["maxLength"] == 4096

    def test_an_alias_is_of_a_flag_that_becomes_the_same(self, flag: Flag) -> None:
        if flag.alias_of:
            original = FLAGS[flag.alias_of]
            assert not original.alias_of
            assert (original.executor, original.kind, original.treatment) == (flag.executor, flag.kind, flag.treatment)
            assert original.shapes == flag.shapes

    def test_its_default_is_of_its_type(self, flag: Flag) -> None:
        if flag.default and flag.kind == "bool":
            assert flag.default in ("true", "false")
        if flag.default and flag.kind == "int":
            assert flag.default.isdigit()
        if flag.default and flag.choices:
            assert flag.default in flag.choices


@pytest.mark.parametrize("flag", ACCEPTED, ids=lambda flag: flag.name)
def test_an_accepted_flag_takes_unquoted_values_but_no_objects_and_lists(flag: Flag) -> None:
    leaf = SCHEMA[flag.name]
    assert "type" not in leaf
    assert leaf["x-kubernetes-preserve-unknown-fields"] is True
    assert (leaf["maxProperties"], leaf["maxItems"]) == (0, 0)


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("PLUGIN_VERBOSITY", "DEBUG", True),
        ("PLUGIN_VERBOSITY", "warning", True),
        ("PLUGIN_VERBOSITY", "Warning\n", True),
        ("PLUGIN_VERBOSITY", "", True),
        ("PLUGIN_VERBOSITY", "loud", False),
        ("PLUGIN_SNAPSHOT_MODE", "redo\n", True),
        ("PLUGIN_SNAPSHOT_MODE", "Redo", False),
        ("PLUGIN_LOG_FORMAT", "JSON", False),
        ("PLUGIN_REPRODUCIBLE", " true\n", True),
        ("PLUGIN_REPRODUCIBLE", "TrUe", False),
        ("PLUGIN_CACHE_TTL", " 24\n", True),
        ("PLUGIN_CACHE_TTL", "2 4", False),
    ],
)
def test_the_api_server_takes_what_the_operator_and_kaniko_take(name: str, text: str, taken: bool) -> None:
    """kaniko reads levels in any case, but modes and forms only as they are written here."""
    assert bool(re.search(SCHEMA[name]["pattern"], text)) is taken


@pytest.mark.parametrize(
    "flag", [flag for flag in ALL if flag.treatment in REFUSED and flag.kind == "text"], ids=lambda flag: flag.name
)
def test_a_refused_flag_is_refused_at_apply_time_with_what_to_use(flag: Flag) -> None:
    (rule,) = SCHEMA[flag.name]["x-kubernetes-validations"]
    assert SCHEMA[flag.name]["type"] == "string", "CEL sees only what has a type"
    assert rule["rule"] == "self == ''"
    assert flag.name in rule["message"]
    assert flag.instead in rule["message"]
    assert "messageExpression" not in rule, "which could repeat a login"


@pytest.mark.parametrize("name", [name for name in FLAGS if "PASSWORD" in name or "SECRET" in name])
def test_whatever_looks_like_a_login_is_refused_as_one(name: str) -> None:
    assert FLAGS[name].treatment is Treatment.CREDENTIAL


@pytest.mark.parametrize("name", [flag.name for flag in ALL if flag.treatment is Treatment.FIELD])
def test_a_doubling_flag_names_a_field_that_exists(name: str) -> None:
    fields = {info.alias for info in BuildAndPushACRSpec.model_fields.values()}
    assert FLAGS[name].instead in fields or "caBundle" in FLAGS[name].instead


def test_true_and_false_are_gos() -> None:
    assert [word for word, value in BOOLEANS.items() if value] == ["1", "t", "T", "TRUE", "true", "True"]
    assert [word for word, value in BOOLEANS.items() if not value] == ["0", "f", "F", "FALSE", "false", "False"]


def test_the_page_has_a_row_for_every_flag() -> None:
    page = render_files()["plugin-flags.md"]
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(FLAGS)


def test_the_page_shows_what_is_in_angle_brackets() -> None:
    rows = [line for line in render_files()["plugin-flags.md"].splitlines() if line.startswith("|")]
    assert any("&lt;repository&gt;/cache" in row or "&lt;repository>/cache" in row for row in rows)
    assert not [row for row in rows if "<repository" in row]
