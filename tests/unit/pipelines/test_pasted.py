"""A step means in the resource what it meant in its pipeline. What cannot be carried over is told, never lost."""

import json
from typing import Any

import pytest

from buildandpush.core.expressions.evaluate import evaluate
from buildandpush.core.expressions.reader import read_condition
from tests.unit.pipelines.pasting import one, paste, paste_pipeline, pipeline, spec_of, step, told, told_of_file


@pytest.mark.parametrize("expression", ["<+pipeline.executionId>", "<+pipeline.startTs>", "1.0.<+pipeline.startTs>"])
def test_what_only_a_run_has_is_no_reason_to_refuse_a_tag(expression: str) -> None:
    resource = one(paste_pipeline(step(tags=[expression])))
    assert (spec_of(resource)["tags"], told(resource)) == ([expression], [])


def test_the_default_of_a_flag_that_is_asked_for_holds() -> None:
    """Without it the image would be pushed, which the pipeline does only when somebody says so."""
    variables = [
        {"name": "PLUGIN_NO_PUSH", "type": "String", "value": "<+input>.default(true).allowedValues(true,false)"}
    ]
    resource = one(paste_pipeline(stage={"variables": variables}))
    assert spec_of(resource)["envVariables"] == {"PLUGIN_NO_PUSH": "true"}
    assert [text for text in told(resource) if "default of the question" in text]


ASKED = "Differs: variables that are asked for at each run have their defaults here: env"


@pytest.mark.parametrize(
    "variable",
    [
        {"value": "<+input>.default(dev).allowedValues(dev,prod)"},
        {"value": "<+input>.allowedValues(dev,prod)", "default": "dev"},
        {"value": "<+input>", "default": "dev"},
    ],
)
def test_a_variable_that_is_asked_for_has_its_default_and_this_is_told(variable: dict[str, Any]) -> None:
    variables = [{"name": "env", "type": "String", **variable}, {"name": "other", "value": "<+input>.default(x)"}]
    resource = one(paste_pipeline(step(tags=["<+pipeline.variables.env>"]), variables=variables))
    assert spec_of(resource)["variables"] == {"env": "dev"}
    assert told(resource) == [ASKED]


def test_a_variable_whose_value_stands_there_is_not_told() -> None:
    variables = [{"name": "env", "type": "String", "value": "dev", "default": "prod"}]
    resource = one(paste_pipeline(step(tags=["<+pipeline.variables.env>"]), variables=variables))
    assert (spec_of(resource)["variables"], told(resource)) == ({"env": "dev"}, [])


@pytest.mark.parametrize(
    "expression",
    [
        '<+pipeline.variables["my-env"]>',
        "<+stage.variables['my-env'].toLowerCase()>",
        '<+pipeline.variables.get("my-env")>',
    ],
)
def test_a_variable_whose_name_has_a_dash_is_carried_over(expression: str) -> None:
    variables = [{"name": "my-env", "type": "String", "value": "dev"}]
    resource = one(paste_pipeline(step(tags=[expression]), variables=variables))
    assert (spec_of(resource)["tags"], spec_of(resource)["variables"]) == ([expression], {"my-env": "dev"})
    assert told(resource) == []


@pytest.mark.parametrize("value", ["2Gi", "<+input>", ["2Gi"]])
@pytest.mark.parametrize("inside", [None, "limits", "requests"])
def test_resources_that_are_no_map_are_told(value: Any, inside: str | None) -> None:
    resource = one(paste_pipeline(step(resources={inside: value} if inside else value)))
    place = f"resources.{inside}" if inside else "resources"
    assert [text for text in told(resource) if text.startswith((f"Left out: {place} ", f"To do: {place} "))]


def test_a_disk_size_is_carried_over() -> None:
    amounts = {"memory": "1Gi", "ephemeral-storage": "10Gi"}
    resource = one(paste_pipeline(step(resources={"limits": amounts})))
    assert (spec_of(resource)["resources"], told(resource)) == ({"limits": amounts}, [])


