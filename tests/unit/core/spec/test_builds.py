"""The plans of all builds of a run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.builds import PlannedBuild, plan_builds
from buildandpush.core.spec.codebase import Codebase
from buildandpush.core.spec.matrix import plan_concurrency
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import SETTINGS, spec

PAGE = Path(__file__).parents[4] / "docs" / "strategy.md"
GIT = {"git": {"url": "https://git.example/shop.git", "revision": "main"}}
MAIN = Codebase("https://git.example/shop.git", "c0ffee12" * 5, "refs/heads/main")
AB = {"matrix": {"a": ["x", "y"]}}


def plan(strategy: Any, codebase: Codebase | None = None, **changes: Any) -> tuple[PlannedBuild, ...]:
    """The builds of run 7."""
    return plan_builds(parse_spec(spec(strategy=strategy, **changes)), SETTINGS, Occasion(7, codebase, name="web"))


def test_without_a_strategy_there_is_the_plan_of_the_spec() -> None:
    (build,) = plan(None)
    assert (build.key, build.combination.total) == ("0", 1)
    assert build.plan == plan_build(parse_spec(spec()), SETTINGS, Occasion(7, name="web"))


def test_each_build_has_its_values_in_every_field_with_expressions() -> None:
    builds = plan(
        {"matrix": {"version": ["3.11", "3.12"], "service": [{"name": "web"}]}},
        repository="contoso.azurecr.io/shop/<+matrix.service.name>",
        tags=["<+matrix.version>", "1.<+pipeline.sequenceId><+strategy.identifierPostFix>"],
        dockerfile="docker/<+matrix.service.name>.Dockerfile",
        context="<+stage.matrix.service.name>",
        target="<+matrix.service.name>",
        labels={"build": "<+strategy.iteration> of <+strategy.iterations>", "step": "<+step.identifierPostFix>"},
        buildArgs={"VERSION": "<+matrix.version>", "BASE": '<+matrix["version"].replace(".", "")>'},
        remoteCacheImage="shop/cache-<+matrix.version>",
    )
    assert [build.key for build in builds] == ["0", "1"]
    first, second = (build.plan for build in builds)
    assert first.destinations == ("contoso.azurecr.io/shop/web:3.11", "contoso.azurecr.io/shop/web:1.7_0_0")
    assert second.destinations == ("contoso.azurecr.io/shop/web:3.12", "contoso.azurecr.io/shop/web:1.7_0_1")
    assert (second.dockerfile, second.context, second.target) == ("docker/web.Dockerfile", "web", "web")
    assert second.labels == {"build": "1 of 2", "step": "_0_1"}
    assert second.build_args == {"VERSION": "3.12", "BASE": "312"}
    assert second.cache_repository == "contoso.azurecr.io/shop/cache-3.12"
    assert second.numbered_tags == ("1.7_0_1",)


def test_items_of_repeat_are_told_apart_too() -> None:
    builds = plan({"repeat": {"items": ["a", "b"]}}, tags=["<+repeat.item>-of-<+repeat.total>"])
    assert [build.plan.tags for build in builds] == [("a-of-2",), ("b-of-2",)]


@pytest.mark.parametrize(
    ("strategy", "changes", "words"),
    [
        (AB, {}, ["tags: build 0 (a=x) and build 1 (a=y) both push contoso.azurecr.io/shop/web:latest", "<+matrix.a>"]),
        (AB, {"tags": ["<+matrix.a>", "v<+strategy.iterations>"]}, ["both push", "web:v2", "put <+matrix.a> into"]),
        ({"matrix": {"a": ["x", "y"], "b": ["1", "2"]}}, {"tags": ["<+matrix.a>"]},
         ["build 0 (a=x, b=1) and build 1 (a=x, b=2)", "put <+matrix.b> into tags or repository"]),
        ({"repeat": {"items": ["a", "b"]}}, {}, ["build 0 (item=a) and build 1 (item=b)", "put <+repeat.item> into"]),
        ({"parallelism": 2}, {}, ["build 0 and build 1 both push", "put <+strategy.iteration> into tags"]),
        (AB, {"tags": ["<+codebase.shortCommitSha>"], "source": GIT},
         ["both push contoso.azurecr.io/shop/web:<+codebase.shortCommitSha>"]),
        (AB, {"repository": "contoso.azurecr.io/<+codebase.branch>", "source": GIT},
         ["both push contoso.azurecr.io/<+codebase.branch>:latest"]),
        (AB, {"tags": [], "envVariables": {"PLUGIN_AUTO_TAG": True}, "source": {"git": {"url": "https://g.example/a"}}},
         ["both push contoso.azurecr.io/shop/web:latest"]),
        (AB, {"tags": ["<+matrix.a>"], "source": {"upload": {}}}, ["source.upload: a folder is sent to one build"]),
        (AB, {"tags": ["<+matrix.a>"], "envVariables": {"PLUGIN_TAR_PATH": "a.tar"},
              "workspace": {"persistentVolumeClaim": {"claimName": "work"}}},
         ["envVariables.PLUGIN_TAR_PATH: each build of strategy would write this file"]),
        ({"matrix": {"a": ["x", "y z"]}}, {"tags": ["<+matrix.a>"]},
         ["tags: '<+matrix.a>' becomes 'y z', which is no tag", "(in build 1 (a=y z))"]),
        (AB, {"tags": ["<+matrix.b>"]}, ["tags: <+matrix.b> is unknown here", "matrix.a", "(in build 0 (a=x))"]),
        (AB, {"tags": ["<+repeat.item>"]}, ["tags: <+repeat.item> has no value here"]),
        (AB, {"tags": ["<+matrix.a>"], "source": {"git": {**GIT["git"], "revision": "<+matrix.a>", "poll": {}}}},
         ["source.git.poll: it speaks of one commit, and the builds of strategy have several revisions"]),
        (AB, {"tags": ["<+matrix.a>"], "source": {"git": {**GIT["git"], "revision": "<+matrix.a>"}},
              "when": {"condition": '<+codebase.branch> == "main"'}},
         ["when.condition: it speaks of one commit"]),
        (AB, {"tags": ["<+matrix.a>"], "when": {"condition": '<+matrix.a> == "x"'}},
         ["when.condition: it is asked once for the whole run", "strategy.matrix.exclude"]),
        (AB, {"tags": ["<+matrix.a>"], "when": {"condition": "<+strategy.iteration> > 0"}},
         ["when.condition: it is asked once for the whole run"]),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_builds_that_cannot_stand_beside_each_other_are_refused(
    strategy: dict[str, Any], changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        plan(strategy, **changes)
    assert [word for word in words if word not in str(caught.value)] == []


def test_what_tells_builds_apart_later_is_looked_at_once_the_commit_is_known() -> None:
    changes: dict[str, Any] = {"source": GIT, "tags": ["<+matrix.a>", "<+codebase.branch>-<+matrix.a.length()>"]}
    assert [build.plan.tags for build in plan(AB, **changes)] == [("x",), ("y",)]
    with pytest.raises(SpecInvalidError, match="both push contoso.azurecr.io/shop/web:main-1"):
        plan(AB, MAIN, **changes)
    changes["tags"] = ["<+codebase.branch>-<+matrix.a>"]
    assert [build.plan.tags for build in plan(AB, MAIN, **changes)] == [("main-x",), ("main-y",)]


def test_a_repository_that_tells_builds_apart_later_is_waited_for() -> None:
    changes: dict[str, Any] = {
        "source": GIT,
        "repository": "contoso.azurecr.io/<+<+codebase.branch>.concat(matrix.a)>",
    }
    assert len(plan(AB, **changes)) == 2
    assert [build.plan.repository for build in plan(AB, MAIN, **changes)] == [
        "contoso.azurecr.io/mainx",
        "contoso.azurecr.io/mainy",
    ]


def test_builds_that_push_nothing_may_have_the_same_tags_and_all_may_share_a_cache() -> None:
    unpushed = {"PLUGIN_NO_PUSH": True}
    assert len(plan(AB, envVariables=unpushed, caching=True)) == 2
    assert len(plan(AB, envVariables=unpushed, source=GIT, tags=["<+codebase.shortCommitSha>"])) == 2
    assert len(plan(AB, tags=["<+matrix.a>"], caching=True)) == 2


def test_one_combination_that_is_left_has_all_for_itself() -> None:
    (build,) = plan({"matrix": {"a": ["x", "y"], "exclude": [{"a": "x"}]}}, source={"upload": {}})
    assert build.plan.tags == ("latest",)
    assert build.combination.matrix == {"a": "y"}


def test_a_run_with_as_many_builds_as_there_may_be_is_planned() -> None:
    assert len(plan({"parallelism": 64}, tags=["<+strategy.iteration>"])) == 64


def test_the_sample_in_the_docs_makes_the_builds_that_the_page_says() -> None:
    text = PAGE.read_text()
    (sample,) = re.findall("```yaml\n(.*?)```", text, re.DOTALL)
    spec_ = parse_spec(yaml.safe_load(sample)["spec"])
    builds = plan_builds(spec_, SETTINGS, Occasion(7))
    assert [build.plan.destinations for build in builds] == [
        ("contoso.azurecr.io/base/web:3.11", "contoso.azurecr.io/base/web:3.11-7"),
        ("contoso.azurecr.io/base/web:3.12", "contoso.azurecr.io/base/web:3.12-7"),
        ("contoso.azurecr.io/base/worker:3.12", "contoso.azurecr.io/base/worker:3.12-7"),
    ]
    assert "three builds, of which two run at the same time" in text
    assert plan_concurrency(spec_) == 2


def test_builds_may_have_revisions_and_folders_of_their_own() -> None:
    source = {"git": {**GIT["git"], "revision": "release/<+matrix.a>", "paths": ["services/<+matrix.a>"]}}
    builds = plan(AB, source=source, tags=["<+codebase.branch.replace('/', '-')>"])
    gits = [build.plan.source.git for build in builds]
    assert [(git.revision, git.paths) for git in gits if git is not None] == [
        ("release/x", ["services/x"]),
        ("release/y", ["services/y"]),
    ]


FULL: dict[str, Any] = {f"axis{place}": ["\U0001f600" * 256] for place in range(15)}


@pytest.mark.parametrize(
    ("strategy", "tags"),
    [
        ({"matrix": {**FULL, "last": [str(number) for number in range(64)]}}, ["<+matrix.last>"]),
        ({"parallelism": 64}, [f"{number}{'x' * 100}-<+strategy.iteration>" for number in range(10)]),
        ({"parallelism": 64}, ["<+strategy.iteration>", *(f"{number}<+codebase.branch>" for number in range(9))]),
    ],
)
def test_values_and_tags_that_no_status_could_hold_are_refused(strategy: Any, tags: list[str]) -> None:
    with pytest.raises(SpecInvalidError, match="more than the 49152 that a status holds"):
        plan(strategy, tags=tags, source=GIT)


@pytest.mark.parametrize("length", [100, 900])
def test_texts_that_would_keep_the_operator_busy_for_long_are_refused(length: int) -> None:
    arguments = {f"A{number}": "<+strategy.iteration>" * (length // 20) for number in range(64)}
    with pytest.raises(SpecInvalidError, match="take [0-9]+ characters to read, more than"):
        plan({"parallelism": 64}, tags=["<+strategy.iteration>"], buildArgs=arguments)
    assert (
        len(plan({"parallelism": 2}, tags=["<+strategy.iteration>"], buildArgs=dict(list(arguments.items())[:8]))) == 2
    )


def test_a_strategy_that_would_is_refused_before_its_expressions_are_read() -> None:
    values = [f"{number}<+pipeline.name.repeat()>{'<+no.such.name>' * 60}" for number in range(60)]
    with pytest.raises(SpecInvalidError, match="take [0-9]+ characters to read, more than"):
        plan({"matrix": {"a": values}}, tags=["<+strategy.iteration>"])
