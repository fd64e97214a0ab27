"""Builds that fail: each with its own reason, the exit code, the end of the log, and what to do."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.harness.api import CONNECTOR, Api
from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.fixtures import BuildFactory, LoginFactory
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Failing:
    """A spec, the reason it must fail for, words of the message, and words of the log's end."""

    spec: dict[str, Any]
    reason: str
    message: list[str]
    log: list[str] = field(default_factory=list)
    container: str = "kaniko"
    exit_code: int | None = 1


CASES = {
    "unknown base image": Failing(
        {"source": inline("FROM demo.azurecr.io/base/none:1\nRUN true\n")},
        "BaseImageNotFound",
        ["base/none", "Correct its name or tag"],
        ["base/none"],
    ),
    "unknown base image in COPY": Failing(
        {"source": inline(f"{FROM}COPY --from=demo.azurecr.io/base/none:1 /a /a\n")},
        "BaseImageNotFound",
        ["base/none", "COPY --from"],
    ),
    "Dockerfile missing": Failing(
        {"source": {"inline": {"files": {"web/Containerfile": "FROM scratch\n", "README": "x"}}}},
        "DockerfileNotFound",
        ["'Dockerfile'", "README, web/", "relative to the source's root"],
        container="source",
    ),
    "Dockerfile missing in its folder": Failing(
        {"source": {"inline": {"files": {"web/Containerfile": "FROM scratch\n"}}}, "dockerfile": "web/Dockerfile"},
        "DockerfileNotFound",
        ["'web/Dockerfile'", "web/ has Containerfile"],
        container="source",
    ),
    "context missing": Failing(
        {"source": inline(FROM), "context": "nowhere"},
        "ContextNotFound",
        ["'nowhere'", "has Dockerfile", "Correct context"],
        container="source",
    ),
    "unknown instruction": Failing(
        {"source": inline(f"{FROM}INSTALL everything\n")}, "DockerfileInvalid", ["INSTALL", "Correct the line"]
    ),
    "empty Dockerfile": Failing(
        {"source": inline("\n")}, "DockerfileInvalid", ["'Dockerfile': it is empty"], container="source"
    ),
    "copied file missing": Failing(
        {"source": inline(f"{FROM}COPY nothing /there\n")}, "CopiedFileNotFound", ["nothing", "relative to context"]
    ),
    "unknown target": Failing({"target": "release"}, "TargetNotFound", ["release", "Correct target"]),
    "RUN ends with 7": Failing(
        {"source": inline(f"{FROM}RUN echo about to fail; exit 7\n")},
        "RunFailed",
        ["exit code 7", "The exit code is the command's own"],
        ["about to fail"],
        exit_code=7,
    ),
    "RUN does not exist": Failing(
        {"source": inline(f"{FROM}RUN no-such-program\n")},
        "RunFailed",
        ["exit code 127"],
        ["not found"],
        exit_code=127,
    ),
    "RUN claims to be another error": Failing(
        {"source": inline(f'{FROM}RUN echo "error pushing image: UNAUTHORIZED"; exit 9\n')},
        "RunFailed",
        ["exit code 9"],
        exit_code=9,
    ),
    "timeout": Failing(
        {"source": inline(f"{FROM}RUN echo sleeps now; sleep 600\n"), "timeout": "15s"},
        "TimedOut",
        ["longer than timeout", "Raise timeout"],
        ["sleeps now"],
        exit_code=None,
    ),
}


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("case", CASES)
def test_a_failing_build_gives_reason_exit_code_log_and_remedy(make_build: BuildFactory, case: str) -> None:
    wanted = CASES[case]
    ended = make_build(**wanted.spec).wait_failed(wanted.reason)
    message, log = ended.build["message"], ended.failure.get("logTail", "")
    assert [word for word in wanted.message if word not in message] == [], message
    assert [word for word in wanted.log if word not in log] == [], log
    assert ended.failure["container"] == wanted.container
    if wanted.exit_code is not None:
        assert ended.failure["exitCode"] == wanted.exit_code
    assert "digest" not in ended.status
    assert ended.status.get("artifacts", []) == []


