"""What a commit gives to tags, labels and build arguments."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.codebase import Codebase
from buildandpush.core.spec.expansion import codebase_names, expand_spec, needs_details
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import SETTINGS, spec

URL = "https://git.example/shop.git"
SHA = "0123456789abcdef0123456789abcdef01234567"
GIT = {"git": {"url": URL, "revision": "main"}}


def parsed(**changes: Any) -> BuildAndPushACRSpec:
    return parse_spec(spec(source=GIT, **changes))


def at(ref: str = "refs/heads/main") -> Codebase:
    return Codebase(URL, SHA, ref, "Ann <ann@example.com>", "Mend it")


@pytest.mark.parametrize(
    ("name", "ref", "value"),
    [
        ("commitSha", "", SHA),
        ("shortCommitSha", "", "0123456"),
        ("branch", "refs/heads/feature/x", "feature/x"),
        ("tag", "refs/tags/v1.4", "v1.4"),
        ("commitRef", "refs/heads/main", "refs/heads/main"),
        ("repoUrl", "", URL),
        ("commitMessage", "", "Mend it"),
        ("gitUserId", "", "Ann <ann@example.com>"),
        ("prNumber", "refs/pull/17/head", "17"),
        ("prNumber", "refs/pull/17/merge", "17"),
        ("prNumber", "refs/merge-requests/4/head", "4"),
        ("prNumber", "refs/pull-requests/9/from", "9"),
        ("build.type", "refs/heads/main", "branch"),
        ("build.type", "refs/tags/v1", "tag"),
        ("build.type", "refs/pull/17/head", "PR"),
    ],
)
def test_each_expression_has_its_value(name: str, ref: str, value: str) -> None:
    written = parsed(buildArgs={"A": f"x<+codebase.{name}>y"}, labels={"l": f"<+codebase.{name}>"})
    expanded = expand_spec(written, Occasion(1, at(ref)))
    assert (expanded.build_args, expanded.labels) == ({"A": f"x{value}y"}, {"l": value})


@pytest.mark.parametrize(
    ("name", "ref", "words"),
    [
        ("branch", "refs/tags/v1", "has no value, since the revision is 'refs/tags/v1'"),
        ("tag", "refs/heads/main", "has no value"),
        ("branch", "", "the id of a commit"),
        ("prNumber", "refs/heads/main", "has no value"),
        ("nothing", "refs/heads/main", "is unknown here; known are"),
    ],
)
def test_what_has_no_value_is_refused(name: str, ref: str, words: str) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        expand_spec(parsed(buildArgs={"A": f"<+codebase.{name}>"}), Occasion(1, at(ref)))
    assert words in str(caught.value)
    assert "buildArgs.A" in str(caught.value)


def test_a_name_that_there_is_not_is_refused_before_the_commit_is_known() -> None:
    with pytest.raises(SpecInvalidError):
        plan_build(parsed(tags=["<+codebase.commit>"]), SETTINGS, Occasion(1))


def test_another_source_has_no_commit() -> None:
    with pytest.raises(SpecInvalidError) as caught:
        plan_build(parse_spec(spec(tags=["<+codebase.commitSha>"])), SETTINGS, Occasion(1))
    assert "use source.git" in str(caught.value)


def test_a_value_is_put_in_once_and_never_read_as_an_expression() -> None:
    hostile = Codebase(URL, SHA, "refs/heads/main", message="<+codebase.commitSha><+pipeline.sequenceId>")
    expanded = expand_spec(parsed(buildArgs={"A": "<+codebase.commitMessage>"}), Occasion(1, hostile))
    assert expanded.build_args == {"A": "<+codebase.commitSha><+pipeline.sequenceId>"}


def test_unknown_tags_are_left_out_of_the_plan() -> None:
    tags = ["<+codebase.branch>", "<+codebase.tag>", "v-<+codebase.commitSha>-<+pipeline.sequenceId>", "latest"]
    plan = plan_build(parsed(tags=tags), SETTINGS, Occasion(7))
    assert (plan.tags, plan.numbered_tags, plan.resolves, plan.commit) == (("latest",), (), True, "")


def test_known_tags_are_planned_as_if_they_were_written_out() -> None:
    tags = ["<+codebase.branch>-<+pipeline.sequenceId>", "<+codebase.shortCommitSha>"]
    plan = plan_build(parsed(tags=tags), SETTINGS, Occasion(7, at()))
    assert (plan.tags, plan.numbered_tags) == (("main-7", "0123456"), ("main-7",))
    assert (plan.resolves, plan.wants_details, plan.commit) == (True, False, SHA)


def test_a_tag_that_comes_out_twice_is_refused() -> None:
    with pytest.raises(SpecInvalidError) as caught:
        plan_build(parsed(tags=["main", "<+codebase.branch>"]), SETTINGS, Occasion(1, at()))
    assert "twice" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "uses", "details"),
    [
        ("plain", False, False),
        ("<+codebase.branch>", True, False),
        ("<+codebase.commitMessage>", True, True),
        ("<+codebase.gitUserId>", True, True),
    ],
)
def test_the_commit_itself_is_needed_for_its_author_and_message_alone(value: str, uses: bool, details: bool) -> None:
    written = parsed(labels={"l": value})
    names = codebase_names(written)
    assert (bool(names), needs_details(names)) == (uses, details)


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://git.example/a.git", (), True),
        ("https://git.example/a.git", ("git.example",), True),
        ("https://GIT.example./a.git", ("git.example",), True),
        ("https://git.example:8443/a.git", ("git.example",), True),
        ("https://a.git.example/a.git", ("git.example",), False),
        ("https://a.git.example/a.git", ("*.git.example",), True),
        ("https://git.example/a.git", ("*.git.example",), False),
        ("https://evilgit.example/a.git", ("*.git.example", "git.example"), False),
        ("https://other.example/git.example", ("git.example",), False),
    ],
)
def test_the_installer_says_which_git_servers_there_are(url: str, hosts: tuple[str, ...], allowed: bool) -> None:
    written = parse_spec(spec(source={"git": {"url": url}}))
    if allowed:
        plan_build(written, replace(SETTINGS, git_hosts=hosts), Occasion(1))
        return
    with pytest.raises(SpecInvalidError) as caught:
        plan_build(written, replace(SETTINGS, git_hosts=hosts), Occasion(1))
    assert "git.allowedHosts" in str(caught.value)
