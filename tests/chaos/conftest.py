"""The fixtures of the faults, and the report of what they did: chaos.json, and a table at the end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster.node import supervisor
from devcluster.node.components import NAMES
from devcluster.settings import REPOSITORY_ROOT, Settings
from tests.chaos.drill import Outcome
from tests.chaos.scene import Scene
from tests.e2e.harness.api import Api
from tests.e2e.harness.azure import Azure
from tests.e2e.harness.diagnosis import explain_namespace
from tests.e2e.harness.fixtures import (  # noqa: F401
    api,
    azure,
    gate,
    namespace,
    operator,
    registry,
    settings,
    shell,
)
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.shell import Shell

REPORT = REPOSITORY_ROOT / "chaos.json"
_OUTCOMES = pytest.StashKey[list[Outcome]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OUTCOMES] = []


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> Iterator[list[Outcome]]:
    """The outcomes so far; they are written down after each fault."""
    found = request.config.stash[_OUTCOMES]
    yield found
    REPORT.write_text(json.dumps([one.row() for one in found], indent=1) + "\n")


@pytest.fixture
def scene(
    api: Api,  # noqa: F811
    azure: Azure,  # noqa: F811
    gate: Gate,  # noqa: F811
    namespace: str,  # noqa: F811
    operator: OperatorPod,  # noqa: F811
    registry: Registry,  # noqa: F811
    settings: Settings,  # noqa: F811
    shell: Shell,  # noqa: F811
) -> Iterator[Scene]:
    """A namespace with a login, and an operator in a pod that the kubelet would soon start again."""
    if operator.restarts() > 1:
        operator.renew()
    found = Scene(api, azure, gate, namespace, operator, registry, settings, shell)
    found.log_in()
    yield found
    if not all(supervisor.read_running(settings, name) for name in NAMES) or not found.answers():
        shell.devcluster("up")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add what the builds tell that a fault has lost or doubled, and at most three of them."""
    report: pytest.TestReport = yield
    values = getattr(item, "funcargs", {})
    if report.failed and report.when == "call" and "scene" in values:
        found, fault = values["scene"], values["fault"].name
        wrong = [name for one in values["outcomes"] if one.fault == fault for name in one.why][:3]
        text = explain_namespace(found.api, found.namespace, builds=wrong) if found.answers() else "no API server"
        report.sections.append(("cluster", text))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the figures."""
    outcomes = config.stash[_OUTCOMES]
    if outcomes:
        terminalreporter.section(f"faults, also in {REPORT.name}")
    for one in outcomes:
        terminalreporter.write_line(
            f"{one.fault:<28} in flight {one.in_flight:>3}   lost {one.lost}   doubled {one.doubled}"
            f"   right again after {one.recover_s:6.1f} s"
        )
