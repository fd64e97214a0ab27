"""Metrics as Prometheus itself judges them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from buildandpush.api.meta import BUILD_KIND, Phase, Trigger
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import UnavailableError
from buildandpush.handlers.observability.metrics import Metrics
from buildandpush.handlers.observability.runmeter import RunMeter
from devcluster.machine.packages import ensure_promtool
from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.operatorpod import OperatorPod

pytestmark = pytest.mark.e2e


@pytest.fixture
def promtool(settings: Settings) -> Path:
    """The program, which needs no server."""
    return ensure_promtool(settings)


def _check(promtool: Path, text: bytes) -> str:
    """What promtool finds wrong; empty for nothing."""
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    found = (done.stdout + done.stderr).decode()
    assert (done.returncode == 0) == (not found), found
    return found


def _fill(metrics: Metrics) -> None:
    """Count something of everything, so that each metric has a series."""
    RunMeter(metrics)
    metrics.builds.labels(Phase.SUCCEEDED, Reason.SUCCEEDED).inc()
    metrics.builds_started.labels(Trigger.SPEC).inc()
    metrics.retries.labels(Reason.EVICTED).inc()
    metrics.build_seconds.labels(Phase.SUCCEEDED).observe(40)
    metrics.phase_seconds.labels("build").observe(30)
    metrics.note_pass(BUILD_KIND, 0.1, UnavailableError("away"))
    metrics.loop_lag.observe(0.01)
    metrics.count_api_request("GET", 200)
    metrics.count_outside_request("contoso.azurecr.io", 200)
    metrics.count_login(Reason.LOGGED_IN)


def test_promtool_finds_nothing_wrong_with_any_metric(promtool: Path) -> None:
    metrics = Metrics()
    _fill(metrics)
    empty = [family.name for family in metrics.families if f"\n{family.name}".encode() not in metrics.render()]
    assert empty == [], "count something of these as well"
    assert _check(promtool, metrics.render()) == ""


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text.replace(b"builds_total", b"builds"), id="a counter without its ending"),
        pytest.param(lambda text: text.replace(b"_seconds", b"_milliseconds"), id="no base unit"),
        pytest.param(lambda text: text + b"no metric\n", id="another format"),
    ],
)
def test_promtool_would_find_what_is_wrong(spoil: Callable[[bytes], bytes], promtool: Path) -> None:
    metrics = Metrics()
    _fill(metrics)
    assert _check(promtool, spoil(metrics.render())) != ""


def test_promtool_finds_nothing_wrong_with_what_a_replica_serves(api: Api, promtool: Path) -> None:
    assert _check(promtool, OperatorPod(api).metrics_text()) == ""