@pytest.mark.usefixtures("login")
def test_a_build_over_its_memory_is_out_of_memory_and_succeeds_with_more(make_build: BuildFactory) -> None:
    # dd holds a block in memory: more than the limit, whatever the machine.
    dockerfile = f"{FROM}RUN dd if=/dev/zero of=/dev/null bs=200M count=1\n"
    build = make_build(source=inline(dockerfile), resources={"limits": {"memory": "100Mi"}})
    message = build.wait_failed("OutOfMemory").build["message"]
    assert "Raise resources.limits.memory" in message
    build.edit(resources={"limits": {"memory": "500Mi"}})
    ended = build.wait_succeeded(run=2)
    assert ended.run["trigger"] == "RetryAfterChange"
    assert ended.run["effective"]["memoryLimit"] == "500Mi"


def test_a_wrong_password_is_told_without_repeating_it(
    make_build: BuildFactory, make_login: LoginFactory, operator: OperatorPod
) -> None:
    make_login(login={"password": "not-the-password"})
    ended = make_build().wait_failed("PushUnauthorized")
    assert "Correct the Secret that the connector names" in ended.build["message"]
    assert "not-the-password" not in str(ended.raw["status"])
    assert "not-the-password" not in operator.log()


def test_a_corrected_password_helps_the_next_run(
    make_build: BuildFactory, make_login: LoginFactory, registry: Registry
) -> None:
    make_login(login={"password": "not-the-password"})
    build = make_build(source=inline(f"{FROM}RUN echo one\n"))
    build.wait_failed("PushUnauthorized")
    make_login()
    build.edit_dockerfile(f"{FROM}RUN echo two\n")
    ended = build.wait_succeeded(run=2)
    assert registry.digest(build.repository, "latest") == ended.status["digest"]


def _touch(api: Api, kind: str, name: str, namespace: str) -> None:
    """Annotate an object, which changes nothing that anybody uses."""
    api.patch(kind, name, namespace, {"metadata": {"annotations": {"e2e.buildandpush.dev/touched": "now"}}})


def test_a_password_that_was_corrected_is_all_that_a_refused_push_needs(
    make_build: BuildFactory, make_login: LoginFactory, api: Api, namespace: str
) -> None:
    make_login(login={"password": "not-the-password"})
    build = make_build()
    build.wait_failed("PushUnauthorized")
    make_login(connector=False)
    build.touch()
    assert build.wait_succeeded(run=2).run["trigger"] == "RetryAfterChange"


@pytest.mark.usefixtures("login")
def test_a_secret_that_is_only_touched_starts_no_run(make_build: BuildFactory, api: Api, namespace: str) -> None:
    build = make_build(source=inline(f"{FROM}RUN exit 3\n"))
    failed = build.wait_failed("RunFailed")
    _touch(api, "Secret", "acr-push", namespace)
    _touch(api, CONNECTOR, "acr", namespace)
    build.touch()
    make_build(connectorRef="nobody").wait_reason("ConnectorMissing")  # by then the first was looked at, too
    assert build.read().run == failed.run
    assert len(build.pods()) == 1


@pytest.mark.usefixtures("login")
def test_a_failure_keeps_the_image_of_the_last_good_run(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build()
    good = build.wait_succeeded().status
    build.edit_dockerfile(f"{FROM}RUN exit 3\n")
    failed = build.wait_failed("RunFailed", run=2).status
    assert (failed["digest"], failed["image"], failed["artifacts"]) == (
        good["digest"],
        good["image"],
        good["artifacts"],
    )
    assert registry.digest(build.repository, "latest") == good["digest"]


@pytest.mark.usefixtures("login")
def test_a_login_printed_by_a_run_line_is_masked_in_the_status(make_build: BuildFactory, registry: Registry) -> None:
    """RUN lines can read kaniko's login; what they print of it must not get into the status."""
    build = make_build(source=inline(f"{FROM}RUN cat /kaniko/.docker/config.json; echo; exit 5\n"))
    ended = build.wait_failed("RunFailed")
    log = ended.failure["logTail"]
    assert "demo.azurecr.io" in log
    assert "***" in log
    assert not [form for form in registry.secret_forms if form in str(ended.raw)]


@pytest.mark.usefixtures("login")
def test_a_bare_login_printed_by_a_run_line_is_masked_in_the_status(
    make_build: BuildFactory, registry: Registry
) -> None:
    dockerfile = f"""{FROM}RUN grep -o '"auth":"[^"]*' /kaniko/.docker/config.json | cut -d'"' -f4; exit 5\n"""
    ended = make_build(source=inline(dockerfile)).wait_failed("RunFailed")
    assert not [form for form in registry.secret_forms if form in str(ended.raw)]
