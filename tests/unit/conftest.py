"""Golden files: compared whole, rewritten by `pytest tests/unit --bless` after a change that is meant."""

import logging
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
import structlog.testing
from hypothesis import HealthCheck, settings

# The whole of tests/unit is run before every commit. It must stay quick, and say the same twice of the same code. For a
# deeper search at random, once in a while: pytest tests/unit --hypothesis-profile=deep
settings.register_profile("quick", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("quick")
# mutmut runs all tests several times in one process, so that a method of a class has another object each time.
settings.register_profile(
    "mutation", settings.get_profile("quick"), suppress_health_check=[HealthCheck.differing_executors]
)

# Nothing is logged unless a test says so: rendering tracebacks would take longer than all tests.
QUIET = structlog.make_filtering_bound_logger(logging.CRITICAL)
structlog.configure(wrapper_class=QUIET)

FIXTURES = Path(__file__).parent.parent / "fixtures"

LogLines = list[MutableMapping[str, Any]]
Golden = Callable[[str, str], None]


@pytest.fixture
def log_lines() -> Iterator[LogLines]:
    """The lines that are logged from now on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with structlog.testing.capture_logs() as lines:
        yield lines
    structlog.configure(wrapper_class=QUIET)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The simulation takes longest. It begins first, so that no process waits for it alone at the end."""
    items.sort(key=lambda item: "/simulation/" not in item.nodeid)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Holds a text to the golden file of this name below tests/fixtures."""
    bless = request.config.getoption("--bless", default=False)

    def compare(name: str, text: str) -> None:
        path = FIXTURES / name
        if bless:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{name} is missing; make it with: pytest tests/unit --bless"
        assert text == path.read_text(), f"{name} differs; if that is meant: pytest tests/unit --bless"

    return compare
