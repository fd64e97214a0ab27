"""A source that somebody sends into the build pod with kubectl exec, as the status says."""

import re
from pathlib import Path

import pytest

from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM, Build, Snapshot
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Finished, Shell

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


def wait_for_command(build: Build, *, run: int = 1) -> str:
    """The part of the command that the status names behind the pipe."""

    def awaits(now: Snapshot) -> bool:
        return now.run.get("number") == run and now.build.get("reason") == "UploadAwaited"

    told = build.wait(awaits, "it waits for its upload")
    assert told.told("Ready")[0] != "True"
    assert told.told("Reconciling")[0] == "True", "Argo CD and Flux show progress"
    found = re.search(r"tar -cz [.] [|] (kubectl exec .*)$", told.build["message"])
    assert found, told.build["message"]
    return found[1]


def send(shell: Shell, folder: Path, pack: str, command: str) -> Finished:
    """Run a pipe as a user would who stands in the folder."""
    kubectl = command.replace("kubectl", str(shell.settings.bin / "kubectl"), 1)
    return shell.run("bash", "-c", f"cd {folder} && {pack} | {kubectl}")


@pytest.mark.proves("source.upload.timeout")
def test_a_folder_is_sent_and_built_once_it_comes_whole(
    make_build: BuildFactory, shell: Shell, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"{FROM}COPY . /source\n")
    (tmp_path / ".dockerignore").write_text("*.log\n")
    (tmp_path / "app.txt").write_text("sent by hand\n")
    (tmp_path / "large.log").write_bytes(b"x" * 100_000)
    build = make_build(source={"upload": {"timeout": "2m"}})
    command = wait_for_command(build)
    broken = send(shell, tmp_path, "tar -c . | head -c 6000", command)
    assert (broken.code, "SourceInvalid: the archive is broken" in broken.err) == (1, True), broken
    whole = send(shell, tmp_path, "tar -cz .", command)
    assert (whole.code, whole.out.startswith("Uploaded 3 files, ")) == (0, True), whole
    ended = build.wait_succeeded()
    assert ended.run["source"]["fileCount"] == 3
    files = registry.files(build.repository, "latest")
    assert files["source/app.txt"] == b"sent by hand\n"
    assert "source/large.log" not in files


def test_nobody_waits_for_an_upload_for_ever(make_build: BuildFactory, api: Api) -> None:
    build = make_build(source={"upload": {"timeout": "3s"}})
    failed = build.wait_failed("UploadNotReceived")
    assert "no complete upload within 3 s" in failed.build["message"]
    assert failed.build["attempt"] == 1
    build.edit(source={"upload": {"timeout": "2m"}})  # which alone starts nothing
    annotations = {"buildandpush.dev/rebuild": "again"}
    api.patch("BuildAndPushACR", build.name, build.namespace, {"metadata": {"annotations": annotations}})
    wait_for_command(build, run=2)
