"""Names as Prometheus wants them, and labels with few values whatever users and servers say."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, KubernetesError, TroubleError, UnavailableError
from buildandpush.handlers.observability.metrics import (
    CONTENT_TYPE,
    NO_ANSWER,
    OTHER,
    UNTOLD,
    Metrics,
    cause_label,
    code_label,
    outside_labels,
    reason_label,
)
from buildandpush.handlers.observability.metricspage import LABELS, OF_THE_PROCESS, render_page

PAGE = Path(__file__).parents[4] / "docs" / "metrics.md"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_names_have_the_prefix_and_say_their_unit(metrics: Metrics) -> None:
    for family in metrics.families:
        assert re.fullmatch(r"buildandpush_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        if family.kind == "histogram":
            assert family.name.endswith("_seconds"), family.name


def test_every_metric_is_on_the_page(metrics: Metrics) -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    served = [family.name for family in text_string_to_metric_families(metrics.render().decode())]
    counters = {family.name for family in metrics.families if family.kind == "counter"}
    names = {f"{name}_total" if f"{name}_total" in {*counters, *OF_THE_PROCESS} else name for name in served}
    assert len(names) > 20
    assert names - set(rows) == set()


def test_every_label_is_explained(metrics: Metrics) -> None:
    assert {label for family in metrics.families for label in family.labels} == set(LABELS)


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render_page(), "make docs"


@pytest.mark.parametrize(
    ("status", "label"),
    [(200, "200"), (404, "404"), (409, "409"), (599, "5xx"), (299, "2xx"), (999, "9xx"), (0, "0xx"), (None, NO_ANSWER)],
)
def test_a_code_is_a_label_only_if_it_means_something(status: int | None, label: str) -> None:
    assert code_label(status) == label


def test_a_server_makes_few_series_whatever_it_answers(metrics: Metrics) -> None:
    for number, status in enumerate(range(1000)):
        metrics.count_outside_request(f"host-{number}.example", status)
        metrics.count_outside_request(f"host-{number}.azurecr.io", status)
    text = metrics.render().decode()
    assert text.count("buildandpush_outside_requests_total{") < 80
    assert "host-" not in text


@pytest.mark.parametrize(
    ("host", "status", "labels"),
    [
        ("contoso.azurecr.io", 401, ("azurecr.io", "401")),
        ("contoso.azurecr.io", None, ("azurecr.io", NO_ANSWER)),
        ("login.microsoftonline.com", 429, ("entra", "429")),
        ("10.0.0.8", 200, ("other", UNTOLD)),
        ("10.0.0.8", None, ("other", UNTOLD)),
    ],
)
def test_nobody_learns_how_hosts_answer_that_users_name(host: str, status: int | None, labels: tuple[str, str]) -> None:
    assert outside_labels(host, status) == labels


@pytest.mark.parametrize(
    ("reason", "label"), [*((reason, str(reason)) for reason in Reason), ("x", OTHER), (None, OTHER)]
)
def test_a_reason_is_a_label_only_if_it_is_one_of_ours(reason: str | None, label: str) -> None:
    assert reason_label(reason) == label


@pytest.mark.parametrize(
    ("error", "label"),
    [
        (UnavailableError("away"), "unavailable"),
        (TroubleError(500, "webhook", "PATCH"), "unavailable"),
        (KubernetesError(403, "Forbidden", "no"), "refused"),
        (ConflictError(409, "Conflict", "no"), "refused"),
        (ValueError("bug"), "unexpected"),
    ],
)
def test_a_pass_fails_for_one_of_three_causes(error: Exception, label: str, metrics: Metrics) -> None:
    assert cause_label(error) == label
    metrics.note_pass("BuildAndPushACR", 0.2, error)
    metrics.note_pass("BuildAndPushACR", 0.2, None)
    value = metrics.registry.get_sample_value
    kind = {"kind": "BuildAndPushACR"}
    assert value("buildandpush_reconcile_errors_total", {**kind, "cause": label}) == 1
    assert value("buildandpush_reconcile_duration_seconds_count", kind) == 2


def test_the_queue_is_asked_when_somebody_asks(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert (value("buildandpush_queue_depth"), value("buildandpush_queue_oldest_seconds")) == (0, 0)
    metrics.watch_queue(lambda: (3, 1.5), lambda: 7)
    assert value("buildandpush_events_waiting") == 7
    assert (value("buildandpush_queue_depth"), value("buildandpush_queue_oldest_seconds")) == (3, 1.5)


def test_processes_and_tests_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.count_api_request("GET", 200)
    assert b'code="200"' in first.render()
    assert b'code="200"' not in second.render()


def test_memory_and_processor_are_told(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert (value("process_resident_memory_bytes") or 0) > 1e6
    assert value("process_cpu_seconds_total") is not None


def test_no_series_says_when_it_was_made(metrics: Metrics) -> None:
    metrics.count_login(Reason.LOGGED_IN)
    assert b'buildandpush_logins_total{reason="LoggedIn"} 1.0' in metrics.render()
    assert b"_created" not in metrics.render()


def test_the_format_is_one_that_every_prometheus_reads() -> None:
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
