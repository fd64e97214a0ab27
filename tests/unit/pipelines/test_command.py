"""`kubectl buildandpush import`: files in, files or text out, and the exit code."""

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildandpush.plugin.__main__ import main
from devcluster.settings import REPOSITORY_ROOT
from tests.unit.pipelines.shapefiles import GOLDEN, SHAPES

SHAPE = SHAPES / "one-step.yaml"
URL = "https://github.com/contoso/shop.git"
STEP = """\
- step:
    type: BuildAndPushACR
    identifier: {name}
    spec: {{connectorRef: acr, repository: contoso.azurecr.io/shop/{name}, tags: [latest]}}
"""


def load(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]


def test_a_file_becomes_text_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(SHAPE), "--git-url", URL]) == 0
    assert capsys.readouterr().out == (GOLDEN / "one-step.yaml").read_text()


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STEP.format(name="web").encode())))
    assert main(["import", "-"]) == 0
    assert [each["metadata"]["name"] for each in load(capsys.readouterr().out)] == ["acr", "web"]


def test_folders_give_templates_connectors_and_input_sets(capsys: pytest.CaptureFixture[str]) -> None:
    templates = str(SHAPES / "stage-template" / "templates")
    assert main(["import", str(SHAPES / "stage-template" / "pipeline.yaml"), "--templates", templates]) == 0
    assert capsys.readouterr().out == (GOLDEN / "stage-template.yaml").read_text()
    connectors = str(SHAPES / "github" / "connectors")
    assert main(["import", str(SHAPES / "github" / "pipeline.yaml"), "--connectors", connectors]) == 0
    assert capsys.readouterr().out == (GOLDEN / "github.yaml").read_text()
    sets = [
        word for number in (1, 2) for word in ("--input-set", str(SHAPES / "input-set" / "inputs" / f"{number}.yaml"))
    ]
    assert main(["import", str(SHAPES / "input-set" / "pipeline.yaml"), *sets]) == 0
    assert capsys.readouterr().out == (GOLDEN / "input-set.yaml").read_text()


def test_a_folder_becomes_a_folder_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, made = tmp_path / "given", tmp_path / "made"
    (given / "team").mkdir(parents=True)
    (given / "web.yml").write_text(STEP.format(name="web"))
    (given / "team" / "api.json").write_text('{"step": {"type": "BuildAndPushACR", "spec": {}}}')
    (given / "readme.txt").write_text("no pipeline")
    (given / "other.yaml").write_text("pipeline: {stages: []}")
    assert main(["import", str(given), "--output-dir", str(made), "--sequence-start", "7"]) == 0
    files = sorted(str(path.relative_to(made)) for path in made.rglob("*.yaml"))
    assert files == ["connectors.yaml", "team/api.yaml", "web.yaml"]
    (web,) = load((made / "web.yaml").read_text())
    assert web["spec"]["firstRunNumber"] == 7
    assert capsys.readouterr().out.splitlines() == [
        "team/api.json: 1 resource (buildandpushacr)",
        "web.yml: 1 resource (web)",
        f"2 resources and 1 connectors in {made}; 9 points are left to do, see the comments in the files",
    ]


