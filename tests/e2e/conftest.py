"""The end-to-end tests' fixtures, and what a failed test tells of its namespace."""

from itertools import chain
from typing import Any

import pytest

from tests.e2e.harness.api import ApiError
from tests.e2e.harness.diagnosis import explain_namespace
from tests.e2e.harness.fixtures import (  # noqa: F401
    api,
    azure,
    gate,
    login,
    make_build,
    make_connector,
    make_login,
    namespace,
    operator,
    registry,
    settings,
    shell,
    stopped,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long waits begin first, and not behind each other: a worker of xdist gets two tests at a time."""
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    items[:] = [*chain.from_iterable(zip(long, others, strict=False)), *others[len(long) :], *long[len(others) :]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the state of a failed test's namespace to its report."""
    report: pytest.TestReport = yield
    values = getattr(item, "funcargs", {})
    if report.failed and report.when == "call" and {"api", "namespace"} <= set(values):
        try:
            report.sections.append(("cluster", explain_namespace(values["api"], values["namespace"])))
        except ApiError as error:
            report.sections.append(("cluster", f"could not look: {error}"))
    return report
