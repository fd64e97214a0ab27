"""Several builds in one run, with real pods: how many at a time, what each of them makes, and what ends them."""

from typing import Any, Final

import pytest

from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.build import BUILD, FROM, Build, Snapshot, inline
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gate import Gate
from tests.e2e.harness.registry import Registry
from tests.e2e.harness.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

AXES: Final = {"python": ["3.11", "3.12"], "base": ["slim", "full"]}
TAGS: Final = ["slim-3.11", "slim-3.12", "full-3.11", "full-3.12"]
NAMED: Final = {
    "tags": ["<+matrix.base>-<+matrix.python>"],
    "buildArgs": {"VARIANT": "<+matrix.base>-<+matrix.python>"},
}
LABELLED: Final = f"{FROM}ARG VARIANT\nLABEL variant=$VARIANT\n"


def annotate(api: Api, build: Build, name: str, value: str) -> None:
    """Set an annotation of ours, as `kubectl annotate` does."""
    body = {"metadata": {"annotations": {f"buildandpush.dev/{name}": value}}}
    api.patch(BUILD, build.name, build.namespace, body)


def live(pods: list[Object]) -> list[str]:
    """The names of the pods whose kaniko has not ended. The phase of a pod follows a moment later."""
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["status"].get("phase") in (None, "Pending", "Running")
        and not any("terminated" in item["state"] for item in pod["status"].get("containerStatuses") or ())
    ]


def wait_end(build: Build, at_most: int, run: int = 1) -> Snapshot:
    """Wait until the run has ended. At no look there may be more live pods than that."""

    def look() -> Snapshot | None:
        assert len(live(build.pods())) <= at_most
        now = build.read()
        return now if now.has_ended(run) else None

    return eventually(look, f"end of run {run}", within=120, last_seen=lambda: str(build.read()))


def by_tag(now: Snapshot) -> dict[str, Object]:
    """The builds of a run by their only tag."""
    return {item["tags"][0]: item for item in now.builds.values()}


@pytest.mark.proves("strategy.matrix.maxConcurrency")
def test_a_matrix_makes_an_image_for_each_combination_and_two_at_a_time(
    make_build: BuildFactory, gate: Gate, registry: Registry
) -> None:
    build = make_build(
        source=inline(f"{LABELLED}{gate.run_line}"), strategy={"matrix": {**AXES, "maxConcurrency": 2}}, **NAMED
    )
    eventually(lambda: len(build.pods()) == 2, "two pods", within=60, last_seen=lambda: str(build.read()))
    gate.wait_arrival()
    gate.open()
    ended = wait_end(build, at_most=2)
    assert ended.told("Ready")[0] == "True", str(ended)
    assert list(ended.builds) == ["0", "1", "2", "3"]
    assert sorted(by_tag(ended)) == sorted(TAGS)
    for tag, item in by_tag(ended).items():
        assert registry.digest(build.repository, tag) == item["digest"]
        assert registry.labels(build.repository, tag)["variant"] == tag
        assert item["matrix"] == dict(zip(("base", "python"), tag.split("-"), strict=True))
    digests = {item["digest"] for item in ended.builds.values()}
    assert len(digests) == 4
    assert {item["image"] for item in ended.status["artifacts"]} == {f"{build.repository}:{tag}" for tag in TAGS}
    assert {item["digest"] for item in ended.status["artifacts"]} == digests