@pytest.mark.parametrize(
    ("key", "value"), [("when", "<+codebase.branch> == 'main'"), ("when", ["a"]), ("strategy", "a")]
)
def test_a_condition_or_loop_that_is_no_map_is_told(key: str, value: Any) -> None:
    resource = one(paste_pipeline(step(around={key: value})))
    assert [text for text in told(resource) if text.startswith(f"Left out: {key} of the step holds a ")]


def test_rules_for_failures_that_are_no_list_are_told() -> None:
    resource = one(paste_pipeline(step(around={"failureStrategies": {"onFailure": {}}})))
    assert told(resource) == ["Left out: failureStrategies of the step holds a map, where a list was expected"]


def test_rules_of_the_stage_that_do_not_count_are_told() -> None:
    def rules(kind: str) -> list[Any]:
        return [{"onFailure": {"errors": ["AllErrors"], "action": {"type": kind}}}]

    stage = {"failureStrategies": rules("MarkAsFailure")}
    resource = one(paste_pipeline(step(around={"failureStrategies": rules("Ignore")}), stage=stage))
    assert spec_of(resource)["failureStrategies"] == rules("Ignore")
    assert told(resource) == ["Left out: failureStrategies of the stage: those of the step are here instead"]


def test_rules_of_the_stage_are_not_replaced_by_rules_that_are_left_out() -> None:
    rules = [{"onFailure": {"errors": ["AllErrors"], "action": {"type": "Abort"}}}]
    unusable = [{"onFailure": {"errors": ["Weather"], "action": {"type": "Abort"}}}]
    resource = one(paste_pipeline(step(around={"failureStrategies": unusable}), stage={"failureStrategies": rules}))
    assert told(resource)[-1] == "Left out: failureStrategies of the stage: the step has rules of its own"


def test_rules_for_failures_that_are_asked_for_are_told_once() -> None:
    (text,) = told(one(paste_pipeline(step(around={"failureStrategies": "<+input>"}))))
    assert text.startswith("To do: failureStrategies of the step is asked for at each run (<+input>)")


def test_numbers_of_a_loop_that_are_asked_for_have_their_default() -> None:
    matrix = {"env": ["dev", "prod"], "maxConcurrency": "<+input>.default(2)"}
    given = step(around={"strategy": {"matrix": matrix}}, tags=["<+matrix.env>"])
    resource = one(paste_pipeline(given))
    assert spec_of(resource)["strategy"]["matrix"]["maxConcurrency"] == 2
    assert [text.partition(":")[0] for text in told(resource)] == ["Differs"]


@pytest.mark.parametrize("kind", ["VM", "Hosted", "KubernetesHosted"])
def test_another_infrastructure_is_told(kind: str) -> None:
    infrastructure = {"type": kind, "spec": {"type": "Pool", "spec": {"poolName": "linux"}}}
    resource = one(paste_pipeline(stage={"spec": {"infrastructure": infrastructure}}))
    assert told(resource) == [f"Left out: infrastructure: {kind}: the build runs in a pod of this cluster"]


def test_an_infrastructure_that_is_asked_for_is_told() -> None:
    resource = one(paste_pipeline(stage={"spec": {"infrastructure": "<+input>"}}))
    assert told(resource) == ["Left out: infrastructure is asked for at each run; podTemplate places the build pod"]


def test_a_namespace_that_is_asked_for_is_nothing_to_do() -> None:
    """The resource has no field for it."""
    infrastructure = {"type": "KubernetesDirect", "spec": {"namespace": "<+input>"}}
    resource = one(paste_pipeline(stage={"spec": {"infrastructure": infrastructure}}))
    assert told(resource) == [
        "Differs: the pipeline asks for the namespace at each run; name yours with kubectl apply -n"
    ]


@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_the_default_of_a_branch_that_is_asked_for_is_built(kind: str) -> None:
    build = {"type": kind, "spec": {kind: "<+input>.default(v2)"}}
    codebase = {"connectorRef": "github", "repoName": "shop", "build": build}
    resource = one(paste_pipeline(properties={"ci": {"codebase": codebase}}))
    assert spec_of(resource)["source"]["git"]["revision"] == {"branch": "v2", "tag": "refs/tags/v2"}[kind]
    assert [text for text in told(resource) if f"the {kind} is asked for at each run" in text]


