"""A step means in the resource what it meant in its pipeline; what cannot be carried over is told, never lost."""

import json
from typing import Any

import pytest

from tests.unit.pipelines.pasting import one, paste, paste_pipeline, pipeline, spec_of, step, told, told_of_file


@pytest.mark.parametrize("expression", ["<+pipeline.executionId>", "<+pipeline.startTs>", "1.0.<+pipeline.startTs>"])
def test_what_only_a_run_has_is_no_reason_to_refuse_a_tag(expression: str) -> None:
    resource = one(paste_pipeline(step(tags=[expression])))
    assert (spec_of(resource)["tags"], told(resource)) == ([expression], [])


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


@pytest.mark.parametrize(
    "value", ["/harness/.npmrc", "npm/token", '<+secrets.getValue("npm")>', "<+stage.variables.x>"]
)
def test_what_names_a_secret_or_a_file_stays(value: str) -> None:
    resource = one(paste_pipeline(step(fileDockerSecrets={"NPM": value})))
    assert spec_of(resource)["fileDockerSecrets"] == {"NPM": value}


def test_a_token_in_the_name_of_a_repository_is_not_repeated() -> None:
    codebase = {
        "connectorRef": "git",
        "repoName": "https://ann:ghp_hunter2@github.com/contoso/shop.git",
        "build": "<+input>",
    }
    result = paste_pipeline(properties={"ci": {"codebase": codebase}}, url="")
    assert "hunter2" not in str(one(result))
    assert "hunter2" not in str(
        one(paste_pipeline(properties={"ci": {"codebase": codebase}}, url="https://x.y/{repo}"))
    )
