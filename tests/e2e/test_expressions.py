"""Expressions in the fields of a spec, and conditions that speak of the commit."""

from collections.abc import Iterator

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import GitServer, commit, git
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[str]:
    """The address of a repository with the branch feature/login."""
    root, work = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("work")
    git(work, "init", "--quiet", "--initial-branch", "feature/login")
    commit(work, "first", {"docker/web.Dockerfile": "FROM scratch\nARG VERSION\nLABEL version=$VERSION\n"})
    git(work, "clone", "--quiet", "--bare", ".", str(root / "shop.git"))
    with GitServer(root, settings.network.gateway) as server:
        yield f"{server.url}/shop.git"


@pytest.mark.proves("variables", "when.condition")
def test_fields_have_the_values_of_the_run(make_build: BuildFactory, registry: Registry, url: str) -> None:
    build = make_build(
        source={"git": {"url": url, "revision": "feature/login"}},
        variables={"app": "web"},
        dockerfile="docker/<+pipeline.variables.app>.Dockerfile",
        tags=['<+<+codebase.branch>.replace("/", "-")>', "1.<+pipeline.sequenceId>"],
        buildArgs={"VERSION": "<+pipeline.sequenceId + 41>"},
        labels={"commit": "<+codebase.commitSha>"},
        when={"condition": '<+codebase.branch> =^ "feature/" and <+trigger.branch> == null'},
    )
    ended = build.wait_succeeded()
    assert ended.build["tags"] == ["feature-login", "1.1"]
    labels = registry.labels(build.repository, "feature-login")
    assert (labels["version"], labels["commit"]) == ("42", ended.run["source"]["commit"])


def test_a_branch_that_the_condition_leaves_out_is_not_built(make_build: BuildFactory, url: str) -> None:
    build = make_build(
        source={"git": {"url": url, "revision": "feature/login"}},
        when={"condition": '<+codebase.branch> == "main"'},
    )
    skipped = build.wait(lambda found: found.status.get("phase") == "Skipped", "to be skipped")
    assert "run" not in skipped.status