def test_the_default_of_a_branch_that_only_a_run_has_is_not_told_as_built() -> None:
    build = {"type": "branch", "spec": {"branch": "<+input>.default(<+trigger.branch>)"}}
    resource = one(paste_pipeline(step(), properties={"ci": {"codebase": {"build": build}}}))
    assert "revision" not in spec_of(resource)["source"]["git"]
    (text,) = told(resource)
    assert "of each run is built there; here it is the default branch" in text


@pytest.mark.parametrize(
    "settings",
    [
        {"dockerfile": "<+input>"}, {"context": "<+input>.allowedValues(web,api)"}, {"target": "<+input>"},
        {"buildArgs": {"A": "<+input>"}}, {"buildArgs": "<+input>"}, {"labels": {"a": "<+input>"}},
        {"envVariables": {"PLUGIN_NO_PUSH": "<+input>"}},
    ],
)  # fmt: skip
def test_nothing_is_built_before_somebody_has_said_what(settings: dict[str, Any]) -> None:
    resource = one(paste_pipeline(step(**settings)))
    assert spec_of(resource)["suspend"] is True
    assert told(resource)[-1] == "To do: remove suspend after that; until then nothing is built"


def test_nothing_is_built_under_a_condition_that_is_asked_for() -> None:
    resource = one(paste_pipeline(step(around={"when": {"stageStatus": "Success", "condition": "<+input>"}})))
    assert spec_of(resource)["suspend"] is True


@pytest.mark.parametrize("settings", [{"optimize": "<+input>"}, {"resources": {"limits": {"cpu": "<+input>"}}}])
def test_what_makes_no_other_image_holds_nothing_up(settings: dict[str, Any]) -> None:
    resource = one(paste_pipeline(step(**settings)))
    assert "suspend" not in spec_of(resource)
    assert [text for text in told(resource) if text.startswith("To do: ")]


@pytest.mark.parametrize("kind", ["BuildAndPushECR", "BuildAndPushGCR", "BuildAndPushGAR", "BuildAndPushHAR"])
def test_steps_for_the_registries_of_others_are_told(kind: str) -> None:
    other = {"type": kind, "identifier": "other", "spec": {"imageName": "web", "tags": ["latest"]}}
    result = paste_pipeline(other, step())
    assert told_of_file(result) == [f"Left out: other: {kind}; only steps that push to ACR become resources"]


def test_the_plugin_in_a_step_of_its_own_is_told() -> None:
    plugin = {
        "type": "Plugin",
        "identifier": "kaniko",
        "spec": {"image": "docker.io/plugins/kaniko-acr:1.9", "settings": {"client_secret": "hunter2"}},
    }
    result = paste_pipeline(plugin, step())
    assert told_of_file(result) == [
        "To do: kaniko: the plugin in a step of the type Plugin; write it as a step of the type BuildAndPushACR and "
        "import that"
    ]


def test_a_step_that_rolls_back_builds_nothing() -> None:
    """It would build at once, and the pipeline only after a failure."""
    execution = {"steps": [{"step": step()}], "rollbackSteps": [{"step": step(around={"identifier": "back"})}]}
    result = paste_pipeline(stage={"type": "Deployment", "spec": {"execution": execution}})
    ((push, back),) = result.resources.values()
    assert "when" not in spec_of(push)
    assert spec_of(back)["when"] == {"stageStatus": "Failure"}
    assert "Differs: the step is for a rollback, and nothing is rolled back here; so none is made" in told(back)


def test_secrets_of_different_scopes_do_not_become_one_in_silence() -> None:
    arguments = {
        "A": '<+secrets.getValue("account.npm_token")>',
        "B": '<+secrets.getValue("org.npm_token")>',
        "C": '<+secrets.getValue("account.npm_token")>',
        "D": '<+secrets.getValue("pypi")>',
    }
    assert told_of_file(paste_pipeline(step(buildArgs=arguments))) == [
        "To do: account.npm_token, org.npm_token become the one Secret npm-token; if their values differ, name another "
        "Secret"
    ]


