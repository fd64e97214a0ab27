"""The main job: a resource is applied, its image is in the registry, and the status says which and where."""

import json

import pytest

from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.build import FROM, Snapshot, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Shell
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


@pytest.mark.proves("repository", "tags")
def test_every_tag_names_the_digest_in_the_status(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(tags=["latest", "1.<+pipeline.sequenceId>", "v1"])
    status = build.wait_succeeded().status
    digest = status["digest"]
    assert {tag: registry.digest(build.repository, tag) for tag in ("latest", "1.1", "v1")} == {
        "latest": digest,
        "1.1": digest,
        "v1": digest,
    }
    assert status["image"] == f"{build.repository}@{digest}"
    assert [(item["image"], item["digest"]) for item in status["artifacts"]] == [
        (f"{build.repository}:latest", digest),
        (f"{build.repository}:1.1", digest),
        (f"{build.repository}:v1", digest),
    ]
    assert status["links"]["pullCommand"] == f"docker pull {build.repository}@{digest}"


def test_a_good_build_is_told_by_status_kubectl_and_events(
    make_build: BuildFactory, shell: Shell, registry: Registry
) -> None:
    build = make_build()
    arguments = ("--namespace", build.namespace, "wait", "--for=condition=Ready", f"bpacr/{build.name}")
    waited = shell.kubectl(*arguments, "--timeout=60s")
    assert (waited.code, waited.out) == (0, f"buildandpushacr.buildandpush.dev/{build.name} condition met\n"), (
        waited.err
    )
    ended = build.wait_succeeded()
    _assert_conditions(ended)
    _assert_run(ended.run)
    listed = shell.kubectl("--namespace", build.namespace, "get", "bpacr").out
    assert "Succeeded" in listed
    assert listed.splitlines()[0].split()[:4] == ["NAME", "PHASE", "REASON", "RUN"]
    build.wait_event("Normal", "Succeeded")
    assert build.events() == [("Normal", "Accepted"), ("Normal", "Succeeded")]
    assert registry.labels(build.repository, "latest")["buildandpush.dev/run"] == ended.run_label(1)
    files = registry.files(build.repository, "latest")
    assert not [path for path in files if path.startswith(("kaniko", "workspace", "etc/buildandpush"))]
    assert not [path for path, content in files.items() if registry.password.encode() in content]


def _assert_conditions(ended: Snapshot) -> None:
    assert {item["type"]: (item["status"], item["reason"]) for item in ended.status["conditions"]} == {
        "Ready": ("True", "Succeeded"),
        "Succeeded": ("True", "Succeeded"),
        "Completed": ("True", "Succeeded"),
        "SpecValid": ("True", "SpecValid"),
        "SourceReady": ("True", "SourceFetched"),
        "DockerfileChecked": ("True", "DockerfileChecked"),
        "Built": ("True", "Built"),
        "Pushed": ("True", "Pushed"),
        "Verified": ("True", "Verified"),
    }
    assert {item["observedGeneration"] for item in ended.status["conditions"]} == {ended.generation}
    assert ended.status["observedGeneration"] == ended.generation
    assert (ended.status["phase"], ended.build["phase"]) == ("Succeeded", "Succeeded")


def _assert_run(run: Object) -> None:
    assert (run["number"], run["trigger"], run["generation"]) == (1, "Spec", 1)
    assert run["startedAt"] <= run["builds"][0]["startedAt"] <= run["builds"][0]["finishedAt"] <= run["finishedAt"]
    effective = run["effective"]
    assert (effective["memoryLimit"], effective["cpuLimit"]) == ("500Mi", "400m")
    assert (effective["timeoutSeconds"], effective["runAsUser"], effective["connector"]) == (3600, 0, "acr")


def test_the_image_holds_what_the_dockerfile_made(make_build: BuildFactory, registry: Registry) -> None:
    dockerfile = (
        f"{FROM}WORKDIR /srv\nCOPY page.html .\nRUN mkdir made && echo by run > made/file && chmod 755 made/file\n"
        'ENV GREETING=hello\nUSER 1000\nEXPOSE 8080\nENTRYPOINT ["/bin/sh"]\nCMD ["-c", "cat /srv/page.html"]\n'
    )
    build = make_build(source=inline(dockerfile, **{"page.html": "<p>page</p>\n"}))
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert files["srv/page.html"] == b"<p>page</p>\n"
    assert files["srv/made/file"] == b"by run\n"
    config = registry.config(build.repository, "latest")["config"]
    assert (config["WorkingDir"], config["User"], config["Entrypoint"]) == ("/srv", "1000", ["/bin/sh"])
    assert config["Cmd"] == ["-c", "cat /srv/page.html"]
    assert "GREETING=hello" in config["Env"]
    assert "8080/tcp" in config["ExposedPorts"]


def test_nothing_of_kaniko_or_its_login_is_in_the_image(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build()
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert not [path for path in files if path.startswith(("kaniko", "workspace", "etc/buildandpush"))]
    assert not [path for path, content in files.items() if registry.password.encode() in content]


def test_the_pushed_image_runs_as_a_pod(make_build: BuildFactory, api: Api, registry: Registry) -> None:
    build = make_build(source=inline(f'{FROM}COPY note /note\nCMD ["cat", "/note"]\n', note="it runs\n"))
    image = build.wait_succeeded().status["image"]
    login = {"auths": {registry.host: {"username": registry.user, "password": registry.password}}}
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull", "namespace": build.namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(login)},
    }
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "proof", "namespace": build.namespace},
        "spec": {
            "restartPolicy": "Never",
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [{"name": "proof", "image": image}],
        },
    }
    api.create(secret)
    api.create(pod)
    eventually(
        lambda: api.get("Pod", "proof", build.namespace)["status"]["phase"] == "Succeeded",
        "the image runs",
        last_seen=lambda: str(api.get("Pod", "proof", build.namespace)["status"]),
    )
    assert api.log(build.namespace, "proof", "proof") == "it runs\n"


def test_builds_of_one_namespace_run_side_by_side(make_build: BuildFactory) -> None:
    builds = [make_build(name=f"side-{number}") for number in range(3)]
    assert len({build.wait_succeeded().status["image"] for build in builds}) == 3
