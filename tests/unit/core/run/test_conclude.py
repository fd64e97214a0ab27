"""What a status says of images after a run that ended well, and what it forgets of the run before."""

from typing import Any

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import Artifact, BuildAndPushACRStatus, ImageLinks
from buildandpush.core.build.questions import AskLinks
from buildandpush.core.facts import Links
from buildandpush.core.run.conclude import conclude
from tests.unit.core.factories import DIGEST, NOW, REPOSITORY, world
from tests.unit.core.run.several import Scene, digest_of, matrix, pushed
from tests.unit.core.scenes import succeeded

BEFORE: dict[str, Any] = {
    "digest": "sha256:before",
    "image": f"{REPOSITORY}:before",
    "links": ImageLinks(pull_command="docker pull before", manifest_url="https://before"),
    "artifacts": [Artifact.model_construct(image=f"{REPOSITORY}:before")],
    "artifacts_omitted": 3,
    "artifact_file": "{}",
}


def ended(raw: dict[str, Any] | None = None, **build: Any) -> BuildAndPushACRStatus:
    """The status of a run of one build that ended well, after one that left BEFORE. `build` changes the build."""
    of = succeeded()
    run = of.status.run
    assert run is not None
    found = run.model_copy(update={"builds": [run.builds[0].model_copy(update=build)]})
    return conclude(world(of if raw is None else Scene(raw).of), of.status.model_copy(update=BEFORE), found, NOW)


def test_one_image_takes_the_place_of_the_one_before() -> None:
    status = ended()
    assert (status.digest, status.image) == (DIGEST, f"{REPOSITORY}@{DIGEST}")
    assert status.links is not None
    assert status.links != BEFORE["links"]
    assert [artifact.image for artifact in status.artifacts or ()] == [f"{REPOSITORY}:latest"]
    assert (status.artifacts_omitted, status.artifact_file) == (None, None)


def test_a_run_that_pushed_nothing_leaves_the_last_image_and_lists_none() -> None:
    status = ended(digest=None, image=None)
    assert {name: getattr(status, name) for name in ("digest", "image", "links")} == {
        name: BEFORE[name] for name in ("digest", "image", "links")
    }
    assert (status.artifacts, status.artifacts_omitted, status.artifact_file) == ([], None, None)


def test_a_run_that_failed_leaves_all_of_it() -> None:
    status = ended(phase=Phase.FAILED, reason=Reason.BUILD_FAILED)
    assert {name: getattr(status, name) for name in BEFORE} == BEFORE


def all_pushed(raw: dict[str, Any]) -> Scene:
    scene = Scene(raw)
    scene.settle()
    scene.see(*map(pushed, range(4))).settle()
    return scene


def test_several_images_have_no_digest_in_common() -> None:
    scene = all_pushed(matrix())
    status = conclude(world(scene.of), scene.of.status.model_copy(update=BEFORE), scene.run, NOW)
    assert (status.digest, status.image, status.links) == (None, None, None)
    assert [artifact.digest for artifact in status.artifacts or ()] == [digest_of(key) for key in range(4)]


@pytest.mark.parametrize("bad", [0, 2])
def test_links_of_one_image_that_are_not_known_count_for_all(bad: int) -> None:
    scene = all_pushed(matrix())
    effective = scene.run.effective.model_copy(update={"subscription": "sub"})
    run = scene.run.model_copy(update={"effective": effective})
    good, no = Links(Reason.LINKS_RESOLVED, ""), Links(Reason.REGISTRY_NOT_LISTED, "no such registry")
    answers = {
        AskLinks(REPOSITORY, tuple(build.tags), "acr", "sub"): no if build.key == str(bad) else good
        for build in run.builds
    }
    status = conclude(world(scene.of, answers=answers), scene.of.status, run, NOW)
    found = next(item for item in status.conditions if item.type == ConditionType.LINKS_RESOLVED)
    assert (found.status, found.reason) == ("False", Reason.REGISTRY_NOT_LISTED)
    assert "no such registry" in found.message