def test_each_secret_is_created_once_and_its_further_keys_are_added() -> None:
    resource = one(
        paste_pipeline(
            step(
                envDockerSecrets={"NPM": "hunter2", "PYPI": "hunter3"},
                buildArgs={"A": '<+secrets.getValue("npm")>', "B": '<+secrets.getValue("npm")>'},
            )
        )
    )
    assert told(resource) == [
        "To do: envDockerSecrets.NPM is a secret; make it with: kubectl create secret generic push-secrets "
        "--from-literal=NPM=VALUE",
        "To do: envDockerSecrets.PYPI is a secret; add it with: kubectl patch secret push-secrets "
        """-p '{"stringData":{"PYPI":"VALUE"}}'""",
        "To do: buildArgs.A is a secret; make it with: kubectl create secret generic npm --from-literal=value=VALUE",
        "To do: buildArgs.B is the same secret: the key value of the Secret npm",
    ]


@pytest.mark.parametrize("field", ["envDockerSecrets", "fileDockerSecrets"])
def test_a_password_that_stands_in_the_step_is_not_repeated(field: str) -> None:
    resource = one(paste_pipeline(step(**{field: {"NPM": "hunter2", "EMPTY": ""}})))
    assert "hunter2" not in str(resource)
    assert spec_of(resource)[field] == {"NPM": "push-secrets/NPM", "EMPTY": "push-secrets/EMPTY"}
    assert (
        f"To do: {field}.NPM is a secret; make it with: kubectl create secret generic push-secrets "
        "--from-literal=NPM=VALUE" in told(resource)
    )
    assert not [text for text in told(resource) if text.startswith("Not valid yet")]


@pytest.mark.parametrize("field", ["envDockerSecrets", "fileDockerSecrets"])
def test_a_password_that_is_the_default_of_a_question_is_not_repeated(field: str) -> None:
    resource = one(paste_pipeline(step(**{field: {"NPM": "<+input>.default(hunter2)"}})))
    assert "hunter2" not in str(resource)
    assert spec_of(resource)[field] == {"NPM": "push-secrets/NPM"}
    assert [text for text in told(resource) if f"{field}.NPM is asked for at each run (<+input>)" in text]


@pytest.mark.parametrize("question", ["<+input>", "<+input>.default(hunter2)", "<+input>.allowedValues(hunter2)"])
def test_a_flag_of_a_login_is_left_out_and_not_asked_for(question: str) -> None:
    variables = [{"name": "PLUGIN_CLIENT_SECRET", "type": "String", "value": question}]
    for resource in (
        one(paste_pipeline(step(envVariables={"PLUGIN_CLIENT_SECRET": question}))),
        one(paste_pipeline(stage={"variables": variables})),
    ):
        (text,) = told(resource)
        assert text.startswith("Left out: ")
        assert text.endswith("PLUGIN_CLIENT_SECRET: no login belongs into a spec; use connectorRef")
        assert "hunter2" not in str(resource)
        assert "suspend" not in spec_of(resource)


def test_names_that_differ_in_a_sign_have_keys_of_their_own() -> None:
    resource = one(paste_pipeline(step(envDockerSecrets={"npm-token": "a", "npm_token": "b", "npm.token": "c"})))
    assert sorted(spec_of(resource)["envDockerSecrets"].values()) == [
        "push-secrets/npm-token",
        "push-secrets/npm.token",
        "push-secrets/npm_token",
    ]


@pytest.mark.parametrize(
    "value", ["/harness/.npmrc", "npm/token", '<+secrets.getValue("npm")>', "<+stage.variables.x>"]
)
def test_what_names_a_secret_or_a_file_stays(value: str) -> None:
    resource = one(paste_pipeline(step(fileDockerSecrets={"NPM": value})))
    assert spec_of(resource)["fileDockerSecrets"] == {"NPM": value}


