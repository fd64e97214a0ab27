"""Whether the bench would notice a build that a killed operator has lost or doubled."""

from typing import Any

import pytest

from bench.api import Watched
from bench.recovery import find_doubled, find_lost
from buildandpush.api import meta


def build(name: str = "a", *, number: int = 1, ended: bool = True, reason: str = "SucceededWithoutPush") -> Any:
    run = {"number": number, **({"finishedAt": "2026-11-24T12:00:00Z"} if ended else {})}
    conditions = [{"type": "Ready", "reason": reason}]
    return {"metadata": {"name": name}, "status": {"run": run, "conditions": conditions}}


def test_a_build_that_ended_well_in_its_first_run_is_not_lost() -> None:
    assert find_lost(["a"], [build()]) == ()


@pytest.mark.parametrize(
    "found",
    [[], [{"metadata": {"name": "a"}}], [build(ended=False)], [build(number=2)], [build(reason="Building")]],
    ids=["gone", "without a status", "not ended", "run again", "another reason"],
)
def test_any_other_is(found: list[Any]) -> None:
    assert find_lost(["a"], found) == ("a",)


def test_a_build_with_two_pods_is_doubled_even_if_one_is_gone() -> None:
    watched = Watched()
    for name, uid in (("a", "1"), ("a", "1"), ("b", "2"), ("b", "3")):
        watched.see_pod({"metadata": {"name": f"{name}-pod", "uid": uid, "labels": {meta.LABEL_NAME: name}}})
    assert find_doubled(watched.pods) == ("b",)
