"""Exported Git connectors and input sets: where the files of a build come from, and what is asked for."""

import json
from typing import Any

import pytest

from buildandpush.pipelines.convert import Imported, Order, import_pipelines
from buildandpush.pipelines.reader import SourceFile
from tests.unit.pipelines.pasting import FILE, one, pipeline, spec_of, told


def connect(kind: str, spec: dict[str, Any], **codebase: Any) -> dict[str, Any]:
    """The source of a build whose codebase has this connector, and the notes."""
    given = {"properties": {"ci": {"codebase": {"connectorRef": "git", "repoName": "shop", **codebase}}}}
    connector = {"connector": {"identifier": "git", "type": kind, "spec": spec}}
    order = Order(
        [SourceFile(FILE, json.dumps({"pipeline": pipeline(**given)}))],
        connectors=[SourceFile("git.json", json.dumps(connector))],
    )
    resource = one(import_pipelines(order))
    return {**spec_of(resource)["source"]["git"], "notes": told(resource)}


@pytest.mark.parametrize(
    ("connection", "url"),
    [("Repo", "https://git.contoso.com/shop.git"), ("Account", "https://git.contoso.com/shop.git/shop")],
)
def test_a_plain_git_connector_says_itself_what_its_address_is(connection: str, url: str) -> None:
    """Its `type` is how it logs in."""
    spec = {"url": "https://git.contoso.com/shop.git", "type": "Http", "connectionType": connection}
    source = connect("Git", {**spec, "spec": {"username": "ann", "passwordRef": "account.git"}})
    assert source["url"] == url
    assert [text for text in source["notes"] if "username=ann " in text]


@pytest.mark.parametrize(
    ("url", "codebase", "repository"),
    [
        ("https://dev.azure.com/contoso", {"projectName": "web"}, "https://dev.azure.com/contoso/web/_git/shop"),
        (
            "https://dev.azure.com/contoso",
            {"projectName": "My Web"},
            "https://dev.azure.com/contoso/My%20Web/_git/shop",
        ),
        ("https://dev.azure.com/contoso/web", {}, "https://dev.azure.com/contoso/web/_git/shop"),
        ("https://dev.azure.com/contoso/web", {"projectName": "web"}, "https://dev.azure.com/contoso/web/_git/shop"),
        ("https://dev.azure.com/contoso/My Web", {}, "https://dev.azure.com/contoso/My%20Web/_git/shop"),
    ],
)
def test_a_repository_of_azure_has_its_project_before_it(url: str, codebase: dict[str, str], repository: str) -> None:
    scope = "Project" if url.count("/") > 3 else "Account"
    assert connect("AzureRepo", {"url": url, "type": scope}, **codebase)["url"] == repository


@pytest.mark.parametrize(
    ("project", "url", "told_of"),
    [
        ("<+input>.default(web)", "https://dev.azure.com/contoso/web/_git/shop", "codebase.projectName is asked for"),
        ("<+input>", "https://git.invalid/shop.git", "source.git.url stands in"),
        ("<+trigger.project>", "https://git.invalid/shop.git", "source.git.url stands in"),
    ],
)
def test_a_project_that_is_not_known_is_not_left_out_of_the_address(project: str, url: str, told_of: str) -> None:
    source = connect("AzureRepo", {"url": "https://dev.azure.com/contoso", "type": "Account"}, projectName=project)
    assert source["url"] == url
    assert [text for text in source["notes"] if told_of in text]


def test_a_project_that_the_connector_has_is_not_asked_for() -> None:
    spec = {"url": "https://dev.azure.com/contoso/web", "type": "Project"}
    source = connect("AzureRepo", spec, projectName="<+input>")
    assert source["url"] == "https://dev.azure.com/contoso/web/_git/shop"
    assert not [text for text in source["notes"] if "projectName" in text]


def test_a_user_in_a_command_to_copy_is_one_word() -> None:
    login = {"type": "Http", "spec": {"type": "UsernameToken", "spec": {"username": "x; rm -rf ~"}}}
    source = connect("Github", {"url": "https://github.com/contoso", "type": "Account", "authentication": login})
    assert [text for text in source["notes"] if "--from-literal=username='x; rm -rf ~' --from" in text]


def import_with(sets: dict[str, str]) -> Imported:
    files = [
        SourceFile(name, json.dumps({"inputSet": {"identifier": "i", "pipeline": {"identifier": each, "tags": {}}}}))
        for name, each in sets.items()
    ]
    return import_pipelines(Order([SourceFile(FILE, json.dumps({"pipeline": pipeline()}))], input_sets=files))


def test_an_input_set_for_no_pipeline_here_is_told() -> None:
    remarks = import_with({"shop.json": "shop", "other.json": "other"}).remarks
    assert [(name, note.level, note.text) for name, notes in remarks.items() for note in notes] == [
        (FILE, "To do", "the input set i is for the pipeline other, which is not among the files")
    ]
