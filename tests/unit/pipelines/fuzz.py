"""Documents of all kinds, made from the words of pipelines, and what holds for the import of each."""

import re
from typing import Any, Final

import yaml
from hypothesis import strategies as st

from buildandpush.api.flagtable import FLAGS
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.plan import parse_spec
from buildandpush.pipelines.convert import Imported, Order, import_pipelines
from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.notes import Level
from buildandpush.pipelines.reader import SourceFile
from tests.unit.pipelines.shapefiles import render

KEYS: Final = (
    "pipeline", "stages", "stage", "parallel", "stepGroup", "steps", "step", "execution", "rollbackSteps", "spec",
    "type", "identifier", "name", "template", "templateRef", "templateInputs", "versionLabel", "variables", "value",
    "default", "properties", "ci", "codebase", "build", "branch", "number", "connectorRef", "repoName", "repository",
    "repo", "tags", "labels", "buildArgs", "dockerfile", "context", "target", "envVariables", "PLUGIN_TAGS",
    "PLUGIN_NO_PUSH", "PLUGIN_SKIP_TLS_VERIFY", "PLUGIN_X", "resources", "limits", "memory", "cpu", "when", "condition",
    "stageStatus", "pipelineStatus", "strategy", "matrix", "repeat", "exclude", "failureStrategies", "onFailure",
    "errors", "action", "retryCount", "retryIntervals", "onRetryFailure", "infrastructure", "useFromStage",
    "stepGroupInfra", "nodeSelector", "tolerations", "platform", "arch", "runAsUser", "timeout", "optimize", "caching",
    "baseImageConnectorRefs", "envDockerSecrets", "cloneCodebase", "connector", "url", "credential", "auth",
    "authentication", "inputSet", "delegateSelectors", "cacheFrom", "subscriptionId", "", "<<",
)  # fmt: skip
WORDS: Final = (
    "BuildAndPushACR", "BuildAndPushDockerRegistry", "GitClone", "Run", "CI", "Step", "Stage", "Pipeline", "StepGroup",
    "<+input>", "<+input>.default(a)", "<+input>.default((", "<+pipeline.variables.a>", "<+stage.variables.a>",
    "<+pipeline.sequenceId>", '<+secrets.getValue("a")>', "x<+secrets.getValue('a')>y", "<+", "<+a", "<+<+a>>",
    "contoso.azurecr.io/shop/web", "shop/web", "quay.io/a/b", "a", "account.A", "org.$", "..", "/", "true", "no", "1",
    "0", "-1", "1.10", "null", "~", "", " ", "\n", "\x00", "\u2028", "\U0001f389", "a: b", "# x", "---", "Failure",
    "Retry", "Ignore", "AllErrors", "10s", "1h", "10m", "2Gi", "KubernetesDirect", "Azure", "DockerRegistry", "Github",
    "AzureRepo", "Repo", "Account", "https://a:b@c/d", "git@a:b", "ssh://git@a:22/b", "branch", "PR", "tag", "Arm64",
    "a" * 300, "=" * 3,
)  # fmt: skip

values = st.recursive(
    st.one_of(st.sampled_from(WORDS), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)),
    max_leaves=30,
)


