"""The import's functions that take a stranger's text, each as a function of one text."""

import json
from collections.abc import Callable
from typing import Any, Final

from buildandpush.pipelines import expressions, gitaddress, names, reader, render
from buildandpush.pipelines.convert import Order, import_pipelines, render_all
from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.inputs import find_default, is_input
from buildandpush.pipelines.notes import Notes, one_line
from buildandpush.pipelines.reader import SourceFile

_TEXTS: Final = (
    "repository", "connectorRef", "dockerfile", "context", "target", "remoteCacheImage", "subscriptionId", "runAsUser",
    "optimize",
)  # fmt: skip


def import_text(words: str) -> None:
    """Import a text as it is."""
    import_pipelines(Order([SourceFile("a.yaml", words)]))


def import_values(words: str) -> None:
    """Import a pipeline that holds the text wherever a text may stand."""
    step: dict[str, Any] = {
        "type": "BuildAndPushACR",
        "identifier": words,
        words: words,
        "timeout": words,
        "when": {"condition": words},
        "spec": {
            **dict.fromkeys(_TEXTS, words),
            words: words,
            "tags": [words, words],
            "baseImageConnectorRefs": ["hub"],
            "labels": {"a": words, words: "a"},
            "buildArgs": {"a": words, words: words, "b": f"<+secrets.getValue('a')>{words}"},
            "envDockerSecrets": {"a": words},
            "envVariables": {"PLUGIN_TARGET": words, words: words},
            "resources": {"limits": {"memory": words, "cpu": words}},
        },
    }
    codebase = {"connectorRef": "git", "repoName": words, "build": {"type": "branch", "spec": {"branch": words}}}
    pipeline = {
        "identifier": words,
        "properties": {"ci": {"codebase": codebase}},
        "variables": [{"name": "a", "value": words}],
        "stages": [{"stage": {"identifier": words, "spec": {"execution": {"steps": [{"step": step}]}}}}],
    }
    connectors = (
        {"identifier": "git", "type": "Git", "spec": {"url": words, "type": "Repo"}},
        {"identifier": "hub", "type": "DockerRegistry", "spec": {"dockerRegistryUrl": f"https://{words}"}},
    )
    documents = [{"pipeline": pipeline}, *({"connector": connector} for connector in connectors)]
    files = [SourceFile(f"{number}.yaml", json.dumps(each)) for number, each in enumerate(documents)]
    result = import_pipelines(Order(files))
    render_all(each for made in result.resources.values() for each in made)


def _read(words: str) -> None:
    try:
        reader.read_documents(SourceFile("a.yaml", words))
    except ImportFailedError:
        return


def _name(words: str) -> None:
    names.slug(words)
    names.slug("-" * 400 + words)


STRANGERS: Final[dict[str, Callable[[str], Any]]] = {
    "a pipeline": import_text,
    "a file of YAML": _read,
    "a text of JSON": lambda words: reader._prepare("{" + words),
    "an expression": lambda words: expressions.write_out(words, {"a": "x", "pipeline.variables.a": words[:100]}),
    "an expression in a condition": lambda words: expressions.write_out(words, {"a": words[:20]}, quoted=True),
    "an open expression": lambda words: expressions.explain_open({"tags": [words], "variables": {"a": words}}, Notes()),
    "the variables of an expression": lambda words: expressions.used_variables({"tags": [words]}, {"a": "b"}),
    "an input": lambda words: (is_input(words), find_default(words), find_default(".default(" + words)),
    "an address of git": gitaddress._without_login,
    "a name": _name,
    "a scalar": render._scalar,
    "a comment": one_line,
}
"""All of them are measured in tests/unit/test_hostile.py, with every recipe."""

WORDS: Final = (
    "<+", "<+a>", "<+pipeline.variables.a>", "<+input>.default(", "(", "<+secrets.getValue('a')>", "git@a:", "/", "-",
    "\\", "\n", "é", "a: ", "https://a@", "A", "9", "\u2028", ",",
)  # fmt: skip
"""What values are made of to be measured: an import of them takes longer."""
