"""No image differs from its Dockerfile in silence: a difference is mended, told or refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.build import BASE, FROM, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


@pytest.mark.proves("dockerfileChecks")
@pytest.mark.parametrize(
    ("dockerfile", "files", "words"),
    [
        pytest.param(
            "FROM scratch\nCOPY --exclude=*.env a /app/\nCOPY --parents a/x.txt /tree/\n"
            f"ADD --checksum=sha256:{'0' * 64} http://files.test/f /f\n",
            {"a/x.txt": "x", "a/secret.env": "TOKEN=1"},
            ["line 2: COPY --exclude", "line 3: COPY --parents", "line 4: ADD --checksum"],
            id="flags that kaniko ignores",
        ),
        pytest.param(
            "FROM scratch\nCOPY ../../.docker /d\nCOPY Dockerfile /kaniko/x\n",
            {},
            ["line 2: COPY ../../.docker: it leads out of the context", "line 3: COPY /kaniko/x"],
            id="kaniko's own folder",
        ),
        pytest.param(
            "FROM scratch\nCOPY --chown=0:root Dockerfile /f\nCOPY --chown=200000:200000 Dockerfile /g\n",
            {},
            ["line 2: COPY --chown=0:root", "--chown=0:0", "line 3: COPY --chown=200000", "userNamespace: Never"],
            id="owners",
        ),
        pytest.param("FROM scratch\nCOPY nothing* /x/\n", {}, ["line 2", "its own files"], id="nothing copied"),
        pytest.param(
            "FROM scratch\nCOPY conf/app.yml /app.yml\n",
            {".dockerignore": "conf\n", "conf/app.yml": "a: 1\n"},
            ["line 2", ".dockerignore excludes it"],
            id="ignored",
        ),
        pytest.param(
            f"{FROM.strip()} AS build\nRUN echo hi > /a\n{FROM}COPY --from=biuld /a /a\n"
            "RUN --mount=type=bind,from=build,source=/,target=/in cp /in/a /b\n",
            {},
            ["line 4: COPY --from=biuld", "write --from=build", "line 5: RUN --mount=type=bind,from=build"],
            id="other stages",
        ),
    ],
)
def test_a_wrong_or_unsafe_image_is_never_begun(
    make_build: BuildFactory, dockerfile: str, files: dict[str, str], words: list[str]
) -> None:
    build = make_build(source=inline(dockerfile, **files))
    ended = build.wait_failed("DockerfileUnsupported")
    message = ended.condition("Ready")["message"]
    assert [word for word in words if word not in message] == [], message
    assert ended.failure["container"] == "source"
    assert ended.told("SourceReady") == ("True", "SourceFetched")
    assert ended.told("DockerfileChecked") == ("False", "DockerfileUnsupported")
    states = build.pod()["status"]["containerStatuses"][0]["state"]
    assert "terminated" not in states, "kaniko never started"


def test_an_empty_dockerfile_is_told_to_be_empty(make_build: BuildFactory) -> None:
    ended = make_build(source=inline("")).wait_failed("DockerfileInvalid")
    assert "'Dockerfile': it is empty" in ended.condition("Ready")["message"]


def test_what_is_not_fetched_is_not_built_without_a_word(make_build: BuildFactory, served: str) -> None:
    """A submodule and a pointer of Git LFS, on the branch `parts`."""
    ended = make_build(source={"git": {"url": served, "revision": "parts"}}).wait_failed("SourceIncomplete")
    message = ended.condition("Ready")["message"]
    assert "line 2: lib: it is a submodule, which is not fetched" in message
    assert "line 3: weights.bin: it is a Git LFS pointer" in message


@pytest.mark.proves("dockerfileChecks")
def test_a_difference_is_told_and_the_image_is_built(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(source=inline(f"{FROM}VOLUME /v\nRUN mkdir -p /v && echo x > /v/f && echo y > /y\n"))
    ended = build.wait_succeeded()
    assert ended.told("DockerfileChecked") == ("False", "DockerfileDiffers")
    assert "line 3: RUN /v: " in ended.condition("DockerfileChecked")["message"]
    build.wait_event("Warning", "DockerfileDiffers")
    files = registry.files(build.repository, "latest")
    assert files["y"] == b"y\n"
    assert "v/f" not in files, "what is told is the case"


@pytest.mark.proves("dockerfileChecks")
def test_who_asks_for_it_gets_kanikos_own_way(make_build: BuildFactory, registry: Registry) -> None:
    dockerfile = "FROM scratch\nCOPY --exclude=*.env a /app/\n"
    build = make_build(source=inline(dockerfile, **{"a/x": "x", "a/s.env": "T"}), dockerfileChecks="Warn")
    ended = build.wait_succeeded()
    assert "COPY --exclude" in ended.condition("DockerfileChecked")["message"]
    assert set(registry.files(build.repository, "latest")) == {"app/x", "app/s.env"}


def test_the_executors_switches_make_it_do_as_buildkit_does(make_build: BuildFactory, registry: Registry) -> None:
    dockerfile = (
        f"{FROM}ARG V=1\nCOPY <<EOF /conf\nv=${{V}}\nEOF\n"
        "RUN mkdir -m 777 /w /out\nUSER 1000:2000\nCOPY f /f\nRUN id -g > /out/group\nWORKDIR /w/x/y\n"
        "USER root\nRUN mkdir -p /var/run/app && echo z > /var/run/app/pid\n"
    )
    build = make_build(source=inline(dockerfile, f="1"))
    ended = build.wait_succeeded()
    assert ended.told("DockerfileChecked") == ("True", "DockerfileChecked")
    files, owners = registry.files(build.repository, "latest"), registry.owners(build.repository, "latest")
    assert files["conf"] == b"v=1\n"
    assert files["out/group"] == b"2000\n"
    assert files["var/run/app/pid"] == b"z\n"
    assert owners["f"] == "0:0"
    assert (owners["w/x"], owners["w/x/y"]) == ("1000:2000", "1000:2000")


@pytest.mark.proves("optimize")
@pytest.mark.parametrize(("optimize", "content"), [(None, b"bbbb\n"), (True, b"aaaa\n")])
def test_a_second_write_of_equal_size_and_time_is_lost_only_where_one_asks_for_it(
    make_build: BuildFactory, registry: Registry, optimize: bool | None, content: bytes
) -> None:
    stamp = "touch -d '2020-01-01 00:00:00' /f"
    dockerfile = f"{FROM}RUN echo aaaa > /f && {stamp}\nRUN echo bbbb > /f && {stamp}\nRUN cat /f > /proof\n"
    build = make_build(source=inline(dockerfile), optimize=optimize)
    ended = build.wait_succeeded()
    files = registry.files(build.repository, "latest")
    assert files["proof"] == b"bbbb\n"
    assert files["f"] == content
    assert ended.told("SpecValid") == ("True", "ChangesMayBeLost" if optimize else "SpecValid")


@pytest.fixture
def served(tmp_path: Path, settings: Settings) -> Iterator[str]:
    """The address of a repository whose Dockerfile copies all of it; on the branch `parts`, what git does not fetch."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=main")
    commit(work, "first", {"Dockerfile": f"{FROM}COPY . /src\nRUN date > /t\n", "a": "1\n"})
    git(work, "switch", "--quiet", "--create", "parts")
    commit(work, "parts", {"Dockerfile": "FROM scratch\nCOPY lib /lib\nCOPY weights.bin /\n", "weights.bin": POINTER})
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    git(work, "commit", "--quiet", "--message", "submodule")
    git(work, "switch", "--quiet", "--force", "main")
    git(work, "clone", "--quiet", "--bare", ".", str(tmp_path / "shop.git"))
    with GitServer(tmp_path, settings.network.gateway) as server:
        yield f"{server.url}/shop.git"


@pytest.mark.proves("source.git.keepGitDir")
def test_the_history_is_in_no_image_and_spoils_no_cache(
    make_build: BuildFactory, registry: Registry, served: str
) -> None:
    build = make_build(source={"git": {"url": served}}, caching=True, envVariables={"PLUGIN_CACHE_COPY_LAYERS": True})
    build.wait_succeeded()
    first = registry.files(build.repository, "latest")
    assert first["src/a"] == b"1\n"
    assert [path for path in first if path.startswith("src/.git/")] == []
    build.edit(tags=["again"])
    build.wait_succeeded(run=2)
    assert registry.files(build.repository, "again")["t"] == first["t"], "both layers come from the cache"


def test_a_base_that_is_no_stage_is_still_an_image(make_build: BuildFactory, registry: Registry) -> None:
    dockerfile = (
        f"{FROM.strip()} AS busybox2\nRUN echo hi > /a\n{FROM}COPY --from={BASE} /bin/sh /sh\nCOPY --from=0 /a /a\n"
    )
    build = make_build(source=inline(dockerfile))
    build.wait_succeeded()
    assert registry.files(build.repository, "latest")["a"] == b"hi\n"
