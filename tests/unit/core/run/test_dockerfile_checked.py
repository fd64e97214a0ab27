"""What the init container found in the Dockerfile stands in a condition and is told once; Ready does not hang on it."""

import json
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.status import MAX_MESSAGE, BuildAndPushACRStatus
from buildandpush.core.build.questions import AskReadBack
from buildandpush.core.build.world import Announce, Decision
from buildandpush.core.facts import ReadBack
from buildandpush.core.pod.observation import PodObservation, read_source_report
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import DIGEST, REPOSITORY, container, pod, resource, terminated, world

WARNING = "line 3: RUN /v: kaniko leaves what RUN writes below a VOLUME out of the image; put the VOLUME line after it"
READ_BACK = AskReadBack(REPOSITORY, ("latest",), DIGEST, "acr")


def started() -> BuildAndPushACRStatus:
    """The status once the first run's pod is asked for."""
    return decide(world(resource())).status


def going_on(status: BuildAndPushACRStatus, at: PodObservation) -> Decision:
    """The next decision with this pod."""
    answers = {READ_BACK: ReadBack({"latest": DIGEST}, True)}
    return decide(world(resource(status=status), pods=(at,), answers=answers))


def source(code: int = 0, **report: Any) -> dict[str, Any]:
    """The init container, ended with this report."""
    return container("source", terminated=terminated(code, message=json.dumps(report)))


def building(**report: Any) -> PodObservation:
    """A pod whose source is there."""
    kaniko = container("kaniko", running={"startedAt": "2026-11-24T12:00:01Z"})
    return pod(initContainerStatuses=[source(**report)], containerStatuses=[kaniko])


def built(**report: Any) -> PodObservation:
    """A pod that has ended well."""
    kaniko = container("kaniko", terminated=terminated(0, message=DIGEST))
    return pod(phase="Succeeded", initContainerStatuses=[source(**report)], containerStatuses=[kaniko])


def checked(status: BuildAndPushACRStatus) -> tuple[str, str, str] | None:
    """The condition DockerfileChecked."""
    found = next((item for item in status.conditions if item.type == "DockerfileChecked"), None)
    return (found.status, found.reason, found.message) if found else None


def told(decision: Decision) -> list[Announce]:
    """The Events about differences."""
    return [
        action
        for action in decision.actions
        if isinstance(action, Announce) and action.reason == Reason.DOCKERFILE_DIFFERS
    ]


@pytest.mark.parametrize(
    ("report", "condition"),
    [
        ({}, None),
        ({"warnings": None}, None),
        ({"warnings": "no list"}, None),
        ({"warnings": []}, ("True", "DockerfileChecked")),
        ({"warnings": [WARNING]}, ("False", "DockerfileDiffers")),
    ],
)
@pytest.mark.parametrize("at", [building, built])
def test_the_condition_says_what_was_found(report: dict[str, Any], condition: Any, at: Any) -> None:
    found = checked(going_on(started(), at(**report)).status)
    assert (found[:2] if found else None) == condition
    if report.get("warnings") == [WARNING]:
        assert found is not None
        assert WARNING in found[2]


def test_differences_are_told_once_and_ready_does_not_hang_on_them() -> None:
    first = going_on(started(), building(warnings=[WARNING]))
    assert [(event.warning, event.key) for event in told(first)] == [(True, "run-1")]
    second = going_on(first.status, building(warnings=[WARNING]))
    assert told(second) == []
    last = going_on(second.status, built(warnings=[WARNING]))
    assert told(last) == []
    assert next(item for item in last.status.conditions if item.type == "Ready").status == "True"


def test_an_operator_that_sees_only_the_end_tells_them_too() -> None:
    assert len(told(going_on(started(), built(warnings=[WARNING])))) == 1
    assert told(going_on(started(), built(warnings=[]))) == []


def test_the_next_run_begins_without_them() -> None:
    ended = going_on(started(), built(warnings=[WARNING])).status
    again = decide(world(resource({**resource().spec, "tags": ["other"]}, status=ended, generation=2)))
    assert again.status.run is not None
    assert again.status.run.number == 2
    assert checked(again.status) is None


@pytest.mark.parametrize("reason", ["DockerfileUnsupported", "SourceIncomplete"])
def test_what_ends_the_run_is_said_of_the_dockerfile_and_not_of_the_source(reason: str) -> None:
    message = "line 2: ADD --checksum: kaniko adds the download without a check"
    failed = pod(phase="Failed", initContainerStatuses=[source(1, reason=reason, message=message)])
    decision = going_on(started(), failed)
    if decision.questions:  # the log's end, which has nothing to add
        answers = dict.fromkeys(decision.questions, "")
        decision = decide(world(resource(status=started()), pods=(failed,), answers=answers))
    conditions = {item.type: item for item in decision.status.conditions}
    assert (conditions["SourceReady"].status, conditions["SourceReady"].reason) == ("True", "SourceFetched")
    assert (conditions["DockerfileChecked"].status, conditions["DockerfileChecked"].reason) == ("False", reason)
    assert (conditions["Succeeded"].status, conditions["Succeeded"].reason) == ("False", reason)
    assert message in conditions["Succeeded"].message
    assert told(decision) == []
    assert decision.status.run is not None
    assert decision.status.run.builds[0].attempt == 1, "no other attempt would find another Dockerfile"


@pytest.mark.parametrize("warnings", [["x" * 700] * 5, ["ж" * 60] * 9, ["a\x1b[31m\nb"], [1, None, {}]])
def test_any_warnings_fit_into_the_message(warnings: list[Any]) -> None:
    found = checked(going_on(started(), building(warnings=warnings)).status)
    assert found is not None
    assert len(found[2].encode()) <= MAX_MESSAGE
    assert "\x1b" not in found[2]


def test_a_report_has_at_most_five_warnings() -> None:
    report = read_source_report(building(warnings=["x"] * 50).source)
    assert report.warnings == ("x",) * 5
