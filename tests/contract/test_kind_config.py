"""kind's own loader takes kind-config.yaml. Without Docker kind gets no further than that, which is far enough."""

from pathlib import Path

import pytest

from tests.contract.documents import KIND_CONFIG
from tests.e2e.harness.shell import Shell

pytestmark = pytest.mark.e2e

_PAST_THE_LOADER = "failed to get docker info"


@pytest.fixture(scope="session")
def kind(shell: Shell) -> str:
    """kind's path, compiled if needed."""
    return shell.devcluster("tool", "kind").splitlines()[-1]


def _create(shell: Shell, kind: str, config: Path) -> str:
    """What kind says to this configuration where no program can be found, Docker neither."""
    environment = ("env", "-i", "PATH=/nonexistent", "HOME=/nonexistent", "KIND_EXPERIMENTAL_PROVIDER=docker")
    done = shell.run(*environment, kind, "create", "cluster", "--name", "never", "--config", str(config))
    assert done.code != 0
    return done.err


def test_kinds_loader_takes_the_configuration(shell: Shell, kind: str) -> None:
    said = _create(shell, kind, KIND_CONFIG)
    assert _PAST_THE_LOADER in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("nodes:", "noodles:", id="unknown field"),
        pytest.param("kind: Cluster", "kind: Culster", id="unknown kind"),
        pytest.param("v1alpha4", "v9", id="unknown version"),
    ],
)
def test_kinds_loader_refuses_a_broken_copy(shell: Shell, kind: str, tmp_path: Path, before: str, after: str) -> None:
    """Otherwise the test above would prove nothing."""
    broken = tmp_path / "kind-config.yaml"
    text = KIND_CONFIG.read_text()
    assert before in text
    broken.write_text(text.replace(before, after))
    assert _PAST_THE_LOADER not in _create(shell, kind, broken)
