"""What a build may use: the step's notations, quoted or not, and the defaults around what is given."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.pod import Resources
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.requirements import Requirements, plan_requirements
from tests.unit.core.factories import SETTINGS


def planned(**amounts: Any) -> Requirements:
    """The requirements for these limits and requests."""
    return plan_requirements(Resources.model_validate(amounts), SETTINGS)


@pytest.mark.proves("resources.limits.memory", "resources.limits.cpu")
@pytest.mark.parametrize(
    ("limits", "memory", "cpu"),
    [
        ({}, "500Mi", "400m"),
        ({"memory": "2Gi", "cpu": "1.5"}, "2Gi", "1.5"),
        ({"memory": "300M", "cpu": 0.25}, "300M", "0.25"),
        ({"memory": "1G", "cpu": 2}, "1G", "2"),
        ({"memory": 536870912, "cpu": "250m"}, "536870912", "250m"),
        ({"memory": " 512Mi "}, "512Mi", "400m"),
    ],
)
def test_limits_are_read_quoted_or_not(limits: dict[str, Any], memory: str, cpu: str) -> None:
    found = planned(limits=limits)
    assert (found.memory_limit, found.cpu_limit) == (memory, cpu)


@pytest.mark.proves("resources.requests.memory", "resources.requests.cpu")
def test_requests_are_what_is_given_or_the_limit_of_memory_and_a_little_cpu() -> None:
    assert planned(limits={"memory": "2Gi"}).memory_request == "2Gi"
    assert planned().cpu_request == SETTINGS.cpu_request
    found = planned(limits={"memory": "2Gi", "cpu": 2}, requests={"memory": "1Gi", "cpu": 0.5})
    assert (found.memory_request, found.cpu_request) == ("1Gi", "0.5")


def test_the_default_request_is_never_above_a_limit_that_was_set_lower() -> None:
    assert planned(limits={"cpu": "50m"}).cpu_request == "50m"


@pytest.mark.parametrize("name", ["memory", "cpu", "ephemeral-storage"])
def test_a_request_above_its_limit_is_refused(name: str) -> None:
    unit = "" if name == "cpu" else "Gi"
    with pytest.raises(SpecInvalidError, match=f"^resources.requests.{name}: 2{unit} is more than the limit 1{unit}"):
        planned(limits={name: f"1{unit}"}, requests={name: f"2{unit}"})


def test_the_installers_defaults_stand_where_nothing_is_said() -> None:
    found = plan_requirements(None, replace(SETTINGS, memory_limit="1Gi", cpu_limit="2", cpu_request="1"))
    assert found == Requirements("1Gi", "2", "1Gi", "1")