def test_files_whose_output_has_the_same_name_go_into_one(tmp_path: Path) -> None:
    for name in ("connectors.yaml", "web.yaml", "web.json"):
        (tmp_path / name).write_text(STEP.format(name=name.replace(".", "-")))
    assert main(["import", str(tmp_path), "--output-dir", str(tmp_path / "made")]) == 0
    found = {path.name: load(path.read_text()) for path in (tmp_path / "made").iterdir()}
    names = {name: [each["metadata"]["name"] for each in documents] for name, documents in found.items()}
    assert names == {"connectors.yaml": ["acr", "connectors-yaml"], "web.yaml": ["web-json", "web-yaml"]}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_output_is_utf_8_whatever_the_terminal_has(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(STEP.format(name="web").replace("latest]", "latest], labels: {a: ü🎉}"), encoding="utf-8")
    command = [sys.executable, "-m", "buildandpush.plugin", "import", str(path)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=True)
    assert load(done.stdout.decode())[1]["spec"]["labels"] == {"a": "ü🎉"}


def test_whoever_reads_the_output_may_leave(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("".join(STEP.format(name=f"web{number}") for number in range(300)))
    command = f"{sys.executable} -m buildandpush.plugin import {path} | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"# To do:\n#", b"")


def test_an_unreadable_file_of_a_folder_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text(STEP.format(name="web"))
    assert main(["import", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert [each["kind"] for each in load(told.out)] == ["AzureConnector", "BuildAndPushACR"]
    assert told.err.startswith("error: a.yaml: line 2: no YAML")


def test_strict_fails_for_what_is_left_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(SHAPE), "--git-url", URL, "--strict"]) == 1
    assert capsys.readouterr().err == ""
    path = tmp_path / "check.yaml"
    path.write_text("type: BuildAndPushACR\nspec: {repository: a.azurecr.io/web, envVariables: {PLUGIN_NO_PUSH: true}}")
    assert main(["import", str(path), "--git-url", URL, "--strict"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.yaml"], "error: missing.yaml: it cannot be read: No such file or directory\n"),
        (["empty"], "error: empty: the folder has no file that ends in .yaml, .yml, .json\n"),
        (
            ["nothing.yaml"],
            "error: nothing.yaml: no step that builds and pushes to ACR was found; give a pipeline, a template, or a "
            "step with its `type: BuildAndPushACR`\n",
        ),
        (["latin.yaml"], "error: latin.yaml: byte 3: the file is no UTF-8; convert it\n"),
        (["good.yaml", "--output-dir", "nothing.yaml"], "error: nothing.yaml/connectors.yaml: it cannot be written: "),
        (["good.yaml", "good.yaml"], "error: good.yaml: two files have this name; import the folder that holds both\n"),
        (["good.yaml", "--input-set", "good.yaml"], "error: good.yaml: document 1: it is no input set\n"),
        (
            ["good.yaml", "--input-set", "overlay.yaml"],
            "error: overlay.yaml: document 1: it is an overlay; give the input",
        ),
        (["good.yaml", "--templates", "gone"], "error: gone: the folder has no file that ends in .yaml, .yml, .json\n"),
    ],
)
def test_an_error_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("nothing.yaml").write_text("pipeline: {stages: []}")
    Path("latin.yaml").write_bytes("a: é".encode("latin-1"))
    Path("good.yaml").write_text(STEP.format(name="web"))
    Path("overlay.yaml").write_text("overlayInputSet: {identifier: both, inputSetReferences: [a, b]}")
    assert main(["import", *arguments]) == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648", "9" * 40])
def test_a_number_of_the_first_run_is_one_that_runs_can_have(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", str(SHAPE), "--sequence-start", number])
    assert "is no number from 1 to 2147483647" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["github.com/contoso/shop.git", "contoso/{repo}", "git://git.example/a", "/srv/git"])
def test_an_address_that_a_build_does_not_take_is_refused_at_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", str(SHAPE), "--git-url", url])
    assert f"{url!r} is no address of a repository; write https://<host>/<path> or ssh" in capsys.readouterr().err


def test_the_page_shows_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = (REPOSITORY_ROOT / "docs" / "from-a-pipeline.md").read_text()
    step = textwrap.dedent(page.partition("`push.yaml`:\n\n")[2].partition("\n\n")[0])
    (command,) = [
        line.split()[2:] for line in page.splitlines() if line.startswith("    kubectl buildandpush import push")
    ]
    monkeypatch.chdir(tmp_path)
    Path("push.yaml").write_text(step)
    assert main(command) == 0
    assert capsys.readouterr().out.partition("---\n")[2] == page.partition("```yaml\n")[2].partition("```")[0]


def test_the_command_loads_nothing_that_asks_a_server() -> None:
    """It has to start fast: kubectl starts it anew each time."""
    code = "import sys, buildandpush.plugin.__main__; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"kopf", "kubernetes", "aiohttp", "azure", "structlog", "asyncio"} & set(done.stdout.split()) == set()
