"""The table of situations, row by row: what the conditions say, and what kstatus and Argo CD make of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import AskLivePod
from buildandpush.core.build.world import Resource
from buildandpush.core.facts import ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from tests.unit.core.argo import argo_health
from tests.unit.core.factories import (
    DIGEST,
    ended_pod,
    login_question,
    pod_name,
    reader_pod,
    resource,
    rule,
    running_pod,
    spec,
    world,
)
from tests.unit.core.kstatus import judge
from tests.unit.core.scenes import (
    OWN,
    PUSH_LOG,
    PUSH_ONLY,
    PUSHED,
    READ_BACK,
    after,
    asked_for_long,
    failed,
    failing,
    seen,
    started,
    succeeded,
)

SHOWN = ("Ready", "Succeeded", "Completed", "Reconciling", "Stalled")


def as_object(of: Resource) -> dict[str, Any]:
    """The resource as the API server shows it."""
    return {
        "metadata": {"name": of.owner.name, "generation": of.generation},
        "spec": dict(of.spec),
        "status": of.status.to_dict(),
    }


def ended(read_back: ReadBack, asked: Callable[[Resource], Resource] = lambda of: of) -> Resource:
    first = asked(seen())
    answers = {READ_BACK: read_back, PUSH_LOG: PUSHED, OWN: DIGEST}
    return after(decide(world(first, pods=(ended_pod(0, DIGEST),), answers=answers)), first)


def read_by_pod(raw: dict[str, Any], report: str) -> Resource:
    """The operator cannot read the registry, and the pod that asks instead reports this."""
    answers = {READ_BACK: UNREADABLE, PUSH_LOG: PUSHED}
    pods = (ended_pod(0, "" if raw is PUSH_ONLY else DIGEST),)
    first = seen(raw)
    asked = after(decide(world(first, pods=pods, answers=answers)), first)
    return after(decide(world(asked, pods=(*pods, reader_pod(report)), answers=answers)), asked)


def decided(of: Resource, **surroundings: Any) -> Resource:
    return after(decide(world(of, **surroundings)), of)


def unpushed() -> Resource:
    fresh = resource(spec(envVariables={"PLUGIN_NO_PUSH": True}))
    running = decided(decided(fresh), pods=(running_pod(),))
    return decided(running, pods=(ended_pod(0, DIGEST),))


def waiting() -> Resource:
    question = login_question()
    return decided(resource(), answers={question: Waiting(Reason.CONNECTOR_MISSING, "AzureConnector 'acr'")})


def cancelled() -> Resource:
    return decided(replace(started(), cancel="1"), answers={AskLivePod(pod_name()): None})


def changed(of: Resource, **changes: Any) -> Resource:
    return decided(replace(of, generation=of.generation + 1, spec=spec(**changes)))


def invalid_beside(*pods: PodObservation) -> Resource:
    """The spec cannot be used any more, and a run is on its way."""
    return decided(replace(started(), generation=2, spec=spec(timeout="never")), pods=pods)


def stuck() -> Resource:
    """A run that has no pod yet, whose spec cannot be used any more."""
    return invalid_beside()


def gave_way() -> Resource:
    """A run gave way to a newer spec, which was corrected into one that cannot be used."""
    newer = replace(started(), generation=2, spec=spec(target="x"))
    ended_early = decided(newer, answers={AskLivePod(pod_name()): None})
    return changed(ended_early, timeout="never")


def suspended() -> Resource:
    """Another image is asked for and suspended, and then by a spec that cannot be used."""
    return changed(changed(succeeded(), suspend=True, target="x"), timeout="never", target="x")


BUSY = ReadBack({}, digest_found=False, problem="503", passing=True)
FOUND = '{"found": true, "own": false, "moved": {}}'
NOBODY = '{"problem": "no route"}'
MOVED = ReadBack({"latest": "sha256:" + "b" * 64}, digest_found=True)
UNREADABLE = ReadBack({}, digest_found=False, problem="no route")
MISSING = ReadBack({"latest": None}, digest_found=False)

NEVER = {"stageStatus": "Failure"}

ROWS: list[tuple[str, Resource, str, str, str]] = [
    ("not seen yet", resource(), "- - - - -", "InProgress", "Progressing"),
    ("accepted", started(), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("waits", waiting(), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("running", seen(), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("pushed and read back", succeeded(), "True True True - -", "Current", "Healthy"),
    ("pushed, the registry is busy", ended(BUSY), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("pushed, a pod asks instead", ended(UNREADABLE), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("pushed, confirmed by a pod", read_by_pod(spec(), FOUND), "True True True - -", "Current", "Healthy"),
    ("built, readable by nobody", read_by_pod(spec(), NOBODY), "False False True - True", "Failed", "Degraded"),
    ("push only, readable by nobody", read_by_pod(PUSH_ONLY, NOBODY), "True True True - -", "Current", "Healthy"),
    ("built and not pushed", unpushed(), "True True True - -", "Current", "Healthy"),
    ("pushed, tag moved since", ended(MOVED), "True True True - -", "Current", "Healthy"),
    ("pushed, not to be seen yet", ended(MISSING), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("pushed by kaniko's word only", ended(MISSING, asked_for_long), "False False True - True", "Failed", "Degraded"),
    ("failed for good", failed(), "False False True - True", "Failed", "Degraded"),
    ("cancelled", cancelled(), "False False True - True", "Failed", "Degraded"),
    ("spec invalid at first", changed(resource(), timeout="never"), "False - True - True", "Failed", "Degraded"),
    ("spec invalid later", changed(succeeded(), timeout="never"), "False True True - True", "Failed", "Degraded"),
    ("spec invalid, last failed", changed(failed(), timeout="never"), "False False True - True", "Failed", "Degraded"),
    ("spec invalid, a run on", invalid_beside(running_pod()), "False Unknown False - True", "Failed", "Degraded"),
    ("spec invalid and a run is stuck", stuck(), "False Unknown True - True", "Failed", "Degraded"),
    ("spec corrected, the run goes on", changed(stuck()), "Unknown Unknown False True -", "InProgress", "Progressing"),
    ("spec invalid after a run that gave way", gave_way(), "False Unknown True - True", "Failed", "Degraded"),
    ("spec invalid while suspended", suspended(), "False Unknown True - True", "Failed", "Degraded"),
    ("suspended, image current", changed(succeeded(), suspend=True), "True True True - -", "Current", "Suspended"),
    (
        "suspended, image not current",
        changed(succeeded(), suspend=True, target="x"),
        "Unknown Unknown False - -",
        "InProgress",
        "Suspended",
    ),
    ("failure ignored", failing(rule("Ignore")), "True True True - -", "Current", "Healthy"),
    ("failure marked as success", failing(rule("MarkAsSuccess")), "True True True - -", "Current", "Healthy"),
    ("when not met at first", changed(resource(), when=NEVER), "True Unknown True - -", "Current", "Healthy"),
    ("when not met later", changed(succeeded(), when=NEVER, target="x"), "True True True - -", "Current", "Healthy"),
    ("when not met after a failure", changed(failed(), when=NEVER), "False False True - True", "Failed", "Degraded"),
    ("suspended at first", changed(resource(), suspend=True), "Unknown Unknown False - -", "InProgress", "Suspended"),
]


@pytest.mark.parametrize(("situation", "of", "values", "kstatus", "argo"), ROWS, ids=[row[0] for row in ROWS])
def test_situation(situation: str, of: Resource, values: str, kstatus: str, argo: str) -> None:
    found = {item.type: item.status for item in of.status.conditions}
    assert " ".join(found.get(kind, "-") for kind in SHOWN) == values
    assert judge(as_object(of)) == kstatus
    assert argo_health(as_object(of)) == argo


@pytest.mark.parametrize("of", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_new_generation_is_in_progress_until_it_was_seen(of: Resource) -> None:
    newer = as_object(replace(of, generation=of.generation + 1))
    assert (judge(newer), argo_health(newer)) == ("InProgress", "Progressing")


@pytest.mark.parametrize("of", [row[1] for row in ROWS[1:]], ids=[row[0] for row in ROWS[1:]])
def test_every_condition_speaks_of_the_generation_that_the_status_does(of: Resource) -> None:
    assert {item.observed_generation for item in of.status.conditions} == {of.status.observed_generation}


CORRECTED: list[tuple[str, Resource, str]] = [
    ("an image that is there", changed(suspended(), suspend=True), "True True True - -"),
    ("an image that is not there", changed(suspended(), suspend=True, target="x"), "Unknown Unknown False - -"),
    ("a run that ended", changed(changed(succeeded(), timeout="never")), "True True True - -"),
    ("a run that gave way", changed(gave_way(), target="x"), "Unknown Unknown False True -"),
]


@pytest.mark.parametrize(("situation", "of", "values"), CORRECTED, ids=[row[0] for row in CORRECTED])
def test_a_corrected_spec_tells_what_it_told_before(situation: str, of: Resource, values: str) -> None:
    found = {item.type: item for item in of.status.conditions}
    assert " ".join(found[kind].status if kind in found else "-" for kind in SHOWN) == values
    assert [item.type for item in of.status.conditions if item.reason == Reason.SPEC_INVALID] == []


def test_a_run_goes_on_while_its_spec_is_invalid() -> None:
    bad = replace(seen(), generation=2, spec=spec(timeout="never"))
    obj = as_object(decided(bad, pods=(running_pod(),)))
    assert (judge(obj), argo_health(obj)) == ("Failed", "Degraded")