@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        ({"PLUGIN_BUILD_ARGS": "A=1, B=x=y"}, {"A": "1", "B": "x=y"}),
        ({"PLUGIN_BUILD_ARGS": "A=1", "PLUGIN_BUILD_ARGS_NEW": "A=2,3;B=4", "PLUGIN_MULTIPLE_BUILD_ARGS": "true"},
         {"A": "2,3", "B": "4"}),
        ({"PLUGIN_BUILD_ARGS": "A=1", "PLUGIN_BUILD_ARGS_NEW": "A=2,3;B=4"}, {"A": "1"}),
    ],
)  # fmt: skip
def test_build_arguments_that_only_a_flag_has_are_carried_over(flags: Any, arguments: Any) -> None:
    resource = one(paste_pipeline(step(envVariables=flags)))
    assert spec_of(resource)["buildArgs"] == arguments
    assert [text for text in told(resource) if text.endswith("has become buildArgs")]


def test_build_arguments_of_a_flag_without_a_value_are_told_once() -> None:
    resource = one(paste_pipeline(step(envVariables={"PLUGIN_BUILD_ARGS": "FOO"})))
    assert told(resource) == ["Left out: envVariables.PLUGIN_BUILD_ARGS: use buildArgs"]
    resource = one(paste_pipeline(step(envVariables={"PLUGIN_BUILD_ARGS": "A=1,FOO,=x"})))
    assert spec_of(resource)["buildArgs"] == {"A": "1"}
    assert told(resource) == [
        "Left out: envVariables.PLUGIN_BUILD_ARGS: FOO, =x: no name with a value; write it into buildArgs",
        "Differs: envVariables.PLUGIN_BUILD_ARGS has become buildArgs",
    ]


def test_a_secret_in_a_flag_of_build_arguments_is_one_of_the_arguments() -> None:
    resource = one(paste_pipeline(step(envVariables={"PLUGIN_BUILD_ARGS": 'A=<+secrets.getValue("npm")>'})))
    assert spec_of(resource)["buildArgsFrom"] == [{"name": "A", "secretName": "npm", "key": "value"}]


def test_build_arguments_of_a_flag_beside_those_of_the_step_are_told() -> None:
    resource = one(paste_pipeline(step(buildArgs={"A": "1"}, envVariables={"PLUGIN_BUILD_ARGS": "A=2"})))
    assert spec_of(resource)["buildArgs"] == {"A": "1"}
    assert told(resource) == ["Left out: envVariables.PLUGIN_BUILD_ARGS: use buildArgs"]


def test_a_group_that_was_a_template_has_nothing_unknown() -> None:
    group = {"stepGroup": {"identifier": "g", "stageType": "CI", "steps": [{"step": step()}]}}
    assert told(one(paste_pipeline(stage={"spec": {"execution": {"steps": [group]}}}))) == []


@pytest.mark.parametrize("login", ["ann:ghp_hunter2", "ann:ghp@hunter2", "ann@contoso.com:ghp_hunter2"])
def test_a_token_in_the_name_of_a_repository_is_not_repeated(login: str) -> None:
    codebase = {
        "connectorRef": "git",
        "repoName": f"https://{login}@github.com/contoso/shop.git",
        "build": "<+input>",
    }
    result = paste_pipeline(properties={"ci": {"codebase": codebase}}, url="")
    assert "hunter2" not in str(one(result))
    assert "hunter2" not in str(
        one(paste_pipeline(properties={"ci": {"codebase": codebase}}, url="https://x.y/{repo}"))
    )


def test_a_token_in_the_repository_of_another_step_is_not_repeated() -> None:
    spec = {"connectorRef": "git", "repoName": "https://ann:ghp_hunter2@github.com/contoso/tools.git"}
    clone = {"type": "GitClone", "identifier": "tools", "spec": spec}
    resource = one(paste_pipeline(clone, step()))
    assert "hunter2" not in str(resource)
    assert [text for text in told(resource) if "clones https://github.com/contoso/tools.git" in text]


