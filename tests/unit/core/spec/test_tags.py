"""Tags given, expanded and derived: tables of what the plugin makes of them, and of what it refuses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.flags import parse_flags
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.tags import TagPlan, derive_tags, expand_tag, plan_tags
from tests.unit.core.factories import spec

URL = "https://github.com/contoso/shop.git"


def planned(variables: dict[str, Any], **changes: Any) -> TagPlan:
    """The tags of run 7."""
    return plan_tags(parse_spec(spec(**changes)), parse_flags(variables), 7)


def derived(variables: dict[str, Any], *, revision: str | None = None) -> tuple[str, ...]:
    """The tags that are derived for this git revision."""
    git = {"url": URL, **({"revision": revision} if revision is not None else {})}
    return planned({"PLUGIN_AUTO_TAG": True, **variables}, source={"git": git}, tags=None).tags


@pytest.mark.parametrize(
    ("tag", "tags"),
    [
        ("1.2.3", ("1", "1.2", "1.2.3")),
        ("v1.2.3", ("1", "1.2", "1.2.3")),
        ("0.2.3", ("0", "0.2", "0.2.3")),
        ("1.2", ("1", "1.2", "1.2.0")),
        ("v1", ("1", "1.0", "1.0.0")),
        ("10.20.30", ("10", "10.20", "10.20.30")),
        ("1.2.3-rc1", ("1.2.3-rc1",)),
        ("v1.2.3-rc.1", ("1.2.3-rc.1",)),
        ("1.2.3_linux", ("1.2.3-linux",)),
        ("1.2-rc1", ("1.2-rc1",)),
        ("01.2.3", ("01.2.3",)),
        ("v1.2.3-007", ("v1.2.3-007",)),
        ("v1.2.3_01", ("v1.2.3_01",)),
        ("v1.2.3-a..b", ("v1.2.3-a..b",)),
        ("v1.2.3-a.", ("v1.2.3-a.",)),
        ("v1.2.3-", ("v1.2.3-",)),
        ("v1.2.3_rc.01", ("v1.2.3_rc.01",)),
        ("v1.2.3-0", ("1.2.3-0",)),
        ("v1.2.3-01a", ("1.2.3-01a",)),
        ("v1.2.3_-01", ("1.2.3--01",)),
        ("v1.2.3-a_01", ("1.2.3-a-01",)),
        ("1.2.\u0663", ("1.2.\u0663",)),
        ("1.2.3.4", ("1.2.3.4",)),
        ("latest", ("latest",)),
        ("v", ("v",)),
        ("version1", ("version1",)),
        ("main-7", ("main-7",)),
        ("_x", ("_x",)),
    ],
)
def test_expanded_tag(tag: str, tags: tuple[str, ...]) -> None:
    assert expand_tag(tag) == tags


@pytest.mark.parametrize(
    ("ref", "suffix", "tags"),
    [
        ("", "", ("latest",)),
        ("refs/heads/main", "", ("latest",)),
        ("refs/tags/v1.2.3", "", ("1", "1.2", "1.2.3")),
        ("refs/tags/1.2.3", "", ("1", "1.2", "1.2.3")),
        ("refs/tags/v0.2.3", "", ("0.2", "0.2.3")),
        ("refs/tags/v1.2.3-rc.1", "", ("1.2.3-rc.1",)),
        ("refs/tags/v1.2.3+linux", "", ("1.2.3_linux",)),
        ("refs/tags/v1.2.3-rc.1+a.b", "", ("1.2.3-rc.1_a.b",)),
        ("refs/tags/v1.2.3+007.0", "", ("1.2.3_007.0",)),
        ("", "arm64", ("arm64",)),
        ("refs/tags/v1.2.3", "arm64", ("1-arm64", "1.2-arm64", "1.2.3-arm64")),
    ],
)
def test_derived_tags(ref: str, suffix: str, tags: tuple[str, ...]) -> None:
    assert derive_tags(ref, suffix) == tags


@pytest.mark.parametrize(
    "tag",
    ["v1.2", "v1", "latest", "v1.2.3.4", "", "v01.2.3", "v1.02.3", "v1.2.03", "v1.2.3-01", "v1.2.3-a..b", "v1.2.3+",
     "v1.2.3+a..b", "v1.2.3\n", "v1.2.\u0663"],
)  # fmt: skip
def test_a_git_tag_that_is_no_version_is_refused(tag: str) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_AUTO_TAG: .*no version such as v1.2.3; give tags"):
        derive_tags(f"refs/tags/{tag}", "")


@pytest.mark.proves("PLUGIN_EXPAND_TAG")
def test_expanded_tags_stand_for_all_tags_once_each_in_order() -> None:
    plan = planned({"PLUGIN_EXPAND_TAG": True}, tags=["v1.2.3", "1.2", "latest"])
    assert plan.tags == ("1", "1.2", "1.2.3", "1.2.0", "latest")


@pytest.mark.proves("tags")
def test_without_the_flag_tags_are_as_they_are_given() -> None:
    assert planned({}, tags=["v1.2.3", "A_b-C.9"]).tags == ("v1.2.3", "A_b-C.9")


@pytest.mark.parametrize("flags", [{}, {"PLUGIN_EXPAND_TAG": True}])
def test_only_tags_that_hold_the_runs_number_are_checked_for_an_earlier_owner(flags: dict[str, Any]) -> None:
    """1 and 1.2 move from run to run by intent; 1.2.7 must not be there before run 7."""
    plan = planned(flags, tags=["latest", "1.2.<+pipeline.sequenceId>"])
    assert plan.numbered == ("1.2.7",)
    assert set(plan.numbered) <= set(plan.tags)


@pytest.mark.parametrize(("tags", "what"), [(["a", "a"], "a"), (["7", "<+pipeline.sequenceId>"], "7")])
def test_a_tag_given_twice_is_refused(tags: list[str], what: str) -> None:
    with pytest.raises(SpecInvalidError, match=f"^tags: '{what}' is given twice"):
        planned({}, tags=tags)


def test_too_many_expanded_tags_are_refused_and_not_cut() -> None:
    with pytest.raises(SpecInvalidError, match="^tags: 101 tags come out of it, more than 50"):
        planned({"PLUGIN_EXPAND_TAG": True}, tags=[f"1.{number}.1" for number in range(50)])


@pytest.mark.proves("PLUGIN_AUTO_TAG")
@pytest.mark.parametrize(
    ("revision", "tags"),
    [
        (None, ("latest",)),
        ("", ("latest",)),
        ("refs/tags/v1.2.3", ("1", "1.2", "1.2.3")),
        ("v1.2.3", ("1", "1.2", "1.2.3")),
        ("1.2.3-rc1", ("1.2.3-rc1",)),
    ],
)
def test_tags_are_derived_from_the_revision(revision: str | None, tags: tuple[str, ...]) -> None:
    assert derived({}, revision=revision) == tags


@pytest.mark.parametrize("revision", ["main", "refs/heads/main", "release-1", "0" * 40, "refs/pull/1/head", "v1.2"])
def test_a_branch_that_may_not_be_the_default_is_refused_with_the_ways_out(revision: str) -> None:
    with pytest.raises(SpecInvalidError, match="^envVariables.PLUGIN_AUTO_TAG: .*DRONE_REPO_BRANCH"):
        derived({}, revision=revision)


@pytest.mark.proves("DRONE_REPO_BRANCH")
@pytest.mark.parametrize("revision", ["main", "refs/heads/main"])
def test_the_branch_that_is_named_as_the_default_is_latest(revision: str) -> None:
    assert derived({"DRONE_REPO_BRANCH": "main"}, revision=revision) == ("latest",)
    with pytest.raises(SpecInvalidError):
        derived({"DRONE_REPO_BRANCH": "trunk"}, revision=revision)


@pytest.mark.proves("DRONE_COMMIT_REF")
def test_a_ref_that_is_named_stands_before_the_revision() -> None:
    assert derived({"DRONE_COMMIT_REF": "refs/tags/v2.0.0"}, revision="main") == ("2", "2.0", "2.0.0")
    assert planned({"PLUGIN_AUTO_TAG": True, "DRONE_COMMIT_REF": "v2.0.0"}, tags=None).tags == ("2", "2.0", "2.0.0")


@pytest.mark.proves("PLUGIN_AUTO_TAG_SUFFIX")
def test_a_line_break_never_gets_into_a_tag() -> None:
    """A block of YAML ends with one, and $ in a pattern matches before it."""
    derived_tags = derived({"PLUGIN_AUTO_TAG_SUFFIX": "alpine\n"}, revision="v1.2.3")
    assert derived_tags == ("1-alpine", "1.2-alpine", "1.2.3-alpine")
    with pytest.raises(SpecInvalidError, match="^tags: .*is no tag"):
        planned({}, tags=["latest\n"])


@pytest.mark.proves("PLUGIN_AUTO_TAG_SUFFIX")
def test_a_suffix_is_appended_to_derived_tags_only() -> None:
    assert derived({"PLUGIN_AUTO_TAG_SUFFIX": "arm64"}, revision="v1.2.3") == ("1-arm64", "1.2-arm64", "1.2.3-arm64")
    assert planned({"PLUGIN_AUTO_TAG_SUFFIX": "arm64"}, tags=["x"]).tags == ("x",)


def test_the_plugins_default_tag_does_not_contradict_derived_ones() -> None:
    assert planned({"PLUGIN_AUTO_TAG": True, "DRONE_COMMIT_REF": "v1.0.0"}, tags=["latest"]).tags == (
        "1",
        "1.0",
        "1.0.0",
    )


@pytest.mark.parametrize(
    ("variables", "changes", "why"),
    [
        ({}, {"tags": ["x"]}, "^tags: they cannot be used together"),
        ({"PLUGIN_EXPAND_TAG": True}, {"tags": None}, "^envVariables.PLUGIN_EXPAND_TAG: it cannot be used together"),
        ({}, {"tags": None}, "^envVariables.PLUGIN_AUTO_TAG: only source.git has a ref"),
        ({"PLUGIN_AUTO_TAG_SUFFIX": "a b", "DRONE_COMMIT_REF": "v1.0.0"}, {"tags": None}, "is no tag"),
    ],
)
def test_what_cannot_be_derived_is_refused(variables: dict[str, Any], changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecInvalidError, match=why):
        planned({"PLUGIN_AUTO_TAG": True, **variables}, **changes)


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True))
def test_expanding_a_second_time_changes_nothing_of_the_last(tag: str) -> None:
    """The last of an expansion is the whole version, which is its own last again."""
    assert expand_tag(expand_tag(tag)[-1])[-1] == expand_tag(tag)[-1]
