"""What the spec says about the Dockerfile and the image: stages, paths, labels, arguments."""

import pytest

from tests.e2e.harness.build import BASE, FROM, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

# Bytes that a shell, a list separator or a YAML printer would change.
AWKWARD = {
    "comma": "a,b,,c",
    "semicolon": "a;b; c",
    "quotes": """single ' double " back ` end""",
    "newline": "first\nsecond\n\nfourth\n",
    "dollar": "$HOME ${HOME} $(id) \\$x",
    "equals": "a=b==c",
    "backslash": "C:\\temp\\new",
    "blanks": "  two before, two after  ",
    "unicode": "Grüße 你好 🚀",
    "brackets": "<a + b> < + >",
    "empty": "",
}

STAGES = f"""\
FROM {BASE} AS builder
RUN echo compiled > /artifact && echo secret > /scratch-file
FROM {BASE} AS debug
COPY --from=builder /artifact /debug-artifact
FROM {BASE} AS runtime
COPY --from=builder /artifact /app/artifact
LABEL stage=runtime
"""


def test_only_the_last_stage_is_in_the_image(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(source=inline(STAGES))
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert files["app/artifact"] == b"compiled\n"
    assert "scratch-file" not in files
    assert "debug-artifact" not in files


@pytest.mark.proves("target")
def test_target_ends_the_build_at_that_stage(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(source=inline(STAGES), target="debug")
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert files["debug-artifact"] == b"compiled\n"
    assert "app/artifact" not in files
    assert "stage" not in registry.labels(build.repository, "latest")


@pytest.mark.proves("labels")
def test_labels_arrive_byte_for_byte(make_build: BuildFactory, registry: Registry) -> None:
    labels = {f"example.com/{name}": value for name, value in AWKWARD.items()}
    build = make_build(labels=labels)
    build.wait_succeeded()
    found = registry.labels(build.repository, "latest")
    assert {key: value for key, value in found.items() if key.startswith("example.com/")} == labels


@pytest.mark.proves("labels")
def test_a_label_line_wins_over_the_specs_label(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(source=inline(STAGES), labels={"stage": "spec", "team": "shop"})
    build.wait_succeeded()
    found = registry.labels(build.repository, "latest")
    assert (found["stage"], found["team"]) == ("runtime", "shop")


@pytest.mark.proves("buildArgs")
def test_build_arguments_arrive_byte_for_byte(make_build: BuildFactory, registry: Registry) -> None:
    lines = [f'ARG arg_{name}\nRUN printf %s "$arg_{name}" > /{name}\n' for name in AWKWARD]
    arguments = {f"arg_{name}": value for name, value in AWKWARD.items()}
    build = make_build(source=inline(FROM + "".join(lines)), buildArgs=arguments)
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert {name: files[name].decode() for name in AWKWARD} == AWKWARD


def test_a_build_argument_can_choose_the_base_image(make_build: BuildFactory, registry: Registry) -> None:
    dockerfile = "ARG BASE=demo.azurecr.io/base/none:1\nFROM ${BASE}\nRUN echo chosen > /chosen\n"
    build = make_build(source=inline(dockerfile), buildArgs={"BASE": BASE})
    build.wait_succeeded()
    assert registry.files(build.repository, "latest")["chosen"] == b"chosen\n"


PATHS = {
    "docker/web.Dockerfile": f"{FROM}COPY . /copied/\n",
    "web/page": "page\n",
    "other/file": "other\n",
}


@pytest.mark.proves("dockerfile", "context")
@pytest.mark.parametrize(
    ("dockerfile", "context", "copied"),
    [
        pytest.param("docker/web.Dockerfile", "web", {"copied/page"}, id="context is a folder"),
        pytest.param("./docker//web.Dockerfile", "./web/", {"copied/page"}, id="untidy paths"),
        pytest.param("/harness/docker/web.Dockerfile", "/harness/web", {"copied/page"}, id="pipeline's workspace"),
        pytest.param(
            "docker/web.Dockerfile",
            "/harness",
            {"copied/web/page", "copied/other/file", "copied/docker/web.Dockerfile"},
            id="root",
        ),
        pytest.param(
            "docker/web.Dockerfile",
            None,
            {"copied/web/page", "copied/other/file", "copied/docker/web.Dockerfile"},
            id="default context is the root",
        ),
    ],
)
def test_dockerfile_and_context_are_relative_to_the_root(
    make_build: BuildFactory, registry: Registry, dockerfile: str, context: str | None, copied: set[str]
) -> None:
    build = make_build(source={"inline": {"files": PATHS}}, dockerfile=dockerfile, context=context)
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert {path for path in files if path.startswith("copied/")} == copied


@pytest.mark.proves("optimize")
@pytest.mark.parametrize("optimize", [True, False])
def test_both_ways_of_taking_snapshots_make_the_same_files(
    make_build: BuildFactory, registry: Registry, optimize: bool
) -> None:
    dockerfile = f"{FROM}RUN echo one > /f && echo gone > /gone\nRUN echo two >> /f && rm /gone\n"
    build = make_build(source=inline(dockerfile), optimize=optimize)
    build.wait_succeeded()
    assert registry.files(build.repository, "latest")["f"] == b"one\ntwo\n"


@pytest.mark.parametrize("folder", ["/workspace", "/source", "/tmp/app", "/app"])
def test_a_dockerfile_may_use_any_folder(make_build: BuildFactory, registry: Registry, folder: str) -> None:
    """kaniko leaves out of the image what lies below a mount, without a word."""
    dockerfile = f"{FROM}WORKDIR {folder}\nCOPY . .\nCOPY a b\nRUN cat a > c\n"
    build = make_build(source=inline(dockerfile, a="x", **{"sub/d": "y"}))
    build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    inside = folder.lstrip("/")
    assert {name: files.get(f"{inside}/{name}") for name in ("a", "b", "c", "sub/d")} == {
        "a": b"x", "b": b"x", "c": b"x", "sub/d": b"y",
    }  # fmt: skip


def test_a_base_image_that_another_build_pushes_is_waited_for(make_build: BuildFactory, gate: Gate) -> None:
    base = make_build("base", source=inline(f"{FROM}{gate.run_line}"))
    gate.wait_arrival()
    web = make_build("web", source=inline(f"FROM {base.repository}:latest\nRUN echo built > /built\n"))
    web.wait(lambda now: "base" in now.condition("Ready").get("message", "") and now.build["attempt"] == 1, "waits")
    gate.open()
    base.wait_succeeded()
    ended = web.wait_succeeded(within=120)
    assert ended.run["number"] == 1
