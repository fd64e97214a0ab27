"""What may lose changes without a word is done as asked and told in the condition that says that the spec is good."""

from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.spec.noeffect import explain_validity
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.risks import find_risks
from tests.unit.core.factories import spec

VOLUME = {"persistentVolumeClaim": {"claimName": "builds"}}


def risks(variables: dict[str, Any] | None = None, **changes: Any) -> tuple[str, ...]:
    """The risks of a spec with these flags and fields."""
    return find_risks(parse_spec(spec(envVariables=variables, **changes)))


@pytest.mark.proves("optimize", "PLUGIN_SNAPSHOT_MODE", "PLUGIN_USE_NEW_RUN")
@pytest.mark.parametrize(
    ("variables", "changes", "field", "lost"),
    [
        ({}, {"optimize": True}, "optimize", "size and time"),
        ({"PLUGIN_SNAPSHOT_MODE": "redo"}, {}, "envVariables.PLUGIN_SNAPSHOT_MODE", "size and time"),
        ({"PLUGIN_SNAPSHOT_MODE": "time"}, {}, "envVariables.PLUGIN_SNAPSHOT_MODE", "size and time"),
        ({"PLUGIN_SNAPSHOT_MODE": "redo"}, {"optimize": True}, "optimize", "file capabilities"),
        ({"PLUGIN_USE_NEW_RUN": True}, {}, "envVariables.PLUGIN_USE_NEW_RUN", "time"),
    ],
)
def test_a_faster_way_that_loses_changes_is_told(
    variables: dict[str, Any], changes: dict[str, Any], field: str, lost: str
) -> None:
    (risk,) = risks(variables, **changes)
    assert risk.startswith(f"{field}: ")
    assert lost in risk


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({}, {}),
        ({}, {"optimize": False}),
        ({"PLUGIN_SNAPSHOT_MODE": "full", "PLUGIN_USE_NEW_RUN": False, "PLUGIN_SINGLE_SNAPSHOT": True}, {}),
        (
            {"PLUGIN_PUSH_ONLY": True, "PLUGIN_SOURCE_TAR_PATH": "x.tar"},
            {"optimize": True, "workspace": VOLUME},
        ),
    ],
)
def test_full_snapshots_and_a_mere_push_lose_nothing(variables: dict[str, Any], changes: dict[str, Any]) -> None:
    assert risks(variables, **changes) == ()


def test_a_risk_comes_before_what_has_no_effect() -> None:
    reason, message = explain_validity(parse_spec(spec(optimize=True, retry=1)))
    assert reason is Reason.CHANGES_MAY_BE_LOST
    assert message.index("optimize: ") < message.index("without effect: retry: ")
    assert "Remove what the message names" in message