@pytest.mark.parametrize(
    "expression",
    ["<+stage.spec.execution.steps.v.output.outputVariables.VERSION>", "<+stepGroup.steps.v.output.outputVariables.V>"],
)
def test_a_value_of_another_step_is_told_with_the_remedy(expression: str) -> None:
    resource = one(paste_pipeline(step(tags=[expression])))
    assert f"To do: tags: {expression} is not replaced here; another step makes this value; write the value" in told(
        resource
    )


def test_a_step_whose_connector_names_the_registry_keeps_its_variables() -> None:
    pushing = {
        "type": "BuildAndPushDockerRegistry",
        "identifier": "push",
        "spec": {"connectorRef": "reg", "repo": "shop/web", "tags": ["<+pipeline.variables.env>"]},
    }
    connector = {
        "identifier": "reg",
        "type": "DockerRegistry",
        "spec": {"dockerRegistryUrl": "https://contoso.azurecr.io"},
    }
    variables = [{"name": "env", "value": "dev"}]
    documents = [{"pipeline": pipeline(pushing, variables=variables)}, {"connector": connector}]
    resource = one(paste("\n---\n".join(map(json.dumps, documents))))
    assert (spec_of(resource)["variables"], told(resource)) == ({"env": "dev"}, [])


@pytest.mark.parametrize("name", ['the "big" one', "back\\slash", "it's", 'x" || true || "', "\\"])
def test_a_text_in_a_condition_stays_one_text(name: str) -> None:
    """Whatever its signs, they neither end the text nor become a part of the condition."""
    resource = one(paste_pipeline(stage={"name": name, "when": {"condition": "<+stage.name>"}}))
    condition = spec_of(resource)["when"]["condition"]
    assert evaluate(read_condition(condition), {}) == name


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_expression_in_quotes_is_replaced_in_a_condition_too(quote: str) -> None:
    """A pipeline puts the value in before it reads the condition. Here nothing within quotes is replaced."""
    condition = f'{quote}<+pipeline.variables.env>{quote} == "dev" && {quote}<+stage.identifier>{quote} == "build"'
    given = step(around={"when": {"condition": condition}})
    resource = one(paste_pipeline(given, variables=[{"name": "env", "value": "dev"}]))
    assert spec_of(resource)["when"]["condition"] == '<+pipeline.variables.env> == "dev" && "build" == "build"'
    assert told(resource) == []


def test_a_longer_text_with_an_expression_is_told_in_a_condition() -> None:
    given = step(around={"when": {"condition": '"x-<+codebase.branch>" == "x-main"'}})
    assert [text for text in told(one(paste_pipeline(given))) if "an expression in quotes is not replaced" in text]


@pytest.mark.parametrize("given", ["<+pipeline.variables.all>", ["<+pipeline.variables.all>"]])
def test_tags_of_a_variable_that_commas_part_are_several(given: Any) -> None:
    variables = [{"name": "all", "type": "String", "value": "<+input>.default(1.0,latest)"}]
    resource = one(paste_pipeline(step(tags=given), variables=variables))
    assert spec_of(resource)["tags"] == ["1.0", "latest"]
    assert told(resource) == ["Differs: variables that are asked for at each run have their defaults here: all"]


def test_a_part_of_a_variable_with_commas_stays_an_expression() -> None:
    tags = ['<+pipeline.variables.all.split(",")[0]>']
    variables = [{"name": "all", "type": "String", "value": "1.0,latest"}]
    spec = spec_of(one(paste_pipeline(step(tags=tags), variables=variables)))
    assert (spec["tags"], spec["variables"]) == (tags, {"all": "1.0,latest"})


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        (["1.0,latest"], ["1.0", "latest"]),
        ("<+pipeline.sequenceId>,latest", ["<+pipeline.sequenceId>", "latest"]),
        (["<+pipeline.sequenceId>, latest", "latest"], ["<+pipeline.sequenceId>", "latest"]),
        (['<+codebase.branch.replace(",","-")>'], ['<+codebase.branch.replace(",","-")>']),
    ],
)
def test_tags_that_commas_part_are_several(given: Any, tags: list[str]) -> None:
    """The plugin gets all tags as one text and parts it at each comma."""
    assert spec_of(one(paste_pipeline(step(tags=given))))["tags"] == tags