def some(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """A map with some of these keys and perhaps others, each with a fitting or an unfitting value."""
    words = st.sampled_from(WORDS)
    fitting = st.one_of(
        words, values, st.lists(words, max_size=3), st.dictionaries(st.sampled_from(("A", *WORDS)), words)
    )
    given = st.fixed_dictionaries({}, optional={name: GOOD.get(name, fitting) | fitting for name in names})
    return st.builds(
        lambda one, other: {**one, **other}, st.dictionaries(st.sampled_from(KEYS), fitting, max_size=1), given
    )


GOOD: Final[dict[str, st.SearchStrategy[Any]]] = {
    "repository": st.just("contoso.azurecr.io/shop/web"),
    "repo": st.just("contoso.azurecr.io/shop/web"),
    "connectorRef": st.just("account.Acr"),
    "tags": st.just(["latest"]),
    "runAsUser": st.just(0),
    "timeout": st.just("10m"),
    "type": st.just("CI"),
    "codebase": st.deferred(lambda: some("connectorRef", "repoName", "build", "depth", "prCloneStrategy")),
    "build": st.builds(
        lambda kind, key, text: {"type": kind, "spec": {key: text}},
        st.sampled_from(("branch", "tag", "PR", "commitSha")),
        st.sampled_from(("branch", "tag", "number", "commitSha")),
        st.sampled_from(("main", "7", *WORDS)),
    ),
    "when": st.deferred(lambda: some("stageStatus", "pipelineStatus", "condition")),
    "strategy": st.deferred(lambda: some("matrix", "repeat", "parallelism")),
    "failureStrategies": st.lists(
        st.builds(
            lambda errors, action: {"onFailure": {"errors": errors, "action": action}},
            st.lists(st.sampled_from(("AllErrors", "Timeout", *WORDS)), max_size=3),
            st.deferred(lambda: some("type", "spec")),
        ),
        max_size=3,
    ),
    "infrastructure": st.builds(
        lambda spec: {"type": "KubernetesDirect", "spec": spec},
        st.deferred(
            lambda: some(
                "nodeSelector", "labels", "annotations", "tolerations", "priorityClassName", "serviceAccountName",
                "runAsUser", "namespace",
            )
        ),
    ),
    "resources": st.builds(lambda limits: {"limits": limits}, st.deferred(lambda: some("memory", "cpu"))),
    "envVariables": st.dictionaries(st.sampled_from(("A", *FLAGS)), st.sampled_from(WORDS), max_size=3),
    "variables": st.lists(st.deferred(lambda: some("name", "type", "value", "default")), max_size=3),
}  # fmt: skip
AROUND: Final = ("identifier", "name", "when", "strategy", "failureStrategies", "timeout", "variables", "template")
STEP: Final = some(
    "connectorRef", "repository", "repo", "tags", "labels", "buildArgs", "dockerfile", "context", "target",
    "envVariables", "resources", "runAsUser", "optimize", "caching", "cacheFrom", "cacheTo", "remoteCacheImage",
    "baseImageConnectorRefs", "envDockerSecrets", "fileDockerSecrets", "subscriptionId", "retry",
)  # fmt: skip


def make_step(spec: Any, kind: str, around: dict[str, Any]) -> Any:
    return {"step": {"identifier": "push", **around, "type": kind, "spec": spec}}


def make_pipeline(pipeline: dict[str, Any], codebase: Any, stage: dict[str, Any], spec: Any, each: Any) -> Any:
    inside = {**stage, "spec": {**spec, "execution": {"steps": each}}}
    return {"pipeline": {**pipeline, "properties": {"ci": {"codebase": codebase}}, "stages": [{"stage": inside}]}}


steps = st.builds(make_step, STEP, st.sampled_from(("BuildAndPushACR", "BuildAndPushDockerRegistry")), some(*AROUND))
groups = st.builds(
    lambda around, each: {"stepGroup": {**around, "steps": each}},
    some(*AROUND, "stepGroupInfra"),
    st.lists(steps, max_size=2),
)
pipelines = st.builds(
    make_pipeline,
    some("identifier", "name", "variables", "delegateSelectors"),
    GOOD["codebase"],
    some(*AROUND, "type"),
    some("cloneCodebase", "infrastructure", "platform", "sharedPaths"),
    st.lists(steps | groups, min_size=1, max_size=3),
)


def run(*texts: str, beside: str = "") -> Imported | None:
    others = [SourceFile("beside.yaml", beside)] if beside else []
    files = [SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)]
    try:
        result = import_pipelines(Order(files, templates=others, connectors=others, input_sets=others))
    except ImportFailedError:
        return None
    check(result)
    return result


def check(result: Imported) -> None:
    """What holds for every import."""
    made = [each for resources in result.resources.values() for each in resources]
    text = render(result)
    assert [each for each in yaml.safe_load_all(text) if each] == [one.manifest for one in [*result.connectors, *made]]
    names = [each.name for each in made]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)
    for each in made:
        refused = any(note.level is Level.INVALID for note in each.notes)
        try:
            parse_spec(each.manifest["spec"])
        except SpecInvalidError:
            assert refused