def test_the_one_build_that_failed_is_built_again_alone(
    make_build: BuildFactory, api: Api, gate: Gate, registry: Registry
) -> None:
    dockerfile = f'{LABELLED}RUN if [ "$VARIANT" = full-3.12 ]; then {gate.try_command(5)}; fi\n'
    build = make_build(source=inline(dockerfile), strategy={"matrix": AXES}, **NAMED)
    failed = build.wait_end(within=120)
    assert failed.told("Ready")[0] == "False", str(failed)
    phases = {tag: item["phase"] for tag, item in by_tag(failed).items()}
    assert phases == {**dict.fromkeys(TAGS[:3], "Succeeded"), "full-3.12": "Failed"}
    assert by_tag(failed)["full-3.12"]["failure"]["exitCode"] == 5
    before = {tag: registry.digest(build.repository, tag) for tag in TAGS[:3]}
    pods = {pod["metadata"]["name"] for pod in build.pods()}

    gate.open()
    annotate(api, build, "rebuild", "failed-1")
    again = build.wait_succeeded(run=2, within=120)
    assert len({pod["metadata"]["name"] for pod in build.pods()} - pods) == 1
    assert {tag: registry.digest(build.repository, tag) for tag in TAGS[:3]} == before
    images = {item["image"]: item["digest"] for item in again.status["artifacts"]}
    wanted = {**before, "full-3.12": registry.digest(build.repository, "full-3.12")}
    assert images == {f"{build.repository}:{tag}": digest for tag, digest in wanted.items()}


def test_a_cancelled_run_ends_with_all_of_its_builds(make_build: BuildFactory, api: Api, gate: Gate) -> None:
    build = make_build(
        source=inline(f"{LABELLED}{gate.run_line}"), strategy={"matrix": {**AXES, "maxConcurrency": 2}}, **NAMED
    )
    gate.wait_arrival()
    annotate(api, build, "cancel", "1")
    ended = build.wait_end()
    assert ended.told("Ready") == ("False", "Cancelled")
    assert {item["phase"] for item in ended.builds.values()} == {"Cancelled"}
    eventually(lambda: not live(build.pods()), "no live pod", within=60, last_seen=lambda: str(live(build.pods())))
    assert len(build.pods()) <= 2


@pytest.mark.proves("strategy.repeat.items")
def test_each_build_has_its_own_time_and_its_own_attempts(make_build: BuildFactory, gate: Gate) -> None:
    """One takes too long, one fails until it may pass, and the third is built at once."""
    dockerfile = (
        f"{FROM}ARG ITEM\n"
        f'RUN case "$ITEM" in slow) sleep 600;; again) {gate.try_command(5)};; esac\n'
    )  # fmt: skip
    action: Any = {"type": "Retry", "spec": {"retryCount": 10, "retryIntervals": ["2s"]}}
    build = make_build(
        source=inline(dockerfile),
        strategy={"repeat": {"items": ["slow", "again", "quick"]}},
        tags=["<+repeat.item>"],
        buildArgs={"ITEM": "<+repeat.item>"},
        timeout="45s",
        failureStrategies=[{"onFailure": {"errors": ["Unknown"], "action": action}}],
    )
    build.wait(lambda now: now.builds.get("1", {}).get("attempt", 1) > 1, "a further attempt")
    gate.open()
    ended = build.wait_end(within=180)
    told = {tag: (item["phase"], item.get("reason")) for tag, item in by_tag(ended).items()}
    assert (told["slow"], told["again"][0], told["quick"][0]) == (("Failed", "TimedOut"), "Succeeded", "Succeeded")
    attempts = {tag: item["attempt"] for tag, item in by_tag(ended).items()}
    assert (attempts["slow"], attempts["quick"]) == (1, 1)
    assert attempts["again"] > 1


@pytest.mark.proves("strategy.parallelism")
def test_builds_alike_are_told_apart_by_their_number(make_build: BuildFactory, registry: Registry) -> None:
    build = make_build(
        source=inline(LABELLED),
        strategy={"parallelism": "2"},
        tags=["v<+strategy.iteration>"],
        buildArgs={"VARIANT": "<+strategy.iteration> of <+strategy.iterations>"},
    )
    build.wait_succeeded(within=90)
    labels = [registry.labels(build.repository, f"v{number}")["variant"] for number in range(2)]
    assert labels == ["0 of 2", "1 of 2"]
