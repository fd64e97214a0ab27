"""What a run's values make of the texts of a spec."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.codebase import Codebase
from buildandpush.core.spec.expansion import MAX_TEXTS, codebase_names, expand_spec, is_unknown, needs_details
from buildandpush.core.spec.plan import parse_spec, plan_build
from buildandpush.core.spec.scope import STAND_IN, Occasion
from buildandpush.core.spec.strategy import condition_names, is_met
from tests.unit.core.factories import SETTINGS, spec

GIT = {"git": {"url": "https://git.example/shop.git", "revision": "main"}}
MAIN = Codebase("https://git.example/shop.git", "c0ffee12" * 5, "refs/heads/feature/x", "Ada <a@b.c>", "Fix")
RUN = Occasion(7, MAIN, "web", "uid-1", datetime(2026, 11, 24, 12, tzinfo=UTC))
EARLY = replace(RUN, codebase=None)


def written(**changes: Any) -> BuildAndPushACRSpec:
    """A spec as it is written."""
    return parse_spec(spec(source=GIT, **changes))


def tag_of(text: str, occasion: Occasion = RUN, **changes: Any) -> str:
    """What a tag becomes."""
    (tag,) = plan_build(written(tags=[text], **changes), SETTINGS, occasion).tags
    return tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<+pipeline.sequenceId>", "7"),
        ("<+ pipeline.sequenceId >.<+pipeline.sequenceId + 100>", "7.107"),
        ("<+pipeline.name>-<+pipeline.executionId>", "web-uid-1-7"),
        ("<+pipeline.startTs>", "1795521600000"),
        ("<+step.identifier>", "web"),
        ("<+codebase.shortCommitSha>", "c0ffee1"),
        ('<+codebase.branch.replace("/", "-").toUpperCase()>', "FEATURE-X"),
        ('<+<+codebase.branch>.split("/")[1]>', "x"),
        ('<+codebase.tag == null ? "dev" : codebase.tag>', "dev"),
        ("<+pipeline.variables.tier>-<+stage.variables.tier>", "gold-gold"),
        ('<+trigger.branch == "main" ? "latest" : "dev">', "dev"),
    ],
)
@pytest.mark.proves("variables")
def test_tag_has_the_values_of_its_run(text: str, tag: str) -> None:
    assert tag_of(text, variables={"tier": "gold"}) == tag


def test_each_field_has_the_values_of_its_run() -> None:
    plan = plan_build(
        written(
            repository="contoso.azurecr.io/shop/<+pipeline.variables.app>",
            dockerfile="docker/<+pipeline.variables.app>.Dockerfile",
            context="<+pipeline.variables.app>",
            target="<+pipeline.variables.app>",
            labels={"commit": "<+codebase.commitSha>", "trigger": "<+trigger.type>", "plain": "a < b + c"},
            buildArgs={"VERSION": "1.<+pipeline.sequenceId>", "LITERAL": '<+"<+x>">'},
            variables={"app": "web"},
        ),
        SETTINGS,
        RUN,
    )
    assert plan.repository == "contoso.azurecr.io/shop/web"
    assert (plan.dockerfile, plan.context, plan.target) == ("docker/web.Dockerfile", "web", "web")
    assert plan.labels == {"commit": MAIN.commit, "trigger": "null", "plain": "a < b + c"}
    assert plan.build_args == {"VERSION": "1.7", "LITERAL": "<+x>"}


def test_revision_and_folder_of_a_source_have_them_too() -> None:
    git = {"git": {"url": "https://git.example/shop.git", "revision": "release-<+pipeline.variables.version>"}}
    expanded = expand_spec(parse_spec(spec(source=git, variables={"version": "2"})), RUN)
    assert expanded.source.git is not None
    assert expanded.source.git.revision == "release-2"
    claim = {"persistentVolumeClaim": {"claimName": "work", "path": "run-<+pipeline.sequenceId>"}}
    expanded = expand_spec(parse_spec(spec(source=claim)), RUN)
    assert expanded.source.persistent_volume_claim is not None
    assert expanded.source.persistent_volume_claim.path == "run-7"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tags": ["<+codebase.branch>"]}, ["'<+codebase.branch>' becomes 'feature/x'", 'replace("/", "-")']),
        ({"tags": ["v<+"]}, ["tags: at character 4", "a value was expected"]),
        ({"tags": ["<+codebase.tag>"]}, ["<+codebase.tag> has no value", "'refs/heads/feature/x'"]),
        ({"tags": ["<+trigger.branch>"]}, ["<+trigger.branch> has no value here (null)"]),
        ({"tags": ["<+pipeline.nope>"]}, ["<+pipeline.nope> is unknown here; known are pipeline.sequenceId"]),
        ({"tags": ["<+input>"]}, ["<+input> has no value here: a pipeline asks for it"]),
        ({"tags": ["<+matrix.a>"]}, ["<+matrix.a>", "there is no strategy.matrix; give it"]),
        ({"labels": {"a": "<+execution.steps.x.output>"}}, ["labels.a: <+execution.steps.x.output>", "no other steps"]),
        ({"labels": {"a": "<+pipeline.stages.x.output>"}}, ["<+pipeline.stages.x.output>", "no other steps"]),
        ({"buildArgs": {"A": '<+secrets.getValue("npm")>'}}, ["buildArgs.A: <+secrets.getValue(…)>", "buildArgsFrom"]),
        ({"context": "<+pipeline.variables.up>", "variables": {"up": "../.."}}, ["context:"]),
        ({"dockerfile": "<+pipeline.variables.up>", "variables": {"up": "/etc/passwd"}}, ["dockerfile:"]),
        ({"repository": "c.azurecr.io/<+pipeline.variables.up>", "variables": {"up": "A:b"}}, ["repository:"]),
        ({"target": "<+pipeline.variables.up>", "variables": {"up": "a b"}}, ["target:"]),
        ({"source": {"git": {"url": "https://git.example/a.git", "revision": "<+codebase.branch>"}}},
         ["source.git.revision:", "write it out"]),
        ({"source": {"inline": {"files": {"Dockerfile": ""}}}, "tags": ["<+codebase.branch>"]},
         ["source:", "only source.git has"]),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_has_no_value_is_refused_with_field_and_remedy(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecInvalidError) as caught:
        plan_build(parse_spec(spec(**{"source": GIT, **changes})), SETTINGS, RUN)
    assert [word for word in words if word not in str(caught.value)] == []


def test_before_the_commit_is_known_its_tags_are_left_out_and_the_rest_stands_in() -> None:
    spec_ = written(
        tags=["latest", '<+codebase.branch.split("/")[5]>'],
        context="<+codebase.branch>",
        repository="contoso.azurecr.io/shop/<+codebase.branch>",
    )
    plan = plan_build(spec_, SETTINGS, EARLY)
    assert plan.tags == ("latest",)
    assert plan.resolves
    assert is_unknown(plan.repository)
    assert plan.registry == "contoso.azurecr.io"


def test_a_branch_called_like_the_stand_in_is_a_tag_like_others() -> None:
    """Strangers name branches, and an image would be pushed without its tag."""
    called = replace(RUN, codebase=replace(MAIN, ref=f"refs/heads/{STAND_IN}"))
    assert tag_of("<+codebase.branch>", called) == STAND_IN


def test_only_what_needs_the_commit_asks_for_it() -> None:
    assert codebase_names(written(tags=["<+pipeline.sequenceId>", "codebase.branch"])) == frozenset()
    names = codebase_names(written(labels={"a": '<+codebase.commitMessage + "<+codebase.x>">'}))
    assert names == {"commitMessage"}
    assert needs_details(names)
    assert not needs_details(codebase_names(written(tags=["<+codebase.branch>"])))


def test_condition_speaks_of_commit_and_variables() -> None:
    chosen = written(
        variables={"deploy": "true"},
        when={"condition": '<+codebase.branch> =^ "feature/" && <+stage.variables.deploy>'},
    )
    assert condition_names(chosen.when) == {"branch"}
    assert is_met(chosen, RUN)
    assert not is_met(chosen, replace(RUN, codebase=replace(MAIN, ref="refs/heads/main")))
    assert is_met(chosen, EARLY), "what is not known yet refuses nothing"


@given(st.text(max_size=60), st.sampled_from(["tags", "context", "buildArgs", "labels", "target"]))
def test_any_text_is_planned_or_refused(text: str, field: str) -> None:
    value: Any = {"tags": [f"<+{text}"], "buildArgs": {"A": f"<+{text}>"}, "labels": {"a": f"<+{text}>"}}
    try:
        plan_build(written(**{field: value.get(field, f"<+{text}>")}), SETTINGS, RUN)
    except SpecInvalidError as error:
        said = str(error)
    else:
        said = "nothing"
    assert len(said) < 1500


def test_texts_that_would_keep_the_operator_busy_for_long_are_refused() -> None:
    tag, each = "<+pipeline.sequenceId>", 512
    values = {f"A{number}": "<+1>" * (each // 4) for number in range(MAX_TEXTS // each)}
    with pytest.raises(
        SpecInvalidError, match=f"have {MAX_TEXTS + len(tag)} characters together, more than {MAX_TEXTS}"
    ):
        plan_build(written(tags=[tag], buildArgs=values), SETTINGS, RUN)
    fewer = dict(list(values.items())[1:])
    plain = {f"P{number}": "x" * 4096 for number in range(20)}  # what has no expression is only copied
    plan = plan_build(written(tags=[tag], buildArgs={**fewer, **plain}), SETTINGS, RUN)
    assert plan.build_args["A1"] == "1" * 128
    with pytest.raises(SpecInvalidError, match="characters together"):
        plan_build(written(tags=[tag], buildArgs=fewer, labels={"a": "<+1>" * 128}), SETTINGS, RUN)