@pytest.mark.parametrize(
    ("question", "default"),
    [
        ('<+input>.default("a)b").allowedValues("a)b")', "a)b"),
        ("<+input>.default('a (b')", "a (b"),
        ("<+input>.default(a (b) c)", "a (b) c"),
        ('<+input>.default("a)b', '"a'),
    ],
)
def test_a_default_in_quotes_may_hold_parentheses(question: str, default: str) -> None:
    assert spec_of(one(paste_pipeline(step(buildArgs={"A": question}))))["buildArgs"] == {"A": default.strip('"')}


def test_a_rule_that_is_no_map_is_told() -> None:
    resource = one(paste_pipeline(step(around={"failureStrategies": ["Ignore"]})))
    assert told(resource) == ["Left out: failureStrategies of the step: a rule that is no map"]


def test_numbers_of_a_rule_that_are_asked_for_have_their_default() -> None:
    action = {"type": "Retry", "spec": {"retryCount": "<+input>.default(2)", "retryIntervals": ["10s"]}}
    rules = [{"onFailure": {"errors": ["AllErrors"], "action": action}}]
    resource = one(paste_pipeline(step(around={"failureStrategies": rules})))
    (rule,) = spec_of(resource)["failureStrategies"]
    assert rule["onFailure"]["action"]["spec"]["retryCount"] == 2


def _invalid(**settings: Any) -> list[str]:
    texts = told(one(paste_pipeline(step(**settings))))
    return [text.removeprefix("Not valid yet: ") for text in texts if text.startswith("Not valid yet: ")]


def test_all_mistakes_of_a_step_are_told_at_once() -> None:
    assert _invalid(
        repository="contoso.azurecr.io/shop/web:1",
        dockerfile="../Dockerfile",
        runAsUser="root",
        resources={"limits": {"memory": "1GB", "cpu": "2 cores"}},
        envVariables={"PLUGIN_NO_PUSH": "maybe", "PLUGIN_SNAPSHOT_MODE": "fast"},
    ) == [
        "repository: 'contoso.azurecr.io/shop/web:1' holds a tag or digest; put tags under tags",
        "envVariables.PLUGIN_NO_PUSH: 'maybe' is neither true nor false; write one of the two",
        "envVariables.PLUGIN_SNAPSHOT_MODE: 'fast' is unknown; write one of full, redo, time",
        "dockerfile: '../Dockerfile' leaves the source; give a path inside it",
        "runAsUser: 'root' is no user id; write a number from 0 to 2147483647",
        "resources.limits.memory: '1GB' is no amount; write a number with G, M, Gi or Mi, such as 2Gi",
        "resources.limits.cpu: '2 cores' is no amount; write a number of cores, such as 1.5 or 400m",
    ]


def test_what_only_a_wrong_strategy_leaves_without_a_value_is_no_mistake() -> None:
    around = {"strategy": {"matrix": {"py": ["3.11"]}, "parallelism": 2}}
    (text,) = _invalid(around=around, tags=["<+matrix.py>"])
    assert text.startswith("strategy: ")


def test_a_setting_that_has_another_name_here_is_named() -> None:
    texts = told(one(paste_pipeline(step(registry="contoso", repo="web", timeout="30m"))))
    assert "Left out: registry is no setting of the step; did you mean repository?" in texts
    assert "Left out: repo is no setting of the step; did you mean repository?" in texts
    assert "Left out: timeout stands beside spec in a step, and not in it; move it there and import again" in texts


@pytest.mark.parametrize(("url", "keys"), [("ftp://files.example/shop.git", 0), ("git@github.com:a/b.git", 1)])
def test_a_key_for_ssh_is_asked_for_by_addresses_of_ssh_alone(url: str, keys: int) -> None:
    texts = told(one(paste_pipeline(step(), url=url)))
    assert len([text for text in texts if "ssh-privatekey" in text]) == keys
